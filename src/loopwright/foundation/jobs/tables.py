"""SQL tables of jobs and of the workers that run them; the workflow engine keeps its own beside them."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, Integer, String, Table, TableClause, column, table

from loopwright.foundation.database import metadata

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("team_id", String(64), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("spec", JSON(none_as_null=True), nullable=False),
    Column("status", String(16), nullable=False),
    Column("progress", JSON(none_as_null=True), nullable=False),
    Column("result", JSON(none_as_null=True)),
    Column("error", JSON(none_as_null=True)),
    Column("created_by", String(64), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("started_us", BigInteger),
    Column("finished_us", BigInteger),
    Column("cancel_requested", Boolean, nullable=False, default=False),
    Column("worker_id", String(64), nullable=False, default=""),
    Column("attempts", Integer, nullable=False, default=0),
    Column("starts", Integer, nullable=False, default=0),
    Index(None, "team_id", "id"),
    Index(None, "team_id", "kind", "subject"),
    Index(None, "status"),
)

workers = Table(
    "workers",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("heartbeat_us", BigInteger, nullable=False),
)


def dispatches(schema: str | None) -> TableClause:
    """The engine's own table, of which we read who was handed a job last; the engine creates and changes it."""
    return table("workflow_status", column("workflow_uuid"), column("owner_xid"), column("status"), schema=schema)
