"""Records for the tests of traces; light, so that a process that only writes starts fast."""

from __future__ import annotations

import json
from typing import Any

from loopwright.traces import BeginRecord, ScoreRecord, SpanRecord

START_US = 1_700_000_000_000_000


def trace_id(number: int) -> str:
    return f"{number:032x}"


def span(number: int = 1, /, **changes: Any) -> SpanRecord:
    """The root span of trace `number`, one second after that of the trace before."""
    asked = changes.pop("asked", f"question {number}")
    answered = changes.pop("answered", f"answer {number}")
    known: dict[str, Any] = {
        "team_id": "team_a",
        "trace_id": trace_id(number),
        "span_id": f"{number:016x}",
        "kind": "model",
        "name": "chat",
        "start_us": START_US + number * 1_000_000,
        "duration_us": 1_500_000,
        "model": "m1",
        "provider": "p1",
        "endpoint": "support",
        "input": json.dumps({"messages": [{"role": "user", "content": asked}]}).encode(),
        "output": json.dumps({"role": "assistant", "content": answered}).encode(),
        "input_tokens": 7,
        "output_tokens": 3,
        "cost_nanousd": 2_000,
    }
    return SpanRecord(**{**known, **changes})


def begin(number: int = 1, /, **changes: Any) -> BeginRecord:
    known: dict[str, Any] = {
        "team_id": "team_a",
        "trace_id": trace_id(number),
        "span_id": f"{number:016x}",
        "name": "chat",
        "start_us": START_US + number * 1_000_000,
    }
    return BeginRecord(**{**known, **changes})


def score(number: int = 1, /, **changes: Any) -> ScoreRecord:
    known: dict[str, Any] = {
        "team_id": "team_a",
        "trace_id": trace_id(number),
        "id": f"score_{number}",
        "kind": "thumbs",
        "number": 1.0,
        "created_us": START_US,
    }
    return ScoreRecord(**{**known, **changes})
