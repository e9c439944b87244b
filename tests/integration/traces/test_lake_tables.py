"""Traces over a real lake, in a folder and in an object store: indexes, upkeep beside traffic, both ends together."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopwright.foundation.clock import FixedClock
from loopwright.foundation.lake import Lake
from loopwright.traces import TraceFilter
from loopwright.traces import drainer as drainer_module
from loopwright.traces import store as store_module
from tests.unit.traces.records import score, span, trace_id
from tests.unit.traces.rig import Rig, rig

WORDS = [f"word{number:03d}" for number in range(300)]


@pytest.fixture
def traces(home: Path, lake: Lake, clock: FixedClock) -> Iterator[Rig]:
    with rig(home / "spool", lake, clock) as made:
        yield made


def ids(made: Rig, **given: str) -> list[int]:
    return [int(trace.trace_id, 16) for trace in made.service.list_traces("team_a", TraceFilter(**given), 200).items]


def test_indexes_change_no_answer(traces: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(3)
    monkeypatch.setattr(store_module, "SCALAR_INDEX_ROWS", 100)
    monkeypatch.setattr(store_module, "TEXT_INDEX_ROWS", 100)
    monkeypatch.setattr(store_module, "SMALL_TABLE_ROWS", 100)

    def some(first: int, count: int) -> None:
        traces.spool.append(
            [
                span(
                    number,
                    asked=" ".join(chance.choices(WORDS, k=20)) + (" Größe: xyz-42" if number % 50 == 0 else ""),
                    team_id="team_b" if number % 7 == 0 else "team_a",
                    model=f"m{number % 3}",
                    status="error" if number % 11 == 0 else "ok",
                    session_id=f"s{number % 5}",
                )
                for number in range(first, first + count)
            ]
        )
        traces.spool.append([score(number) for number in range(first, first + count, 9)])
        traces.drainer.drain_now()

    questions = [
        {},
        {"q": "word007 word123"},
        {"q": "größe"},
        {"q": "xyz-42"},
        {"q": "word007", "model": "m1"},
        {"status": "error"},
        {"session_id": "s3", "feedback": "up"},
        {"q": "word100", "feedback": "none"},
    ]
    some(0, 300)
    some(300, 300)
    plain = [ids(traces, **question) for question in questions]
    assert all(plain)
    traces.drainer.maintain_now()
    names = {index.name for index in traces.store._spans.open().describe_indices()}
    assert {"search_text_words", "trace_id_idx", "start_us_idx"} <= names
    assert [ids(traces, **question) for question in questions] == plain
    some(600, 100)
    fresh = [ids(traces, **question) for question in questions]
    assert fresh[4] != plain[4]
    traces.drainer.maintain_now()
    assert [ids(traces, **question) for question in questions] == fresh
    assert traces.store.fragment_count() <= 2
    assert traces.service.get_trace("team_a", trace_id(601)).trace.model == "m1"


def test_upkeep_runs_beside_traffic_without_losing_a_row(traces: Rig) -> None:
    traces.keep(span(0))
    done = threading.Event()
    rounds: list[int] = []

    def tidy() -> None:
        while not done.is_set():
            traces.drainer.maintain_now()
            rounds.append(1)
        rounds.append(0)

    thread = threading.Thread(target=tidy)
    thread.start()
    for number in range(1, 25):
        traces.keep(span(number), score(number))
    done.set()
    thread.join()
    # The thread came to its end, so no round of it failed.
    assert len(rounds) > 1
    assert rounds[-1] == 0
    assert ids(traces) == list(range(24, -1, -1))
    assert ids(traces, feedback="up") == list(range(24, 0, -1))


def test_a_restart_over_the_same_lake_goes_on_without_doubles(
    home: Path, lake: Lake, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        with rig(home / "spool", lake, clock) as made:
            made.keep(*(span(number * 10 + offset) for offset in range(10)))
    with rig(home / "spool", lake, clock) as made:
        made.drainer.drain_now()
        assert ids(made) == list(range(29, -1, -1))


@pytest.mark.backend("local")
def test_the_threads_make_traces_visible_and_stop(traces: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drainer_module, "UPKEEP_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(drainer_module, "UPKEEP_FRAGMENTS", 3)
    traces.drainer.start()
    tail = traces.service.tail("team_a")
    for number in range(5):
        traces.spool.append((span(number),))
        while not [trace for _, trace in tail.poll() if trace.trace_id == trace_id(number)]:
            traces.drainer._stopping.wait(0.01)
    assert ids(traces) == [4, 3, 2, 1, 0]
    traces.drainer.close()
    assert not any(thread.is_alive() for thread in traces.drainer._threads)
