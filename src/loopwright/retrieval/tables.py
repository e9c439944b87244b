"""SQL tables of retrieval."""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Integer, String, Table, Text, UniqueConstraint

from loopwright.foundation.database import metadata

knowledge_bases = Table(
    "knowledge_bases",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("team_id", String(64), nullable=False),
    Column("name", String(63), nullable=False),
    Column("description", Text, nullable=False, default=""),
    Column("recipe", JSON, nullable=False),
    Column("active_version", Integer),
    Column("job_id", String(64)),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    UniqueConstraint("team_id", "name"),
)

documents = Table(
    "documents",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("team_id", String(64), nullable=False),
    Column("knowledge_base_id", String(64), ForeignKey("knowledge_bases.id"), nullable=False),
    Column("source", String(1024), nullable=False),
    # The uploaded file this document came out of: its own source, or the file that held many.
    Column("origin", String(1024), nullable=False),
    Column("media_type", String(127), nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False, index=True),
    Column("title", Text, nullable=False, default=""),
    Column("created_us", BigInteger, nullable=False),
    Column("updated_us", BigInteger, nullable=False),
    UniqueConstraint("knowledge_base_id", "source"),
)

index_versions = Table(
    "index_versions",
    metadata,
    Column("knowledge_base_id", String(64), ForeignKey("knowledge_bases.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("team_id", String(64), nullable=False, index=True),
    Column("job_id", String(64), nullable=False),
    Column("status", String(16), nullable=False),
    Column("recipe", JSON, nullable=False),
    Column("embedder_name", String(255), nullable=False),
    Column("embedder_digest", String(64), nullable=False),
    Column("embedder_real", Boolean, nullable=False),
    Column("dimensions", Integer, nullable=False),
    Column("document_count", Integer, nullable=False, default=0),
    Column("passage_count", Integer, nullable=False, default=0),
    Column("failed_count", Integer, nullable=False, default=0),
    Column("created_us", BigInteger, nullable=False),
    Column("finished_us", BigInteger),
)

indexed_documents = Table(
    "indexed_documents",
    metadata,
    Column("knowledge_base_id", String(64), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("document_id", String(64), primary_key=True),
    Column("team_id", String(64), nullable=False, index=True),
    Column("batch", Integer, nullable=False),
    Column("source", String(1024), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("title", Text, nullable=False),
    Column("page_count", Integer),
    Column("passage_count", Integer, nullable=False),
    Column("reason", Text, nullable=False),
)
"""What became of each document in each index version; a batch of a build is done when its rows are here."""
