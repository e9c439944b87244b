"""A provider that breaks every rule: the name of the model says which one. Raw sockets, one thread a connection."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\nconnection: close\r\n"
_EVENTS = _HEAD % b"text/event-stream" + b"\r\n"
_DONE = b"data: [DONE]\n\n"
_MEBIBYTE = 1024 * 1024


def chunk(text: str = "hi", finish: str | None = None, **more: object) -> bytes:
    """One event of a sound stream."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return b"data: " + json.dumps({"model": "m", "choices": [choice], **more}, ensure_ascii=False).encode() + b"\n\n"


def _whole(body: bytes, kind: bytes = b"application/json", more: bytes = b"") -> bytes:
    return _HEAD % kind + more + b"content-length: %d\r\n\r\n" % len(body) + body


def _answer(**more: object) -> bytes:
    message = {"role": "assistant", "content": "hi"}
    body = {"model": "m", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], **more}
    return _whole(json.dumps(body).encode())


def _pieces(data: bytes, size: int) -> Callable[[socket.socket], None]:
    def send(connection: socket.socket) -> None:
        for start in range(0, len(data), size):
            connection.sendall(data[start : start + size])
            time.sleep(0.001)

    return send


def _for_ever(data: bytes, pause_s: float = 0.0) -> Callable[[socket.socket], None]:
    def send(connection: socket.socket) -> None:
        while True:
            connection.sendall(data)
            time.sleep(pause_s)

    return send


def _reset(data: bytes) -> Callable[[socket.socket], None]:
    def send(connection: socket.socket) -> None:
        connection.sendall(data)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    return send


_LAST = chunk("", "stop") + _DONE

Behaviour = bytes | tuple[bytes, Callable[[socket.socket], None]]

STREAMS: dict[str, Behaviour] = {
    "bad-json": _EVENTS + b"data: {nonsense\n\n" + _DONE,
    "bad-json-late": _EVENTS + chunk() + b"data: {nonsense\n\n" + _DONE,
    "not-an-object": _EVENTS + b"data: [1]\n\n" + _DONE,
    "wrong-types": _EVENTS + b'data: {"choices":[{"delta":{"content":5,"tool_calls":"x"}}]}\n\n' + _DONE,
    "bad-utf8": _EVENTS + chunk() + b'data: {"choices":[{"index":0,"delta":{"content":"\xff\xfe"}}]}\n\n' + _DONE,
    "no-finish": _EVENTS + chunk() + _DONE,
    "no-finish-no-done": _EVENTS + chunk(),
    "nothing": _EVENTS,
    "cut-event": _EVENTS + chunk() + b'data: {"choices":[{"ind',
    "reset": (_EVENTS, _reset(chunk())),
    "error-event": _EVENTS + chunk() + b'data: {"error":{"message":"overloaded"}}\n\n',
    "html": _HEAD % b"text/html" + b"\r\n<html>Sign in to the hotel's network</html>",
    "json-instead": _answer(),
    "long-line": (_EVENTS, _for_ever(b"data: " + b"x" * _MEBIBYTE)),
    "endless-text": (_EVENTS, _for_ever(chunk("y" * 100_000))),
    "endless-choices": _EVENTS
    + b"".join(b'data: {"choices":[{"index":%d,"delta":{"content":"x"}}]}\n\n' % number for number in range(5_000)),
    "gzip-bomb": _HEAD % b"text/event-stream"
    + b"content-encoding: gzip\r\n\r\n"
    + gzip.compress(b"data: " + b"x" * (100 * _MEBIBYTE)),
    "endless-head": (b"HTTP/1.1 200 OK\r\n", _for_ever(b"x-a: " + b"b" * 4_000 + b"\r\n")),
    "dripping-head": (b"HTTP/1.1 200 OK\r\n", _for_ever(b"x-a: b\r\n", 0.2)),
    "continue-for-ever": (b"", _for_ever(b"HTTP/1.1 100 Continue\r\n\r\n", 0.05)),
    "not-http": b"SSH-2.0-OpenSSH_9.2\r\n",
    "hangs-up": b"",
    "redirect": b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/\r\ncontent-length: 0\r\n\r\n",
    "silent": (b"", _for_ever(b"", 0.2)),
    "silent-later": (_EVENTS + chunk(), _for_ever(b"", 0.2)),
}
"""Streams that must end in an error the caller can read."""

