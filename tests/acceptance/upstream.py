"""A provider outside the product: a real HTTP server with an OpenAI-like API that counts and keeps what it served."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web


@dataclass
class Served:
    """One request as the provider saw it."""

    marker: str
    authorization: str
    stream: bool
    finished: bool = False
    client_left: bool = False
    sent_tokens: int = 0


@dataclass
class Upstream:
    """`pause_s` is waited between two chunks, `delay_s` before the first byte."""

    pause_s: float = 0.0
    delay_s: float = 0.0
    chunks: int = 5
    served: list[Served] = field(default_factory=list)
    port: int = 0
    _loop: asyncio.AbstractEventLoop | None = None
    _thread: threading.Thread | None = None

    def start(self) -> Upstream:
        """Listens on a free port of 127.0.0.1."""
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def stop(self) -> None:
        """Ends the server."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)

    @property
    def spec(self) -> str:
        """The provider spec that leads here."""
        return (
            f"kind: Provider\nname: witness\nbase_url: http://127.0.0.1:{self.port}/v1\n"
            "api_key: sk-witness-secret\nmodels: [count]\n"
        )

    def _run(self, ready: threading.Event) -> None:
        self._loop = asyncio.new_event_loop()
        asyncio.set_event_loop(self._loop)
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post("/v1/chat/completions", self._chat)
        runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        self.port = runner.addresses[0][1]
        ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        marker = str(body["messages"][-1]["content"])
        served = Served(marker, request.headers.get("authorization", ""), bool(body.get("stream")))
        self.served.append(served)
        try:
            await asyncio.sleep(self.delay_s)
            return await (self._stream(request, served) if served.stream else self._whole(served))
        except (ConnectionError, asyncio.CancelledError):
            served.client_left = True
            raise

    async def _whole(self, served: Served) -> web.Response:
        served.finished, served.sent_tokens = True, self.chunks
        message = {"role": "assistant", "content": f"seen {served.marker}"}
        choices = [_choice(message=message, finish_reason="stop")]
        return web.json_response({**_head(), "choices": choices, "usage": self._usage()})

    async def _stream(self, request: web.Request, served: Served) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)

        async def send(chunk: dict[str, Any] | str) -> None:
            data = chunk if isinstance(chunk, str) else json.dumps({**_head(), **chunk})
            await response.write(f"data: {data}\n\n".encode())

        await send({"choices": [_choice(delta={"role": "assistant", "content": ""})]})
        for number in range(self.chunks):
            await send({"choices": [_choice(delta={"content": f"w{number} "})]})
            served.sent_tokens += 1
            await asyncio.sleep(self.pause_s)
        await send({"choices": [_choice(delta={}, finish_reason="stop")]})
        await send({"choices": [], "usage": self._usage()})
        await send("[DONE]")
        served.finished = True
        return response

    def _usage(self) -> dict[str, int]:
        return {"prompt_tokens": 7, "completion_tokens": self.chunks, "total_tokens": 7 + self.chunks}


def _head() -> dict[str, Any]:
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "count"}


def _choice(**more: Any) -> dict[str, Any]:
    return {"index": 0, "finish_reason": None, **more}
