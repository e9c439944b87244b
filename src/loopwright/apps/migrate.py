"""Brings the catalogue to this release's tables: additive steps, each in one transaction, never backwards."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData

import loopwright.access.tables
import loopwright.catalog.tables
import loopwright.datasets.tables
import loopwright.foundation.jobs.tables
import loopwright.foundation.tables
import loopwright.retrieval.tables  # noqa: F401 - importing a tables module declares its tables
from loopwright.foundation.database import Database, metadata
from loopwright.foundation.errors import Conflict

DBOS_SCHEMA_PREFIXES: Final = (
    "dbos_",
    "workflow_",
    "operation_outputs",
    "notifications",
    "streams",
    "event_dispatch_kv",
    "queues",
    "application_versions",
)
"""Tables that DBOS keeps in the catalogue's own database and migrates by itself."""


def all_tables() -> MetaData:
    """The metadata with the tables of every package."""
    return metadata


def migrate(database: Database) -> str:
    """The revision the catalogue is at now. Raises Conflict when a newer release has written it."""
    config = _config()
    script = ScriptDirectory.from_config(config)
    with database.write() as connection:
        current = MigrationContext.configure(
            connection, opts={"version_table": "loopwright_schema"}
        ).get_current_revision()
        if current is not None and current not in {revision.revision for revision in script.walk_revisions()}:
            raise Conflict(
                f"the catalogue was written by a newer release (its schema is {current!r})",
                hint="start that release, or restore a backup made by this one",
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return script.get_current_head() or ""


def draft(database: Database, message: str) -> None:
    """Writes a new migration file from the difference between the tables and the database; for developers."""
    config = _config()
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.revision(config, message, autogenerate=True, rev_id=f"{len(list(_versions().glob('0*.py'))) + 1:04d}")


def _versions() -> Path:
    return Path(__file__).parent / "migrations" / "versions"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
