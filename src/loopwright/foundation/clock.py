"""Time as a value that is passed in: wall clock for records, monotonic for durations and leases."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """What the product asks of time."""

    def now_us(self) -> int:
        """Unix microseconds, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go backwards; only differences mean anything."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now_us(self) -> int:
        """Unix microseconds, UTC."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Seconds since an arbitrary start."""
        return time.monotonic()


class FixedClock:
    """A clock for tests that moves only when told to."""

    def __init__(self, now_us: int = 1_700_000_000_000_000) -> None:
        self._now_us = now_us

    def now_us(self) -> int:
        """Unix microseconds, UTC."""
        return self._now_us

    def monotonic(self) -> float:
        """Seconds, in step with `now_us`."""
        return self._now_us / 1e6

    def advance(self, seconds: float) -> None:
        """Moves both clocks forward."""
        self._now_us += int(seconds * 1_000_000)


def iso(us: int) -> str:
    """Unix microseconds as ISO 8601 in UTC with microseconds, `2026-11-20T10:00:00.000000Z`."""
    # Not fromtimestamp: a float of seconds cannot hold every microsecond.
    return f"{_EPOCH + timedelta(microseconds=us):%Y-%m-%dT%H:%M:%S.%fZ}"


def parse_iso(text: str) -> int:
    """ISO 8601 to Unix microseconds; a time without zone is UTC. Raises ValueError."""
    parsed = datetime.fromisoformat(text)
    if parsed.tzinfo is None:
        parsed = parsed.replace(tzinfo=UTC)
    delta = parsed - _EPOCH
    return delta // timedelta(microseconds=1)
