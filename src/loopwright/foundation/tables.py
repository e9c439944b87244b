"""SQL tables of the foundation itself: who holds which table of the lake."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, String, Table

from loopwright.foundation.database import metadata

table_leases = Table(
    "table_leases",
    metadata,
    Column("name", String(255), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("expires_us", BigInteger, nullable=False),
)
