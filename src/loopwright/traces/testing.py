"""A deliberately broken spool: the negative control that every crash harness must catch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from loopwright.traces.schemas import BeginRecord, ScoreRecord, SpanRecord
from loopwright.traces.spool import DEFAULT_RESERVE_BYTES, SpoolWriter

LATE_SECONDS = 0.2


class LateSpoolWriter(SpoolWriter):
    """Acknowledges at once and writes `LATE_SECONDS` later: a kill in between loses traces."""

    def __init__(self, directory: Path, *, strict: bool = False, max_segment_bytes: int = 32 * 1024 * 1024) -> None:
        super().__init__(directory, strict=strict, max_segment_bytes=max_segment_bytes)
        self._timers: list[threading.Timer] = []

    def begin(self, record: BeginRecord, reserve_bytes: int = DEFAULT_RESERVE_BYTES) -> None:
        """As the real one, later."""
        self._later(lambda: super(LateSpoolWriter, self).begin(record, reserve_bytes))

    def append(self, records: Sequence[SpanRecord | ScoreRecord], *, durable: bool = False) -> None:
        """As the real one, later and whatever `durable` says."""
        self._later(lambda: self._write(records, None))

    async def append_async(self, records: Sequence[SpanRecord | ScoreRecord]) -> None:
        """As the real one, later."""
        self.append(records)

    def close(self) -> None:
        """Writes what is due, then closes."""
        for timer in self._timers:
            timer.join()
        super().close()

    def _later(self, write: Callable[[], None]) -> None:
        timer = threading.Timer(LATE_SECONDS, write)
        timer.daemon = True
        self._timers = [known for known in self._timers if known.is_alive()]
        self._timers.append(timer)
        timer.start()
