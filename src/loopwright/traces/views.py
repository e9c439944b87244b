"""Rows of the lake as the traces and spans people see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from loopwright.foundation.clock import iso
from loopwright.traces.content import parse_json
from loopwright.traces.schemas import Fault, Score, Span, Trace, Usage

Row = Mapping[str, Any]


def wire_trace(row: Row, scores: Sequence[Score], span_count: int | None = None) -> Trace:
    """A trace from its root row; `span_count` when it was counted rather than taken from the row."""
    return Trace(
        trace_id=row["trace_id"],
        name=row["name"],
        start_time=iso(row["start_us"]),
        duration_ms=row["duration_us"] / 1_000,
        status=row["status"],
        error=_fault(row),
        model=row["model"],
        requested_model=row["requested_model"],
        provider=row["provider"],
        endpoint=row["endpoint"],
        stream=row["stream"],
        session_id=row["session_id"],
        user_id=row["user_id"],
        input_preview=row["input_preview"] or "",
        output_preview=row["output_preview"] or "",
        input_tokens=row["input_tokens"],
        output_tokens=row["output_tokens"],
        cached_tokens=row["cached_tokens"],
        reasoning_tokens=row["reasoning_tokens"],
        usage_estimated=row["usage_estimated"],
        cost_usd=_dollars(row["cost_nanousd"]),
        ttft_ms=_milliseconds(row["ttft_us"]),
        span_count=span_count if span_count is not None else row["span_count"] or 1,
        scores=list(scores),
    )


def wire_span(row: Row) -> Span:
    """A span with its decoded input, output and attributes."""
    attributes = parse_json(row["attributes"])
    return Span(
        span_id=row["span_id"],
        parent_span_id=row["parent_span_id"] or None,
        kind=row["kind"],
        name=row["name"],
        start_time=iso(row["start_us"]),
        duration_ms=row["duration_us"] / 1_000,
        status=row["status"],
        error=_fault(row),
        model=row["model"],
        provider=row["provider"],
        input=parse_json(row["input"]),
        output=parse_json(row["output"]),
        usage=Usage(
            input_tokens=row["input_tokens"],
            output_tokens=row["output_tokens"],
            cached_tokens=row["cached_tokens"],
            reasoning_tokens=row["reasoning_tokens"],
            estimated=row["usage_estimated"],
        ),
        cost_usd=_dollars(row["cost_nanousd"]),
        ttft_ms=_milliseconds(row["ttft_us"]),
        attributes=attributes if isinstance(attributes, dict) else {},
    )


def _fault(row: Row) -> Fault | None:
    if not row["error_code"] and not row["error_message"]:
        return None
    return Fault(row["error_code"], row["error_message"])


def _dollars(nano: int | None) -> float | None:
    return None if nano is None else nano / 1_000_000_000


def _milliseconds(micro: int | None) -> float | None:
    return None if micro is None else micro / 1_000
