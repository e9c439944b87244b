"""Keys and sessions as strings: made, hashed, signed and verified without a database."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from http.cookies import CookieError, SimpleCookie

import msgspec

from loopwright.foundation.errors import Denied, Unauthenticated
from loopwright.foundation.identity import Principal, Role

KEY_PREFIX = "lw-"
SESSION_HOURS = 12
SESSION_COOKIE = "loopwright_session"


def new_key() -> str:
    """A fresh API key: `lw-` and 256 random bits."""
    return KEY_PREFIX + secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """SHA-256 in hexadecimal; enough for secrets of 256 random bits, which cannot be guessed."""
    return hashlib.sha256(secret.encode()).hexdigest()


class SessionClaims(msgspec.Struct, frozen=True, kw_only=True):
    """What a browser session says of its holder. `expires` is in Unix seconds."""

    team_id: str
    subject: str
    role: Role
    key_id: str
    csrf: str
    expires: int

    def principal(self) -> Principal:
        """The caller behind the session."""
        return Principal(team_id=self.team_id, subject=self.subject, role=self.role, key_id=self.key_id)


class SessionSigner:
    """Signs session claims into a cookie value and back; nothing is kept on the server."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, claims: SessionClaims) -> str:
        """`payload.signature`, both base64url, HMAC-SHA256."""
        payload = base64.urlsafe_b64encode(msgspec.json.encode(claims))
        return f"{payload.decode()}.{self._signature(payload)}"

    def verify(self, cookie: str, now_s: int) -> SessionClaims:
        """The claims of a cookie. Raises Unauthenticated when it is forged, damaged or expired."""
        payload, _, signature = cookie.partition(".")
        if not hmac.compare_digest(self._signature(payload.encode()).encode(), signature.encode()):
            raise Unauthenticated("the session is not one of ours", hint="sign in again")
        try:
            claims = msgspec.json.decode(base64.urlsafe_b64decode(payload), type=SessionClaims)
        except (ValueError, msgspec.MsgspecError) as error:
            raise Unauthenticated("the session cannot be read", hint="sign in again") from error
        if claims.expires <= now_s:
            raise Unauthenticated("the session has expired", hint="sign in again")
        return claims

    def _signature(self, payload: bytes) -> str:
        digest = hmac.new(self._key, payload, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def bearer_key(authorization: str) -> str:
    """The key in an Authorization header. Raises Unauthenticated for any other form."""
    scheme, _, key = authorization.partition(" ")
    if scheme.lower() != "bearer" or not key or " " in key:
        raise Unauthenticated("the Authorization header is not of the form: Bearer lw-…", hint="send the key as it is")
    return key


def session_cookie(cookies: str) -> str:
    """The session in a Cookie header; empty when there is none or the header cannot be read."""
    try:
        morsel = SimpleCookie(cookies).get(SESSION_COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def check_csrf(claims: SessionClaims, given: str) -> None:
    """Raises Denied unless the x-loopwright-csrf header is the session's own: no other site can know it."""
    if not hmac.compare_digest(given.encode(), claims.csrf.encode()):
        raise Denied("the browser session needs the x-loopwright-csrf header", hint="reload the page")
