"""Connections of strangers: a request's head comes in time and within a size, or the connection ends."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from loopwright.foundation.errors import Invalid, LoopwrightError, TooLarge

HEAD_LIMIT_S = 30.0
HEAD_LIMIT_BYTES = 64 * 1024
_WASTE_LIMIT_BYTES = 512 * 1024
_WASTE_PER_BYTE = 16


_REASONS = {400: b"Bad Request", 413: b"Content Too Large"}


class CarefulProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which by itself keeps headers without end and waits for them for ever.

    The framing of a chunked body (extensions, trailers, chunks of one byte) is bounded too: up to
    _WASTE_PER_BYTE bytes of it for each byte of body.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._in_head = True
        self._fed = 0
        self._given = 0
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._fed += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head and self._fed > HEAD_LIMIT_BYTES:
            self._refuse(TooLarge(f"the headers have more than {HEAD_LIMIT_BYTES // 1024} KiB"))
        elif not self._in_head and self._fed - self._given > _WASTE_LIMIT_BYTES + _WASTE_PER_BYTE * self._given:
            self.transport.abort()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head, self._fed, self._given = True, 0, 0
        if self._deadline is None:
            self._await_head()

    def on_header(self, name: bytes, value: bytes) -> None:
        # What comes behind the body is a trailer; nobody here asks for one, and it must not pass for a header.
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head, self._fed = False, 0
        self._stop_waiting()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._given += len(body)
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        self._refuse(Invalid("this is not an HTTP/1.1 request", hint="is it https sent to an http port?"))

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(HEAD_LIMIT_S, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, error: LoopwrightError) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            # In the middle of another answer nothing may be said.
            body = msgspec.json.encode(error.problem())
            head = b"HTTP/1.1 %d %b\r\ncontent-type: application/problem+json\r\ncontent-length: %d\r\n" % (
                error.status,
                _REASONS[error.status],
                len(body),
            )
            self.transport.write(head + b"x-content-type-options: nosniff\r\nconnection: close\r\n\r\n" + body)
        self.transport.close()
