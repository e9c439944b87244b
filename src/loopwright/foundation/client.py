"""How our own commands speak to a running Loopwright: over its local socket, or over HTTP with a key."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx

from loopwright.foundation.errors import (
    Conflict,
    Denied,
    Invalid,
    LimitExceeded,
    LoopwrightError,
    NotFound,
    Unauthenticated,
    Unavailable,
    UpstreamFailed,
)

_BY_STATUS: dict[int, type[LoopwrightError]] = {
    401: Unauthenticated,
    403: Denied,
    404: NotFound,
    409: Conflict,
    413: LimitExceeded,
    429: LimitExceeded,
    502: UpstreamFailed,
    504: UpstreamFailed,
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
    _http: httpx.Client | None = None

    def get(self, path: str, **params: object) -> Any:
        """Decoded JSON of a GET; parameters that are None or empty are left out."""
        return self._call("GET", path, params={k: v for k, v in params.items() if v not in (None, "")})

    def post(self, path: str, body: object = None) -> Any:
        """Decoded JSON of a POST of `body`."""
        return self._call("POST", path, json=body if body is not None else {})

    def delete(self, path: str) -> Any:
        """Decoded JSON of a DELETE, None when there is no body."""
        return self._call("DELETE", path)

    def upload(self, path: str, files: Sequence[tuple[str, bytes]]) -> Any:
        """Posts `(relative name, bytes)` pairs as the multipart field `files`."""
        parts = [("files", (name, data, "application/octet-stream")) for name, data in files]
        return self._call("POST", path, files=parts)

    def lines(self, path: str, method: str = "GET", body: object = None, **params: object) -> Iterator[str]:
        """The lines of a streamed answer as they come."""
        query = {k: v for k, v in params.items() if v not in (None, "")}
        try:
            with self._connection().stream(method, path, params=query, json=body, timeout=None) as response:
                if response.status_code >= 400:
                    response.read()
                    raise _error(response)
                yield from response.iter_lines()
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def stream_sse(self, path: str, **params: object) -> Iterator[tuple[str, Any]]:
        """`(event, decoded data)` of a server-sent event stream."""
        event, data = "message", ""
        for line in self.lines(path, **params):
            if line.startswith("event:"):
                event = line[6:].strip()
            elif line.startswith("data:"):
                data += line[5:].strip()
            elif not line and data:
                yield event, json.loads(data)
                event, data = "message", ""

    def emit(self, rows: object, columns: Sequence[str] = ()) -> None:
        """Shows a result: JSON under `--json`, else one aligned table of `columns`, or `key: value` lines of one mapping."""
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

    def _call(self, method: str, path: str, **kwargs: Any) -> Any:
        try:
            response = self._connection().request(method, path, **kwargs)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        if response.status_code >= 400:
            raise _error(response)
        return response.json() if response.content else None

    def _connection(self) -> httpx.Client:
        if self._http is None:
            headers = {"authorization": f"Bearer {self.key}"} if self.key else {}
            if self.token:
                headers["x-loopwright-operator"] = self.token
            transport = httpx.HTTPTransport(uds=str(self.socket)) if self.socket else httpx.HTTPTransport()
            self._http = httpx.Client(base_url=self.base_url, headers=headers, transport=transport, timeout=60.0)
        return self._http

    def _unreachable(self, error: Exception) -> Unavailable:
        where = self.socket or self.base_url
        return Unavailable(f"Loopwright does not answer at {where}: {error}", hint="start it with: loopwright up")


def _error(response: httpx.Response) -> LoopwrightError:
    family = _BY_STATUS.get(response.status_code, Invalid if response.status_code < 500 else Unavailable)
    try:
        body = response.json()
    except ValueError:
        return family(f"HTTP {response.status_code}: {response.text[:300]}")
    if isinstance(body.get("error"), dict):
        inner = body["error"]
        return family(str(inner.get("message")), hint=str(inner.get("hint") or ""), param=str(inner.get("param") or ""))
    return family(str(body.get("detail", body)), hint=str(body.get("hint", "")), param=str(body.get("param", "")))


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return " ".join(str(value).split())
