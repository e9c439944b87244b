"""Control in this process over a real catalogue and lake, and requests to it as raw ASGI."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI

TOKEN = "operator-token-of-the-test"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def call(
    app: FastAPI, method: str, path: str, key: str = "", body: object = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """One request; a client of an endless stream leaves after half a second."""
    given = {name.lower(): value for name, value in (headers or {}).items()}
    if key:
        given["authorization"] = f"Bearer {key}"
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    if body is not None:
        given.setdefault("content-type", "application/json")
        given["content-length"] = str(len(content))
    return asyncio.run(_run(app, method, path, given, content))


async def _run(app: FastAPI, method: str, path: str, headers: dict[str, str], content: bytes) -> Answer:
    target, _, query = path.partition("?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": target,
        "raw_path": target.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "scheme": "http",
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
        "app": app,
    }
    answer = Answer(0, {}, b"")
    left = asyncio.Event()
    requests = [{"type": "http.request", "body": content, "more_body": False}]

    async def receive() -> Any:
        if requests:
            return requests.pop()
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            if "event-stream" in answer.headers.get("content-type", ""):
                asyncio.get_running_loop().call_later(0.5, left.set)
        else:
            answer.body += message.get("body", b"")

    await asyncio.wait_for(app(scope, receive, send), 30)
    return answer
