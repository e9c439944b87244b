"""The catalogue's tables of datasets; their rows lie in the lake, one table per version."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, String, Table, Text, UniqueConstraint

from loopwright.foundation.database import metadata

datasets = Table(
    "datasets",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("team_id", String(64), nullable=False),
    Column("name", String(64), nullable=False),
    Column("description", Text, nullable=False),
    Column("latest_version", Integer, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    UniqueConstraint("team_id", "name"),
)

dataset_versions = Table(
    "dataset_versions",
    metadata,
    # Also the name of the lake table that holds its rows.
    Column("id", String(64), primary_key=True),
    Column("team_id", String(64), nullable=False),
    Column("dataset_id", String(64), ForeignKey("datasets.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("row_count", Integer, nullable=False),
    Column("digest", String(80), nullable=False),
    Column("source", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("created_by", String(128), nullable=False),
    UniqueConstraint("dataset_id", "version"),
)

# Lake tables that no version refers to: being written, or left over. A process that dies leaves its draft behind.
dataset_drafts = Table(
    "dataset_drafts",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("team_id", String(64), nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Index("ix_dataset_drafts_created_us", "created_us"),
)
