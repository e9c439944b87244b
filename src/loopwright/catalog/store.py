"""All SQL of the catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, select, update

from loopwright.catalog.tables import aliases, endpoints, prices, providers, releases
from loopwright.foundation.database import Database

NewRow = Mapping[str, Any]
TABLES = {table.name: table for table in (providers, endpoints, releases, aliases, prices)}


class CatalogStore:
    """Rows of providers, endpoints, releases, aliases and prices, stored as given."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def listed(self, team_id: str, name: str) -> Sequence[RowMapping]:
        """Every row of one team in the table of that name."""
        table = TABLES[name]
        with self.database.read() as c:
            return c.execute(select(table).where(table.c.team_id == team_id)).mappings().all()

    def everything(self) -> dict[str, Sequence[RowMapping]]:
        """All rows of all teams in one consistent read, by table name, for the snapshot."""
        with self.database.read() as c:
            return {name: c.execute(select(table)).mappings().all() for name, table in TABLES.items()}

    def named(self, c: Connection, kind: str, team_id: str, name: str) -> RowMapping | None:
        """The provider or endpoint of that name; `kind` is the name of its table."""
        table = TABLES[kind]
        return c.execute(select(table).where(table.c.team_id == team_id, table.c.name == name)).mappings().first()

    def put_provider(self, c: Connection, row: NewRow) -> None:
        """Stores a provider, or replaces the one of the same name."""
        kept = {"spec": row["spec"], "sealed_key": row["sealed_key"], "updated_us": row["updated_us"]}
        statement = self.database.insert(providers).values(**row)
        c.execute(statement.on_conflict_do_update(index_elements=["team_id", "name"], set_=kept))
        self.database.announce(c)

    def add_endpoint(self, c: Connection, row: NewRow) -> None:
        """Stores an endpoint without a release."""
        c.execute(endpoints.insert().values(**row))

    def describe_endpoint(self, c: Connection, endpoint_id: str, description: str, now_us: int) -> None:
        """Replaces an endpoint's description."""
        change = update(endpoints).where(endpoints.c.id == endpoint_id)
        c.execute(change.values(description=description, updated_us=now_us))

    def newest_release(self, c: Connection, endpoint_id: str) -> RowMapping | None:
        """The release with the highest version."""
        query = select(releases).where(releases.c.endpoint_id == endpoint_id).order_by(releases.c.version.desc())
        return c.execute(query.limit(1)).mappings().first()

    def add_release(self, c: Connection, row: NewRow) -> None:
        """Stores a release; releases are never changed."""
        c.execute(releases.insert().values(**row))
        self.database.announce(c)

    def put_alias(self, c: Connection, row: NewRow) -> None:
        """Points an alias of an endpoint at a version."""
        kept = {"version": row["version"], "updated_us": row["updated_us"]}
        statement = self.database.insert(aliases).values(**row)
        c.execute(statement.on_conflict_do_update(index_elements=["endpoint_id", "alias"], set_=kept))
        self.database.announce(c)

    def price(self, c: Connection, team_id: str, model: str) -> RowMapping | None:
        """A team's own price of a model."""
        return c.execute(select(prices).where(prices.c.team_id == team_id, prices.c.model == model)).mappings().first()

    def put_price(self, c: Connection, row: NewRow) -> None:
        """Stores a price, or replaces it."""
        kept = {"spec": row["spec"], "updated_us": row["updated_us"]}
        statement = self.database.insert(prices).values(**row)
        c.execute(statement.on_conflict_do_update(index_elements=["team_id", "model"], set_=kept))
        self.database.announce(c)
