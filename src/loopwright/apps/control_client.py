"""How the gateway reaches control: embeddings, searches, and everything that is not a model call."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp
import msgspec

from loopwright.apps.local import OPERATOR_HEADER
from loopwright.foundation.errors import Conflict, Invalid, LoopwrightError, NotFound, TooLarge, Unavailable
from loopwright.gateway import Embedded
from loopwright.signals import Passage

PATIENCE_S = 8.0
_PAUSE_S = 0.1
_FAMILIES: dict[int, type[LoopwrightError]] = {400: Invalid, 404: NotFound, 409: Conflict, 413: TooLarge}


class ControlClient:
    """Calls over the local socket. While control restarts, calls wait up to `PATIENCE_S`."""

    def __init__(self, socket: Path, token: str) -> None:
        self._token = token
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(str(socket), limit=512),
            timeout=aiohttp.ClientTimeout(total=None, sock_read=120),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def embed(self, texts: Sequence[str]) -> Embedded:
        """Vectors of texts."""
        response, body = await self._post("/internal/embed", {"texts": list(texts)})
        return Embedded(response.headers["x-model"], int(response.headers["x-dimensions"]), body)

    async def search(self, team_id: str, knowledge_base: str, query: str, top_k: int) -> Sequence[Passage]:
        """Passages of a team's knowledge base, best first."""
        wanted = {"team_id": team_id, "knowledge_base": knowledge_base, "query": query, "top_k": top_k}
        _, body = await self._post("/internal/search", wanted)
        return msgspec.json.decode(body, type=list[Passage])

    async def open(self, method: str, path: str, headers: list[tuple[str, str]], body: Any) -> aiohttp.ClientResponse:
        """The response to a passed-on request, its body unread. Raises Unavailable.

        A request whose body is a stream cannot be sent twice, so only the connection is tried again.
        """
        return await self._patiently(lambda: self._request(method, path, headers, body))

    async def close(self) -> None:
        """Closes every connection."""
        await self._session.close()

    async def _post(self, path: str, body: object) -> tuple[aiohttp.ClientResponse, bytes]:
        headers = [("content-type", "application/json"), (OPERATOR_HEADER, self._token)]
        content = msgspec.json.encode(body)
        response = await self._patiently(lambda: self._request("POST", path, headers, content))
        async with response:
            answer = await response.read()
        if response.status != 200:
            problem = msgspec.json.decode(answer) if answer.startswith(b"{") else {}
            family = _FAMILIES.get(response.status, Unavailable)
            raise family(problem.get("detail", "control could not do it"), hint=problem.get("hint", ""))
        return response, answer

    async def _request(
        self, method: str, path: str, headers: list[tuple[str, str]], body: Any
    ) -> aiohttp.ClientResponse:
        return await self._session.request(
            method, f"http://control{path}", headers=headers, data=body, allow_redirects=False
        )

    async def _patiently(self, call: Any) -> aiohttp.ClientResponse:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE_S
        while True:
            try:
                response: aiohttp.ClientResponse = await call()
                return response
            except aiohttp.ClientConnectorError as error:
                if loop.time() > deadline:
                    raise Unavailable(
                        "control is not running, so this cannot be answered now; model calls go on",
                        hint="look at the logs folder, or start again with: loopwright up",
                    ) from error
                await asyncio.sleep(_PAUSE_S)
            except (TimeoutError, aiohttp.ClientError) as error:
                raise Unavailable("control broke off while answering", hint="try again") from error
