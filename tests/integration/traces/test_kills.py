"""kill -9 of the writer and of the drainer: what was acknowledged is in the lake, once.

A kill keeps the page cache, so this shows order and recovery; the fsync itself is shown by the injected faults of the
unit tests.
"""

from __future__ import annotations

import random
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from loopwright.foundation.lake import Lake
from loopwright.traces import Drainer, SpoolWriter, TraceStore
from tests.unit.traces.records import span

WRITER_KILLS = 40
DRAINER_KILLS = 8
ROUND = 1_000_000


@dataclass
class Witness:
    """What the outside saw, against what the lake holds."""

    begun: set[int]
    ended: set[int]
    rows: Counter[int]
    interrupted: set[int]

    @property
    def lost(self) -> set[int]:
        return self.ended - set(self.rows)

    @property
    def untraced(self) -> set[int]:
        return self.begun - set(self.rows)

    @property
    def doubled(self) -> list[int]:
        return [number for number, count in self.rows.items() if count > 1]


def kill_writer(directory: Path, kind: str, number: int, chance: random.Random) -> tuple[set[int], set[int]]:
    """Starts a writer, kills it at a random moment, and returns what it said was begun and ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.traces.writing", str(directory), kind, str(number * ROUND)],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(chance.randrange(1, 400))]
    process.send_signal(signal.SIGKILL)
    lines += process.stdout.readlines()
    process.wait()
    said = [line.split() for line in lines if line.endswith(b"\n")]
    return ({int(n) for word, n in said if word == b"begun"}, {int(n) for word, n in said if word == b"ended"})


def run(home: Path, kind: str, kills: int, *, drain_every: int) -> Witness:
    spool, lake = home / "spool", Lake(str(home / "lake"))
    drainer = Drainer(spool, TraceStore(lake))
    chance = random.Random(20261120)
    begun: set[int] = set()
    ended: set[int] = set()
    for number in range(kills):
        more_begun, more_ended = kill_writer(spool, kind, number, chance)
        begun |= more_begun
        ended |= more_ended
        if number % drain_every == 0:
            drainer.drain_now()
    drainer.drain_now()
    drainer.close()
    rows = (
        lake.table("spans").open().to_table(columns=["trace_id", "status"]).to_pylist()
        if lake.table("spans").exists()
        else []
    )
    return Witness(
        begun,
        ended,
        Counter(int(row["trace_id"], 16) for row in rows),
        {int(row["trace_id"], 16) for row in rows if row["status"] == "interrupted"},
    )


@pytest.mark.parametrize("kind", ["group", "strict"])
def test_a_killed_writer_loses_nothing_it_acknowledged(home: Path, kind: str) -> None:
    seen = run(home, kind, WRITER_KILLS, drain_every=3)
    assert len(seen.ended) > WRITER_KILLS
    assert not seen.lost
    assert not seen.untraced
    assert not seen.doubled
    assert seen.interrupted
    assert not seen.interrupted & seen.ended
    # A trace more than was said may exist: written, and killed before it could say so. One per kill at most.
    assert len(set(seen.rows) - seen.begun) <= WRITER_KILLS
    assert [path.name for path in (home / "spool").iterdir()] == ["drainer.lock"]


def test_the_harness_catches_a_spool_that_writes_after_its_answer(home: Path) -> None:
    seen = run(home, "late", 5, drain_every=2)
    assert seen.lost


def test_a_killed_drainer_neither_loses_nor_doubles(home: Path) -> None:
    spool, lake_url = home / "spool", str(home / "lake")
    chance = random.Random(42)
    writer = SpoolWriter(spool, max_segment_bytes=8 * 1024)
    number = 0
    for _ in range(DRAINER_KILLS):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.traces.draining", str(spool), lake_url], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"tick\n"
        for _ in range(chance.randrange(1, 12)):
            for _ in range(chance.randrange(1, 20)):
                writer.append((span(number),))
                number += 1
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    writer.close()
    lake = Lake(lake_url)
    drainer = Drainer(spool, TraceStore(lake))
    drainer.drain_now()
    drainer.close()
    stored = lake.table("spans").open().to_table(columns=["trace_id"])["trace_id"].to_pylist()
    assert sorted(int(trace, 16) for trace in stored) == list(range(number))
    assert [path.name for path in spool.iterdir()] == ["drainer.lock"]
