"""The OpenAI door: chat completions, embeddings and models, in JSON and server-sent events."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import msgspec

from loopwright.catalog import Snapshot, Target
from loopwright.catalog import Usage as TokenUsage
from loopwright.foundation.clock import Clock
from loopwright.foundation.errors import Invalid, LoopwrightError, NotFound, Unavailable, UpstreamFailed
from loopwright.foundation.ids import new_trace_id
from loopwright.gateway.authentication import Authenticator, Headers
from loopwright.gateway.errors import openai_error
from loopwright.gateway.exchange import Body, Exchange, Outcome, Reply, decode_value, encode, parse_body
from loopwright.gateway.http import (
    ClientGone,
    Receive,
    Scope,
    Send,
    client_gone,
    end_events,
    read_body,
    send_event,
    send_json,
    start_events,
)
from loopwright.gateway.providers import ModelProvider
from loopwright.gateway.recorder import Recorder
from loopwright.gateway.steps import Next, Step, chain
from loopwright.gateway.stream import StreamTap, estimate_tokens, message_text

_log = logging.getLogger(__name__)
CHAT, EMBED, MODELS = "/v1/chat/completions", "/v1/embeddings", "/v1/models"
EMBEDDING_MODEL = "builtin/embed"
_STOPPING = "stopping"
_LAST_WORD_S = 1.0
StepsOf = Callable[[Target], Sequence[Step]]


class OpenAIDoor:
    """Answers `/v1/...` as raw ASGI. `providers` are by dialect; `steps_of` gives the steps of a target."""

    def __init__(
        self,
        *,
        snapshot: Callable[[], Snapshot],
        authenticator: Authenticator,
        recorder: Recorder,
        providers: Mapping[str, ModelProvider],
        steps_of: StepsOf,
        clock: Clock,
        max_body_bytes: int,
    ) -> None:
        self._snapshot = snapshot
        self._authenticator = authenticator
        self._recorder = recorder
        self._providers = providers
        self._steps_of = steps_of
        self._clock = clock
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request. Every error is answered in the shape the OpenAI SDKs know."""
        request_id = "req_" + os.urandom(12).hex()
        identifiers = [(b"x-request-id", request_id.encode())]
        try:
            await self._route(scope, receive, send, request_id, identifiers)
        except ClientGone:
            return
        except LoopwrightError as error:
            await _send_error(send, error, request_id, identifiers)
        except Exception:  # noqa: BLE001 - the edge: whatever went wrong is logged whole and answered as 500
            _log.exception("a request failed inside the gateway", extra={"request_id": request_id})
            failure = LoopwrightError(
                "the gateway failed on this request", hint="see the gateway's log by the request id"
            )
            await _send_error(send, failure, request_id, identifiers)

    async def _route(
        self, scope: Scope, receive: Receive, send: Send, request_id: str, identifiers: list[tuple[bytes, bytes]]
    ) -> None:
        path, method = scope["path"], scope["method"]
        headers: Headers = dict(scope["headers"])
        principal = self._authenticator.principal(headers, safe=method == "GET")
        if path == MODELS or path.startswith(MODELS + "/"):
            if method != "GET":
                raise NotFound(f"{path} answers GET only, not {method}")
            listed = [_model(*found) for found in self._snapshot().models(principal.team_id)]
            if path == MODELS:
                await send_json(send, 200, {"object": "list", "data": listed}, identifiers)
                return
            name = unquote(path[len(MODELS) + 1 :])
            self._snapshot().resolve(principal.team_id, name)
            known = next((model for model in listed if model["id"] == name), None)
            await send_json(send, 200, known or _model(name, name.partition("/")[0], 0), identifiers)
            return
        if path not in (CHAT, EMBED) or method != "POST":
            raise NotFound(f"there is no {method} {path} here", hint=f"known: POST {CHAT}, POST {EMBED}, GET {MODELS}")
        raw = await read_body(headers, receive, self._max_body_bytes)
        body, model, stream = parse_body(raw)
        exchange = Exchange(
            request_id=request_id,
            trace_id=new_trace_id(),
            principal=principal,
            body=body,
            model=model,
            stream=stream and path == CHAT,
            target=self._snapshot().resolve(principal.team_id, model),
            start_us=self._clock.now_us(),
            session_id=_session(headers, body),
            user_id=_text(body, "user") or _text(body, "safety_identifier"),
        )
        identifiers.append((b"x-loopwright-trace-id", exchange.trace_id.encode()))
        operation = "chat" if path == CHAT else "embeddings"
        work = asyncio.ensure_future(self._answer(exchange, operation, raw, send, identifiers))
        gone = asyncio.ensure_future(client_gone(receive))
        try:
            await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                work.cancel()
            await asyncio.gather(work, return_exceptions=True)
            if not work.cancelled() and (error := work.exception()) is not None:
                raise error
        except asyncio.CancelledError:
            # The server stops and this answer took longer than it waits: its reader is still there to be told.
            work.cancel(_STOPPING)
            await asyncio.wait((work,), timeout=_LAST_WORD_S)
            raise
        finally:
            gone.cancel()
            work.cancel()

    async def _answer(
        self, exchange: Exchange, operation: str, raw: bytes, send: Send, identifiers: list[tuple[bytes, bytes]]
    ) -> None:
        """Runs the chain and answers; whatever happens, one trace is written, before the answer ends."""
        answer = _Answer(exchange, operation, raw, self._recorder, send, identifiers)
        self._recorder.begin(exchange, operation, len(raw))
        reply: Reply | None = None
        try:
            provider = self._providers[exchange.target.provider.dialect]
            call: Next = provider.chat if operation == "chat" else provider.embed
            steps = self._steps_of(exchange.target) if operation == "chat" else ()
            reply = await chain(steps, _noted(call) if steps else call)(exchange)
            await (answer.complete(reply) if reply.events is None else answer.relay(reply))
        except asyncio.CancelledError as stop:
            if _STOPPING in stop.args:
                await answer.failed(Unavailable("Loopwright stopped before the answer ended", hint="ask again"))
            else:
                await answer.cancelled()
            raise
        except LoopwrightError as error:
            await answer.failed(error)
        except Exception:  # noqa: BLE001 - a trace is written and 500 answered, whatever went wrong
            _log.exception("a request failed inside the gateway", extra={"request_id": exchange.request_id})
            await answer.failed(LoopwrightError("the gateway failed on this request", hint="see its log"))
        finally:
            if reply is not None and reply.close is not None:
                await reply.close()


