"""What a handler sees of its job: steps, progress, and whether somebody wants it to end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, ParamSpec, Protocol, TypeVar

from loopwright.foundation.clock import Clock
from loopwright.foundation.errors import LoopwrightError, error_from
from loopwright.foundation.jobs.schemas import Progress

REPORT_EVERY_S: Final = 0.5
"""Progress is written and wishes to cancel are read at most this often, steps apart."""

P = ParamSpec("P")
T = TypeVar("T")


class JobCancelled(BaseException):
    """Somebody cancelled the job. No `Exception`, so that a handler which tolerates faults does not swallow it."""


class JobReplaced(BaseException):
    """Another worker runs this job by now: this start must not write anything more."""


class JobInterrupted(BaseException):
    """This process stops; the job goes on where it was when a worker starts again."""


class Ledger(Protocol):
    """Where a context reports to."""

    def check(self) -> None:
        """Raises JobCancelled, JobReplaced or JobInterrupted when the job must not go on."""
        ...

    def report(self, progress: dict[str, Any]) -> None:
        """Stores progress; raises as `check`."""
        ...

    def run_step(self, name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What `work` returned, now or in an earlier start of the job."""
        ...


class JobContext:
    """Given to a handler for one start of its job. Not for several threads at once."""

    def __init__(self, job_id: str, team_id: str, created_by: str, ledger: Ledger, clock: Clock) -> None:
        self.job_id = job_id
        self.team_id = team_id
        self.created_by = created_by
        self._ledger = ledger
        self._clock = clock
        self._last_report = float("-inf")
        self._first: tuple[float, float] | None = None
        self._unwritten: dict[str, Any] | None = None

    def step(self, name: str, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The JSON result of `work(*args)`, which is kept: once finished it is not run again after a crash or resume.

        A step that was interrupted is run again, so it must bear that. Steps run one after another, in the same
        order and under the same names at every start. A LoopwrightError is kept and raised again as it was.
        """
        self._ledger.check()

        def guarded() -> dict[str, Any]:
            try:
                return {"ok": work(*args, **kwargs)}
            except LoopwrightError as error:
                return {"error": error.problem()}

        outcome = self._ledger.run_step(name, guarded)
        if "error" in outcome:
            raise error_from(outcome["error"])
        result: T = outcome["ok"]
        return result

    def progress(
        self,
        done: float,
        total: float | None = None,
        unit: str = "",
        message: str = "",
        *,
        cost_usd: float | None = None,
    ) -> None:
        """Tells how far the job is; written at most twice a second. Raises JobCancelled when somebody cancelled it."""
        now = self._clock.monotonic()
        if self._first is None:
            self._first = (now, done)
        since, base = self._first
        rate = (done - base) / (now - since) if now > since and done > base else None
        left = (total - done) / rate if rate and total is not None and total >= done else None
        self._unwritten = Progress(
            done=done, total=total, unit=unit, rate=rate, eta_s=left, cost_usd=cost_usd, message=message
        ).model_dump()
        if now - self._last_report >= REPORT_EVERY_S or done == total:
            self._last_report = now
            self.flush()

    def raise_if_cancelled(self) -> None:
        """For long loops inside one step: raises JobCancelled; asks the catalogue at most twice a second."""
        now = self._clock.monotonic()
        if now - self._last_report >= REPORT_EVERY_S:
            self._last_report = now
            self._ledger.check()

    def flush(self) -> None:
        """Writes the newest progress now, if it was held back."""
        if self._unwritten is not None:
            unwritten, self._unwritten = self._unwritten, None
            self._ledger.report(unwritten)


JobHandler = Callable[[JobContext, dict[str, Any]], dict[str, Any]]
"""Does the work of one kind of job: `(context, spec) -> result`, both JSON objects."""
