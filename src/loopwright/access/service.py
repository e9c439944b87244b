"""The rules of access: first start, keys, sessions."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from loopwright.access.credentials import SESSION_HOURS, SessionClaims, SessionSigner, hash_secret, new_key
from loopwright.access.schemas import IssuedKey, Key, Session
from loopwright.access.store import AccessStore
from loopwright.foundation.clock import Clock, iso
from loopwright.foundation.errors import Denied, NotFound, Unauthenticated
from loopwright.foundation.identity import ROLES, Principal, Role
from loopwright.foundation.ids import new_id

LOGIN_TOKEN_MINUTES = 30
_USE_RESOLUTION_US = 60_000_000


@dataclass(frozen=True)
class FirstStart:
    """What the first start made; `key` is shown once and kept only as a hash."""

    team_id: str
    user_id: str
    key: str


class AccessService:
    """Teams, users, keys and browser sessions."""

    def __init__(self, store: AccessStore, signer: SessionSigner, clock: Clock) -> None:
        self._store = store
        self._signer = signer
        self._clock = clock

    def first_start(self) -> FirstStart | None:
        """Makes the first team, its admin and one API key in one transaction; None when they exist."""
        if self._store.first_team() is not None:
            return None
        now = self._clock.now_us()
        made = FirstStart(new_id("team"), new_id("user"), new_key())
        with self._store.database.write() as c:
            # Two starts at once: the second waits for the first one's transaction, and finds its team.
            if self._store.has_team(c):
                return None
            self._store.add_team(c, {"id": made.team_id, "name": "default", "created_us": now})
            self._store.add_user(
                c, {"id": made.user_id, "team_id": made.team_id, "name": "admin", "role": "admin", "created_us": now}
            )
            self._store.add_key(c, self._key_row(made.team_id, "first key", "admin", made.user_id, made.key))
        return made

    def operator(self) -> Principal:
        """The person at this machine's console, who owns the data folder: admin of the first team."""
        team = self._store.first_team()
        if team is None:
            raise NotFound("there is no team yet", hint="start Loopwright once with: loopwright up")
        user = self._store.first_user(team["id"])
        return Principal(team_id=team["id"], subject=user["id"] if user else "operator", role="admin")

    def create_key(self, principal: Principal, name: str, role: Role) -> IssuedKey:
        """A new key of the caller's team. Raises Denied when it would be worth more than the caller."""
        if ROLES.index(role) < ROLES.index(principal.role):
            raise Denied(
                f"a {principal.role} cannot make a key with the role {role}", hint="ask an admin", param="role"
            )
        secret = new_key()
        row = self._key_row(principal.team_id, name, role, principal.subject, secret)
        with self._store.database.write() as c:
            self._store.add_key(c, row)
        return IssuedKey(**_key(row).model_dump(), key=secret)

    def keys(self, principal: Principal) -> list[Key]:
        """Keys of the caller's team, newest first."""
        return [_key(row) for row in self._store.keys(principal.team_id)]

    def revoke_key(self, principal: Principal, key_id: str) -> None:
        """Ends a key at once. Raises NotFound."""
        with self._store.database.write() as c:
            revoked = self._store.revoke_key(c, principal.team_id, key_id, self._clock.now_us())
        if not revoked:
            raise NotFound(f"no active key {key_id!r}", hint="list keys with: loopwright keys ls")

    def authenticate(self, key: str) -> Principal:
        """The caller behind an API key. Raises Unauthenticated."""
        row = self._store.key_by_hash(hash_secret(key))
        if row is None or row["revoked_us"] is not None:
            what = "the API key is not known here" if row is None else "the API key was revoked"
            raise Unauthenticated(what, hint="make one with: loopwright keys create NAME")
        now = self._clock.now_us()
        if now - (row["last_used_us"] or 0) > _USE_RESOLUTION_US:
            self._store.mark_used(row["id"], now)
        return Principal(team_id=row["team_id"], subject=row["id"], role=row["role"], key_id=row["id"])

    def login_token(self, principal: Principal) -> str:
        """A one-time token good for 30 minutes; it signs a browser in as the caller, a key's while the key works."""
        user = self._store.user(principal.team_id, principal.subject) or self._store.first_user(principal.team_id)
        if user is None:
            raise NotFound("the team has no user to sign in as", hint="start Loopwright once with: loopwright up")
        # The key is part of the token, whose hash vouches for it: a session must not outlive the key that opened it.
        token = f"{secrets.token_urlsafe(32)}.{principal.key_id}" if principal.key_id else secrets.token_urlsafe(32)
        expires = self._clock.now_us() + LOGIN_TOKEN_MINUTES * 60_000_000
        self._store.add_login_token(
            {
                "token_hash": hash_secret(token),
                "team_id": principal.team_id,
                "user_id": user["id"],
                "expires_us": expires,
            }
        )
        return token

    def sign_in(self, key: str, login_token: str) -> tuple[str, Session]:
        """Cookie value and session of a browser. Raises Unauthenticated."""
        if key:
            principal = self.authenticate(key)
        else:
            row = self._store.use_login_token(hash_secret(login_token), self._clock.now_us())
            user = self._store.user(row["team_id"], row["user_id"]) if row else None
            if user is None:
                raise Unauthenticated(
                    "the sign-in link was used already or has expired", hint="get a new one with: loopwright login"
                )
            principal = self._signing_in(user, login_token.partition(".")[2])
        claims = SessionClaims(
            team_id=principal.team_id,
            subject=principal.subject,
            role=principal.role,
            key_id=principal.key_id,
            csrf=secrets.token_urlsafe(24),
            expires=self._clock.now_us() // 1_000_000 + SESSION_HOURS * 3600,
        )
        return self._signer.sign(claims), self.describe(claims)

    def session(self, cookie: str) -> SessionClaims:
        """The claims of a cookie whose key, if it came by one, still works. Raises Unauthenticated."""
        claims = self._signer.verify(cookie, self._clock.now_us() // 1_000_000)
        if claims.key_id:
            row = self._store.key(claims.team_id, claims.key_id)
            if row is None or row["revoked_us"] is not None:
                raise Unauthenticated("the key this session was opened with was revoked", hint="sign in again")
        return claims

    def _signing_in(self, user: Any, key_id: str) -> Principal:
        if not key_id:
            return Principal(team_id=user["team_id"], subject=user["id"], role=user["role"])
        row = self._store.key(user["team_id"], key_id)
        if row is None or row["revoked_us"] is not None:
            raise Unauthenticated("the key this sign-in link was made with was revoked", hint="sign in with another")
        return Principal(team_id=row["team_id"], subject=row["id"], role=row["role"], key_id=row["id"])

    def describe(self, claims: SessionClaims) -> Session:
        """What the browser may know of its session."""
        team = self._store.team(claims.team_id)
        named = self._store.user(claims.team_id, claims.subject) or self._store.key(claims.team_id, claims.subject)
        return Session(
            user=named["name"] if named else claims.subject,
            team={"id": claims.team_id, "name": team["name"] if team else claims.team_id},
            role=claims.role,
            csrf=claims.csrf,
            expires_at=iso(claims.expires * 1_000_000),
        )

    def _key_row(self, team_id: str, name: str, role: Role, created_by: str, secret: str) -> dict[str, Any]:
        return {
            "id": new_id("key"),
            "team_id": team_id,
            "name": name,
            "role": role,
            "prefix": secret[:9],
            "key_hash": hash_secret(secret),
            "created_by": created_by,
            "created_us": self._clock.now_us(),
        }


def _key(row: Any) -> Key:
    used, revoked = row.get("last_used_us"), row.get("revoked_us")
    return Key(
        id=row["id"],
        name=row["name"],
        prefix=row["prefix"],
        role=row["role"],
        created_at=iso(row["created_us"]),
        last_used_at=iso(used) if used else None,
        revoked_at=iso(revoked) if revoked else None,
    )
