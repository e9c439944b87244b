"""What every request leaves behind: an intent before the call, one trace in the spool before the answer ends."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loopwright.catalog import Snapshot
from loopwright.gateway.exchange import Exchange, Outcome, encode
from loopwright.traces import BeginRecord, SpanRecord, SpoolWriter

ANSWER_RESERVE_BYTES = 64 * 1024


class Recorder:
    """Writes traces to the spool. With `strict` an answer waits until its trace is fsynced."""

    def __init__(
        self, spool: SpoolWriter, snapshot: Callable[[], Snapshot], *, strict: bool, record_content: bool
    ) -> None:
        self._spool = spool
        self._snapshot = snapshot
        self._strict = strict
        self._content = record_content

    def begin(self, exchange: Exchange, operation: str, request_bytes: int) -> None:
        """Notes the intent and reserves room for the trace. Raises DiskFull while nothing is spent yet."""
        target = exchange.target
        self._spool.begin(
            BeginRecord(
                team_id=exchange.principal.team_id,
                trace_id=exchange.trace_id,
                span_id=exchange.span_id,
                name=f"{operation} {exchange.model}",
                start_us=exchange.start_us,
                provider=target.provider.name,
                model=target.model,
                requested_model=exchange.model,
                endpoint=target.endpoint,
                stream=exchange.stream,
                session_id=exchange.session_id,
                user_id=exchange.user_id,
                key_id=exchange.principal.key_id,
            ),
            reserve_bytes=2 * request_bytes + ANSWER_RESERVE_BYTES,
        )

    async def end(self, exchange: Exchange, operation: str, outcome: Outcome, request: bytes) -> None:
        """Writes the trace; returns once it would survive `kill -9`. Raises DiskFull, Unavailable."""
        records = [*map(self._without_content, exchange.spans), self._root(exchange, operation, outcome, request)]
        if self._strict:
            await self._spool.append_async(records)
        else:
            self._spool.append(records)

    def _root(self, exchange: Exchange, operation: str, outcome: Outcome, request: bytes) -> SpanRecord:
        target, usage = exchange.target, outcome.usage
        team = exchange.principal.team_id
        attributes: dict[str, Any] = {"request_id": exchange.request_id, "operation": operation, **exchange.attributes}
        if target.endpoint:
            attributes["release"] = target.version
        if not self._content:
            attributes["content"] = "not recorded"
        return SpanRecord(
            team_id=team,
            trace_id=exchange.trace_id,
            span_id=exchange.span_id,
            kind="model",
            name=f"{operation} {exchange.model}",
            start_us=exchange.start_us,
            duration_us=exchange.elapsed_us(),
            status=outcome.status,
            error_code=outcome.error_code,
            error_message=outcome.error_message,
            provider=target.provider.name,
            model=outcome.served_model or target.model,
            requested_model=exchange.model,
            endpoint=target.endpoint,
            stream=exchange.stream,
            session_id=exchange.session_id,
            user_id=exchange.user_id,
            key_id=exchange.principal.key_id,
            input=request if self._content else b"",
            output=outcome.output if self._content else b"",
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_tokens=usage.cached_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            usage_estimated=outcome.estimated,
            cost_nanousd=self._snapshot().prices.cost(team, target.provider.name, target.model, usage),
            ttft_us=outcome.ttft_us,
            attributes=encode(attributes),
        )

    def _without_content(self, span: SpanRecord) -> SpanRecord:
        if self._content:
            return span
        fields = {name: getattr(span, name) for name in span.__struct_fields__}
        return SpanRecord(**{**fields, "input": b"", "output": b""})
