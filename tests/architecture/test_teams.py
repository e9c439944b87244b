"""Every row carries its team."""

from __future__ import annotations

import importlib

from loopwright.foundation.database import metadata
from tests.architecture.tree import SOURCE

# The team itself, and bookkeeping of the installation that no team sees.
WITHOUT_TEAM = {"teams", "catalogue_epochs", "table_leases", "workers"}


def test_every_table_carries_the_team() -> None:
    for path in SOURCE.glob("*/tables.py"):
        importlib.import_module(f"loopwright.{path.parent.name}.tables")
    tables = {table.name: table for table in metadata.tables.values()}
    assert "api_keys" in tables
    assert sorted(name for name, table in tables.items() if "team_id" not in table.c and name not in WITHOUT_TEAM) == []
    assert sorted(name for name, table in tables.items() if "team_id" in table.c and table.c.team_id.nullable) == []
