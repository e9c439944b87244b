"""Requests a second of `builtin/echo` over kept-alive connections to a running Loopwright.

    python bench/gateway/echo.py --url http://127.0.0.1:8700 --key lw-... --connections 16 --seconds 5

Prints requests/s, latency percentiles, CPU microseconds a request and memory of the gateway process, and fails when an
answer is not 200. The load comes from this process: give it a core of its own with `taskset -c 1`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import time
from urllib.parse import urlsplit

TICKS = os.sysconf("SC_CLK_TCK")


class Connection(asyncio.Protocol):
    """Sends the next request as soon as the last answer is whole."""

    def __init__(self, request: bytes, latencies: list[float], deadline: float) -> None:
        self._request, self._latencies, self._deadline = request, latencies, deadline
        self._buffer = b""
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.failure = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._buffer[:head_end].lower()
        start = head.find(b"content-length:") + 15
        length = int(head[start : head.find(b"\r", start) if head.find(b"\r", start) > 0 else None])
        if len(self._buffer) < head_end + 4 + length:
            return
        if not head.startswith(b"http/1.1 200"):
            self.failure = self._buffer[:500].decode(errors="replace")
            self._transport.close()
            return
        self._latencies.append(time.perf_counter() - self._sent)
        self._buffer = b""
        if time.perf_counter() < self._deadline:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.finished.done():
            self.finished.set_result(None)

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._request)


async def load(url: str, key: str, connections: int, seconds: float) -> list[float]:
    """Latencies in seconds of every answered request."""
    parts = urlsplit(url)
    body = json.dumps({"model": "builtin/echo", "messages": [{"role": "user", "content": "Say hello. " * 60}]}).encode()
    request = (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {parts.netloc}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body
    latencies: list[float] = []
    deadline = time.perf_counter() + seconds
    loop = asyncio.get_running_loop()
    made = [
        (await loop.create_connection(lambda: Connection(request, latencies, deadline), parts.hostname, parts.port))[1]
        for _ in range(connections)
    ]
    await asyncio.gather(*(connection.finished for connection in made))
    for connection in made:
        if connection.failure:
            raise SystemExit(f"an answer was not 200: {connection.failure}")
    return latencies


def gateway_pid() -> int:
    """The newest gateway process of this machine."""
    return int(subprocess.run(["pgrep", "-n", "-f", "loopwright.apps.gateway"], capture_output=True, check=True).stdout)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mb(pid: int) -> float:
    """Resident memory of a process."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith("VmRSS"))


def main() -> None:
    """Runs one warm-up second and one measured stretch."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--url", default="http://127.0.0.1:8700")
    parser.add_argument("--key", required=True)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    asyncio.run(load(given.url, given.key, given.connections, 1.0))
    pid = gateway_pid()
    before = cpu_seconds(pid)
    latencies = sorted(asyncio.run(load(given.url, given.key, given.connections, given.seconds)))
    used = cpu_seconds(pid) - before
    at = {p: latencies[min(len(latencies) - 1, int(len(latencies) * p / 100))] * 1000 for p in (50, 99)}
    print(f"connections            {given.connections}")
    print(f"requests/s             {len(latencies) / given.seconds:.0f}")
    print(f"latency p50 / p99      {at[50]:.2f} / {at[99]:.2f} ms")
    print(f"gateway CPU a request  {used / len(latencies) * 1e6:.0f} us")
    print(f"gateway memory         {resident_mb(pid):.0f} MiB")


if __name__ == "__main__":
    main()
