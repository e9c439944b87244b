"""The drainer moves every record once, whatever fails in between."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from loopwright.foundation.clock import FixedClock
from loopwright.foundation.errors import Conflict, DiskFull, Unavailable
from loopwright.traces import Drainer, SpoolWriter
from loopwright.traces import drainer as drainer_module
from loopwright.traces.segments import list_segments
from tests.unit.traces.records import START_US, begin, score, span, trace_id

Row = dict[str, Any]


class Tables:
    """An in-memory lake that can fail before a commit, or after it as if the answer got lost."""

    def __init__(self) -> None:
        self.is_local = False
        self.spans: list[Row] = []
        self.scores: list[Row] = []
        self.commits = 0
        self.fail: Exception | None = None
        self.lose_answer = False
        self.prepared = 0

    def prepare(self) -> None:
        self.prepared += 1

    def append_spans(self, rows: Sequence[Row]) -> None:
        self._commit(self.spans, rows)

    def append_scores(self, rows: Sequence[Row]) -> None:
        self._commit(self.scores, rows)

    def span_positions(self, segments: Sequence[str]) -> dict[str, int]:
        return _positions(self.spans, segments)

    def score_positions(self, segments: Sequence[str]) -> dict[str, int]:
        return _positions(self.scores, segments)

    def ended(self, trace_ids: Sequence[str]) -> set[tuple[str, str]]:
        return {(row["team_id"], row["trace_id"]) for row in self.spans if row["trace_id"] in trace_ids}

    def fragment_count(self) -> int:
        return self.commits

    def maintain(self) -> None: ...

    def _commit(self, table: list[Row], rows: Sequence[Row]) -> None:
        if self.fail:
            raise self.fail
        table += [dict(row) for row in rows]
        self.commits += 1
        if self.lose_answer:
            self.lose_answer = False
            raise Unavailable("the connection broke after the commit")

    def ids(self) -> list[int]:
        return [int(row["trace_id"], 16) for row in self.spans]


def _positions(table: list[Row], segments: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in table:
        if row["spool_segment"] in segments:
            found[row["spool_segment"]] = max(row["spool_offset"], found.get(row["spool_segment"], 0))
    return found


@pytest.fixture
def tables() -> Tables:
    return Tables()


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SpoolWriter]:
    spool = SpoolWriter(tmp_path, max_segment_bytes=20_000)
    yield spool
    spool.close()


@pytest.fixture
def drainer(tmp_path: Path, tables: Tables, clock: FixedClock) -> Iterator[Drainer]:
    moving = Drainer(tmp_path, tables, clock=clock)
    yield moving
    moving.close()


def another(drainer: Drainer, tables: Tables) -> Drainer:
    """As after a kill: nothing of the old drainer is left but its files."""
    os.close(drainer._lock_fd or -1)
    drainer._lock_fd = None
    return Drainer(drainer._directory, tables, clock=drainer._clock)


def test_one_commit_takes_all_that_waits(writer: SpoolWriter, drainer: Drainer, tables: Tables) -> None:
    for number in range(20):
        writer.append((span(number),))
    assert drainer.drain_now() == 20
    assert tables.ids() == list(range(20))
    assert tables.commits == 1
    assert drainer.drain_now() == 0


def test_rows_carry_previews_counts_and_their_place(writer: SpoolWriter, drainer: Drainer, tables: Tables) -> None:
    child = span(1, span_id="c" * 16, parent_span_id=f"{1:016x}", kind="retrieval")
    writer.append((child, span(1, asked="Why  is\nthe SKY blue?", answered="Rayleigh.")))
    drainer.drain_now()
    leaf, root = tables.spans
    assert (root["input_preview"], root["output_preview"]) == ("Why is the SKY blue?", "Rayleigh.")
    assert root["search_text"] == "why  is\nthe sky blue?\nrayleigh."
    assert (root["span_count"], root["kinds"]) == (2, ",model,retrieval,")
    assert "search_text" not in leaf
    assert root["spool_segment"] == list_segments(writer.directory)[0].name
    assert root["spool_offset"] == leaf["spool_offset"] > 0


def test_an_open_segment_stays_and_a_closed_one_goes(writer: SpoolWriter, drainer: Drainer) -> None:
    writer.append((span(1),))
    drainer.drain_now()
    assert len(list_segments(writer.directory)) == 1
    writer.close()
    drainer.drain_now()
    assert [path.name for path in writer.directory.iterdir()] == ["drainer.lock"]


def test_a_restarted_drainer_does_not_repeat_what_is_committed(
    writer: SpoolWriter, drainer: Drainer, tables: Tables
) -> None:
    for number in range(5):
        writer.append((span(number), score(number)) if number % 2 else (span(number),))
        drainer.drain_now()
        drainer = another(drainer, tables)
    writer.append((span(5),))
    drainer.drain_now()
    assert tables.ids() == [0, 1, 2, 3, 4, 5]
    assert [row["id"] for row in tables.scores] == ["score_1", "score_3"]
    drainer.close()


def test_a_failed_lake_leaves_the_spool_and_is_seen_in_health(
    writer: SpoolWriter, drainer: Drainer, tables: Tables
) -> None:
    writer.append((span(1),))
    writer.close()
    tables.fail = DiskFull("no space left in the lake")
    for _ in range(3):
        with pytest.raises(DiskFull):
            drainer.drain_now()
    assert not drainer.health.ok
    assert drainer.health.reason == "no space left in the lake"
    assert drainer.health.waiting_bytes > 0
    tables.fail = None
    assert drainer.drain_now() == 1
    assert drainer.health.ok
    assert tables.ids() == [1]


def test_a_commit_whose_answer_was_lost_is_not_repeated(writer: SpoolWriter, drainer: Drainer, tables: Tables) -> None:
    writer.append((span(1),))
    tables.lose_answer = True
    with pytest.raises(Unavailable):
        drainer.drain_now()
    writer.append((span(2),))
    drainer.drain_now()
    assert tables.ids() == [1, 2]


def test_scores_that_failed_after_their_spans_come_later_without_doubles(
    writer: SpoolWriter, drainer: Drainer, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(rows: Sequence[Row]) -> None:
        raise Unavailable("not now")

    writer.append((span(1), score(1)))
    monkeypatch.setattr(tables, "append_scores", refuse)
    with pytest.raises(Unavailable):
        drainer.drain_now()
    monkeypatch.undo()
    drainer.drain_now()
    assert tables.ids() == [1]
    assert [row["id"] for row in tables.scores] == ["score_1"]


def test_a_begin_of_a_living_writer_is_not_a_trace(writer: SpoolWriter, drainer: Drainer, tables: Tables) -> None:
    writer.begin(begin(1))
    drainer.drain_now()
    assert tables.spans == []
    writer.append((span(1),))
    drainer.drain_now()
    assert [row["status"] for row in tables.spans] == ["ok"]


def test_a_begin_without_end_in_a_dead_writer_is_an_interrupted_trace(
    writer: SpoolWriter, drainer: Drainer, tables: Tables, clock: FixedClock
) -> None:
    asked = b'{"messages":[{"role":"user","content":"still there?"}]}'
    writer.begin(begin(1, model="m1", session_id="s1", input=asked, start_us=START_US))
    writer.begin(begin(2))
    writer.append((span(2),))
    writer.close()
    drainer.drain_now()
    ended, lost = tables.spans
    assert (ended["trace_id"], ended["status"]) == (trace_id(2), "ok")
    assert (lost["trace_id"], lost["status"], lost["error_code"]) == (trace_id(1), "interrupted", "interrupted")
    assert (lost["model"], lost["session_id"], lost["input_preview"]) == ("m1", "s1", "still there?")
    assert lost["duration_us"] == clock.now_us() - START_US
    assert list_segments(writer.directory) == []
    drainer.drain_now()
    assert len(tables.spans) == 2


def test_a_drainer_killed_after_the_interrupted_row_writes_it_once(
    writer: SpoolWriter, drainer: Drainer, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(self: Drainer, batch: object) -> None:
        raise KeyboardInterrupt

    writer.append((span(1),))
    writer.begin(begin(2))
    writer.close()
    monkeypatch.setattr(Drainer, "_remove", killed)
    with pytest.raises(KeyboardInterrupt):
        drainer.drain_now()
    monkeypatch.undo()
    assert len(tables.spans) == 2
    later = another(drainer, tables)
    later.drain_now()
    assert [row["status"] for row in tables.spans] == ["ok", "interrupted"]
    assert list_segments(writer.directory) == []
    later.close()


def test_an_end_far_behind_its_begin_is_found_over_segments_and_restarts(
    writer: SpoolWriter, drainer: Drainer, tables: Tables
) -> None:
    writer.begin(begin(1000))
    for number in range(100):
        writer.append((span(number),))
        if number % 20 == 0:
            drainer.drain_now()
            drainer = another(drainer, tables)
    writer.append((span(1000),))
    writer.close()
    drainer.drain_now()
    assert sorted(tables.ids()) == [*range(100), 1000]
    assert {row["status"] for row in tables.spans} == {"ok"}
    drainer.close()


def test_a_backlog_is_moved_in_bounded_commits(
    writer: SpoolWriter, drainer: Drainer, tables: Tables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drainer_module, "BATCH_BYTES", 10_000)
    for number in range(400):
        writer.append((span(number),))
    writer.close()
    assert drainer.drain_now() == 400
    assert tables.ids() == list(range(400))
    assert tables.commits > 3
    assert list_segments(writer.directory) == []


def test_only_one_drainer_works_on_a_spool(writer: SpoolWriter, drainer: Drainer, tables: Tables) -> None:
    writer.append((span(1),))
    drainer.drain_now()
    second = Drainer(writer.directory, tables)
    with pytest.raises(Conflict, match="another process drains"):
        second.tick()
    drainer.close()
    assert second.tick() == (0, False)
    second.close()


def test_a_sealed_segment_with_a_broken_middle_is_kept_aside(
    writer: SpoolWriter, drainer: Drainer, tables: Tables
) -> None:
    for number in range(10):
        writer.append((span(number),))
    writer.close()
    path = list_segments(writer.directory)[0].path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    drainer.drain_now()
    assert len(tables.ids()) == 9
    assert path.with_suffix(".broken").read_bytes() == bytes(data)
    assert not path.exists()
    drainer.drain_now()
    assert len(tables.ids()) == 9


def test_what_a_writer_leaves_that_died_before_writing_is_swept(tmp_path: Path, drainer: Drainer) -> None:
    (tmp_path / "dead.live").touch()
    hidden = tmp_path / ".dead-000001.seg.tmp"
    hidden.touch()
    os.utime(hidden, (0, 0))
    living = SpoolWriter(tmp_path)
    drainer.drain_now()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["drainer.lock", f"{living.writer_id}.live"])
    living.close()


def test_absurd_counts_do_not_stop_the_others(writer: SpoolWriter, drainer: Drainer, tables: Tables) -> None:
    writer.append((span(1, input_tokens=(1 << 64) - 1), span(2, input=b"\xff\xfe not json")))
    drainer.drain_now()
    assert tables.spans[0]["input_tokens"] == (1 << 63) - 1
    assert tables.spans[1]["input_preview"].endswith("not json")


def test_arrival_times_grow_even_when_the_clock_steps_back(
    writer: SpoolWriter, drainer: Drainer, tables: Tables, clock: FixedClock
) -> None:
    for number in range(3):
        writer.append((span(number),))
        drainer.drain_now()
        clock.advance(-3600)
    arrivals = [row["stored_us"] for row in tables.spans]
    assert arrivals == sorted(set(arrivals))
