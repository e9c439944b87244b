from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from loopwright.catalog import Provider, Target
from loopwright.foundation.errors import Denied, UpstreamFailed, UpstreamTimeout
from loopwright.foundation.identity import Principal
from loopwright.gateway import AddressGuard, Exchange, OpenAICompatible, UpstreamClient
from loopwright.gateway.errors import UpstreamRefused, openai_error
from loopwright.gateway.exchange import parse_body
from loopwright.gateway.providers import openai

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
KEY = "sk-of-the-provider"


@dataclass
class Seen:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class Upstream:
    """A provider on a free port of 127.0.0.1 that keeps what it was asked."""

    answer: Answer
    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.seen.append(Seen(request.path, headers, await request.json()))
        try:
            return await self.answer(request)
        except asyncio.CancelledError:
            # The server cancels a handler whose client has closed the connection.
            self.left.set()
            raise


@asynccontextmanager
async def upstream(answer: Answer) -> AsyncIterator[Upstream]:
    made = Upstream(answer)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.port = runner.addresses[0][1]
    try:
        yield made
    finally:
        await runner.cleanup()


@asynccontextmanager
async def gateway(allowed: str = "127.0.0.1", read_timeout_s: float = 10) -> AsyncIterator[OpenAICompatible]:
    client = UpstreamClient(AddressGuard(allowed.split(",")), connect_timeout_s=5, read_timeout_s=read_timeout_s)
    try:
        yield OpenAICompatible(client)
    finally:
        await client.close()


def exchange(base_url: str, **body: Any) -> Exchange:
    raw = json.dumps({"model": "acme/large", "messages": [{"role": "user", "content": "hi"}], **body}).encode()
    parsed, model, stream = parse_body(raw)
    provider = Provider("acme", "openai", base_url, KEY, headers=(("x-org", "o1"),))
    principal = Principal("team_1", "key_1", "member", "key_1")
    return Exchange("req_1", "0" * 32, principal, parsed, model, stream, Target(provider, "large"), 0)


def json_answer(body: object, status: int = 200, **headers: str) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(body, status=status, headers=headers)

    return answer


def text_answer(text: str, status: int) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(text=text, status=status)

    return answer


def stream_answer(*parts: bytes, then: Callable[[web.Request], Awaitable[None]] | None = None) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for part in parts:
            await response.write(part)
        if then is not None:
            await then(request)
        return response

    return answer


async def silence(_: web.Request) -> None:
    await asyncio.Event().wait()


async def break_off(request: web.Request) -> None:
    assert request.transport is not None
    request.transport.abort()


