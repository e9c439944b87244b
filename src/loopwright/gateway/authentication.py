"""Who is calling: bearer keys and browser sessions, checked against the snapshot in memory."""

from __future__ import annotations

import time
from collections.abc import Callable

from loopwright.access import SessionSigner, allowed, bearer_key, check_csrf, hash_secret, session_cookie
from loopwright.catalog import Snapshot
from loopwright.foundation.errors import Denied, Unauthenticated
from loopwright.foundation.identity import Principal

CSRF_HEADER = b"x-loopwright-csrf"
Headers = dict[bytes, bytes]


class Authenticator:
    """Turns request headers into a principal that may call models."""

    def __init__(self, snapshot: Callable[[], Snapshot], signer: SessionSigner) -> None:
        self._snapshot = snapshot
        self._signer = signer

    def principal(self, headers: Headers, *, safe: bool) -> Principal:
        """The caller. `safe` requests change nothing and need no CSRF header. Raises Unauthenticated, Denied."""
        key = _key(headers)
        found = self._by_key(key) if key else self._by_session(headers, safe)
        if not allowed(found, "model.call"):
            raise Denied(f"the role {found.role!r} may not call models", hint="use a key with the role member or admin")
        return found

    def _by_key(self, key: str) -> Principal:
        principal = self._snapshot().keys.get(hash_secret(key))
        if principal is None:
            shown = key[:9] + "…" if key.startswith("lw-") else "that does not start with lw-"
            raise Unauthenticated(
                f"the API key {shown} is not known here, or was revoked",
                hint="make one with: loopwright keys create NAME",
            )
        return principal

    def _by_session(self, headers: Headers, safe: bool) -> Principal:
        cookie = session_cookie(headers.get(b"cookie", b"").decode("latin-1"))
        if not cookie:
            raise Unauthenticated(
                "there is no API key in the request",
                hint="send Authorization: Bearer lw-…; the key was printed at first start",
            )
        claims = self._signer.verify(cookie, int(time.time()))
        if not safe:
            check_csrf(claims, headers.get(CSRF_HEADER, b"").decode("latin-1"))
        if claims.key_id and all(known.key_id != claims.key_id for known in self._snapshot().keys.values()):
            raise Unauthenticated("the key this session was opened with was revoked", hint="sign in again")
        return claims.principal()


def _key(headers: Headers) -> str:
    if authorization := headers.get(b"authorization", b"").decode("latin-1"):
        return bearer_key(authorization)
    return (headers.get(b"x-api-key") or headers.get(b"api-key") or b"").decode("latin-1")
