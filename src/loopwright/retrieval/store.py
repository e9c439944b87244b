"""All SQL of retrieval; every query is of one team."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Row, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from loopwright.foundation.database import Database
from loopwright.foundation.errors import Conflict
from loopwright.foundation.jobs import Job
from loopwright.retrieval.tables import documents, index_versions, indexed_documents, knowledge_bases

IDS_PER_QUERY = 500
"""SQLite takes a limited number of parameters in one statement."""


class KnowledgeStore:
    """Rows of knowledge bases, their documents and index versions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_base(self, values: dict[str, object]) -> None:
        """Raises Conflict when the team has one of that name."""
        try:
            with self._database.write() as connection:
                connection.execute(insert(knowledge_bases).values(**values))
        except IntegrityError as error:
            raise Conflict(
                f"there is a knowledge base {values['name']!r} already",
                hint=f"add to it with: loopwright kb add {values['name']} PATH",
                param="name",
            ) from error

    def base_in(self, connection: Connection, team_id: str, name: str) -> Row[Any] | None:
        """The knowledge base of that name, as the caller's transaction sees it."""
        statement = select(knowledge_bases).where(knowledge_bases.c.team_id == team_id, knowledge_bases.c.name == name)
        return connection.execute(statement).one_or_none()

    def put_base(self, connection: Connection, values: dict[str, object]) -> None:
        """Adds a knowledge base, or changes the description and recipe of the one of that name."""
        kept = {name: values[name] for name in ("description", "recipe", "updated_us")}
        statement = self._database.insert(knowledge_bases).values(**values)
        connection.execute(statement.on_conflict_do_update(index_elements=["team_id", "name"], set_=kept))

    def bases(self, team_id: str) -> Sequence[Row[Any]]:
        """Every knowledge base of the team by name."""
        statement = select(knowledge_bases).where(knowledge_bases.c.team_id == team_id).order_by(knowledge_bases.c.name)
        with self._database.read() as connection:
            return connection.execute(statement).all()

    def base(self, team_id: str, name: str) -> Row[Any] | None:
        """The knowledge base of that name."""
        statement = select(knowledge_bases).where(knowledge_bases.c.team_id == team_id, knowledge_bases.c.name == name)
        with self._database.read() as connection:
            return connection.execute(statement).one_or_none()

    def base_by_id(self, team_id: str, base_id: str) -> Row[Any] | None:
        """The knowledge base of that id."""
        statement = select(knowledge_bases).where(knowledge_bases.c.team_id == team_id, knowledge_bases.c.id == base_id)
        with self._database.read() as connection:
            return connection.execute(statement).one_or_none()

    def start_build(self, team_id: str, base_id: str, now_us: int, submit: Callable[[Connection], Job]) -> Job:
        """Submits a job and notes it on the base, in one transaction."""
        with self._database.write() as connection:
            job = submit(connection)
            connection.execute(
                update(knowledge_bases)
                .where(knowledge_bases.c.team_id == team_id, knowledge_bases.c.id == base_id)
                .values(job_id=job.id, updated_us=now_us)
            )
            return job

    def delete_base(self, team_id: str, base_id: str) -> tuple[list[int], set[str]]:
        """Removes the base with everything of it; its version numbers and the digests nobody refers to any more."""
        mine = index_versions.c.team_id == team_id, index_versions.c.knowledge_base_id == base_id
        with self._database.write() as connection:
            versions = list(connection.execute(select(index_versions.c.version).where(*mine)).scalars())
            digests = set(
                connection.execute(
                    select(documents.c.digest).where(
                        documents.c.team_id == team_id, documents.c.knowledge_base_id == base_id
                    )
                ).scalars()
            )
            for table in (indexed_documents, index_versions, documents):
                connection.execute(
                    delete(table).where(table.c.team_id == team_id, table.c.knowledge_base_id == base_id)
                )
            connection.execute(
                delete(knowledge_bases).where(knowledge_bases.c.team_id == team_id, knowledge_bases.c.id == base_id)
            )
            return versions, digests - _in_use(connection, digests)

    def documents(self, team_id: str, base_id: str) -> Sequence[Row[Any]]:
        """Every document of the base by source."""
        statement = (
            select(documents)
            .where(documents.c.team_id == team_id, documents.c.knowledge_base_id == base_id)
            .order_by(documents.c.source)
        )
        with self._database.read() as connection:
            return connection.execute(statement).all()

    def document(self, team_id: str, base_id: str, document_id: str) -> Row[Any] | None:
        """One document."""
        statement = select(documents).where(
            documents.c.team_id == team_id, documents.c.knowledge_base_id == base_id, documents.c.id == document_id
        )
        with self._database.read() as connection:
            return connection.execute(statement).one_or_none()

    def documents_by_id(self, team_id: str, base_id: str, ids: Sequence[str]) -> list[Row[Any]]:
        """Those of `ids` that still exist."""
        found: list[Row[Any]] = []
        with self._database.read() as connection:
            for some in _slices(ids):
                found += connection.execute(
                    select(documents).where(
                        documents.c.team_id == team_id,
                        documents.c.knowledge_base_id == base_id,
                        documents.c.id.in_(some),
                    )
                ).all()
        return found

    def write_documents(
        self, team_id: str, base_id: str, rows: Sequence[dict[str, object]], gone: Sequence[str] = ()
    ) -> set[str]:
        """Adds or replaces documents by source, removes those of ids `gone`; the digests nobody refers to any more."""
        with self._database.write() as connection:
            before: set[str] = set()
            for some in _slices([str(row["source"]) for row in rows]):
                before |= set(
                    connection.execute(
                        select(documents.c.digest).where(
                            documents.c.team_id == team_id,
                            documents.c.knowledge_base_id == base_id,
                            documents.c.source.in_(some),
                        )
                    ).scalars()
                )
            for row in rows:
                statement = self._database.insert(documents).values(team_id=team_id, knowledge_base_id=base_id, **row)
                changed = {name: row[name] for name in row if name not in ("id", "source", "created_us")}
                connection.execute(
                    statement.on_conflict_do_update(
                        index_elements=[documents.c.knowledge_base_id, documents.c.source], set_=changed
                    )
                )
            before |= _remove(connection, team_id, base_id, gone)
            return before - _in_use(connection, before)

    def remove_document(self, team_id: str, base_id: str, document_id: str) -> set[str]:
        """Removes one document; its digest when nobody refers to it any more."""
        with self._database.write() as connection:
            gone = _remove(connection, team_id, base_id, [document_id])
            return gone - _in_use(connection, gone)

    def add_version(self, values: dict[str, object]) -> int:
        """A new version under the base's next number."""
        with self._database.write() as connection:
            last = connection.execute(
                select(func.max(index_versions.c.version)).where(
                    index_versions.c.team_id == values["team_id"],
                    index_versions.c.knowledge_base_id == values["knowledge_base_id"],
                )
            ).scalar()
            number = (last or 0) + 1
            connection.execute(insert(index_versions).values(version=number, **values))
            return int(number)

    def versions(self, team_id: str, base_id: str) -> Sequence[Row[Any]]:
        """Every index version of the base, newest first."""
        statement = (
            select(index_versions)
            .where(index_versions.c.team_id == team_id, index_versions.c.knowledge_base_id == base_id)
            .order_by(index_versions.c.version.desc())
        )
        with self._database.read() as connection:
            return connection.execute(statement).all()

    def version_of_job(self, team_id: str, base_id: str, job_id: str) -> int | None:
        """The number of the version that a job builds."""
        statement = select(index_versions.c.version).where(
            index_versions.c.team_id == team_id,
            index_versions.c.knowledge_base_id == base_id,
            index_versions.c.job_id == job_id,
        )
        with self._database.read() as connection:
            return connection.execute(statement).scalar()

    def version(self, team_id: str, base_id: str, version: int) -> Row[Any] | None:
        """One index version."""
        statement = select(index_versions).where(
            index_versions.c.team_id == team_id,
            index_versions.c.knowledge_base_id == base_id,
            index_versions.c.version == version,
        )
        with self._database.read() as connection:
            return connection.execute(statement).one_or_none()

    def set_version(self, team_id: str, base_id: str, version: int, values: dict[str, object]) -> None:
        """Changes columns of one index version."""
        statement = (
            update(index_versions)
            .where(
                index_versions.c.team_id == team_id,
                index_versions.c.knowledge_base_id == base_id,
                index_versions.c.version == version,
            )
            .values(**values)
        )
        with self._database.write() as connection:
            connection.execute(statement)

    def switch(self, team_id: str, base_id: str, version: int, now_us: int) -> list[int]:
        """Makes `version` the one that serves, in one transaction; the numbers of those it retires.

        An older build that ends late changes nothing and retires itself.
        """
        mine = index_versions.c.team_id == team_id, index_versions.c.knowledge_base_id == base_id
        with self._database.write() as connection:
            active = connection.execute(
                select(knowledge_bases.c.active_version)
                .where(knowledge_bases.c.team_id == team_id, knowledge_bases.c.id == base_id)
                .with_for_update()
            ).scalar()
            serving = max(version, active or 0)
            retired = list(
                connection.execute(
                    select(index_versions.c.version).where(
                        *mine, index_versions.c.version <= version, index_versions.c.version != serving
                    )
                ).scalars()
            )
            connection.execute(
                update(index_versions)
                .where(*mine, index_versions.c.version.in_(retired), index_versions.c.status != "failed")
                .values(status="retired")
            )
            connection.execute(
                delete(indexed_documents).where(
                    indexed_documents.c.team_id == team_id,
                    indexed_documents.c.knowledge_base_id == base_id,
                    indexed_documents.c.version.in_(retired),
                )
            )
            if serving == version:
                connection.execute(
                    update(index_versions)
                    .where(*mine, index_versions.c.version == version)
                    .values(status="ready", finished_us=now_us)
                )
                connection.execute(
                    update(knowledge_bases)
                    .where(knowledge_bases.c.team_id == team_id, knowledge_bases.c.id == base_id)
                    .values(active_version=version, updated_us=now_us)
                )
            return retired

    def add_indexed(self, rows: Sequence[dict[str, object]]) -> None:
        """Records a finished batch, in one transaction."""
        if rows:
            with self._database.write() as connection:
                connection.execute(insert(indexed_documents), list(rows))

    def indexed(
        self, team_id: str, base_id: str, version: int, ids: Sequence[str] | None = None
    ) -> dict[str, Row[Any]]:
        """What became of documents in one version, by document id; of all of them without `ids`."""
        statement = select(indexed_documents).where(
            indexed_documents.c.team_id == team_id,
            indexed_documents.c.knowledge_base_id == base_id,
            indexed_documents.c.version == version,
        )
        found: list[Row[Any]] = []
        with self._database.read() as connection:
            if ids is None:
                found += connection.execute(statement.order_by(indexed_documents.c.source)).all()
            for some in _slices(ids or ()):
                found += connection.execute(statement.where(indexed_documents.c.document_id.in_(some))).all()
        return {row.document_id: row for row in found}

    def totals(self, team_id: str, base_id: str, version: int) -> tuple[int, int, int]:
        """(indexed documents, passages, failures) of one version."""
        table = indexed_documents.c
        statement = select(func.count(), func.sum(table.passage_count)).where(
            table.team_id == team_id, table.knowledge_base_id == base_id, table.version == version
        )
        with self._database.read() as connection:
            indexed, passages = connection.execute(statement.where(table.reason == "")).one()
            failed, _ = connection.execute(statement.where(table.reason != "")).one()
        return int(indexed), int(passages or 0), int(failed)


def _remove(connection: Connection, team_id: str, base_id: str, ids: Iterable[str]) -> set[str]:
    digests: set[str] = set()
    for some in _slices(list(ids)):
        mine = (
            documents.c.team_id == team_id,
            documents.c.knowledge_base_id == base_id,
            documents.c.id.in_(some),
        )
        digests |= set(connection.execute(select(documents.c.digest).where(*mine)).scalars())
        connection.execute(delete(documents).where(*mine))
    return digests


def _in_use(connection: Connection, digests: set[str]) -> set[str]:
    """Those that some document of any team refers to: blobs are shared by content."""
    used: set[str] = set()
    for some in _slices(sorted(digests)):
        used |= set(connection.execute(select(documents.c.digest).where(documents.c.digest.in_(some))).scalars())
    return used


def _slices(values: Sequence[str]) -> Iterable[Sequence[str]]:
    return (values[start : start + IDS_PER_QUERY] for start in range(0, len(values), IDS_PER_QUERY))
