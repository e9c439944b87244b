"""The command line face of datasets: draw from traces, list, show, export, remove."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from loopwright.foundation.client import Client
from loopwright.foundation.errors import Invalid

app = typer.Typer(
    help="Turn traces into immutable dataset versions.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

Name = Annotated[str, typer.Argument(help="Name of the dataset.")]


@app.command("from-traces")
def from_traces(
    ctx: typer.Context,
    name: Name,
    query: Annotated[str, typer.Option("--query", "-q", help="Words that all occur in the input or output.")] = "",
    status: Annotated[str, typer.Option(help="ok, error, cancelled or interrupted.")] = "",
    model: Annotated[str, typer.Option(help="Model that answered.")] = "",
    provider: Annotated[str, typer.Option(help="Provider that answered.")] = "",
    endpoint: Annotated[str, typer.Option(help="Endpoint that was asked.")] = "",
    kind: Annotated[str, typer.Option(help="Traces with a span of this kind.")] = "",
    session: Annotated[str, typer.Option(help="Session id.")] = "",
    user: Annotated[str, typer.Option(help="User id.")] = "",
    feedback: Annotated[str, typer.Option(help="any, none, up or down.")] = "",
    since: Annotated[str, typer.Option(help="ISO 8601, inclusive.")] = "",
    until: Annotated[str, typer.Option(help="ISO 8601, exclusive.")] = "",
    min_duration_ms: Annotated[float | None, typer.Option(help="At least this slow.")] = None,
    max_duration_ms: Annotated[float | None, typer.Option(help="At most this slow.")] = None,
    min_cost_usd: Annotated[float | None, typer.Option(help="At least this dear.")] = None,
    limit: Annotated[int, typer.Option(help="At most so many traces, the newest.")] = 10_000,
    note: Annotated[str, typer.Option(help="Why this version is drawn.")] = "",
    description: Annotated[str, typer.Option(help="What the dataset is for.")] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count and sample, write nothing.")] = False,
) -> None:
    """Draw the next version of a dataset from the traces a filter holds."""
    client: Client = ctx.obj
    chosen: dict[str, Any] = {
        "q": query,
        "status": status,
        "model": model,
        "provider": provider,
        "endpoint": endpoint,
        "kind": kind,
        "session_id": session,
        "user_id": user,
        "feedback": feedback,
        "since": since,
        "until": until,
        "min_duration_ms": min_duration_ms,
        "max_duration_ms": max_duration_ms,
        "min_cost_usd": min_cost_usd,
    }
    body = {
        "filter": {key: value for key, value in chosen.items() if value not in ("", None)},
        "limit": limit,
        "note": note,
        "description": description,
        "dry_run": dry_run,
    }
    drawn = client.post(f"/api/datasets/{name}/versions", body)
    if client.as_json:
        client.emit(drawn)
        return
    counts, version = drawn["counts"], drawn["version"]
    verb = "would hold" if dry_run else "holds"
    client.say(f"{name} version {version['version']} {verb} {counts['rows']} rows ({version['digest']})")
    client.say(f"{counts['selected']} traces, {counts['duplicates']} duplicates, {counts['skipped']} without an answer")


@app.command("ls")
def list_datasets(ctx: typer.Context) -> None:
    """List the datasets."""
    client: Client = ctx.obj
    columns = ("name", "latest_version", "row_count", "updated_at", "description")
    client.emit(client.get("/api/datasets")["items"], columns)


@app.command("show")
def show(ctx: typer.Context, name: Name) -> None:
    """Show a dataset with its versions."""
    client: Client = ctx.obj
    detail = client.get(f"/api/datasets/{name}")
    if client.as_json:
        client.emit(detail)
        return
    client.emit(detail["dataset"], ("name", "description", "latest_version", "row_count", "created_at", "updated_at"))
    client.emit(detail["versions"], ("version", "row_count", "digest", "created_at", "created_by", "source", "note"))


@app.command("export")
def export(
    ctx: typer.Context,
    name: Name,
    version: Annotated[int | None, typer.Option(help="Number of the version; the latest when left out.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write; standard output else.")] = None,
) -> None:
    """Write a version as JSON lines."""
    client: Client = ctx.obj
    number = version or client.get(f"/api/datasets/{name}")["dataset"]["latest_version"]
    lines = client.lines(f"/api/datasets/{name}/versions/{number}/export")
    if output is None:
        for line in lines:
            sys.stdout.write(line + "\n")
        return
    # Beside the target first: a broken export must not look like a whole one.
    part = output.with_name(f"{output.name}.part")
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            file.writelines(line + "\n" for line in lines)
    except OSError as error:
        raise Invalid(f"cannot write {part}: {error.strerror}", param="output") from error
    part.replace(output)
    client.emit({"dataset": name, "version": number, "output": str(output)})


@app.command("delete")
def delete(
    ctx: typer.Context,
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Deletes a dataset with all its versions."""
    client: Client = ctx.obj
    if not yes:
        typer.confirm(f"Delete dataset {name} with all its versions?", abort=True, err=True)
    client.delete(f"/api/datasets/{name}")
    client.emit({"deleted": name})
