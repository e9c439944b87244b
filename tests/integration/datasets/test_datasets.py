"""Datasets over the real catalogue and lake: the whole way from traces, many writers, and kill -9."""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loopwright.datasets import DatasetService, DatasetStore
from loopwright.datasets import store as store_module
from loopwright.foundation.clock import FixedClock
from loopwright.foundation.database import Database
from loopwright.foundation.errors import NotFound
from loopwright.foundation.lake import Lake
from tests.unit.datasets.details import FakeTraces, detail
from tests.unit.traces.records import score, span, trace_id
from tests.unit.traces.rig import rig

KILLS = 8


def test_from_judged_traces_to_an_exported_version(
    home: Path, lake: Lake, database: Database, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "WRITE_ROWS", 10)
    monkeypatch.setattr(store_module, "READ_ROWS", 7)
    with rig(home / "spool", lake, clock) as made:
        made.keep(*(span(number, asked=f"question {number % 25}", answered="same") for number in range(30)))
        made.keep(*(score(number) for number in range(30) if number % 2))
        made.keep(score(27, kind="comment", id="c", number=None, text="so wrong", author="ann"))
        made.keep(span(50, team_id="team_b", asked="canary"))
        service = DatasetService(DatasetStore(database, lake), made.service, clock=clock)
        everything = service.draw_version("team_a", "all", {}, author="ann")
        judged = service.draw_version("team_a", "judged", {"feedback": "up"}, author="ann")
    assert (everything.counts.selected, everything.counts.rows, everything.counts.duplicates) == (30, 25, 5)
    assert judged.counts.selected == 15
    exported = b"".join(service.export("team_a", "all", 1))
    assert everything.version.digest == "sha256:" + hashlib.sha256(exported).hexdigest()
    assert b"canary" not in exported
    rows = service.rows("team_a", "all", 1)
    assert rows[0].trace_id == trace_id(29)
    kept = next(row for row in rows if row.trace_id == trace_id(27))
    assert [label.value for label in kept.labels] == [1]
    assert kept.comments == ["so wrong"]
    assert kept.metadata["cost_usd"] == 0.000002


def test_writers_at_once_get_one_number_each(lake: Lake, database: Database, clock: FixedClock) -> None:
    store = DatasetStore(database, lake)

    def draw(number: int) -> int:
        service = DatasetService(store, FakeTraces(detail(number)), clock=clock)
        return service.draw_version("team_a", "support", {}, author=f"writer {number}").version.version

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(draw, range(12))) == list(range(1, 13))
    service = DatasetService(store, FakeTraces(), clock=clock)
    assert all(service.is_sound("team_a", "support", number) for number in range(1, 13))


def test_reading_goes_on_beside_a_deletion(lake: Lake, database: Database, clock: FixedClock) -> None:
    service = DatasetService(DatasetStore(database, lake), FakeTraces(detail(1)), clock=clock)
    service.draw_version("team_a", "support", {}, author="ann")
    service.delete_dataset("team_a", "support")
    with pytest.raises(NotFound):
        service.rows("team_a", "support", 1)


@pytest.mark.backend("local")
def test_a_killed_writer_leaves_only_whole_versions(lake: Lake, database: Database, clock: FixedClock) -> None:
    chance = random.Random(5)
    acknowledged: set[int] = set()
    for _ in range(KILLS):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.datasets.drawing", database.url, lake.url], stdout=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        acknowledged |= {int(process.stdout.readline()) for _ in range(chance.randrange(0, 4))}
        # Somewhere inside a draw, which takes a few tens of milliseconds.
        time.sleep(chance.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        acknowledged |= {int(line) for line in process.stdout.readlines() if line.endswith(b"\n")}
        process.wait()
        process.stdout.close()
    clock.advance(10 * 365 * 86_400)
    service = DatasetService(DatasetStore(database, lake), FakeTraces(), clock=clock)
    numbers = [version.version for version in service.get_dataset("team_a", "support").versions]
    assert acknowledged <= set(numbers)
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    assert all(service.is_sound("team_a", "support", number) for number in numbers)
    assert service.sweep() >= 1
    assert len(list(Path(lake.url, "datasets").glob("*.lance"))) == len(numbers)
