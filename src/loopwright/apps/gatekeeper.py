"""Nobody reaches a handler of control unchecked: routes declare actions, callers are known, bodies are sound."""

from __future__ import annotations

import hmac
import logging
import os
from collections.abc import Iterable
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from loopwright.access import AccessService, allowed, bearer_key, check_csrf, session_cookie
from loopwright.apps.bodies import sound_body
from loopwright.apps.local import OPERATOR_HEADER
from loopwright.foundation.errors import Denied, LoopwrightError, NotFound, Unauthenticated
from loopwright.foundation.identity import PUBLIC, Principal, action_of
from loopwright.foundation.telemetry import request_context, request_id

_log = logging.getLogger(__name__)

OPERATOR = "operator"
"""The action of routes that only this machine's own processes may call."""

_GUARDED = ("/api", "/internal", "/v1")
_SAFE = {"GET", "HEAD", "OPTIONS"}
_EVERY_ANSWER = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
}


class Gatekeeper:
    """ASGI middleware that authenticates and authorises before a body is read, and answers what nobody else did."""

    def __init__(self, application: ASGIApp, app: FastAPI, access: AccessService, operator_token: str) -> None:
        self._next = application
        self._app = app
        self._access = access
        self._operator_token = operator_token
        check_declared(app.routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on with `request.state.principal`, or answers 401, 403, 404 as a problem.

        Every answer, also that of a fault, carries the headers of `_EVERY_ANSWER` and the request's id.
        """
        if scope["type"] != "http":
            await self._next(scope, receive, send)
            return
        started = False

        async def send_guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                headers = MutableHeaders(raw=message["headers"])
                for name, value in {**_EVERY_ANSWER, "x-request-id": request_id()}.items():
                    headers.setdefault(name, value)
            await send(message)

        with request_context("req_" + os.urandom(12).hex()):
            try:
                await self._admit(scope)
                await self._next(scope, await sound_body(scope, receive), send_guarded)
            except Exception as error:
                if not isinstance(error, LoopwrightError):
                    _log.exception("a request failed inside control")
                if started:
                    raise
                await problem(error)(scope, receive, send_guarded)

    async def _admit(self, scope: Scope) -> None:
        action = self._action(scope)
        if action == PUBLIC or (action is None and not scope["path"].startswith(_GUARDED)):
            return
        headers = Headers(scope=scope)
        if self._is_operator(headers):
            principal = await run_in_threadpool(self._access.operator)
        elif action == OPERATOR:
            raise NotFound("there is nothing here")
        else:
            principal = await run_in_threadpool(self._authenticate, scope["method"], headers)
        if action is None:
            raise NotFound(f"there is no {scope['method']} {scope['path']}")
        if action != OPERATOR and not allowed(principal, action):
            raise Denied(f"the role {principal.role!r} may not do {action}", hint="use a key with a higher role")
        scope.setdefault("state", {})["principal"] = principal

    def _action(self, scope: Scope) -> str | None:
        for route in api_routes(self._app.routes):
            match, _ = route.matches(scope)
            if match is Match.FULL:
                return action_of(route.endpoint)
        return None

    def _is_operator(self, headers: Headers) -> bool:
        given = headers.get(OPERATOR_HEADER, "")
        return bool(given) and hmac.compare_digest(given.encode(), self._operator_token.encode())

    def _authenticate(self, method: str, headers: Headers) -> Principal:
        if authorization := headers.get("authorization", ""):
            return self._access.authenticate(bearer_key(authorization))
        if key := headers.get("x-api-key", ""):
            return self._access.authenticate(key)
        cookie = session_cookie(headers.get("cookie", ""))
        if not cookie:
            raise Unauthenticated(
                "nobody is signed in",
                hint="send Authorization: Bearer lw-…, or get a sign-in link with: loopwright login",
            )
        claims = self._access.session(cookie)
        if method not in _SAFE:
            check_csrf(claims, headers.get("x-loopwright-csrf", ""))
        return claims.principal()


def problem(error: Exception) -> JSONResponse:
    """The RFC 9457 answer to an error; one that is not ours is told as a fault of control's, its text only logged."""
    if not isinstance(error, LoopwrightError):
        error = LoopwrightError(
            "control failed on this request", hint=f"look for {request_id()} in logs/control.log of the data folder"
        )
    headers = {"retry-after": "2"} if error.status == 503 else {}
    return JSONResponse(error.problem(request_id()), error.status, headers, media_type="application/problem+json")


def check_declared(routes: Iterable[BaseRoute]) -> None:
    """Raises RuntimeError that names every route without an action."""
    undeclared = [f"{sorted(r.methods or ())} {r.path}" for r in api_routes(routes) if action_of(r.endpoint) is None]
    if undeclared:
        raise RuntimeError(f"routes without an action: {', '.join(undeclared)}")


def api_routes(routes: Iterable[Any]) -> Iterable[APIRoute]:
    """Every API route, also those of included routers."""
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        elif inner := getattr(getattr(route, "original_router", None), "routes", None):
            yield from api_routes(inner)