class _Answer:
    """The way back of one exchange: what is sent, and what is kept of it."""

    def __init__(
        self,
        exchange: Exchange,
        operation: str,
        raw: bytes,
        recorder: Recorder,
        send: Send,
        headers: list[tuple[bytes, bytes]],
    ) -> None:
        self._exchange = exchange
        self._operation = operation
        self._raw = raw
        self._recorder = recorder
        self._send = send
        self._headers = headers
        self._outcome = Outcome()
        self._tap = StreamTap()
        self._recorded = False
        self._started = False

    async def complete(self, reply: Reply) -> None:
        """Sends a complete JSON answer."""
        body = reply.body
        seen = self._tap.see(body)
        if self._operation == "chat" and not seen.choices:
            raise UpstreamFailed("the provider's answer has no choices", hint="check the provider's base_url")
        self._outcome.served_model = reply.served_model or self._tap.model
        if self._operation == "chat":
            parts = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
            self._outcome.output = encode({"choices": parts.get("choices")})
            if self._exchange.citations:
                body = _with_citations(parts, "message", self._marked())
        self._count(self._tap.usage, self._tap.text)
        await self._record()
        self._started = True
        await send_json(self._send, reply.status, body, self._headers)

    async def relay(self, reply: Reply) -> None:
        """Sends events as they come; the head goes out with the first, so that a failure before it has its status."""
        exchange, tap = self._exchange, self._tap
        options = exchange.value("stream_options")
        usage_wanted = isinstance(options, dict) and bool(options.get("include_usage"))
        assert reply.events is not None
        async for data in reply.events:
            seen = tap.see(data)
            if not self._started:
                self._outcome.ttft_us = exchange.elapsed_us()
                self._started = True
                await start_events(self._send, self._headers)
            if not seen.choices and seen.usage is not None and not usage_wanted:
                continue
            if exchange.citations and any(choice.finish_reason for choice in seen.choices or ()):
                parts = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
                data = _with_citations(parts, "delta", self._marked())
            await send_event(self._send, data)
        if not tap.finished:
            raise UpstreamFailed("the provider's stream ended before its answer did", hint="try again")
        self._outcome.served_model = reply.served_model or tap.model
        self._outcome.output = tap.output()
        self._count(tap.usage, tap.text)
        await self._record()
        await end_events(self._send)

    async def failed(self, error: LoopwrightError) -> None:
        """Answers with an error: by status before the first byte, as the last event after it."""
        outcome, tap = self._outcome, self._tap
        outcome.status, outcome.error_code, outcome.error_message = "error", error.code, error.message
        if self._started:
            outcome.output = tap.output()
            self._count(tap.usage, tap.text)
        if not self._recorded:
            try:
                await self._record()
            except LoopwrightError as second:
                error = second
        status, body = openai_error(error, self._exchange.request_id)
        if self._started:
            await end_events(self._send, encode(body))
        else:
            self._started = True
            await send_json(self._send, status, body, [*self._headers, *_retry_headers(error)])

    async def cancelled(self) -> None:
        """The client left: what was spent so far is counted."""
        if not self._recorded:
            outcome, tap = self._outcome, self._tap
            outcome.status, outcome.error_code = "cancelled", "client_gone"
            outcome.error_message = "the client closed its connection before the answer ended"
            outcome.output = tap.output()
            self._count(tap.usage, tap.text)
            await self._record()

    def _marked(self) -> list[dict[str, Any]]:
        """The passages in the prompt, each with whether the answer bears its marker."""
        text = self._tap.text()
        return [{**found, "cited": f"[{found['index']}]" in text} for found in self._exchange.citations]

    def _count(self, usage: TokenUsage | None, written: Callable[[], str]) -> None:
        if usage is None:
            outcome = self._outcome
            outcome.estimated = True
            usage = TokenUsage(_read_tokens(self._exchange), estimate_tokens(written()))
        self._outcome.usage = usage

    async def _record(self) -> None:
        self._recorded = True
        self._record_call()
        await self._recorder.end(self._exchange, self._operation, self._outcome, self._raw)

    def _record_call(self) -> None:
        """The provider's part of an endpoint's answer, with the prompt it was sent; money stands on the root alone."""
        exchange, outcome, target = self._exchange, self._outcome, self._exchange.target
        if exchange.called_us is None:
            return
        exchange.record(
            "model",
            f"{target.provider.name}/{target.model}",
            exchange.called_us,
            status=outcome.status,
            error_code=outcome.error_code,
            error_message=outcome.error_message,
            provider=target.provider.name,
            model=outcome.served_model or target.model,
            stream=exchange.stream,
            input=encode(exchange.body),
            output=outcome.output,
            input_tokens=outcome.usage.input_tokens,
            output_tokens=outcome.usage.output_tokens,
        )


