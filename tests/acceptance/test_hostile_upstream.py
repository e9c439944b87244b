"""Providers that break the rules, and clients that leave: one clear end each, counted, in bounded memory and time."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.acceptance.hostile_upstream import ANSWERS, SOUND_STREAMS, STREAMS, HostileUpstream
from tests.acceptance.product import Product
from tests.acceptance.upstream import Upstream

PEAK_MIB = 420
SLOWEST_S = 8.0
CANCELS = 60
CLOSED_WITHIN_S = 0.5


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product that waits two seconds for a silent provider."""
    limits = {"LOOPWRIGHT_UPSTREAM_READ_TIMEOUT_S": "2", "LOOPWRIGHT_UPSTREAM_CONNECT_TIMEOUT_S": "1"}
    running = Product(tmp_path_factory.mktemp("home"), environment=limits).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def hostile(impatient: Product) -> Iterator[HostileUpstream]:
    """A provider that breaks the rules, known to the product."""
    server = HostileUpstream().start()
    impatient.apply(server.spec)
    yield server
    server.stop()


def ask(product: Product, model: str, text: str = "hello there", **more: Any) -> tuple[int, Any, dict[str, str]]:
    body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
    return product.request("POST", "/v1/chat/completions", body)


def trace(product: Product, trace_id: str) -> dict[str, Any]:
    path = f"/api/traces/{trace_id}"
    product.wait_for(lambda: product.request("GET", path)[0] == 200, 10, "the trace")
    found: dict[str, Any] = product.get(path)["trace"]
    return found


def peak_mib(product: Product) -> int:
    status = Path(f"/proc/{product.pid_of('gateway')}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


@pytest.mark.parametrize("name", STREAMS)
def test_a_broken_stream_ends_in_an_error(impatient: Product, hostile: HostileUpstream, name: str) -> None:
    began = time.monotonic()
    status, body, headers = ask(impatient, f"hostile/{name}", stream=True)
    assert time.monotonic() - began < SLOWEST_S
    if status == 200:
        last = [line for line in body.split("\n\n") if line][-1]
        error = json.loads(last.removeprefix("data: "))["error"]
        assert "[DONE]" not in body
    else:
        error = body["error"]
    assert status in (200, 502, 504)
    assert error["message"]
    assert error["code"] in ("upstream_failed", "upstream_timeout")
    found = trace(impatient, headers["x-loopwright-trace-id"])
    assert (found["status"], found["error"]["code"]) == ("error", error["code"])
    assert peak_mib(impatient) < PEAK_MIB


@pytest.mark.parametrize("name", SOUND_STREAMS)
def test_an_odd_stream_arrives_whole(impatient: Product, hostile: HostileUpstream, name: str) -> None:
    status, body, headers = ask(impatient, f"hostile/{name}", stream=True)
    events = [json.loads(line[6:]) for line in body.split("\n\n") if line.startswith("data: {")]
    text = "".join(event["choices"][0]["delta"]["content"] for event in events if event["choices"])
    assert (status, text) == (200, "grüße \U0001f600")
    assert body.endswith("data: [DONE]\n\n")
    found = trace(impatient, headers["x-loopwright-trace-id"])
    assert (found["status"], found["output_tokens"], found["usage_estimated"]) == ("ok", 2, True)


@pytest.mark.parametrize("name", ANSWERS)
def test_a_broken_answer_is_an_error(impatient: Product, hostile: HostileUpstream, name: str) -> None:
    began = time.monotonic()
    status, body, headers = ask(impatient, f"hostile/{name}")
    assert time.monotonic() - began < SLOWEST_S
    assert status in (502, 504), body
    assert "sk-hostile" not in json.dumps(body)
    assert trace(impatient, headers["x-loopwright-trace-id"])["status"] == "error"
    assert peak_mib(impatient) < PEAK_MIB


def test_a_provider_that_is_down(impatient: Product) -> None:
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    impatient.apply(f"kind: Provider\nname: down\nbase_url: http://127.0.0.1:{port}/v1\n")
    status, body, headers = ask(impatient, "down/any")
    assert (status, body["error"]["code"], headers["x-should-retry"]) == (502, "upstream_failed", "true")
    assert f"127.0.0.1:{port}" in body["error"]["message"]


def leave(product: Product, body: dict[str, Any], after_bytes: int, *, reset: bool, wait_s: float) -> str:
    """Asks, reads `after_bytes` of the answer, waits, and is gone; the trace id if the head was read."""
    parts = urlsplit(product.url)
    content = json.dumps(body).encode()
    head = (
        f"POST /v1/chat/completions HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {product.key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    ).encode()
    said = b""
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=10) as connection:
        connection.sendall(head + content)
        while len(said) < after_bytes:
            said += connection.recv(min(200, after_bytes - len(said)))
        time.sleep(wait_s)
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return said.lower().partition(b"x-loopwright-trace-id: ")[2][:32].decode()


@pytest.mark.timeout(180)
def test_clients_that_leave_at_every_stage(impatient: Product, upstream: Upstream) -> None:
    impatient.apply(upstream.spec)
    upstream.pause_s, upstream.chunks = 0.02, 60
    latencies: list[float] = []
    for number in range(CANCELS):
        stream, reset = number % 3 != 0, number % 2 == 0
        upstream.delay_s = 1.0 if number % 6 == 1 or not stream else 0.0
        marker = f"leaver-{number}"
        body = {"model": "witness/count", "stream": stream, "messages": [{"role": "user", "content": marker}]}
        reads = 0 if upstream.delay_s else 1 + 97 * (number % 40)
        leave(impatient, body, reads, reset=reset, wait_s=0.1)
        left = time.monotonic()
        served = impatient.wait_for(
            lambda marker=marker: next((one for one in upstream.served if one.marker == marker), None), 5, "the call"
        )
        while not served.client_left and not served.finished and time.monotonic() - left < 5:
            time.sleep(0.002)
        latencies.append(time.monotonic() - left)
        assert served.client_left, marker
    latencies.sort()
    print(json.dumps({"cancels": CANCELS, "close_p50_ms": latencies[30] * 1e3, "close_max_ms": latencies[-1] * 1e3}))
    assert latencies[-1] <= CLOSED_WITHIN_S
    upstream.delay_s = 0.0
    assert ask(impatient, "witness/count")[0] == 200

    def cancelled() -> list[dict[str, Any]]:
        found = impatient.get("/api/traces?limit=200&provider=witness")["items"]
        mine = [one for one in found if "leaver-" in one["input_preview"]]
        return mine if len(mine) == CANCELS else []

    mine = impatient.wait_for(cancelled, 15, "a trace of every client that left")
    sent = {one.marker: one.sent_tokens for one in upstream.served}
    for one in mine:
        assert one["status"] == "cancelled", one
        assert one["input_tokens"] > 0
        # The witness may have sent a token that the gateway had not read when the client left.
        assert 0 <= sent[one["input_preview"]] - one["output_tokens"] <= 3, one
    connections = Path(f"/proc/{impatient.pid_of('gateway')}/fd")
    assert len(list(connections.iterdir())) < 60


def test_a_close_after_the_last_chunk_is_no_cancellation(impatient: Product, upstream: Upstream) -> None:
    impatient.apply(upstream.spec)
    parts = urlsplit(impatient.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    body = {"model": "witness/count", "stream": True, "messages": [{"role": "user", "content": "to the end"}]}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"authorization": f"Bearer {impatient.key}"})
    response = connection.getresponse()
    for line in response:
        if b"[DONE]" in line:
            break
    connection.close()
    assert trace(impatient, response.headers["x-loopwright-trace-id"])["status"] == "ok"
