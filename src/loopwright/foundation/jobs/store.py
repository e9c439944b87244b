"""All SQL of jobs and workers."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.engine import Row

from loopwright.foundation.database import Database
from loopwright.foundation.errors import NotFound
from loopwright.foundation.jobs.schemas import Job
from loopwright.foundation.jobs.tables import dispatches, jobs, workers


class JobStore:
    """Rows of jobs. Each change says what it expects to find, so that of two that race exactly one wins."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def insert(self, connection: Connection, job: Job) -> None:
        """Adds a job within the caller's transaction."""
        connection.execute(jobs.insert().values(**asdict(job)))

    def get(self, team_id: str, job_id: str) -> Job:
        """Raises NotFound."""
        with self._database.read() as connection:
            row = connection.execute(select(jobs).where(jobs.c.team_id == team_id, jobs.c.id == job_id)).first()
        if row is None:
            raise NotFound(f"there is no job {job_id!r}", hint="list them with: loopwright jobs ls")
        return _job(row)

    def page(self, team_id: str, *, kind: str, subject: str, status: str, before: str, limit: int) -> list[Job]:
        """Newest first; empty strings do not filter; `before` is the id of the last job already seen."""
        query = select(jobs).where(jobs.c.team_id == team_id).order_by(jobs.c.id.desc()).limit(limit)
        for column, wanted in ((jobs.c.kind, kind), (jobs.c.subject, subject), (jobs.c.status, status)):
            if wanted:
                query = query.where(column == wanted)
        if before:
            query = query.where(jobs.c.id < before)
        with self._database.read() as connection:
            return [_job(row) for row in connection.execute(query)]

    def claim(self, job_id: str, worker_id: str, dispatch: str, now_us: int) -> Job | None:
        """Begins a new start of the job and fences off the earlier ones; None when it does not wait for one.

        Also None when the engine handed the job to somebody else after `dispatch`: a worker that slept between
        being given a job and claiming it would otherwise fence off the one that works on it by now.
        """
        given = dispatches(None if self._database.is_sqlite else "dbos")
        # The lock makes a recovery that would hand it on wait until this claim is written.
        handed = (
            select(given.c.owner_xid)
            .where(given.c.workflow_uuid == job_id, given.c.status == "PENDING")
            .with_for_update(read=True)
        )
        statement = (
            jobs.update()
            .where(jobs.c.id == job_id, jobs.c.status.in_(("queued", "running")))
            .values(
                status="running",
                worker_id=worker_id,
                attempts=jobs.c.attempts + 1,
                starts=jobs.c.starts + 1,
                started_us=func.coalesce(jobs.c.started_us, now_us),
            )
            .returning(*jobs.c)
        )
        with self._database.write() as connection:
            if connection.execute(handed).scalar() != dispatch:
                return None
            row = connection.execute(statement).first()
        return None if row is None else _job(row)

    def state(self, job_id: str) -> tuple[int, bool]:
        """`(attempts, cancel_requested)`; attempts of a job that is not running are -1."""
        query = select(jobs.c.attempts, jobs.c.cancel_requested).where(jobs.c.id == job_id, jobs.c.status == "running")
        with self._database.read() as connection:
            row = connection.execute(query).first()
        return (-1, False) if row is None else (row.attempts, bool(row.cancel_requested))

    def report(self, job_id: str, attempt: int, progress: dict[str, Any]) -> tuple[int, bool]:
        """Stores progress of that start and tells as `state`; a start that was replaced stores nothing."""
        statement = (
            jobs.update()
            .where(jobs.c.id == job_id, jobs.c.attempts == attempt, jobs.c.status == "running")
            .values(progress=progress)
            .returning(jobs.c.attempts, jobs.c.cancel_requested)
        )
        with self._database.write() as connection:
            row = connection.execute(statement).first()
        return (-1, False) if row is None else (row.attempts, bool(row.cancel_requested))

    def finish(
        self,
        job_id: str,
        attempt: int,
        status: str,
        now_us: int,
        *,
        result: dict[str, Any] | None = None,
        error: dict[str, Any] | None = None,
    ) -> bool:
        """Ends that start of the job; False when another start replaced it."""
        statement = (
            jobs.update()
            .where(jobs.c.id == job_id, jobs.c.attempts == attempt, jobs.c.status == "running")
            .values(status=status, result=result, error=error, finished_us=now_us)
        )
        with self._database.write() as connection:
            return connection.execute(statement).rowcount == 1

    def cancel(self, team_id: str, job_id: str, now_us: int) -> bool:
        """Cancels a job that waits, and asks one that runs to end; True when it had waited."""
        mine = (jobs.c.team_id == team_id, jobs.c.id == job_id)
        with self._database.write() as connection:
            waited = connection.execute(
                jobs.update()
                .where(*mine, jobs.c.status == "queued")
                .values(status="cancelled", cancel_requested=True, finished_us=now_us)
            )
            if waited.rowcount == 1:
                return True
            connection.execute(jobs.update().where(*mine, jobs.c.status == "running").values(cancel_requested=True))
        return False

    def requeue(self, team_id: str, job_id: str) -> bool:
        """Makes a failed or cancelled job wait again; False when it is neither."""
        statement = (
            jobs.update()
            .where(jobs.c.team_id == team_id, jobs.c.id == job_id, jobs.c.status.in_(("failed", "cancelled")))
            .values(status="queued", cancel_requested=False, error=None, finished_us=None, starts=0)
        )
        with self._database.write() as connection:
            return connection.execute(statement).rowcount == 1

    def waiting(self, limit: int) -> list[str]:
        """Ids of the oldest jobs that wait, of all teams."""
        query = select(jobs.c.id).where(jobs.c.status == "queued").order_by(jobs.c.id).limit(limit)
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def heartbeat(self, worker_id: str, kind: str, now_us: int) -> None:
        """Says that this worker lives."""
        statement = self._database.insert(workers).values(
            id=worker_id, kind=kind, started_us=now_us, heartbeat_us=now_us
        )
        statement = statement.on_conflict_do_update(index_elements=[workers.c.id], set_={"heartbeat_us": now_us})
        with self._database.write() as connection:
            connection.execute(statement)

    def silent_workers(self, before_us: int) -> list[str]:
        """Workers that said nothing since."""
        query = select(workers.c.id).where(workers.c.heartbeat_us < before_us)
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def forget_workers(self, before_us: int) -> None:
        """Removes those that said nothing since."""
        with self._database.write() as connection:
            connection.execute(workers.delete().where(workers.c.heartbeat_us < before_us))


def _job(row: Row[Any]) -> Job:
    return Job(**row._mapping)
