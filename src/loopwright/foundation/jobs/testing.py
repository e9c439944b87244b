"""What tests of handlers need: a context that runs steps at once, and a way to wait for a real job."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from loopwright.foundation.clock import Clock, SystemClock
from loopwright.foundation.jobs.context import JobCancelled, JobContext
from loopwright.foundation.jobs.schemas import Job
from loopwright.foundation.jobs.service import Jobs


class InlineLedger:
    """Keeps steps and progress in memory; a second context on the same ledger is a resumed job."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, dict[str, Any]]] = []
        self.progress: list[dict[str, Any]] = []
        self.cancelled = False
        self._position = 0

    def context(self, *, team_id: str = "team_test", clock: Clock | None = None) -> JobContext:
        """A fresh start of the job, which replays the steps kept so far."""
        self._position = 0
        return JobContext("job_test", team_id, "key_test", self, clock or SystemClock())

    def check(self) -> None:
        """Raises JobCancelled once `cancelled` is set."""
        if self.cancelled:
            raise JobCancelled

    def report(self, progress: dict[str, Any]) -> None:
        """Keeps the report."""
        self.progress.append(progress)
        self.check()

    def run_step(self, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Replays or runs the next step; a step that failed is not kept."""
        if self._position < len(self.steps):
            kept, outcome = self.steps[self._position]
            assert kept == name, f"step {self._position} was {kept!r}, now it is {name!r}"
        else:
            outcome = work()
            if "error" in outcome:
                return outcome
            self.steps.append((name, outcome))
        self._position += 1
        return outcome


def wait_for(jobs: Jobs, team_id: str, job_id: str, *statuses: str, timeout_s: float = 30.0) -> Job:
    """The job once it has one of `statuses` (default: any end). Raises TimeoutError that shows the job."""
    deadline = time.monotonic() + timeout_s
    while True:
        job = jobs.get(team_id, job_id)
        if job.status in statuses or (not statuses and job.finished):
            return job
        if time.monotonic() > deadline:
            raise TimeoutError(f"job is still {job}")
        time.sleep(0.02)
