"""Keys and sessions as strings: made, hashed, signed and verified without a database."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

import msgspec

from loopwright.foundation.errors import Unauthenticated
from loopwright.foundation.identity import Principal, Role

KEY_PREFIX = "lw-"
SESSION_HOURS = 12


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
