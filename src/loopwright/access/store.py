"""All SQL of access."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, select, update

from loopwright.access.tables import api_keys, login_tokens, teams, users
from loopwright.foundation.database import Database

NewRow = Mapping[str, Any]


class AccessStore:
    """Rows of teams, users, keys and login tokens, stored as given."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def first_team(self) -> RowMapping | None:
        """The oldest team, or None before the first start."""
        with self.database.read() as c:
            return c.execute(select(teams).order_by(teams.c.created_us).limit(1)).mappings().first()

    def has_team(self, c: Connection) -> bool:
        """Whether the first start has happened, as this transaction sees it."""
        return c.execute(select(teams.c.id).limit(1)).first() is not None

    def team(self, team_id: str) -> RowMapping | None:
        """One team."""
        with self.database.read() as c:
            return c.execute(select(teams).where(teams.c.id == team_id)).mappings().first()

    def first_user(self, team_id: str) -> RowMapping | None:
        """The oldest user of a team."""
        with self.database.read() as c:
            query = select(users).where(users.c.team_id == team_id).order_by(users.c.created_us).limit(1)
            return c.execute(query).mappings().first()

    def user(self, team_id: str, user_id: str) -> RowMapping | None:
        """One user of a team."""
        with self.database.read() as c:
            query = select(users).where(users.c.team_id == team_id, users.c.id == user_id)
            return c.execute(query).mappings().first()

    def add_team(self, c: Connection, row: NewRow) -> None:
        """Stores a team."""
        c.execute(teams.insert().values(**row))

    def add_user(self, c: Connection, row: NewRow) -> None:
        """Stores a user."""
        c.execute(users.insert().values(**row))

    def add_key(self, c: Connection, row: NewRow) -> None:
        """Stores a key and tells the gateways."""
        c.execute(api_keys.insert().values(**row))
        self.database.announce(c)

    def keys(self, team_id: str) -> Sequence[RowMapping]:
        """Keys of a team, newest first."""
        with self.database.read() as c:
            query = select(api_keys).where(api_keys.c.team_id == team_id).order_by(api_keys.c.id.desc())
            return c.execute(query).mappings().all()

    def active_keys(self) -> Sequence[RowMapping]:
        """Every key of every team that is not revoked, for the gateway's snapshot."""
        with self.database.read() as c:
            return c.execute(select(api_keys).where(api_keys.c.revoked_us.is_(None))).mappings().all()

    def key_by_hash(self, key_hash: str) -> RowMapping | None:
        """The key with this hash, revoked or not."""
        with self.database.read() as c:
            return c.execute(select(api_keys).where(api_keys.c.key_hash == key_hash)).mappings().first()

    def key(self, team_id: str, key_id: str) -> RowMapping | None:
        """One key of a team."""
        with self.database.read() as c:
            query = select(api_keys).where(api_keys.c.team_id == team_id, api_keys.c.id == key_id)
            return c.execute(query).mappings().first()

    def revoke_key(self, c: Connection, team_id: str, key_id: str, now_us: int) -> bool:
        """Whether there was such a key that still worked."""
        changed = c.execute(
            update(api_keys)
            .where(api_keys.c.team_id == team_id, api_keys.c.id == key_id, api_keys.c.revoked_us.is_(None))
            .values(revoked_us=now_us)
        ).rowcount
        self.database.announce(c)
        return bool(changed)

    def mark_used(self, key_id: str, now_us: int) -> None:
        """Remembers when a key was last used."""
        with self.database.write() as c:
            c.execute(update(api_keys).where(api_keys.c.id == key_id).values(last_used_us=now_us))

    def add_login_token(self, row: NewRow) -> None:
        """Stores a one-time token by its hash."""
        with self.database.write() as c:
            c.execute(login_tokens.insert().values(**row))

    def use_login_token(self, token_hash: str, now_us: int) -> RowMapping | None:
        """The token's row if it was unused and not expired; it is used up by this call."""
        with self.database.write() as c:
            changed = c.execute(
                update(login_tokens)
                .where(
                    login_tokens.c.token_hash == token_hash,
                    login_tokens.c.used_us.is_(None),
                    login_tokens.c.expires_us > now_us,
                )
                .values(used_us=now_us)
            ).rowcount
            if not changed:
                return None
            return c.execute(select(login_tokens).where(login_tokens.c.token_hash == token_hash)).mappings().first()
