"""What a job is, inside and on the wire."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Literal

from pydantic import BaseModel, Field

from loopwright.foundation.clock import iso

JobStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]

FINISHED: Final[frozenset[str]] = frozenset({"succeeded", "failed", "cancelled"})


class Progress(BaseModel):
    """How far a job is."""

    done: float = Field(default=0, description="Units done.")
    total: float | None = Field(default=None, description="Units in all, when known.")
    unit: str = Field(default="", description="What is counted.")
    rate: float | None = Field(default=None, description="Units a second since the job was last started.")
    eta_s: float | None = Field(default=None, description="Seconds left at that rate.")
    cost_usd: float | None = Field(default=None, description="Money spent so far, when the job spends any.")
    message: str = Field(default="", description="What is being done now.")


@dataclass(frozen=True, slots=True)
class Job:
    """One job as stored. `attempts` counts its starts and fences off a start that another one replaced."""

    id: str
    team_id: str
    kind: str
    subject: str
    spec: dict[str, Any]
    status: JobStatus
    created_by: str
    created_us: int
    progress: dict[str, Any] = field(default_factory=dict)
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None
    started_us: int | None = None
    finished_us: int | None = None
    cancel_requested: bool = False
    worker_id: str = ""
    attempts: int = 0
    starts: int = 0

    @property
    def finished(self) -> bool:
        """Whether nothing more will happen unless someone resumes it."""
        return self.status in FINISHED


class JobView(BaseModel):
    """A job on the wire."""

    id: str
    kind: str = Field(description="Which handler does the work.")
    subject: str = Field(description="What it works on, such as the name of a knowledge base.")
    status: JobStatus
    cancel_requested: bool = Field(description="Cancelled by someone; takes effect at the next step or report.")
    progress: Progress
    spec: dict[str, Any]
    result: dict[str, Any] | None
    error: dict[str, Any] | None = Field(description="RFC 9457 problem of a failed job.")
    attempts: int = Field(description="How often it was started.")
    created_by: str
    created_at: str
    started_at: str | None
    finished_at: str | None

    @classmethod
    def of(cls, job: Job) -> JobView:
        """The wire form of `job`."""
        return cls(
            id=job.id,
            kind=job.kind,
            subject=job.subject,
            status=job.status,
            cancel_requested=job.cancel_requested,
            progress=Progress(**job.progress),
            spec=job.spec,
            result=job.result,
            error=job.error,
            attempts=job.attempts,
            created_by=job.created_by,
            created_at=iso(job.created_us),
            started_at=None if job.started_us is None else iso(job.started_us),
            finished_at=None if job.finished_us is None else iso(job.finished_us),
        )


class JobList(BaseModel):
    """A page of jobs, newest first."""

    items: list[JobView]
    next_cursor: str | None