async def hang(_: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


def refusal(answer: Answer, **body: Any) -> Any:
    """The error that a provider's answer becomes."""

    async def run() -> None:
        async with upstream(answer) as provider, gateway() as door:
            await door.chat(exchange(provider.url, **body))

    with pytest.raises(UpstreamFailed) as caught:
        asyncio.run(run())
    assert KEY not in caught.value.message + caught.value.hint
    return caught.value


def test_a_request_arrives_with_the_providers_key_model_and_headers() -> None:
    async def run() -> None:
        whole = {"choices": [{"message": {"content": "hi"}}], "new": {"kept": [1, None]}}
        async with upstream(json_answer(whole)) as provider, gateway() as door:
            reply = await door.chat(exchange(provider.url, temperature=0.5, new_field={"a": 1}))
            assert json.loads(reply.body) == whole
            (seen,) = provider.seen
            assert seen.path == "/v1/chat/completions"
            assert seen.headers["authorization"] == f"Bearer {KEY}"
            assert (seen.headers["x-org"], seen.headers["x-request-id"]) == ("o1", "req_1")
            assert seen.body["model"] == "large"
            assert (seen.body["temperature"], seen.body["new_field"]) == (0.5, {"a": 1})
            assert "stream_options" not in seen.body

    asyncio.run(run())


def test_each_provider_gets_its_own_key_and_no_cookie() -> None:
    async def run() -> None:
        answer = json_answer({}, **{"set-cookie": "who=me"})
        async with upstream(answer) as one, upstream(answer) as two, gateway() as door:
            await door.chat(exchange(one.url))
            other = exchange(two.url)
            other.target = Target(Provider("other", "openai", two.url), "large")
            await door.chat(other)
            await door.chat(exchange(one.url))
            assert [seen.headers.get("authorization") for seen in one.seen] == [f"Bearer {KEY}"] * 2
            assert [seen.headers.get("authorization") for seen in two.seen] == [None]
            assert all("cookie" not in seen.headers for seen in one.seen + two.seen)

    asyncio.run(run())


def test_embeddings_go_to_their_own_path() -> None:
    async def run() -> None:
        async with upstream(json_answer({"data": []})) as provider, gateway() as door:
            reply = await door.embed(exchange(provider.url, input="x"))
            assert json.loads(reply.body) == {"data": []}
            assert provider.seen[0].path == "/v1/embeddings"

    asyncio.run(run())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    async def run() -> None:
        async with upstream(json_answer({})) as other:
            answer = json_answer({}, status, location=f"{other.url}/chat/completions")
            async with upstream(answer) as provider, gateway() as door:
                with pytest.raises(UpstreamFailed, match=f"answered {status}") as caught:
                    await door.chat(exchange(provider.url))
                assert openai_error(caught.value, "r")[0] == 502
                assert len(provider.seen) == 1
            assert other.seen == []

    asyncio.run(run())


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "[::ffff:127.0.0.1]"),
        *("127.1", "2130706433", "0177.0.0.1", "0", "0x7f000001", "0x7f.1", "１２７.0.0.1"),
    ],
)
def test_a_private_address_is_refused_however_it_is_written_and_sees_nothing(host: str) -> None:
    async def run() -> None:
        async with upstream(json_answer({})) as provider, gateway(allowed="") as door:
            # Where the C library knows no such spelling, the name is simply not found.
            with pytest.raises((Denied, UpstreamFailed)) as caught:
                await door.chat(exchange(f"http://{host}:{provider.port}/v1"))
            assert isinstance(caught.value, Denied) or "0x" in host
            assert provider.seen == []

    asyncio.run(run())


def test_a_private_host_that_the_operator_allowed_is_called() -> None:
    async def run() -> None:
        async with upstream(json_answer({"ok": True})) as provider, gateway(allowed="localhost") as door:
            reply = await door.chat(exchange(f"http://localhost:{provider.port}/v1"))
            assert json.loads(reply.body) == {"ok": True}
            with pytest.raises(Denied):
                await door.chat(exchange(provider.url))

    asyncio.run(run())


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_does_not_work_is_our_fault_and_not_the_callers(status: int) -> None:
    error = refusal(json_answer({"error": {"message": "bad key"}}, status))
    assert not isinstance(error, UpstreamRefused)
    assert openai_error(error, "r")[0] == 502
    assert f"answered {status}: bad key" in error.message
    assert "loopwright apply" in error.hint


@pytest.mark.parametrize("status", [400, 404, 413, 422, 429])
def test_a_refusal_passes_with_its_status(status: int) -> None:
    error = refusal(json_answer({"error": {"message": "no", "param": "n", "code": "c1"}}, status))
    assert isinstance(error, UpstreamRefused)
    assert (error.param, error.kind) == ("n", "c1")
    assert openai_error(error, "r")[0] == status


@pytest.mark.parametrize("status", [500, 502, 503, 529, 204])
def test_a_failure_of_the_provider_is_a_bad_gateway(status: int) -> None:
    error = refusal(json_answer({"error": "overloaded"}, status))
    assert type(error) is UpstreamFailed
    assert openai_error(error, "r")[0] == 502


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"error": {"message": "too long"}}', "answered 422: too long"),
        ('{"error": "too long"}', "answered 422: too long"),
        ('{"detail": "too long"}', 'answered 422: {"detail": "too long"}'),
        ('{"error": null, "message": "too long"}', '"message": "too long"}'),
        ("<html>nginx</html>", "answered 422: <html>nginx</html>"),
        ("[1]", "answered 422: [1]"),
        ("", "answered 422: "),
        ("[" * 20_000, "answered 422: [[["),
    ],
)
def test_a_refusal_says_what_the_provider_said(body: str, said: str) -> None:
    error = refusal(text_answer(body, 422))
    assert said in error.message
    assert len(error.message) < 700


