"""Spool, drain and query figures on this machine: `python -m bench.traces.run --spans 100000`, about a minute.

Load: RAG-like traces of five spans, text by Zipf over 6,000 words as in the reference measurements. Prints a table.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import string
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from loopwright.foundation.lake import Lake
from loopwright.traces import (
    BeginRecord,
    Drainer,
    ScoreRecord,
    SpanRecord,
    SpoolWriter,
    TraceFilter,
    TraceService,
    TraceStore,
)

TEAM = "team_bench"
SPANS_PER_TRACE = 5
RARE = "xyzzyplugh"
MODELS = ("llama-3.3-70b", "gpt-4o-mini", "claude-sonnet")
KINDS = ("retrieval", "model", "guard", "tool")


class Load:
    """Traces one after the other, ten milliseconds apart, up to now."""

    def __init__(self, traces: int) -> None:
        self._chance = random.Random(1)
        letters = string.ascii_lowercase
        self._words = ["".join(self._chance.choices(letters, k=self._chance.randint(3, 9))) for _ in range(6_000)]
        self._weights = [1 / (rank + 1) for rank in range(len(self._words))]
        self._start_us = time.time_ns() // 1_000 - traces * 10_000
        self._traces = traces

    def text(self, words: int) -> str:
        return " ".join(self._chance.choices(self._words, self._weights, k=words))

    def trace(self, number: int) -> list[SpanRecord]:
        chance = self._chance
        asked = self.text(40) + (f" {RARE}" if number == self._traces // 3 else "")
        known = {
            "team_id": TEAM,
            "trace_id": f"{number:032x}",
            "start_us": self._start_us + number * 10_000,
            "provider": "openai",
            "endpoint": f"endpoint-{number % 7}",
            "model": chance.choice(MODELS),
        }
        root = SpanRecord(
            **known,
            span_id=f"{number:015x}0",
            kind="model",
            name="chat",
            duration_us=int(chance.expovariate(1 / 900_000)),
            status="error" if chance.random() < 0.02 else "ok",
            session_id=f"session-{number // 4}",
            input=json.dumps({"messages": [{"role": "user", "content": asked}], "temperature": 0.2}).encode(),
            output=json.dumps({"role": "assistant", "content": self.text(80)}).encode(),
            input_tokens=60,
            output_tokens=110,
            cost_nanousd=chance.randrange(10_000, 900_000),
        )
        steps = [
            SpanRecord(
                **known,
                span_id=f"{number:015x}{place + 1}",
                parent_span_id=f"{number:015x}0",
                kind=kind,
                name=kind,
                duration_us=chance.randrange(1_000, 400_000),
                input=json.dumps({"query": self.text(8)}).encode(),
                output=json.dumps([self.text(30)]).encode(),
                attributes=b'{"top_k":5}',
            )
            for place, kind in enumerate(KINDS)
        ]
        return [*steps, root]


def show(name: str, value: str, note: str = "") -> None:
    print(f"{name:<34} {value:>14}  {note}", flush=True)


def quantiles(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    p50, p99 = (ordered[int(len(ordered) * share)] * 1e6 for share in (0.5, 0.99))
    return f"p50 {p50:.1f}  p99 {p99:.1f}  max {ordered[-1] * 1e6:.0f} us"


def measure_spool(directory: Path, frames: list[list[SpanRecord]]) -> None:
    spool = SpoolWriter(directory)
    begins, appends = [], []
    for records in frames:
        root = records[-1]
        begun = BeginRecord(
            team_id=TEAM, trace_id=root.trace_id, span_id=root.span_id, name="chat", start_us=root.start_us
        )
        first = time.perf_counter()
        spool.begin(begun)
        second = time.perf_counter()
        spool.append(records)
        appends.append(time.perf_counter() - second)
        begins.append(second - first)
    score = ScoreRecord(team_id=TEAM, trace_id="0" * 32, id="s", kind="thumbs", created_us=1, number=1.0)
    small = []
    for _ in range(10_000):
        start = time.perf_counter()
        spool.append((score,))
        small.append(time.perf_counter() - start)
    show("begin", f"{statistics.mean(begins) * 1e6:.1f} us", quantiles(begins))
    show("append of one trace, 5 spans", f"{statistics.mean(appends) * 1e6:.1f} us", quantiles(appends))
    show("append of one small record", f"{statistics.mean(small) * 1e6:.1f} us", quantiles(small))
    spool.close()


def measure_queries(service: TraceService, traces: int, rounds: int, title: str) -> None:
    probes = iter(range(7, traces, max(1, traces // (rounds * 4))))

    def listed(**given: object) -> Callable[[], int]:
        return lambda: len(service.list_traces(TEAM, TraceFilter(**given), 50).items)  # type: ignore[arg-type]

    questions: dict[str, Callable[[], object]] = {
        "newest 50": listed(),
        "errors, newest 50": listed(status="error"),
        "slower than 5 s": listed(min_duration_ms=5_000),
        "by model": listed(model=MODELS[0]),
        "by session": listed(session_id="session-7"),
        "rare word": listed(q=RARE),
        "thumbs down": listed(feedback="down"),
        "one trace": lambda: len(service.get_trace(TEAM, f"{next(probes):032x}").spans),
        "facets": lambda: len(service.facets(TEAM).models),
        "stats of all": lambda: service.stats(TEAM, 0).traces,
    }
    for name, ask in questions.items():
        took, found = [], None
        for _ in range(rounds):
            start = time.perf_counter()
            found = ask()
            took.append(time.perf_counter() - start)
        ordered = [seconds * 1e3 for seconds in sorted(took)]
        show(f"{name} ({title})", f"{statistics.median(ordered):.1f} ms", f"max {ordered[-1]:.1f}, {found} found")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spans", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=10)
    given = parser.parse_args()
    traces = given.spans // SPANS_PER_TRACE
    load = Load(traces)
    with tempfile.TemporaryDirectory(prefix="loopwright-bench-") as folder:
        home = Path(folder)
        measure_spool(home / "spool-only", [load.trace(number) for number in range(min(traces, 5_000))])
        lake, spool = Lake(str(home / "lake")), SpoolWriter(home / "spool")
        store = TraceStore(lake)
        drainer = Drainer(home / "spool", store)
        service = TraceService(store, drainer, spool)
        busy, ticks = 0.0, 0
        for number in range(traces):
            spool.append(load.trace(number))
            # A tick's worth of traffic, so that the table has as many fragments as it would have in service.
            if number % 500 == 499 or number == traces - 1:
                start = time.perf_counter()
                drainer.drain_now()
                busy += time.perf_counter() - start
                ticks += 1
        show(
            "drain",
            f"{traces * SPANS_PER_TRACE / busy:,.0f} /s",
            f"{busy / traces / 5 * 1e6:.1f} us a span, {ticks} commits",
        )
        for number in range(0, traces, 50):
            spool.append(
                [
                    ScoreRecord(
                        team_id=TEAM,
                        trace_id=f"{number:032x}",
                        id=f"s{number}",
                        kind="thumbs",
                        created_us=number,
                        number=-1.0,
                    )
                ]
            )
        drainer.drain_now()
        measure_queries(service, traces, given.rounds, "before upkeep")
        for name in ("first upkeep, makes indexes", "second upkeep"):
            start = time.perf_counter()
            drainer.maintain_now()
            show(name, f"{time.perf_counter() - start:.2f} s")
        measure_queries(service, traces, given.rounds, "after upkeep")
        size = sum(path.stat().st_size for path in (home / "lake" / "spans.lance").rglob("*") if path.is_file())
        show("disk, old versions included", f"{size / traces / 5:.0f} B/span")
        spool.close()
        drainer.close()


if __name__ == "__main__":
    main()
