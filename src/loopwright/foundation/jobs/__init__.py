"""Durable jobs: work that outlives a crash, a restart and the machine it began on.

Comes in: a kind, a subject and a JSON spec of a caller. Goes out: a job with progress, a result or an error.
Packages give handlers by kind (`JobHandler`) and split their work into steps (`JobContext.step`): a finished
step is never run again, a step that was interrupted is. `apps` starts one `Jobs` per process.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loopwright.foundation.jobs.context import JobCancelled, JobContext, JobHandler
from loopwright.foundation.jobs.schemas import Job, Progress

if TYPE_CHECKING:
    from loopwright.foundation.jobs.service import Jobs

__all__ = ["Job", "JobCancelled", "JobContext", "JobHandler", "Jobs", "Progress"]


def __getattr__(name: str) -> Any:
    if name == "Jobs":
        # SQLAlchemy comes with it; those who only write handlers need none.
        from loopwright.foundation.jobs.service import Jobs

        return Jobs
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
