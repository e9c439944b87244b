"""SQL tables of the catalog."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, Integer, String, Table, Text, UniqueConstraint

from loopwright.foundation.database import metadata

providers = Table(
    "providers",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("team_id", String(64), nullable=False),
    Column("name", String(63), nullable=False),
    Column("spec", JSON, nullable=False),
    Column("sealed_key", Text, nullable=False, default=""),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    UniqueConstraint("team_id", "name"),
)

endpoints = Table(
    "endpoints",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("team_id", String(64), nullable=False),
    Column("name", String(63), nullable=False),
    Column("description", Text, nullable=False, default=""),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    UniqueConstraint("team_id", "name"),
)

releases = Table(
    "releases",
    metadata,
    Column("endpoint_id", String(64), ForeignKey("endpoints.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("team_id", String(64), nullable=False, index=True),
    Column("spec", JSON, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("created_us", BigInteger, nullable=False),
)

aliases = Table(
    "aliases",
    metadata,
    Column("endpoint_id", String(64), ForeignKey("endpoints.id"), primary_key=True),
    Column("alias", String(63), primary_key=True),
    Column("team_id", String(64), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
)

prices = Table(
    "prices",
    metadata,
    Column("team_id", String(64), primary_key=True),
    Column("model", String(255), primary_key=True),
    Column("spec", JSON, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
)
