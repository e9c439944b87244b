"""HTTP face of jobs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from loopwright.foundation.identity import Principal, action
from loopwright.foundation.jobs.schemas import JobList, JobView
from loopwright.foundation.jobs.service import Jobs


def build_router(jobs: Jobs) -> APIRouter:
    """Reading, cancelling and resuming the jobs of the caller's team."""
    router = APIRouter(prefix="/api/jobs", tags=["jobs"])

    @router.get("")
    @action("jobs.read")
    def page(
        request: Request,
        kind: str = "",
        subject: str = "",
        status: str = "",
        cursor: str = "",
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
    ) -> JobList:
        principal: Principal = request.state.principal
        found, following = jobs.page(
            principal.team_id, kind=kind, subject=subject, status=status, cursor=cursor, limit=limit
        )
        return JobList(items=[JobView.of(job) for job in found], next_cursor=following)

    @router.get("/{job_id}")
    @action("jobs.read")
    def show(request: Request, job_id: str) -> JobView:
        principal: Principal = request.state.principal
        return JobView.of(jobs.get(principal.team_id, job_id))

    @router.post("/{job_id}/cancel")
    @action("jobs.write")
    def cancel(request: Request, job_id: str) -> JobView:
        return JobView.of(jobs.cancel(request.state.principal, job_id))

    @router.post("/{job_id}/resume")
    @action("jobs.write")
    def resume(request: Request, job_id: str) -> JobView:
        return JobView.of(jobs.resume(request.state.principal, job_id))

    return router
