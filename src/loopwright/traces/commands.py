"""The command line face of traces: list, show, follow and rate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from loopwright.foundation.client import Client
from loopwright.foundation.errors import Invalid

app = typer.Typer(
    help="See what was asked and answered, and judge it.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

LIST_COLUMNS = ("trace_id", "start_time", "status", "model", "duration_ms", "cost_usd", "input_preview")
PAGE = 200


@app.command("ls")
def list_traces(
    ctx: typer.Context,
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
    limit: Annotated[int, typer.Option(help="How many, newest first.")] = 20,
) -> None:
    """List the newest traces."""
    client: Client = ctx.obj
    found: list[dict[str, Any]] = []
    cursor = None
    while len(found) < limit:
        page = client.get(
            "/api/traces",
            q=query,
            status=status,
            model=model,
            provider=provider,
            endpoint=endpoint,
            kind=kind,
            session_id=session,
            user_id=user,
            feedback=feedback,
            since=since,
            until=until,
            min_duration_ms=min_duration_ms,
            max_duration_ms=max_duration_ms,
            min_cost_usd=min_cost_usd,
            limit=min(PAGE, limit - len(found)),
            cursor=cursor,
        )
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    client.emit(found, LIST_COLUMNS)


@app.command("show")
def show(ctx: typer.Context, trace_id: Annotated[str, typer.Argument(help="Id of the trace.")]) -> None:
    """Show one trace as a tree of its spans, with durations, cost and scores."""
    client: Client = ctx.obj
    detail = client.get(f"/api/traces/{trace_id}")
    if client.as_json:
        client.emit(detail)
        return
    trace = detail["trace"]
    client.say(f"{trace['trace_id']}  {trace['start_time']}  {trace['status']}  {_figures(trace)}")
    client.say(f"asked:    {trace['input_preview']}")
    client.say(f"answered: {trace['output_preview']}")
    _branch(client, detail["spans"], None, "")
    for score in detail["scores"]:
        client.say(f"{score['id']}  {score['name']} ({score['kind']}): {score['value']}  {score['comment']}".rstrip())


@app.command("tail")
def tail(ctx: typer.Context) -> None:
    """Follow traces as they arrive, until interrupted."""
    client: Client = ctx.obj
    for event, trace in client.stream_sse("/api/traces/stream"):
        if event != "trace":
            continue
        if client.as_json:
            client.line(trace)
        else:
            figures = f"{trace['status']:<9}  {trace['model']}  {_figures(trace)}"
            client.say(f"{trace['start_time']}  {trace['trace_id']}  {figures}  {trace['input_preview'][:60]}")


@app.command("rate")
def rate(
    ctx: typer.Context,
    trace_id: Annotated[str, typer.Argument(help="Id of the trace.")],
    up: Annotated[bool, typer.Option("--up", help="Thumbs up.")] = False,
    down: Annotated[bool, typer.Option("--down", help="Thumbs down.")] = False,
    stars: Annotated[int | None, typer.Option(help="1 to 5.")] = None,
    emoji: Annotated[str, typer.Option(help="One emoji.")] = "",
    number: Annotated[float | None, typer.Option(help="Any number; name it with --name.")] = None,
    label: Annotated[str, typer.Option(help="A class; name it with --name.")] = "",
    comment: Annotated[str, typer.Option(help="Why; on its own it is a comment.")] = "",
    name: Annotated[str, typer.Option(help="What is judged.")] = "feedback",
    span: Annotated[str, typer.Option(help="Id of the span that is judged.")] = "",
) -> None:
    """Judge a trace by thumbs, stars, an emoji, a number, a label or a comment."""
    given: list[tuple[str, float | str]] = []
    given += [("thumbs", 1)] if up else []
    given += [("thumbs", -1)] if down else []
    given += [("stars", stars)] if stars is not None else []
    given += [("number", number)] if number is not None else []
    given += [(kind, text) for kind, text in (("emoji", emoji), ("label", label)) if text]
    if not given and comment:
        given, comment = [("comment", comment)], ""
    if len(given) != 1:
        raise Invalid(
            f"{len(given)} judgements given, one is needed",
            hint="use one of --up, --down, --stars N, --emoji E, --number X, --label L, --comment TEXT",
        )
    client: Client = ctx.obj
    kind, value = given[0]
    body = {"name": name, "kind": kind, "value": value, "comment": comment, "span_id": span}
    client.emit(client.post(f"/api/traces/{trace_id}/scores", body))


def _branch(client: Client, spans: list[dict[str, Any]], parent: str | None, indent: str) -> None:
    """Children of `parent`; a span whose parent is not there hangs under the top."""
    known = {span["span_id"] for span in spans}
    children = [
        span
        for span in spans
        if span["parent_span_id"] == parent or (parent is None and span["parent_span_id"] not in known)
    ]
    for number, span in enumerate(children, 1):
        last = number == len(children)
        fault = f"  {span['error']['code']}: {span['error']['message']}" if span["error"] else ""
        client.say(f"{indent}{'└─' if last else '├─'} {span['name']} [{span['kind']}]  {_figures(span)}{fault}")
        _branch(client, spans, span["span_id"], indent + ("   " if last else "│  "))


def _figures(item: Mapping[str, Any]) -> str:
    cost = "cost unknown" if item["cost_usd"] is None else f"${item['cost_usd']:.6f}"
    return f"{item['duration_ms']:.1f} ms  {cost}"
