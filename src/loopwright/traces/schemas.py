"""The records that travel through the spool, and the shapes traces, spans and scores have on the wire."""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

SpanKind = Literal["model", "retrieval", "tool", "guard", "cache", "other"]
Status = Literal["ok", "error", "cancelled", "interrupted"]
ScoreKind = Literal["thumbs", "stars", "emoji", "comment", "number", "label"]
ScoreSource = Literal["human", "code", "judge"]
Feedback = Literal["any", "none", "up", "down"]

KINDS: Final[tuple[SpanKind, ...]] = ("model", "retrieval", "tool", "guard", "cache", "other")
STATUSES: Final[tuple[Status, ...]] = ("ok", "error", "cancelled", "interrupted")
SCORE_KINDS: Final[tuple[ScoreKind, ...]] = ("thumbs", "stars", "emoji", "comment", "number", "label")
SCORE_SOURCES: Final[tuple[ScoreSource, ...]] = ("human", "code", "judge")
FEEDBACKS: Final[tuple[Feedback, ...]] = ("any", "none", "up", "down")


# Records are arrays in the spool: a field may only be added at the end, with a default, so that segments
# written by another release stay readable.
class SpanRecord(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="span", gc=False):
    """One finished span; a root span (`parent_span_id == ""`) ends its trace.

    `input`, `output` (any JSON) and `attributes` (a JSON object) are raw JSON bytes, empty for none.
    """

    team_id: str
    trace_id: str
    span_id: str
    parent_span_id: str = ""
    kind: str
    name: str
    start_us: int
    duration_us: int
    status: str = "ok"
    error_code: str = ""
    error_message: str = ""
    provider: str = ""
    model: str = ""
    requested_model: str = ""
    endpoint: str = ""
    stream: bool = False
    session_id: str = ""
    user_id: str = ""
    key_id: str = ""
    input: bytes = b""
    output: bytes = b""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    usage_estimated: bool = False
    cost_nanousd: int | None = None
    ttft_us: int | None = None
    attributes: bytes = b""


class BeginRecord(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="begin", gc=False):
    """The intent to answer a request, written before a provider is called.

    Without its root span in a dead writer's segments it becomes a trace with status `interrupted`.
    `span_id` is the root span's. `input` is optional JSON; it is held in memory while the trace is open.
    """

    team_id: str
    trace_id: str
    span_id: str
    name: str
    start_us: int
    kind: str = "model"
    provider: str = ""
    model: str = ""
    requested_model: str = ""
    endpoint: str = ""
    stream: bool = False
    session_id: str = ""
    user_id: str = ""
    key_id: str = ""
    input: bytes = b""


class ScoreRecord(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag="score", gc=False):
    """A judgement on a trace, or the tombstone of one (`deleted`, same `id`)."""

    team_id: str
    trace_id: str
    id: str
    kind: str
    created_us: int
    span_id: str = ""
    name: str = "feedback"
    text: str = ""
    number: float | None = None
    comment: str = ""
    author: str = ""
    source: str = "human"
    deleted: bool = False


Record = SpanRecord | BeginRecord | ScoreRecord


class Fault(msgspec.Struct, frozen=True):
    """Why a span failed."""

    code: str
    message: str


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """A judgement as the API shows it; `value` is a number for thumbs, stars and number, else text."""

    id: str
    trace_id: str
    span_id: str
    name: str
    kind: str
    value: float | int | str
    comment: str
    author: str
    source: str
    created_at: str


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """One request and its answer, without the large texts."""

    trace_id: str
    name: str
    start_time: str
    duration_ms: float
    status: str
    error: Fault | None
    model: str
    requested_model: str
    provider: str
    endpoint: str
    stream: bool
    session_id: str
    user_id: str
    input_preview: str
    output_preview: str
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    usage_estimated: bool
    cost_usd: float | None
    ttft_ms: float | None
    span_count: int
    scores: list[Score]


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens of one span."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int
    reasoning_tokens: int
    estimated: bool


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a trace with its full input and output."""

    span_id: str
    parent_span_id: str | None
    kind: str
    name: str
    start_time: str
    duration_ms: float
    status: str
    error: Fault | None
    model: str
    provider: str
    input: Any
    output: Any
    usage: Usage
    cost_usd: float | None
    ttft_ms: float | None
    attributes: dict[str, Any]


class TraceDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A trace with all it holds; spans in order of start."""

    trace: Trace
    spans: list[Span]
    scores: list[Score]


class TracePage(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first; `next_cursor` is None at the end."""

    items: list[Trace]
    next_cursor: str | None


class TraceStats(msgspec.Struct, frozen=True, kw_only=True):
    """What a time span came to; `cost_usd` leaves out traces whose price is unknown."""

    traces: int
    errors: int
    input_tokens: int
    output_tokens: int
    cost_usd: float
    p50_duration_ms: float | None
    p95_duration_ms: float | None


class FacetValue(msgspec.Struct, frozen=True):
    """How often a value occurs among recent traces."""

    value: str
    count: int


class Facets(msgspec.Struct, frozen=True, kw_only=True):
    """The values one can filter by, most frequent first."""

    models: list[FacetValue]
    endpoints: list[FacetValue]
    providers: list[FacetValue]
    statuses: list[FacetValue]


class TraceFilter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What `GET /api/traces` can select by; `since` and `until` are ISO 8601, since inclusive, until exclusive."""

    q: str = ""
    status: str = ""
    model: str = ""
    provider: str = ""
    endpoint: str = ""
    kind: str = ""
    session_id: str = ""
    user_id: str = ""
    min_duration_ms: float | None = None
    max_duration_ms: float | None = None
    min_cost_usd: float | None = None
    since: str = ""
    until: str = ""
    feedback: str = ""
