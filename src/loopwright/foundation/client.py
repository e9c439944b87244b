"""How our own commands speak to a running Loopwright: over its local socket, or over HTTP with a key."""

from __future__ import annotations

import http.client
import json
import socket
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlencode, urlsplit

from loopwright.foundation.errors import (
    Conflict,
    Denied,
    DiskFull,
    Invalid,
    LimitExceeded,
    LoopwrightError,
    NotFound,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UpstreamFailed,
    UpstreamTimeout,
)

_BY_STATUS: dict[int, type[LoopwrightError]] = {
    401: Unauthenticated,
    403: Denied,
    404: NotFound,
    409: Conflict,
    413: TooLarge,
    429: LimitExceeded,
    502: UpstreamFailed,
    504: UpstreamTimeout,
    507: DiskFull,
}


@dataclass
class Client:
    """One connection to Loopwright and the way its answers are shown.

    `socket` and `token` are those of the local operator; without them `key` is sent as a bearer token.
    """

    base_url: str
    key: str = ""
    socket: Path | None = None
    token: str = ""
    as_json: bool = False
    out: IO[str] = field(default_factory=lambda: sys.stdout)
    timeout_s: float = 120.0

    def get(self, path: str, **params: object) -> Any:
        """Decoded JSON of a GET; parameters that are None or empty are left out."""
        return self._json("GET", path, params=params)

    def post(self, path: str, body: object = None) -> Any:
        """Decoded JSON of a POST of `body`."""
        return self._json("POST", path, json.dumps(body if body is not None else {}).encode())

    def delete(self, path: str) -> Any:
        """Decoded JSON of a DELETE, None when there is no body."""
        return self._json("DELETE", path)

    def upload(self, path: str, files: Sequence[tuple[str, bytes]]) -> Any:
        """Posts `(relative name, bytes)` pairs as the multipart field `files`."""
        boundary = uuid.uuid4().hex
        parts = []
        for name, data in files:
            # RFC 7578: quotes and line ends of a file name are percent-encoded.
            shown = name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
            head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="{shown}"\r\n'
            parts += [head.encode(), b"Content-Type: application/octet-stream\r\n\r\n", data, b"\r\n"]
        body = b"".join([*parts, f"--{boundary}--\r\n".encode()])
        return self._json("POST", path, body, f"multipart/form-data; boundary={boundary}")

    def lines(self, path: str, method: str = "GET", body: object = None, **params: object) -> Iterator[str]:
        """The lines of a streamed answer as they come."""
        content = None if body is None else json.dumps(body).encode()
        yield from self._lines(method, path, content, params)

    def response(self, path: str, body: object) -> http.client.HTTPResponse:
        """The open answer of a model call, which goes to the gateway; a local operator signs in for it first."""
        headers = dict(self._session_headers()) if self.token else {}
        gateway = Client(self.base_url, key=self.key, timeout_s=self.timeout_s)
        return gateway._open("POST", path, json.dumps(body).encode(), headers=headers)

    def stream_sse(self, path: str, **params: object) -> Iterator[tuple[str, Any]]:
        """`(event, decoded data)` of a server-sent event stream."""
        event, data = "message", ""
        for line in self._lines("GET", path, None, params):
            if line.startswith("event:"):
                event = line[6:].strip()
            elif line.startswith("data:"):
                data += line[5:].strip()
            elif not line and data:
                yield event, json.loads(data)
                event, data = "message", ""

    def emit(self, rows: object, columns: Sequence[str] = ()) -> None:
        """Shows a result: JSON under `--json`, else a table of `columns`, or `key: value` lines of one mapping."""
        if self.as_json:
            self.out.write(json.dumps(rows, ensure_ascii=False, indent=2) + "\n")
        elif isinstance(rows, Mapping):
            for key in columns or rows:
                self.out.write(f"{key}: {_cell(rows.get(key))}\n")
        elif isinstance(rows, Sequence) and not isinstance(rows, str):
            self._table([row for row in rows if isinstance(row, Mapping)], columns)

    def say(self, text: str) -> None:
        """A line for people; silent under `--json`."""
        if not self.as_json:
            self.out.write(text + "\n")
            self.out.flush()

    def line(self, row: object) -> None:
        """One result of a stream as one line of JSON, written out at once also into a pipe."""
        self.out.write(json.dumps(row, ensure_ascii=False) + "\n")
        self.out.flush()

    def progress(self, text: str) -> None:
        """A line of progress on standard error, redrawn in place on a terminal."""
        end = "\r" if sys.stderr.isatty() else "\n"
        sys.stderr.write(f"{text[:110]:<110}{end}" if sys.stderr.isatty() else text + end)
        sys.stderr.flush()

    def _table(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
        cells = [[_cell(row.get(column)) for column in columns] for row in rows]
        widths = [max([len(name), *(len(line[i]) for line in cells)]) for i, name in enumerate(columns)]
        for line in ([list(columns)] if self.out.isatty() or cells else []) + cells:
            shown = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
            self.out.write(shown.rstrip() + "\n")

    def _lines(self, method: str, path: str, body: bytes | None, params: Mapping[str, object]) -> Iterator[str]:
        with self._open(method, path, body, params=params) as response:
            try:
                for line in response:
                    yield line.decode().rstrip("\r\n")
            except (OSError, http.client.HTTPException) as error:
                raise self._unreachable(error) from error

    def _json(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        content_type: str = "application/json",
        params: Mapping[str, object] | None = None,
    ) -> Any:
        with self._open(method, path, body, content_type, params) as response:
            try:
                content = response.read()
            except (OSError, http.client.HTTPException) as error:
                raise self._unreachable(error) from error
        try:
            return json.loads(content) if content else None
        except ValueError as error:
            raise Unavailable(
                f"{self.socket or self.base_url} answered {path} with something other than JSON: {content[:100]!r}",
                hint="check that LOOPWRIGHT_URL is the address of Loopwright",
            ) from error

    def _open(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        content_type: str = "application/json",
        params: Mapping[str, object] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> http.client.HTTPResponse:
        headers = {"accept": "*/*", "connection": "close", **(headers or {})}
        if body is not None:
            headers["content-type"] = content_type
        if self.key:
            headers["authorization"] = f"Bearer {self.key}"
        if self.token:
            headers["x-loopwright-operator"] = self.token
        query = urlencode({k: v for k, v in (params or {}).items() if v not in (None, "")})
        try:
            connection = self._connection()
            connection.request(method, f"{path}?{query}" if query else path, body, headers)
            response = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        if response.status >= 400:
            raise _error(response.status, response.read())
        return response

    def _session_headers(self) -> Iterator[tuple[str, str]]:
        token = self.post("/api/login-tokens")["login_token"]
        with self._open("POST", "/api/session", json.dumps({"login_token": token}).encode()) as response:
            yield "cookie", (response.headers.get("set-cookie") or "").partition(";")[0]
            yield "x-loopwright-csrf", json.loads(response.read())["csrf"]

    def _connection(self) -> http.client.HTTPConnection:
        if self.socket is not None:
            return _SocketConnection(self.socket, self.timeout_s)
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise Invalid(
                f"{self.base_url!r} is no address of a Loopwright",
                hint="export LOOPWRIGHT_URL=http://host:port",
                param="url",
            )
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        return kind(parts.hostname or "127.0.0.1", parts.port, timeout=self.timeout_s)

    def _unreachable(self, error: Exception) -> Unavailable:
        where = self.socket or self.base_url
        return Unavailable(f"Loopwright does not answer at {where}: {error}", hint="start it with: loopwright up")


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        super().__init__("localhost", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _error(status: int, content: bytes) -> LoopwrightError:
    family = _BY_STATUS.get(status, Invalid if status < 500 else Unavailable)
    try:
        body = json.loads(content)
    except ValueError:
        return family(f"HTTP {status}: {content[:300].decode(errors='replace')}")
    inner = body.get("error") if isinstance(body, dict) else None
    if isinstance(inner, dict):
        return family(str(inner.get("message")), param=str(inner.get("param") or ""))
    if not isinstance(body, dict):
        return family(f"HTTP {status}: {body}")
    return family(str(body.get("detail", body)), hint=str(body.get("hint", "")), param=str(body.get("param", "")))


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return " ".join(str(value).split())
