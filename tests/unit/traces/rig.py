"""A whole trace service for the tests of traces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from loopwright.foundation.clock import Clock
from loopwright.foundation.lake import Lake
from loopwright.traces import Drainer, ScoreRecord, SpanRecord, SpoolWriter, TraceService, TraceStore


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
