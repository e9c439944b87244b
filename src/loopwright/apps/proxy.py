"""Passing on: what is not a model call goes to control over the local socket, body and answer streamed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import quote

import aiohttp

from loopwright.apps.control_client import ControlClient
from loopwright.apps.local import OPERATOR_HEADER
from loopwright.foundation.errors import LoopwrightError
from loopwright.gateway import Receive, Scope, Send, client_gone, send_problem

_HOP = {
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
}
_OWN = {"date", "server"}
_STRIPPED = _HOP | {OPERATOR_HEADER, "x-forwarded-for", "x-forwarded-host"}


class ControlProxy:
    """A raw ASGI application that relays to control."""

    def __init__(self, control: ControlClient) -> None:
        self._control = control

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Relays one request; the client going away ends the call to control."""
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        given = {name for name, _ in headers}
        kept = [(name, value) for name, value in headers if name not in _STRIPPED]
        if scope.get("client"):
            kept.append(("x-forwarded-for", scope["client"][0]))
        path = quote(scope["path"], safe="/:@!$&'()*+,;=~-._")
        query = scope["query_string"].decode("latin-1")
        target = f"{path}?{query}" if query else path
        body = _body(receive) if given & {"content-length", "transfer-encoding"} else None
        try:
            response = await self._control.open(scope["method"], target, kept, body)
        except LoopwrightError as error:
            await send_problem(send, error)
            return
        gone = asyncio.ensure_future(client_gone(receive))
        relay = asyncio.ensure_future(_relay(response, send))
        try:
            await asyncio.wait((relay, gone), return_when=asyncio.FIRST_COMPLETED)
            if relay.done():
                relay.result()
        finally:
            relay.cancel()
            gone.cancel()
            response.close()


async def _relay(response: aiohttp.ClientResponse, send: Send) -> None:
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in response.headers.items()
        if name.lower() not in _HOP | _OWN
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    try:
        async for chunk in response.content.iter_any():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    except aiohttp.ClientError:
        # Control died in mid-answer: ending without the last piece lets the client see that it is not whole.
        raise ConnectionError("control broke off in the middle of an answer") from None
    await send({"type": "http.response.body", "body": b""})


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the client left while sending")
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body"):
            return
