"""Any provider that speaks the OpenAI API at a URL: OpenAI, Ollama, vLLM, LM Studio and the like."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import msgspec

from loopwright.catalog import Provider
from loopwright.foundation.errors import UpstreamFailed
from loopwright.gateway.errors import UpstreamRefused
from loopwright.gateway.exchange import Body, Exchange, Raw, Reply, encode
from loopwright.gateway.stream import sse_data
from loopwright.gateway.upstream import UpstreamClient, explain

MAX_ANSWER_BYTES = 64 * 1024 * 1024
_MAX_ERROR_BYTES = 64 * 1024
_OUR_FAULT = {401, 403}


class OpenAICompatible:
    """A provider as a data row: only its URL, key and headers differ."""

    def __init__(self, client: UpstreamClient) -> None:
        self._client = client

    async def chat(self, exchange: Exchange) -> Reply:
        """Relays a chat completion. A stream is asked for its usage, which the ledger needs."""
        body = dict(exchange.body)
        if exchange.stream:
            options = exchange.value("stream_options")
            body["stream_options"] = Raw(
                encode({**(options if isinstance(options, dict) else {}), "include_usage": True})
            )
        response = await self._post(exchange, "/chat/completions", body)
        if not exchange.stream:
            return Reply(body=await self._read(response))

        async def close() -> None:
            response.close()

        return Reply(events=self._events(response), close=close)

    async def embed(self, exchange: Exchange) -> Reply:
        """Relays an embeddings request."""
        response = await self._post(exchange, "/embeddings", dict(exchange.body))
        return Reply(body=await self._read(response))

    async def _post(self, exchange: Exchange, path: str, body: Body) -> aiohttp.ClientResponse:
        provider = exchange.target.provider
        body["model"] = Raw(encode(exchange.target.model))
        headers = {"content-type": "application/json", "x-request-id": exchange.request_id, **dict(provider.headers)}
        if provider.api_key:
            headers["authorization"] = f"Bearer {provider.api_key}"
        response = await self._client.post(provider.base_url + path, encode(body), headers)
        if response.status != 200:
            raise await self._refusal(provider, response)
        return response

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        try:
            async with response:
                body = bytearray()
                async for chunk in response.content.iter_any():
                    body += chunk
                    if len(body) > MAX_ANSWER_BYTES:
                        response.close()
                        break
        except (TimeoutError, aiohttp.ClientError) as error:
            raise explain(str(response.url), error) from error
        if len(body) > MAX_ANSWER_BYTES:
            raise UpstreamFailed(f"the provider's answer is larger than {MAX_ANSWER_BYTES} bytes")
        return bytes(body)

    async def _events(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        started = False
        try:
            async with response:
                async for data in sse_data(response.content.iter_any()):
                    started = True
                    yield data
        except (TimeoutError, aiohttp.ClientError) as error:
            raise explain(str(response.url), error) from error
        if not started:
            raise UpstreamFailed(
                f"the provider answered with {response.content_type} and no event of a stream",
                hint="check the provider's base_url, or call it without stream",
            )

    async def _refusal(self, provider: Provider, response: aiohttp.ClientResponse) -> UpstreamFailed:
        detail, param, kind = _explained(await self._read(response))
        status = response.status
        if provider.api_key:
            # Some providers repeat the key they refuse; it is the operator's, not the caller's to read.
            detail = detail.replace(provider.api_key, "[redacted]")
        if 300 <= status < 400:
            where = response.headers.get("location", "nowhere")[:200]
            return UpstreamFailed(
                f"the provider {provider.name!r} answered {status} and points to {where}; redirects are not followed",
                hint="give the provider its final base_url, with: loopwright apply",
            )
        said = f"the provider {provider.name!r} answered {status}: {detail}"
        if status in _OUR_FAULT:
            return UpstreamFailed(
                said, hint=f"give the provider {provider.name!r} a key that works, with: loopwright apply"
            )
        if 400 <= status < 500:
            return UpstreamRefused(said, status, param=param, kind=kind)
        return UpstreamFailed(said, hint="try again")


def _explained(body: bytes) -> tuple[str, str, str]:
    """Message, faulty parameter and code of an error body; its text when it has no `error` we know."""
    try:
        answer = msgspec.json.decode(body[:_MAX_ERROR_BYTES])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        answer = None
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, dict) and error.get("message"):
        return str(error["message"]), str(error.get("param") or ""), str(error.get("code") or "")
    return error if isinstance(error, str) else body.decode(errors="replace")[:500], "", ""
