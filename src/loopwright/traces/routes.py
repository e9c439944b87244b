"""The HTTP face of traces and scores."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Body, Depends, Header, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr

from loopwright.foundation.identity import Principal, action
from loopwright.traces.schemas import TraceFilter
from loopwright.traces.service import TraceService, TraceTail

POLL_SECONDS = 0.5
KEEP_ALIVE_SECONDS = 15.0


class NewScore(BaseModel):
    """A judgement to add."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(
        default="feedback", description="What is judged; one author's later judgement replaces the earlier."
    )
    kind: str = Field(description="thumbs, stars, emoji, comment, number or label.")
    value: StrictInt | StrictFloat | StrictStr = Field(
        description="1 or -1 for thumbs, 1 to 5 for stars, a number, or text."
    )
    comment: str = Field(default="", description="Why.")
    span_id: str = Field(default="", description="The span that is judged; empty for the trace as a whole.")


def trace_filter(
    q: Annotated[str, Query(description="Words that all occur in the input or output.")] = "",
    status: Annotated[str, Query(description="ok, error, cancelled or interrupted.")] = "",
    model: str = "",
    provider: str = "",
    endpoint: str = "",
    kind: Annotated[str, Query(description="Traces with a span of this kind.")] = "",
    session_id: str = "",
    user_id: str = "",
    min_duration_ms: float | None = None,
    max_duration_ms: float | None = None,
    min_cost_usd: float | None = None,
    since: Annotated[str, Query(description="ISO 8601, inclusive.")] = "",
    until: Annotated[str, Query(description="ISO 8601, exclusive.")] = "",
    feedback: Annotated[str, Query(description="any, none, up or down.")] = "",
) -> TraceFilter:
    """The query parameters that select traces; the service checks them."""
    return TraceFilter(
        q=q,
        status=status,
        model=model,
        provider=provider,
        endpoint=endpoint,
        kind=kind,
        session_id=session_id,
        user_id=user_id,
        min_duration_ms=min_duration_ms,
        max_duration_ms=max_duration_ms,
        min_cost_usd=min_cost_usd,
        since=since,
        until=until,
        feedback=feedback,
    )


def build_router(service: TraceService) -> APIRouter:
    """Routes under `/api/traces`."""
    router = APIRouter(prefix="/api/traces", tags=["traces"])

    @router.get("")
    @action("traces.read")
    def list_traces(
        request: Request,
        chosen: Annotated[TraceFilter, Depends(trace_filter)],
        limit: Annotated[int, Query(description="Traces per page, 1 to 200.")] = 50,
        cursor: Annotated[str, Query(description="next_cursor of the previous page.")] = "",
    ) -> Response:
        """The newest traces of the team that match every parameter given."""
        return _json(service.list_traces(_team(request), chosen, limit, cursor))

    @router.get("/facets")
    @action("traces.read")
    def facets(request: Request) -> Response:
        """The values that occur among recent traces."""
        return _json(service.facets(_team(request)))

    @router.get("/stream")
    @action("traces.read")
    async def stream(
        request: Request, last_event_id: Annotated[str, Header(description="Resume behind this event.")] = ""
    ) -> StreamingResponse:
        """Server-sent events, one `trace` for each that arrives, until the client leaves."""
        tail = await run_in_threadpool(service.tail, _team(request), last_event_id)
        return StreamingResponse(
            _events(request, tail), media_type="text/event-stream", headers={"cache-control": "no-store"}
        )

    @router.get("/{trace_id}")
    @action("traces.read")
    def get_trace(request: Request, trace_id: str) -> Response:
        """One trace with its spans and scores."""
        return _json(service.get_trace(_team(request), trace_id))

    @router.post("/{trace_id}/scores", status_code=201)
    @action("scores.write")
    def add_score(request: Request, trace_id: str, score: Annotated[NewScore, Body()]) -> Response:
        """Judges a trace or one of its spans."""
        principal: Principal = request.state.principal
        added = service.add_score(
            principal.team_id,
            trace_id,
            kind=score.kind,
            value=score.value,
            author=principal.subject,
            name=score.name,
            comment=score.comment,
            span_id=score.span_id,
        )
        return _json(added, 201)

    @router.delete("/{trace_id}/scores/{score_id}", status_code=204)
    @action("scores.write")
    def delete_score(request: Request, trace_id: str, score_id: str) -> Response:
        """Takes a judgement back."""
        service.delete_score(_team(request), trace_id, score_id)
        return Response(status_code=204)

    return router


async def _events(request: Request, tail: TraceTail) -> AsyncIterator[bytes]:
    yield b": connected\n\n"
    spoken = time.monotonic()
    while not await request.is_disconnected():
        arrived = await run_in_threadpool(tail.poll)
        for cursor, trace in arrived:
            yield b"id: %b\nevent: trace\ndata: %b\n\n" % (cursor.encode(), msgspec.json.encode(trace))
        if arrived:
            spoken = time.monotonic()
        elif time.monotonic() - spoken >= KEEP_ALIVE_SECONDS:
            spoken = time.monotonic()
            yield b": keep-alive\n\n"
        await asyncio.sleep(POLL_SECONDS)


def _team(request: Request) -> str:
    principal: Principal = request.state.principal
    return principal.team_id


def _json(body: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
