"""One request on its way through the gateway, and the reply that comes back."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from loopwright.catalog import Target, Usage
from loopwright.foundation.errors import Invalid
from loopwright.foundation.identity import Principal
from loopwright.foundation.ids import new_span_id
from loopwright.traces import SpanRecord

Raw = msgspec.Raw
Body = dict[str, Raw]

_decode_body = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_text = msgspec.json.Decoder(str | None).decode
_decode_flag = msgspec.json.Decoder(bool | None).decode
_decode_any = msgspec.json.Decoder().decode
encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Exchange:
    """Everything known of one request. `body` is shallow: values stay raw bytes until someone needs them."""

    request_id: str
    trace_id: str
    principal: Principal
    body: Body
    model: str
    stream: bool
    target: Target
    start_us: int
    session_id: str = ""
    user_id: str = ""
    span_id: str = field(default_factory=new_span_id)
    started: float = field(default_factory=time.perf_counter)
    spans: list[SpanRecord] = field(default_factory=list)
    citations: list[dict[str, Any]] = field(default_factory=list)
    attributes: dict[str, Any] = field(default_factory=dict)
    called_us: int | None = None
    """When the provider was called, for an endpoint whose steps ran before; None where the root span says it all."""

    def value(self, name: str) -> Any:
        """A field of the body, decoded; None when it is not there. Raises Invalid when it is not sound JSON."""
        raw = self.body.get(name)
        return None if raw is None else decode_value(name, raw)

    def messages(self) -> list[dict[str, Any]]:
        """The conversation, decoded. Raises Invalid when it is not a list of messages."""
        found = self.value("messages")
        if not isinstance(found, list) or not found or not all(isinstance(m, dict) for m in found):
            raise Invalid("messages must be a non-empty list of objects with role and content", param="messages")
        return found

    def set(self, name: str, value: object) -> None:
        """Replaces a field of the body."""
        self.body[name] = Raw(encode(value))

    def now_us(self) -> int:
        """Unix microseconds since the request began, on the monotonic clock."""
        return self.start_us + self.elapsed_us()

    def elapsed_us(self) -> int:
        """Microseconds since the request began."""
        return int((time.perf_counter() - self.started) * 1_000_000)

    def record(self, kind: str, name: str, start_us: int, **details: Any) -> None:
        """Adds a finished child span that began at `start_us` and ends now."""
        self.spans.append(
            SpanRecord(
                team_id=self.principal.team_id,
                trace_id=self.trace_id,
                span_id=new_span_id(),
                parent_span_id=self.span_id,
                kind=kind,
                name=name,
                start_us=start_us,
                duration_us=self.now_us() - start_us,
                session_id=self.session_id,
                user_id=self.user_id,
                **details,
            )
        )


@dataclass(slots=True)
class Reply:
    """What a provider answered: a complete JSON `body`, or `events`, the data of server-sent events without framing.

    `events` ends after the last data item; `[DONE]` is not part of it. `close` frees the connection behind it.
    """

    status: int = 200
    body: bytes = b""
    events: AsyncIterator[bytes] | None = None
    close: Callable[[], Awaitable[None]] | None = None
    served_model: str = ""


def decode_value(name: str, raw: Raw) -> Any:
    """A field that was skipped so far: only now its text and numbers are looked at. Raises Invalid."""
    try:
        return _decode_any(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(f"{name} is not sound JSON: {error}", hint="send UTF-8", param=name) from error


def parse_body(raw: bytes) -> tuple[Body, str, bool]:
    """Body, model and stream flag of a request. Raises Invalid with the place of the fault."""
    try:
        body = _decode_body(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(
            f"the request body is not a JSON object: {error}",
            hint="send Content-Type: application/json and one JSON object",
        ) from error
    try:
        model = _decode_text(body["model"]) if "model" in body else None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid("model must be a string", param="model") from error
    if not model:
        raise Invalid("the request names no model", hint="add a model; list them with GET /v1/models", param="model")
    try:
        stream = bool(_decode_flag(body["stream"])) if "stream" in body else False
    except msgspec.DecodeError as error:
        raise Invalid("stream must be true or false", param="stream") from error
    return body, model, stream


@dataclass(slots=True)
class Outcome:
    """How a request ended, for its root span."""

    status: str = "ok"
    error_code: str = ""
    error_message: str = ""
    output: bytes = b""
    usage: Usage = field(default_factory=Usage)
    estimated: bool = False
    ttft_us: int | None = None
    served_model: str = ""
