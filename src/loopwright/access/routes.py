"""HTTP face of access: sessions and keys."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from loopwright.access.credentials import SESSION_COOKIE, SESSION_HOURS
from loopwright.access.schemas import NewKey, SignIn
from loopwright.access.service import AccessService
from loopwright.foundation.errors import Invalid, Unauthenticated
from loopwright.foundation.identity import PUBLIC, action


def build_router(service: AccessService) -> APIRouter:
    """Routes of sessions and keys."""
    router = APIRouter(tags=["access"])

    @router.post("/api/session")
    @action(PUBLIC)
    def sign_in(request: Request, response: Response, body: SignIn) -> Any:
        if not body.key and not body.login_token:
            raise Invalid("give a key or a login_token", hint="get a sign-in link with: loopwright login")
        cookie, session = service.sign_in(body.key, body.login_token)
        response.set_cookie(
            SESSION_COOKIE,
            cookie,
            max_age=SESSION_HOURS * 3600,
            httponly=True,
            samesite="strict",
            secure=request.headers.get("x-forwarded-proto") == "https",
        )
        return session

    @router.get("/api/session")
    @action("session.read")
    def session(request: Request) -> Any:
        cookie = request.cookies.get(SESSION_COOKIE)
        if not cookie:
            raise Unauthenticated("there is no browser session", hint="sign in first")
        return service.describe(service.session(cookie))

    @router.delete("/api/session", status_code=204)
    @action("session.read")
    def sign_out(response: Response) -> None:
        response.delete_cookie(SESSION_COOKIE, samesite="strict", httponly=True)

    @router.post("/api/login-tokens", status_code=201)
    @action("login.admin")
    def login_token(request: Request) -> Any:
        return {"login_token": service.login_token(request.state.principal)}

    @router.get("/api/keys")
    @action("keys.read")
    def keys(request: Request) -> Any:
        return {"items": service.keys(request.state.principal), "next_cursor": None}

    @router.post("/api/keys", status_code=201)
    @action("keys.admin")
    def create_key(request: Request, body: NewKey) -> Any:
        return service.create_key(request.state.principal, body.name, body.role)

    @router.delete("/api/keys/{key_id}", status_code=204)
    @action("keys.admin")
    def revoke_key(request: Request, key_id: str) -> None:
        service.revoke_key(request.state.principal, key_id)

    return router
