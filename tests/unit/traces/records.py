"""Records and a whole trace service for the tests of traces."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loopwright.foundation.clock import Clock
from loopwright.foundation.lake import Lake
from loopwright.traces import BeginRecord, Drainer, ScoreRecord, SpanRecord, SpoolWriter, TraceService, TraceStore

START_US = 1_700_000_000_000_000


def trace_id(number: int) -> str:
    return f"{number:032x}"


def span(number: int = 1, /, **changes: Any) -> SpanRecord:
    """The root span of trace `number`, one second after that of the trace before."""
    asked = changes.pop("asked", f"question {number}")
    answered = changes.pop("answered", f"answer {number}")
    known: dict[str, Any] = {
        "team_id": "team_a",
        "trace_id": trace_id(number),
        "span_id": f"{number:016x}",
        "kind": "model",
        "name": "chat",
        "start_us": START_US + number * 1_000_000,
        "duration_us": 1_500_000,
        "model": "m1",
        "provider": "p1",
        "endpoint": "support",
        "input": json.dumps({"messages": [{"role": "user", "content": asked}]}).encode(),
        "output": json.dumps({"role": "assistant", "content": answered}).encode(),
        "input_tokens": 7,
        "output_tokens": 3,
        "cost_nanousd": 2_000,
    }
    return SpanRecord(**{**known, **changes})


def begin(number: int = 1, /, **changes: Any) -> BeginRecord:
    known: dict[str, Any] = {
        "team_id": "team_a",
        "trace_id": trace_id(number),
        "span_id": f"{number:016x}",
        "name": "chat",
        "start_us": START_US + number * 1_000_000,
    }
    return BeginRecord(**{**known, **changes})


def score(number: int = 1, /, **changes: Any) -> ScoreRecord:
    known: dict[str, Any] = {
        "team_id": "team_a",
        "trace_id": trace_id(number),
        "id": f"score_{number}",
        "kind": "thumbs",
        "number": 1.0,
        "created_us": START_US,
    }
    return ScoreRecord(**{**known, **changes})


@dataclass
class Rig:
    """A service over a lake, with the spool that feeds it."""

    service: TraceService
    store: TraceStore
    drainer: Drainer
    spool: SpoolWriter

    def keep(self, *records: SpanRecord | ScoreRecord) -> None:
        """Writes each record as a frame of its own and drains."""
        for record in records:
            self.spool.append((record,))
        self.drainer.drain_now()


@contextmanager
def rig(directory: Path, lake: Lake, clock: Clock) -> Iterator[Rig]:
    store = TraceStore(lake)
    drainer = Drainer(directory, store, clock=clock)
    spool = SpoolWriter(directory)
    try:
        yield Rig(TraceService(store, drainer, spool, clock=clock), store, drainer, spool)
    finally:
        spool.close()
        drainer.close()
