"""Raw ASGI in small pieces: read a body with a limit, send JSON, send events, notice that the client left."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from loopwright.foundation.errors import Invalid, LoopwrightError, TooLarge
from loopwright.gateway.exchange import encode

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

NO_SNIFFING = (b"x-content-type-options", b"nosniff")
JSON = (b"content-type", b"application/json")
EVENTS = (
    NO_SNIFFING,
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)
_DRAIN_LIMIT = 64 * 1024 * 1024


class ClientGone(Exception):
    """The client closed its connection before it was answered."""


async def read_body(headers: dict[bytes, bytes], receive: Receive, limit: int) -> bytes:
    """The whole body. Raises TooLarge above `limit` bytes, after reading on a while so that the client hears of it."""
    declared = headers.get(b"content-length", b"")
    if declared and not declared.isdigit():
        raise Invalid("Content-Length is not a number")
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= limit:
            parts.append(chunk)
        elif size > _DRAIN_LIMIT:
            break
        if not message.get("more_body"):
            break
    if size > limit:
        shown = max(size, int(declared or 0)) / 1_048_576
        raise TooLarge(
            f"the request body has {shown:.1f} MiB; the limit is {limit / 1_048_576:.0f} MiB",
            hint="shorten the prompt, put documents into a knowledge base, or raise LOOPWRIGHT_MAX_REQUEST_MB",
        )
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def send_json(send: Send, status: int, body: object, headers: list[tuple[bytes, bytes]]) -> None:
    """A complete JSON response; `body` is encoded unless it is bytes already."""
    content = body if isinstance(body, bytes) else encode(body)
    length = (b"content-length", str(len(content)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [JSON, NO_SNIFFING, length, *headers]})
    await send({"type": "http.response.body", "body": content})


async def send_problem(send: Send, error: LoopwrightError) -> None:
    """An error as RFC 9457 has it, for the doors that speak no dialect of a provider."""
    headers = [(b"content-type", b"application/problem+json"), NO_SNIFFING]
    if error.status == 503:
        headers.append((b"retry-after", b"2"))
    content = encode(error.problem())
    headers.append((b"content-length", str(len(content)).encode()))
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def start_events(send: Send, headers: list[tuple[bytes, bytes]]) -> None:
    """The head of a server-sent event stream."""
    await send({"type": "http.response.start", "status": 200, "headers": [*EVENTS, *headers]})


async def send_event(send: Send, data: bytes) -> None:
    """One event."""
    await send({"type": "http.response.body", "body": b"data: " + data + b"\n\n", "more_body": True})


async def end_events(send: Send, data: bytes = b"[DONE]") -> None:
    """The last event, and the end of the response."""
    await send({"type": "http.response.body", "body": b"data: " + data + b"\n\n"})


async def client_gone(receive: Receive) -> None:
    """Returns when the client has closed its connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
