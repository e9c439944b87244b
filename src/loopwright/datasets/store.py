"""Datasets in the catalogue and their rows in the lake, kept consistent whoever dies in between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import msgspec
import pyarrow as pa
from sqlalchemy import ColumnElement, Connection, delete, insert, select, update

from loopwright.datasets.schemas import Dataset, Row, Version
from loopwright.datasets.tables import dataset_drafts, dataset_versions, datasets
from loopwright.foundation.clock import iso
from loopwright.foundation.database import Database
from loopwright.foundation.errors import Conflict
from loopwright.foundation.ids import new_id
from loopwright.foundation.lake import Lake, lake_errors

# The row's exported line is what the digest covers, so it is kept as it is.
_LINE: pa.Field[Any] = pa.field("line", pa.large_binary())
_COLUMNS: list[pa.Field[Any]] = [pa.field("id", pa.string()), pa.field("trace_id", pa.string()), _LINE]
ROWS = pa.schema(_COLUMNS)
WRITE_ROWS = 1_000
READ_ROWS = 500


@dataclass(frozen=True)
class VersionEntry:
    """A version and the lake table of its rows."""

    table_id: str
    version: Version


class DatasetStore:
    """All SQL and all lake access of datasets; every question is asked for one team."""

    def __init__(self, database: Database, lake: Lake) -> None:
        self._database = database
        self._lake = lake

    def list_datasets(self, team_id: str) -> list[Dataset]:
        """The team's datasets by name."""
        with self._database.read() as connection:
            return self._datasets(connection, datasets.c.team_id == team_id)

    def dataset(self, team_id: str, name: str) -> Dataset | None:
        """One dataset by name."""
        with self._database.read() as connection:
            found = self._datasets(connection, (datasets.c.team_id == team_id) & (datasets.c.name == name))
        return found[0] if found else None

    def versions(self, team_id: str, dataset_id: str, version: int | None = None) -> list[VersionEntry]:
        """Versions latest first, or the one asked for."""
        query = (
            select(dataset_versions)
            .where(dataset_versions.c.team_id == team_id, dataset_versions.c.dataset_id == dataset_id)
            .order_by(dataset_versions.c.version.desc())
        )
        if version is not None:
            query = query.where(dataset_versions.c.version == version)
        with self._database.read() as connection:
            return [_entry(dict(row)) for row in connection.execute(query).mappings()]

    def begin_draft(self, team_id: str, now_us: int) -> str:
        """The id of a lake table to fill; swept when no version takes it over."""
        draft_id = new_id("dsv")
        with self._database.write() as connection:
            connection.execute(insert(dataset_drafts).values(id=draft_id, team_id=team_id, created_us=now_us))
        return draft_id

    def write_rows(self, draft_id: str, rows: Iterable[tuple[Row, bytes]]) -> int:
        """Fills a draft's lake table; the number of rows. Raises DiskFull, Unavailable."""
        table, count, source = self._lake.table("datasets", draft_id), 0, iter(rows)
        while part := list(islice(source, WRITE_ROWS)):
            data = {
                "id": [row.id for row, _ in part],
                "trace_id": [row.trace_id for row, _ in part],
                "line": [line for _, line in part],
            }
            table.append(pa.table(data, schema=ROWS))
            count += len(part)
        return count

    def publish(
        self,
        draft_id: str,
        *,
        team_id: str,
        name: str,
        description: str,
        row_count: int,
        digest: str,
        source: Mapping[str, Any],
        note: str,
        created_by: str,
        now_us: int,
    ) -> tuple[Dataset, Version]:
        """Makes a filled draft the next version, in one transaction. Raises Conflict when the draft was swept."""
        with self._database.write() as connection:
            taken = connection.execute(delete(dataset_drafts).where(dataset_drafts.c.id == draft_id))
            if taken.rowcount != 1:
                raise Conflict("the rows were swept before the version was complete", hint="draw the version again")
            new = self._database.insert(datasets).values(
                id=new_id("ds"),
                team_id=team_id,
                name=name,
                description=description,
                latest_version=0,
                created_us=now_us,
                updated_us=now_us,
            )
            connection.execute(new.on_conflict_do_nothing(index_elements=["team_id", "name"]))
            mine = (datasets.c.team_id == team_id) & (datasets.c.name == name)
            changes: dict[str, Any] = {"latest_version": datasets.c.latest_version + 1, "updated_us": now_us}
            if description:
                changes["description"] = description
            numbered = connection.execute(
                update(datasets).where(mine).values(**changes).returning(datasets.c.id, datasets.c.latest_version)
            ).one()
            values = {
                "id": draft_id,
                "team_id": team_id,
                "dataset_id": numbered.id,
                "version": numbered.latest_version,
                "row_count": row_count,
                "digest": digest,
                "source": msgspec.json.encode(source).decode(),
                "note": note,
                "created_us": now_us,
                "created_by": created_by,
            }
            connection.execute(insert(dataset_versions).values(**values))
            return self._datasets(connection, mine)[0], _entry(values).version

    def read_lines(self, table_id: str, offset: int = 0, limit: int | None = None) -> Iterator[bytes]:
        """Encoded rows in their order."""
        with lake_errors(table_id):
            dataset = self._lake.table("datasets", table_id).open()
            total = dataset.count_rows()
        end = total if limit is None else min(total, offset + limit)
        for start in range(offset, end, READ_ROWS):
            with lake_errors(table_id):
                part = dataset.take(list(range(start, min(start + READ_ROWS, end))), columns=["line"])
            lines: list[Any] = part["line"].to_pylist()
            yield from lines

    def delete_dataset(self, team_id: str, name: str) -> bool:
        """Takes a dataset out of the catalogue and leaves its lake tables to `sweep`; whether it was there."""
        with self._database.write() as connection:
            mine = (datasets.c.team_id == team_id) & (datasets.c.name == name)
            dataset_id = connection.execute(select(datasets.c.id).where(mine)).scalar()
            if dataset_id is None:
                return False
            of_it = dataset_versions.c.dataset_id == dataset_id
            for table_id in connection.execute(select(dataset_versions.c.id).where(of_it)).scalars().all():
                connection.execute(insert(dataset_drafts).values(id=table_id, team_id=team_id, created_us=0))
            connection.execute(delete(dataset_versions).where(of_it))
            connection.execute(delete(datasets).where(datasets.c.id == dataset_id))
        return True

    def sweep(self, before_us: int) -> int:
        """Drops lake tables that no version took over and that were begun before a time; how many."""
        stale = select(dataset_drafts.c.id).where(dataset_drafts.c.created_us < before_us)
        with self._database.read() as connection:
            left = connection.execute(stale).scalars().all()
        for draft_id in left:
            self.discard(draft_id)
        return len(left)

    def discard(self, draft_id: str) -> None:
        """Drops a draft's rows, then the draft: a kill in between only repeats the drop.

        Nothing happens to what is no draft: a publication may have succeeded although its answer was lost.
        """
        mine = select(dataset_drafts.c.id).where(dataset_drafts.c.id == draft_id)
        with self._database.read() as connection:
            if connection.execute(mine).scalar() is None:
                return
        self._lake.table("datasets", draft_id).drop()
        with self._database.write() as connection:
            connection.execute(delete(dataset_drafts).where(dataset_drafts.c.id == draft_id))

    def _datasets(self, connection: Connection, where: ColumnElement[bool]) -> list[Dataset]:
        query = (
            select(datasets, dataset_versions.c.row_count)
            .outerjoin(
                dataset_versions,
                (dataset_versions.c.dataset_id == datasets.c.id)
                & (dataset_versions.c.version == datasets.c.latest_version),
            )
            .where(where)
            .order_by(datasets.c.name)
        )
        return [
            Dataset(
                id=row["id"],
                name=row["name"],
                description=row["description"],
                latest_version=row["latest_version"],
                # No version is ever removed alone.
                version_count=row["latest_version"],
                row_count=row["row_count"] or 0,
                created_at=iso(row["created_us"]),
                updated_at=iso(row["updated_us"]),
            )
            for row in connection.execute(query).mappings()
        ]


def _entry(row: Mapping[str, Any]) -> VersionEntry:
    return VersionEntry(
        row["id"],
        Version(
            version=row["version"],
            row_count=row["row_count"],
            digest=row["digest"],
            source=msgspec.json.decode(row["source"]),
            created_at=iso(row["created_us"]),
            created_by=row["created_by"],
            note=row["note"],
        ),
    )