SOUND_STREAMS: dict[str, Behaviour] = {
    "split-utf8": (_EVENTS, _pieces(chunk("grüße \U0001f600") + _LAST, 1)),
    "crlf": (_EVENTS + (chunk("grüße \U0001f600") + _LAST).replace(b"\n", b"\r\n")),
    "comments": _EVENTS
    + b": ping\n\nevent: x\nid: 1\n"
    + chunk("grüße \U0001f600")
    + b":\n"
    + chunk("", "stop")
    + _DONE,
    "no-done": _EVENTS + chunk("grüße \U0001f600") + chunk("", "stop"),
    "no-last-newline": _EVENTS + chunk("grüße \U0001f600") + chunk("", "stop").rstrip(),
    "nonsense-usage": _EVENTS
    + chunk("grüße \U0001f600")
    + chunk("", "stop", usage={"prompt_tokens": -5, "completion_tokens": 10**30})
    + _DONE,
}
"""Odd streams that are answers all the same."""

ANSWERS: dict[str, Behaviour] = {
    "bad-json": _whole(b"{nonsense"),
    "empty": _whole(b""),
    "null": _whole(b"null"),
    "list": _whole(b"[]"),
    "no-choices": _whole(b"{}"),
    "null-choices": _whole(b'{"choices":null}'),
    "deep": _whole(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "surrogate": _whole(b'{"choices":[{"index":0,"message":{"content":"\\ud800"},"finish_reason":"stop"}]}'),
    "cut": _HEAD % b"application/json" + b'content-length: 999\r\n\r\n{"choices":',
    "huge": (_HEAD % b"application/json" + b"\r\n", _for_ever(b" " * _MEBIBYTE)),
    "gzip-bomb": _whole(gzip.compress(b'{"a":"' + b"x" * (200 * _MEBIBYTE)), more=b"content-encoding: gzip\r\n"),
    "bad-gzip": _whole(b"not gzip", more=b"content-encoding: gzip\r\n"),
    "html": _whole(b"<html>", b"text/html"),
    "500-huge": (b"HTTP/1.1 500 Oh\r\n\r\n", _for_ever(b"x" * _MEBIBYTE)),
    "401-with-key": b"HTTP/1.1 401 No\r\ncontent-length: 58\r\n\r\n"
    + b'{"error":{"message":"Incorrect key: sk-hostile-secret-1"}}',
    "redirect": STREAMS["redirect"],
    "not-http": STREAMS["not-http"],
    "hangs-up": b"",
    "silent": STREAMS["silent"],
    "dripping-head": STREAMS["dripping-head"],
}
"""Whole answers that must become an error the caller can read."""


@dataclass
class HostileUpstream:
    """Listens on a free port; `left` holds the time of every hang-up of the gateway by model."""

    port: int = 0
    left: dict[str, float] = field(default_factory=dict)
    _listening: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))

    def start(self) -> HostileUpstream:
        """Starts to listen."""
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def stop(self) -> None:
        """Ends listening."""
        self._listening.close()

    @property
    def spec(self) -> str:
        """The provider spec that leads here."""
        return (
            f"kind: Provider\nname: hostile\nbase_url: http://127.0.0.1:{self.port}/v1\n"
            "api_key: sk-hostile-secret-1\nmodels: [any]\n"
        )

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            body = _request_body(connection)
            model, streamed = body["model"], body.get("stream")
            known = {**STREAMS, **SOUND_STREAMS} if streamed else ANSWERS
            behaviour = known[model]
            data, act = behaviour if isinstance(behaviour, tuple) else (behaviour, None)
            connection.sendall(data)
            if act is not None:
                try:
                    act(connection)
                except OSError:
                    self.left[str(model)] = time.monotonic()


def _request_body(connection: socket.socket) -> dict[str, object]:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += connection.recv(65536)
    decoded: dict[str, object] = json.loads(body)
    return decoded
