"""The rules of jobs: who runs one, when it ends, and that only one start of it counts."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from loopwright.foundation.clock import Clock
from loopwright.foundation.database import Database
from loopwright.foundation.errors import Conflict, LoopwrightError, NotFound, Unavailable
from loopwright.foundation.identity import Principal
from loopwright.foundation.ids import new_id
from loopwright.foundation.jobs.context import JobCancelled, JobContext, JobHandler, JobInterrupted, JobReplaced
from loopwright.foundation.jobs.schemas import Job
from loopwright.foundation.jobs.store import JobStore

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from loopwright.foundation.jobs.runner import Engine

HEARTBEAT_S: Final = 10.0
LEASE_S: Final = 30.0
"""A worker that said nothing for so long counts as dead, and its jobs go to others."""

MAX_STARTS: Final = 20
"""A job that was begun so often without ending takes its worker down each time."""

_STOP_GRACE_S: Final = 5.0
_RETRY_S: Final = 1.0
_FORGET_S: Final = 3600

T = TypeVar("T")
_logger = logging.getLogger("loopwright.jobs")


class Jobs:
    """Submits jobs from any process; after `start` also runs them.

    `handlers` maps a kind to what does its work. A process that only submits may leave them out.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        handlers: Mapping[str, JobHandler] | None = None,
        *,
        concurrency: int = 2,
        heartbeat_s: float = HEARTBEAT_S,
        lease_s: float = LEASE_S,
    ) -> None:
        # Late, because the engine takes half a second to import and whoever names `Jobs` in a signature needs none.
        from loopwright.foundation.jobs.runner import Engine

        self._database = database
        self._clock = clock
        self._handlers = dict(handlers or {})
        self._concurrency = concurrency
        self._heartbeat_s = heartbeat_s
        self._lease_s = lease_s
        self._store = JobStore(database)
        self._engine = Engine(database.url)
        self._stopping = threading.Event()
        self._running = 0
        self._idle = threading.Condition()
        self._keeper: threading.Thread | None = None
        self.worker_id = ""

    def migrate(self) -> None:
        """Creates or upgrades the workflow engine's own tables in the catalogue's database; once before any submit."""
        with self._database.write():
            # Opens the file in WAL mode, which sticks; the engine itself would leave it in the slow one.
            pass
        self._engine.migrate()

    def register(self, handlers: Mapping[str, JobHandler]) -> None:
        """Adds handlers by kind, for services that need the jobs before they can do them."""
        self._handlers.update(handlers)

    def submit(
        self,
        principal: Principal,
        kind: str,
        subject: str,
        spec: dict[str, Any],
        connection: Connection | None = None,
    ) -> Job:
        """A waiting job; `spec` is JSON. On the caller's write transaction both become true together, or neither does.

        Raises NotFound when this process knows no such kind.
        """
        if self._handlers and kind not in self._handlers:
            raise NotFound(f"no job of kind {kind!r}; known: {', '.join(sorted(self._handlers))}")
        job = Job(
            id=new_id("job"),
            team_id=principal.team_id,
            kind=kind,
            subject=subject,
            spec=spec,
            status="queued",
            created_by=principal.subject,
            created_us=self._clock.now_us(),
        )
        if connection is not None:
            self._insert(connection, job)
        else:
            with self._database.write() as own:
                self._insert(own, job)
        return job

    def get(self, team_id: str, job_id: str) -> Job:
        """Raises NotFound."""
        return self._store.get(team_id, job_id)

    def page(
        self, team_id: str, *, kind: str = "", subject: str = "", status: str = "", cursor: str = "", limit: int = 50
    ) -> tuple[list[Job], str | None]:
        """Newest first, and the cursor of the next page or None."""
        found = self._store.page(team_id, kind=kind, subject=subject, status=status, before=cursor, limit=limit + 1)
        return found[:limit], found[limit - 1].id if len(found) > limit else None

    def cancel(self, principal: Principal, job_id: str) -> Job:
        """A waiting job ends at once, a running one at its next step or report. Raises NotFound, Conflict."""
        job = self._store.get(principal.team_id, job_id)
        if job.finished:
            raise Conflict(f"job {job_id!r} is {job.status} already", hint="nothing is left to cancel")
        if self._store.cancel(principal.team_id, job_id, self._clock.now_us()):
            self._engine.withdraw(job_id)
        return self._store.get(principal.team_id, job_id)

    def resume(self, principal: Principal, job_id: str) -> Job:
        """Queues a failed or cancelled job; steps that finished are not run again. Raises NotFound, Conflict."""
        job = self._store.get(principal.team_id, job_id)
        if not self._store.requeue(principal.team_id, job_id):
            raise Conflict(f"job {job_id!r} is {job.status}", hint="only a failed or cancelled job can be resumed")
        self._engine.again(job_id)
        return self._store.get(principal.team_id, job_id)

    def start(self, worker_id: str, kind: str = "worker") -> None:
        """Runs jobs in threads of this process until `stop`, first those it left behind under the same id.

        `worker_id` names one data folder's worker: the same after a restart, no two alive at once.
        """
        self.worker_id = worker_id
        self._stopping.clear()
        self.migrate()
        self._store.heartbeat(worker_id, kind, self._clock.now_us())
        self._engine.start(worker_id, self._execute, self._concurrency)
        self._requeue_stranded()
        self._keeper = threading.Thread(target=self._keep, args=(kind,), name="jobs-keeper", daemon=True)
        self._keeper.start()

    def stop(self, grace_s: float = _STOP_GRACE_S) -> None:
        """Lets running jobs reach their next step or report for `grace_s`; they go on there at the next start."""
        self._stopping.set()
        if self._keeper is not None:
            self._keeper.join()
            self._keeper = None
        with self._idle:
            self._idle.wait_for(lambda: self._running == 0, timeout=grace_s)
        self._engine.stop()

    def _insert(self, connection: Connection, job: Job) -> None:
        self._store.insert(connection, job)
        self._engine.enqueue(connection, job.id)

    def _execute(self, job_id: str) -> None:
        with self._idle:
            self._running += 1
        try:
            dispatch = self._engine.dispatch(job_id)
            job = self._patiently(lambda: self._store.claim(job_id, self.worker_id, dispatch, self._clock.now_us()))
            if job is not None:
                self._run(job)
        finally:
            with self._idle:
                self._running -= 1
                self._idle.notify_all()

    def _run(self, job: Job) -> None:
        ledger = _Ledger(self._store, self._engine, job, self._stopping, self._patiently)
        context = JobContext(job.id, job.team_id, job.created_by, ledger, self._clock)
        try:
            result = self._handler(job)(context, job.spec)
            context.flush()
            self._finish(job, "succeeded", result=result)
        except JobCancelled:
            self._finish(job, "cancelled")
        except JobReplaced:
            _logger.warning("job %s was taken over by another worker; this start of it ends", job.id)
        except LoopwrightError as error:
            _logger.warning("job %s failed: %s", job.id, error.message)
            self._finish(job, "failed", error=error.problem())
        except Exception as error:
            _logger.exception("job %s failed by a fault of ours", job.id)
            self._finish(job, "failed", error=_internal(error))

    def _handler(self, job: Job) -> JobHandler:
        if job.starts > MAX_STARTS:
            raise Conflict(
                f"the job was begun {job.starts - 1} times and never ended; it probably takes its worker down",
                hint=f"look into the log, then: loopwright jobs resume {job.id}",
            )
        handler = self._handlers.get(job.kind)
        if handler is None:
            raise NotFound(f"this worker knows no job of kind {job.kind!r}", hint="upgrade the worker, then resume")
        return handler

    def _finish(
        self, job: Job, status: str, result: dict[str, Any] | None = None, error: dict[str, Any] | None = None
    ) -> None:
        now = self._clock.now_us()
        if not self._patiently(
            lambda: self._store.finish(job.id, job.attempts, status, now, result=result, error=error)
        ):
            _logger.warning("job %s was taken over by another worker; its end here does not count", job.id)

    def _patiently(self, call: Callable[[], T]) -> T:
        """Waits for a catalogue that is away for a while: a job must not fail by that."""
        while True:
            try:
                return call()
            except Unavailable as error:
                _logger.warning("a job waits for the catalogue: %s", error.message)
                if self._stopping.wait(_RETRY_S):
                    raise JobInterrupted from error

    def _keep(self, kind: str) -> None:
        while not self._stopping.wait(self._heartbeat_s):
            try:
                self.beat(kind)
            except Unavailable as error:
                _logger.warning("no heartbeat: %s", error.message)

    def beat(self, kind: str = "worker") -> None:
        """Says that this worker lives, and takes over the jobs of those that went silent."""
        now = self._clock.now_us()
        self._store.heartbeat(self.worker_id, kind, now)
        silent = self._store.silent_workers(now - int(self._lease_s * 1_000_000))
        taken = self._engine.recover([found for found in silent if found != self.worker_id])
        if taken:
            _logger.warning("workers %s are silent; their jobs %s go to others", silent, taken)
        # Not at once: between being found silent and its next word, a worker may have begun another job.
        self._store.forget_workers(now - _FORGET_S * 1_000_000)

    def _requeue_stranded(self) -> None:
        """A crash between a resume's two writes leaves a job waiting that the engine holds for ended."""
        for job_id in self._engine.ended(self._store.waiting(1000)):
            self._engine.again(job_id)


class _Patience(Protocol):
    def __call__(self, call: Callable[[], T], /) -> T: ...


class _Ledger:
    """One start of one job, in the catalogue."""

    def __init__(
        self, store: JobStore, engine: Engine, job: Job, stopping: threading.Event, patiently: _Patience
    ) -> None:
        self._patiently = patiently
        self._store = store
        self._engine = engine
        self._job = job
        self._stopping = stopping

    def check(self) -> None:
        self._judge(*self._patiently(lambda: self._store.state(self._job.id)))

    def report(self, progress: dict[str, Any]) -> None:
        job = self._job
        self._judge(*self._patiently(lambda: self._store.report(job.id, job.attempts, progress)))

    def run_step(self, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        return self._engine.run_step(name, work)

    def _judge(self, attempts: int, cancel_requested: bool) -> None:
        if attempts != self._job.attempts:
            raise JobReplaced
        if cancel_requested:
            raise JobCancelled
        if self._stopping.is_set():
            raise JobInterrupted


def _internal(error: Exception) -> dict[str, Any]:
    problem = LoopwrightError(
        f"the job stopped by a fault of ours ({type(error).__name__})", hint="the log file holds the trace"
    ).problem()
    return {**problem, "title": "Internal"}
