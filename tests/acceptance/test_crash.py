"""Kills at random moments under load: every answered request has exactly one trace. A provider outside counts."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.acceptance.product import Product
from tests.acceptance.upstream import Upstream

KILLS = 50
CLIENTS = 6


@dataclass
class Witness:
    """What the clients were told: the trace id of each whole answer by its marker."""

    answered: dict[str, str] = field(default_factory=dict)
    broken: int = 0
    _number: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def marker(self) -> str:
        with self._lock:
            self._number += 1
            return f"marker-{self._number:06d}"

    def ask(self, product: Product) -> None:
        marker = self.marker()
        stream = random.random() < 0.5
        body = {"model": "witness/count", "messages": [{"role": "user", "content": marker}], "stream": stream}
        try:
            status, answer, headers = product.request("POST", "/v1/chat/completions", body)
            whole = status == 200 and ("data: [DONE]" in answer if stream else bool(answer["choices"]))
        except (OSError, ValueError, http.client.HTTPException) as error:
            whole, headers = False, {"error": str(error)}
        if whole:
            self.answered[marker] = headers["x-loopwright-trace-id"]
        else:
            self.broken += 1


def run_with_kills(product: Product, witness: Witness, kills: int, names: tuple[str, ...]) -> Counter[str]:
    """Clients ask all the time while processes are killed; the number of kills by process."""
    stop = threading.Event()

    def keep_asking() -> None:
        while not stop.is_set():
            witness.ask(product)

    threads = [threading.Thread(target=keep_asking) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    killed: Counter[str] = Counter()
    while killed.total() < kills:
        time.sleep(random.uniform(0.2, 1.2))
        name = random.choice(names)
        pid = product.pid_of(name)
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            killed[name] += 1
    stop.set()
    for thread in threads:
        thread.join(90)
    return killed


def all_traces(product: Product) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = product.get(f"/api/traces?limit=200&provider=witness&cursor={quote(cursor)}")
        found += page["items"]
        cursor = page["next_cursor"]
        if not cursor:
            return found


def settled(product: Product) -> list[dict[str, Any]]:
    """Every trace once the drainer has caught up."""
    seen = -1
    while True:
        product.wait_for(lambda: product.request("GET", "/api/info")[0] == 200, 30, "control back")
        found = all_traces(product)
        if len(found) == seen:
            return found
        seen = len(found)
        time.sleep(2.0)


def lost_and_doubled(witness: Witness, traces: list[dict[str, Any]]) -> tuple[list[str], list[str]]:
    counted = Counter(trace["trace_id"] for trace in traces)
    lost = [marker for marker, trace_id in witness.answered.items() if counted[trace_id] == 0]
    doubled = [trace_id for trace_id, number in counted.items() if number > 1]
    return lost, doubled


@pytest.mark.timeout(400)
def test_fifty_kills_lose_nothing(fresh: Product, upstream: Upstream) -> None:
    upstream.pause_s = 0.003
    fresh.start()
    fresh.apply(upstream.spec)
    witness = Witness()
    killed = run_with_kills(fresh, witness, KILLS, ("gateway", "control"))
    traces = settled(fresh)
    lost, doubled = lost_and_doubled(witness, traces)
    by_status = Counter(trace["status"] for trace in traces)
    print(
        json.dumps(
            {
                "killed": killed,
                "answered": len(witness.answered),
                "broken": witness.broken,
                "served": len(upstream.served),
                "traces": by_status,
            }
        )
    )
    assert min(killed.values()) > 5
    assert len(witness.answered) > 200
    assert lost == []
    assert doubled == []
    # Every request the provider saw has a trace: its own, or one that says it was interrupted.
    shown = Counter(trace["input_preview"] for trace in traces)
    unseen = [served.marker for served in upstream.served if shown[served.marker] == 0]
    assert len(unseen) <= by_status["interrupted"]
    assert all(shown[served.marker] <= 1 for served in upstream.served)
    assert {trace["status"] for trace in traces if trace["trace_id"] in witness.answered.values()} == {"ok"}


@pytest.mark.timeout(200)
def test_the_harness_catches_a_spool_that_is_written_after_the_answer(tmp_path: Path, upstream: Upstream) -> None:
    product = Product(tmp_path / "home", module="tests.acceptance.late_up", environment={"LOOPWRIGHT_PORT": "0"})
    try:
        product.start()
        product.apply(upstream.spec)
        witness = Witness()
        run_with_kills(product, witness, 6, ("gateway",))
        lost, _ = lost_and_doubled(witness, settled(product))
        assert lost, f"{len(witness.answered)} answers, and the broken variant lost none of them"
    finally:
        product.stop()
