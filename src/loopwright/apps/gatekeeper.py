"""Nobody reaches a handler of control unchecked: every route declares its action, every caller is known first."""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from loopwright.access import AccessService, allowed
from loopwright.access.routes import SESSION_COOKIE
from loopwright.apps.local import OPERATOR_HEADER
from loopwright.foundation.errors import Denied, LoopwrightError, NotFound, Unauthenticated
from loopwright.foundation.identity import PUBLIC, Principal, action_of
from loopwright.foundation.telemetry import request_context, request_id

OPERATOR = "operator"
"""The action of routes that only this machine's own processes may call."""

_GUARDED = ("/api", "/internal", "/v1")
_SAFE = {"GET", "HEAD", "OPTIONS"}


class Gatekeeper:
    """ASGI middleware that authenticates and authorises before a body is read."""

    def __init__(self, application: ASGIApp, app: FastAPI, access: AccessService, operator_token: str) -> None:
        self._next = application
        self._app = app
        self._access = access
        self._operator_token = operator_token
        check_declared(app.routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on with `request.state.principal`, or answers 401, 403, 404 as a problem."""
        if scope["type"] != "http":
            await self._next(scope, receive, send)
            return
        with request_context("req_" + os.urandom(12).hex()):
            try:
                await self._admit(scope)
            except LoopwrightError as error:
                body = error.problem(request_id())
                response = JSONResponse(body, error.status, media_type="application/problem+json")
                await response(scope, receive, send)
                return
            await self._next(scope, receive, send)

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
        authorization = headers.get("authorization", "")
        if authorization:
            scheme, _, key = authorization.partition(" ")
            if scheme.lower() != "bearer" or not key or " " in key:
                raise Unauthenticated("the Authorization header is not of the form: Bearer lw-…")
            return self._access.authenticate(key)
        if key := headers.get("x-api-key", ""):
            return self._access.authenticate(key)
        cookie = _session_cookie(headers)
        if not cookie:
            raise Unauthenticated(
                "nobody is signed in",
                hint="send Authorization: Bearer lw-…, or get a sign-in link with: loopwright login",
            )
        claims = self._access.session(cookie)
        given = headers.get("x-loopwright-csrf", "")
        if method not in _SAFE and not hmac.compare_digest(given.encode(), claims.csrf.encode()):
            raise Denied("the browser session needs the x-loopwright-csrf header", hint="reload the page")
        return claims.principal()


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


def _session_cookie(headers: Headers) -> str:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(SESSION_COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
