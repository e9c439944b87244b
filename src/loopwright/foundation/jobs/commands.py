"""Command-line face of jobs."""

from __future__ import annotations

import time
from typing import Annotated, Any, Final

import typer

from loopwright.foundation.client import Client
from loopwright.foundation.errors import Conflict
from loopwright.foundation.jobs.schemas import FINISHED

app = typer.Typer(
    name="jobs",
    help="Durable jobs: builds, imports, tuning runs.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

_COLUMNS: Final = ("id", "kind", "subject", "status", "done", "created_at")
_POLL_S: Final = 0.5

JobId = Annotated[str, typer.Argument(help="Id of the job.")]


@app.command("ls")
def ls(
    ctx: typer.Context,
    kind: Annotated[str, typer.Option(help="Only jobs of this kind.")] = "",
    subject: Annotated[str, typer.Option(help="Only jobs that work on this.")] = "",
    status: Annotated[str, typer.Option(help="queued, running, succeeded, failed or cancelled.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=200, help="How many at most.")] = 50,
) -> None:
    """Lists jobs, newest first."""
    client: Client = ctx.obj
    found = client.get("/api/jobs", kind=kind, subject=subject, status=status, limit=limit)
    client.emit([{**job, "done": describe(job["progress"])} for job in found["items"]], _COLUMNS)


@app.command("show")
def show(ctx: typer.Context, job_id: JobId) -> None:
    """Shows one job with its result or error."""
    client: Client = ctx.obj
    client.emit(client.get(f"/api/jobs/{job_id}"))


@app.command("cancel")
def cancel(ctx: typer.Context, job_id: JobId) -> None:
    """Ends a job at its next step."""
    client: Client = ctx.obj
    client.emit(client.post(f"/api/jobs/{job_id}/cancel"), ("id", "status", "cancel_requested"))


@app.command("resume")
def resume(ctx: typer.Context, job_id: JobId) -> None:
    """Goes on with a failed or cancelled job after its last finished step."""
    client: Client = ctx.obj
    client.emit(client.post(f"/api/jobs/{job_id}/resume"), ("id", "status"))


@app.command("watch")
def watch(ctx: typer.Context, job_id: JobId) -> None:
    """Follows a job until it ends; exits with an error unless it succeeded."""
    client: Client = ctx.obj
    job = follow(client, job_id)
    client.emit(job, ("id", "status", "result"))


def follow(client: Client, job_id: str) -> dict[str, Any]:
    """The job once it succeeded, its progress shown meanwhile. Raises Conflict when it failed or was cancelled."""
    shown = ""
    while True:
        job: dict[str, Any] = client.get(f"/api/jobs/{job_id}")
        line = f"{job['kind']} {job['subject']}: {job['status']} {describe(job['progress'])}"
        if line != shown:
            client.progress(line)
            shown = line
        if job["status"] in FINISHED:
            break
        time.sleep(_POLL_S)
    if job["status"] != "succeeded":
        reason = (job["error"] or {}).get("detail", "somebody cancelled it")
        hint = (job["error"] or {}).get("hint") or f"go on with: loopwright jobs resume {job_id}"
        raise Conflict(f"job {job_id} {job['status']}: {reason}", hint=hint)
    return job


def describe(progress: dict[str, Any]) -> str:
    """`120/400 files, 3.1/s, 90 s left` as far as known."""
    done, total, unit = progress["done"], progress["total"], progress["unit"]
    parts = [f"{done:g}/{total:g} {unit}".strip() if total is not None else f"{done:g} {unit}".strip()]
    if progress["rate"]:
        parts.append(f"{progress['rate']:.3g}/s")
    if progress["eta_s"]:
        parts.append(f"{progress['eta_s']:.0f} s left")
    if progress["message"]:
        parts.append(progress["message"])
    return ", ".join(parts)
