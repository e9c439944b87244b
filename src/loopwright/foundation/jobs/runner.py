"""The workflow engine (DBOS) behind jobs: its tables lie in the catalogue's own database, its payloads are JSON."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from dbos import DBOS, DBOSClient, DBOSPortableJSONSerializer, EnqueueOptions
from dbos import error as engine_errors
from dbos._context import current_owner_xid

from loopwright.foundation.errors import Conflict

if TYPE_CHECKING:
    from sqlalchemy import Connection

_APPLICATION: Final = "loopwright"
_WORKFLOW: Final = "loopwright.job"
_QUEUE: Final = "loopwright-jobs"
# By default a hash of the code, and work of another version is never picked up: an upgrade would strand every job.
_VERSION: Final = "1"
_POLL_S: Final = 1.0
_SETTLE_S: Final = 5.0


class Engine:
    """Runs one named workflow, `execute(job_id)`, durably. One started engine per process: DBOS is a global."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client_made: DBOSClient | None = None
        self._started = False

    def migrate(self) -> None:
        """Creates or upgrades the engine's tables; cheap when there is nothing to do."""
        _quiet()
        DBOS.migrate(self._url)

    def enqueue(self, connection: Connection, job_id: str) -> None:
        """Hands the job to whichever worker is free, once the caller's transaction commits."""
        options: EnqueueOptions = {"workflow_name": _WORKFLOW, "queue_name": _QUEUE, "workflow_id": job_id}
        self._client().enqueue_in_transaction(connection, options, job_id)

    def withdraw(self, job_id: str) -> None:
        """Takes a waiting job out of the queue."""
        self._client().cancel_workflow(job_id)

    def again(self, job_id: str) -> None:
        """Queues a job that ended, from after its last finished step. Raises Conflict when it does not end."""
        steps = self._client().list_workflow_steps(job_id)
        last = max(steps, key=lambda step: step["function_id"], default=None)
        start = 1 if last is None else int(last["function_id"]) + (0 if _failed(last) else 1)
        deadline = time.monotonic() + _SETTLE_S
        while True:
            try:
                self._client().rewind_workflow(job_id, start_step=start, queue_name=_QUEUE)
                return
            except engine_errors.DBOSException as error:
                # Our row says that the job ended a moment before the engine's does.
                if time.monotonic() > deadline:
                    raise Conflict(f"job {job_id!r} is still ending", hint="try again in a moment") from error
                time.sleep(0.05)

    def ended(self, job_ids: list[str]) -> list[str]:
        """Which of these jobs the engine holds for ended, however they ended."""
        if not job_ids:
            return []
        found = self._client().list_workflows(
            workflow_ids=job_ids,
            status=["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"],
            load_input=False,
            load_output=False,
        )
        return [workflow.workflow_id for workflow in found]

    def start(self, worker_id: str, execute: Callable[[str], None], concurrency: int) -> None:
        """Begins to run jobs in threads, first those that `worker_id` left behind when it died."""
        _quiet()
        DBOS(
            config={
                "name": _APPLICATION,
                "system_database_url": self._url,
                "application_version": _VERSION,
                "executor_id": worker_id,
                "serializer": DBOSPortableJSONSerializer(),
                "sys_db_pool_size": 5,
                "log_level": "WARNING",
                "enable_otlp": False,
            }
        )

        # No limit of the engine's own: past it, it would give a job up without a word. The service counts starts.
        @DBOS.workflow(name=_WORKFLOW, max_recovery_attempts=None)
        def run_job(job_id: str) -> None:
            execute(job_id)

        DBOS.launch()
        self._started = True
        DBOS.register_queue(
            _QUEUE, worker_concurrency=concurrency, polling_interval_sec=_POLL_S, on_conflict="always_update"
        )

    def recover(self, worker_ids: list[str]) -> list[str]:
        """Queues again what dead workers were running; several workers may ask at once. Ids of the jobs found."""
        # The engine's own recovery: the only call that moves a job just while that very worker still holds it.
        return [handle.get_workflow_id() for handle in DBOS._recover_pending_workflows(worker_ids)]

    def stop(self) -> None:
        """Stops taking jobs. One that is still running goes on where it was at the next start."""
        if self._started:
            self._started = False
            DBOS.destroy(destroy_registry=True)
        if self._client_made is not None:
            self._client_made.destroy()
            self._client_made = None

    @staticmethod
    def run_step(name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The kept outcome of `work` within the running job."""
        outcome: dict[str, Any] = DBOS.run_step({"name": name}, work)
        return outcome

    @staticmethod
    def dispatch(job_id: str) -> str:
        """The token of this hand-over of the running job; the engine gives a new one each time it hands the job out."""
        return current_owner_xid(job_id) or ""

    def _client(self) -> DBOSClient:
        if self._client_made is None:
            self._client_made = DBOSClient(
                system_database_url=self._url,
                serializer=DBOSPortableJSONSerializer(),
                system_database_pool_size=2,
                application_name=_APPLICATION,
                lazy=True,
            )
        return self._client_made


def _failed(step: Any) -> bool:
    output = step["output"]
    return step["error"] is not None or (isinstance(output, dict) and "error" in output)


def _quiet() -> None:
    """Lets the engine's warnings go where ours go; by default it writes every launch to the console."""
    logger = logging.getLogger("dbos")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    logger.setLevel(logging.WARNING)
