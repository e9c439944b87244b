"""A door in memory: a catalogue of two teams, a spool that keeps its records in a list, ASGI without a network."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from loopwright.access import SessionSigner, hash_secret
from loopwright.catalog import Price, PriceBook, Provider, Snapshot
from loopwright.catalog.snapshot import Endpoint, EndpointRelease
from loopwright.foundation.clock import FixedClock
from loopwright.foundation.errors import DiskFull, LoopwrightError
from loopwright.foundation.identity import Principal
from loopwright.gateway import (
    BUILTIN_MODELS,
    Authenticator,
    Builtin,
    Embedded,
    OpenAIDoor,
    Recorder,
    Step,
    instructions,
)
from loopwright.gateway.exchange import Exchange, Reply
from loopwright.traces import BeginRecord, SpanRecord

KEY, VIEWER_KEY, OTHER_KEY = "lw-key-of-team-one", "lw-viewer-of-team-one", "lw-key-of-team-two"


class ListSpool:
    """Stands where the spool stands; `full` makes it refuse like a full disk."""

    def __init__(self) -> None:
        self.begun: list[BeginRecord] = []
        self.spans: list[SpanRecord] = []
        self.full_at_begin = False
        self.full_at_end = False

    def begin(self, record: BeginRecord, reserve_bytes: int = 0) -> None:
        if self.full_at_begin:
            raise DiskFull("the disk is full")
        self.begun.append(record)

    def append(self, records: Sequence[SpanRecord]) -> None:
        if self.full_at_end:
            raise DiskFull("the disk is full")
        self.spans.extend(records)

    @property
    def root(self) -> SpanRecord:
        return next(span for span in self.spans if not span.parent_span_id)


class ScriptedProvider:
    """Answers with what a test gave it: a body, events, or an error after some events."""

    def __init__(self) -> None:
        self.body = b""
        self.events: list[bytes] = []
        self.error: LoopwrightError | None = None
        self.hang = False
        self.closed = 0
        self.seen: list[dict[str, Any]] = []

    async def chat(self, exchange: Exchange) -> Reply:
        self.seen.append({name: msgspec.json.decode(value) for name, value in exchange.body.items()})
        if self.error and not self.events:
            raise self.error
        if not exchange.stream:
            if self.hang:
                await asyncio.Event().wait()
            return Reply(body=self.body)

        async def close() -> None:
            self.closed += 1

        async def stream() -> Any:
            for event in self.events:
                yield event
            if self.error:
                raise self.error
            if self.hang:
                await asyncio.Event().wait()

        return Reply(events=stream(), close=close)

    embed = chat


async def embed_by_length(texts: Sequence[str]) -> Embedded:
    import array

    numbers = array.array("f", [value for text in texts for value in (float(len(text)), 1.0)])
    return Embedded("by-length", 2, numbers.tobytes())


def snapshot() -> Snapshot:
    one, two = "team_one", "team_two"
    keys = {
        hash_secret(KEY): Principal(one, "key_1", "member", "key_1"),
        hash_secret(VIEWER_KEY): Principal(one, "key_2", "viewer", "key_2"),
        hash_secret(OTHER_KEY): Principal(two, "key_3", "member", "key_3"),
    }
    spec = {"model": "builtin/echo", "system": "Be kind.", "parameters": {"max_tokens": 3}}
    endpoint = Endpoint(
        "support",
        "",
        0,
        {1: EndpointRelease("support", 1, {**spec, "system": "Be brief."}), 2: EndpointRelease("support", 2, spec)},
        {"prod": 1},
    )
    return Snapshot(
        epoch=1,
        keys=keys,
        providers={(one, "acme"): Provider("acme", "scripted", "http://acme.test/v1", models=("large",))},
        endpoints={(one, "support"): endpoint},
        prices=PriceBook({(one, "acme/large"): Price(input=1_000_000_000, output=2_000_000_000, cached=100_000_000)}),
        builtin_models=BUILTIN_MODELS,
    )


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:
        return json.loads(self.body)

    def events(self) -> list[Any]:
        lines = [line[6:] for line in self.body.decode().split("\n\n") if line.startswith("data: ")]
        return [line if line == "[DONE]" else json.loads(line) for line in lines]


class Door:
    """The door with its surroundings, and a client for it."""

    def __init__(self, *, record_content: bool = True) -> None:
        self.spool = ListSpool()
        self.steps: list[Step] = [instructions]
        self.scripted = ScriptedProvider()
        self.signer = SessionSigner(b"k" * 32)
        self.snapshot = snapshot()
        self.app = OpenAIDoor(
            snapshot=lambda: self.snapshot,
            authenticator=Authenticator(lambda: self.snapshot, self.signer),
            recorder=Recorder(self.spool, lambda: self.snapshot, strict=False, record_content=record_content),  # type: ignore[arg-type]
            providers={"builtin": Builtin(embed_by_length), "scripted": self.scripted},
            steps_of=lambda target: self.steps if target.endpoint else [],
            clock=FixedClock(),
            max_body_bytes=100_000,
        )

    def post(
        self, path: str, body: object, key: str | None = KEY, leave_after: int | None = None, **headers: str
    ) -> Answer:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.call("POST", path, content, key, leave_after, headers)

    def chat(self, **body: Any) -> Answer:
        return self.post("/v1/chat/completions", {"model": "builtin/echo", "messages": user("Hello there"), **body})

    def call(
        self,
        method: str,
        path: str,
        content: bytes = b"",
        key: str | None = KEY,
        leave_after: int | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        given = [(name.replace("_", "-").encode(), value.encode()) for name, value in (headers or {}).items()]
        if key is not None:
            given.append((b"authorization", f"Bearer {key}".encode()))
        given.append((b"content-length", str(len(content)).encode()))
        scope = {"type": "http", "method": method, "path": path, "headers": given, "query_string": b""}
        return asyncio.run(self._run(scope, content, leave_after))

    async def _run(self, scope: Any, content: bytes, leave_after: int | None) -> Answer:
        answer, left = Answer(), asyncio.Event()
        sent = 0
        pending = [{"type": "http.request", "body": content, "more_body": False}]
        if leave_after == 0:
            asyncio.get_running_loop().call_later(0.01, left.set)

        async def receive() -> Any:
            if pending:
                return pending.pop()
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            nonlocal sent
            if message["type"] == "http.response.start":
                answer.status = message["status"]
                answer.headers = {k.decode(): v.decode() for k, v in message["headers"]}
            else:
                answer.body += message.get("body", b"")
                sent += 1
                if sent == leave_after:
                    left.set()
                    await asyncio.sleep(0)

        await asyncio.wait_for(self.app(scope, receive, send), 10)
        return answer


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]
