"""Traces as the datasets package is given them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from loopwright.traces import Score, Span, Trace, TraceDetail, TraceFilter
from loopwright.traces.schemas import Usage

USAGE = Usage(input_tokens=7, output_tokens=3, cached_tokens=0, reasoning_tokens=0, estimated=False)


def score(kind: str, value: float | int | str, **changes: Any) -> Score:
    known: dict[str, Any] = {
        "id": "score_1",
        "trace_id": "t",
        "span_id": "",
        "name": "feedback",
        "kind": kind,
        "value": value,
        "comment": "",
        "author": "ann",
        "source": "human",
        "created_at": "2026-11-20T10:00:00Z",
    }
    return Score(**{**known, **changes})


def detail(
    number: int = 1, *, given: Any = None, output: Any = None, scores: tuple[Score, ...] = (), **changes: Any
) -> TraceDetail:
    """A finished chat; `given` and `output` are the decoded JSON of its root span."""
    if given is None:
        given = {"model": "m1", "messages": [{"role": "user", "content": f"question {number}"}], "temperature": 0.5}
    known: dict[str, Any] = {
        "trace_id": f"{number:032x}",
        "name": "chat",
        "start_time": "2026-11-20T10:00:00.000000Z",
        "duration_ms": 1500.0,
        "status": "ok",
        "error": None,
        "model": "m1",
        "requested_model": "m1",
        "provider": "p1",
        "endpoint": "support",
        "stream": False,
        "session_id": "s1",
        "user_id": "u1",
        "input_preview": "",
        "output_preview": "",
        "input_tokens": 7,
        "output_tokens": 3,
        "cached_tokens": 0,
        "reasoning_tokens": 0,
        "usage_estimated": False,
        "cost_usd": 0.25,
        "ttft_ms": None,
        "span_count": 1,
        "scores": list(scores),
    }
    trace = Trace(**{**known, **changes})
    root = Span(
        span_id=f"{number:016x}",
        parent_span_id=None,
        kind="model",
        name="chat",
        start_time=trace.start_time,
        duration_ms=trace.duration_ms,
        status=trace.status,
        error=None,
        model=trace.model,
        provider=trace.provider,
        input=given,
        output=output if output is not None else {"role": "assistant", "content": f"answer {number}"},
        usage=USAGE,
        cost_usd=trace.cost_usd,
        ttft_ms=None,
        attributes={},
    )
    return TraceDetail(trace=trace, spans=[root], scores=list(scores))


class FakeTraces:
    """A trace source that remembers what it was asked."""

    def __init__(self, *details: TraceDetail, team_id: str = "team_a") -> None:
        self.details = list(details)
        self.team_id = team_id
        self.asked: list[tuple[str, TraceFilter, int]] = []

    def select_traces(self, team_id: str, given: TraceFilter, limit: int) -> Iterator[TraceDetail]:
        self.asked.append((team_id, given, limit))
        if team_id == self.team_id:
            yield from self.details[:limit]