def test_a_silent_provider_is_a_timeout() -> None:
    async def run() -> None:
        async with upstream(hang) as provider, gateway(read_timeout_s=0.2) as door:
            with pytest.raises(UpstreamTimeout, match="stayed silent"):
                await door.chat(exchange(provider.url))
            await asyncio.wait_for(provider.left.wait(), 5)

    asyncio.run(run())


def test_a_provider_that_falls_silent_in_mid_stream_is_a_timeout() -> None:
    async def run() -> None:
        answer = stream_answer(b"data: 1\n\n", then=silence)
        async with upstream(answer) as provider, gateway(read_timeout_s=0.2) as door:
            reply = await door.chat(exchange(provider.url, stream=True))
            assert reply.events is not None
            found = []
            with pytest.raises(UpstreamTimeout):
                async for data in reply.events:
                    found.append(data)
            assert found == [b"1"]

    asyncio.run(run())


def test_a_port_nobody_listens_on_is_a_failure_with_its_host() -> None:
    async def run() -> None:
        async with upstream(json_answer({})) as provider:
            url = provider.url
        async with gateway() as door:
            with pytest.raises(UpstreamFailed, match=r"the provider at 127\.0\.0\.1:\d+ failed"):
                await door.chat(exchange(url))

    asyncio.run(run())


def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openai, "MAX_ANSWER_BYTES", 100_000)
    error = refusal(stream_answer(*[b"x" * 50_000] * 3, then=silence))
    assert "larger than 100000 bytes" in error.message


def test_a_stream_is_relayed_as_it_comes_and_asked_for_its_usage() -> None:
    async def run() -> None:
        go_on = asyncio.Event()

        async def answer(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"content-type": "text/event-stream"})
            await response.prepare(request)
            await response.write(b': hi\n\ndata: {"n": 1}\r\n\r\nda')
            await go_on.wait()
            await response.write(b'ta: {"n": 2}\n\ndata: [DONE]\n\n')
            return response

        async with upstream(answer) as provider, gateway() as door:
            reply = await door.chat(exchange(provider.url, stream=True, stream_options={"other": 1}))
            assert reply.events is not None
            events = aiter(reply.events)
            assert await anext(events) == b'{"n": 1}'
            # The second event is sent only now: the first one was not held back for it.
            go_on.set()
            assert [data async for data in events] == [b'{"n": 2}']
            assert provider.seen[0].body["stream_options"] == {"other": 1, "include_usage": True}

    asyncio.run(run())


def test_a_provider_that_breaks_off_in_mid_stream_is_a_failure() -> None:
    async def run() -> None:
        async with upstream(stream_answer(b"data: 1\n\n", then=break_off)) as provider, gateway() as door:
            reply = await door.chat(exchange(provider.url, stream=True))
            assert reply.events is not None
            found = []
            with pytest.raises(UpstreamFailed, match="failed: Client"):
                async for data in reply.events:
                    found.append(data)
            assert found == [b"1"]

    asyncio.run(run())


def test_closing_a_reply_in_mid_stream_ends_the_providers_work_at_once() -> None:
    async def run() -> None:
        async with upstream(stream_answer(b"data: 1\n\n", then=silence)) as provider, gateway() as door:
            reply = await door.chat(exchange(provider.url, stream=True))
            assert reply.events is not None
            assert reply.close is not None
            assert await anext(reply.events) == b"1"
            started = time.monotonic()
            await reply.close()
            await asyncio.wait_for(provider.left.wait(), 5)
            assert time.monotonic() - started < 0.5

    asyncio.run(run())


def test_a_finished_stream_gives_its_connection_back() -> None:
    async def run() -> None:
        peers = set()

        async def answer(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            peers.add(request.transport.get_extra_info("peername"))
            return await stream_answer(b"data: 1\n\ndata: [DONE]\n\n")(request)

        async with upstream(answer) as provider, gateway() as door:
            for _ in range(5):
                reply = await door.chat(exchange(provider.url, stream=True))
                assert reply.events is not None
                assert reply.close is not None
                async with aclosing(reply.events) as events:  # type: ignore[type-var]
                    assert [data async for data in events] == [b"1"]
                await reply.close()
            assert len(peers) == 1

    asyncio.run(run())