def _noted(call: Next) -> Next:
    async def run(exchange: Exchange) -> Reply:
        exchange.called_us = exchange.now_us()
        return await call(exchange)

    return run


def _read_tokens(exchange: Exchange) -> int:
    try:
        messages = exchange.value("messages")
    except Invalid:
        # What nobody could decode was sent on as it is; it still counts, and its trace is still written.
        return estimate_tokens(bytes(exchange.body["messages"]).decode(errors="replace"))
    if not isinstance(messages, list):
        return estimate_tokens(bytes(exchange.body.get("input", b"")).decode(errors="replace"))
    return sum(estimate_tokens(message_text(m.get("content"))) + 3 for m in messages if isinstance(m, dict))


def _with_citations(parts: dict[str, msgspec.Raw], member: str, citations: list[dict[str, Any]]) -> bytes:
    """The answer with `citations` at the top and as annotations of each choice that ends."""
    choices = msgspec.json.decode(parts["choices"])
    for choice in choices:
        if member == "message" or choice.get("finish_reason"):
            choice.setdefault(member, {})["annotations"] = [{"type": "file_citation", **found} for found in citations]
    return encode({**parts, "choices": choices, "citations": citations})


async def _send_error(send: Send, error: LoopwrightError, request_id: str, headers: list[tuple[bytes, bytes]]) -> None:
    status, body = openai_error(error, request_id)
    await send_json(send, status, body, [*headers, *_retry_headers(error)])


def _retry_headers(error: LoopwrightError) -> list[tuple[bytes, bytes]]:
    return [(b"x-should-retry", b"true" if error.retryable else b"false")]


def _model(name: str, owner: str, created: int) -> dict[str, Any]:
    kind = "embedding" if name == EMBEDDING_MODEL else "chat"
    return {"id": name, "object": "model", "created": created, "owned_by": owner, "kind": kind}


def _session(headers: Headers, body: Body) -> str:
    given = headers.get(b"x-session-id", b"").decode("latin-1")
    if given or "metadata" not in body:
        return given[:200]
    metadata = decode_value("metadata", body["metadata"])
    return str(metadata.get("session_id") or "")[:200] if isinstance(metadata, dict) else ""


def _text(body: Body, name: str) -> str:
    if name not in body:
        return ""
    try:
        return (msgspec.json.decode(body[name], type=str | None) or "")[:200]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Invalid(f"{name} must be a string", param=name) from error
