from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from loopwright.foundation.client import Client
from loopwright.foundation.errors import NotFound, Unavailable


class Handler(BaseHTTPRequestHandler):
    """Answers with what it was asked, and misbehaves by path."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/short":
            self._head(200, {"content-length": "100"})
            self.wfile.write(b'{"cut":')
        elif self.path == "/stream":
            self._head(200, {})
            for number in range(3):
                self.wfile.write(f"data: {number}\n\n".encode())
        elif self.path == "/missing":
            self._head(404, {})
            self.wfile.write(b'{"detail": "no such thing"}')
        else:
            self._head(200, {})
            seen = {"path": self.path, "headers": dict(self.headers), "body": body.decode()}
            self.wfile.write(json.dumps(seen).encode())

    def do_GET(self) -> None:
        self.do_POST()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


@pytest.fixture(params=["tcp", "unix"])
def client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Client]:
    path = tmp_path / "s.sock"
    server: socketserver.BaseServer
    if request.param == "tcp":
        http = HTTPServer(("127.0.0.1", 0), Handler)
        server, made = http, Client(f"http://127.0.0.1:{http.server_port}", timeout_s=10)
    else:
        server, made = (
            socketserver.UnixStreamServer(str(path), Handler),
            Client("http://local", socket=path, timeout_s=10),
        )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_request_arrives_as_it_was_meant(client: Client) -> None:
    client.key = "lw-1"
    seen = client.post("/api/x", {"a": "é"})
    assert json.loads(seen["body"]) == {"a": "é"}
    assert seen["headers"]["authorization"] == "Bearer lw-1"
    assert client.get("/api/y", q="é")["path"] == "/api/y?q=%C3%A9"


def test_a_stream_comes_line_by_line(client: Client) -> None:
    assert list(client.stream_sse("/stream")) == [("message", 0), ("message", 1), ("message", 2)]
    assert list(client.lines("/stream"))[:2] == ["data: 0", ""]


def test_an_error_status_is_an_error(client: Client) -> None:
    with pytest.raises(NotFound, match="no such thing"):
        client.get("/missing")
    with pytest.raises(NotFound, match="no such thing"):
        list(client.lines("/missing"))


def test_an_answer_that_breaks_off_is_unavailable(client: Client) -> None:
    with pytest.raises(Unavailable, match="does not answer"):
        client.get("/short")


def test_a_port_nobody_listens_on_is_unavailable() -> None:
    with socket.socket() as taken:
        # Bound and not listening: nobody else gets this port, and connections are refused.
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(Unavailable, match=r"does not answer at http://127\.0\.0\.1"):
            Client(f"http://127.0.0.1:{taken.getsockname()[1]}").get("/api/info")
