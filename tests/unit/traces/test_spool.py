"""What the spool keeps, refuses and promises."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopwright.foundation.errors import DiskFull, Invalid, Unavailable
from loopwright.traces import SpoolWriter
from loopwright.traces.schemas import Record
from loopwright.traces.segments import is_alive, is_held, list_segments, read_segment
from loopwright.traces.spool import CHUNK_BYTES, EMERGENCY_BYTES
from loopwright.traces.testing import LateSpoolWriter
from tests.unit.traces.records import begin, score, span, trace_id

HEAVY = ("pyarrow", "lance", "fastapi", "sqlalchemy", "numpy", "pydantic", "dbos")


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SpoolWriter]:
    spool = SpoolWriter(tmp_path / "spool")
    yield spool
    spool.close()


def written(directory: Path) -> list[Record]:
    return [
        record
        for segment in list_segments(directory)
        for frame in read_segment(segment.path).frames
        for record in frame.records
    ]


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_what_was_appended_is_readable_at_once(writer: SpoolWriter) -> None:
    writer.begin(begin(1))
    writer.append((span(1), span(1, span_id="b" * 16, parent_span_id="1" * 16)))
    writer.append((score(1),))
    assert written(writer.directory) == [
        begin(1),
        span(1),
        span(1, span_id="b" * 16, parent_span_id="1" * 16),
        score(1),
    ]


def test_a_segment_is_held_until_it_is_closed(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path)
    writer.append((span(1),))
    segment = list_segments(tmp_path)[0]
    assert is_held(segment.path)
    assert is_alive(tmp_path, writer.writer_id)
    assert segment.path.stat().st_size == CHUNK_BYTES
    writer.close()
    assert not is_held(segment.path)
    assert not is_alive(tmp_path, writer.writer_id)
    assert segment.path.stat().st_size == read_segment(segment.path).position


def test_rotation_carries_open_traces_into_the_new_segment(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path, max_segment_bytes=20_000)
    writer.begin(begin(1))
    writer.begin(begin(2))
    writer.append((span(2),))
    for number in range(3, 100):
        writer.append((span(number),))
    segments = list_segments(tmp_path)
    assert len(segments) > 1
    assert all(read_segment(s.path).frames[0].records == [begin(1)] for s in segments[1:])
    writer.close()
    spans = [record for record in written(tmp_path) if record == span(int(record.trace_id, 16))]
    assert len(spans) == 98


def test_threads_share_a_writer_without_losing_frames(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path, max_segment_bytes=100_000)

    def work(base: int) -> None:
        for number in range(base, base + 300):
            writer.append((span(number),))

    threads = [threading.Thread(target=work, args=(base,)) for base in (0, 1_000, 2_000, 3_000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    writer.close()
    assert sorted(record.trace_id for record in written(tmp_path)) == sorted(
        trace_id(base + number) for base in (0, 1_000, 2_000, 3_000) for number in range(300)
    )


def test_a_full_disk_refuses_at_begin_and_keeps_what_was_begun(
    writer: SpoolWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer.begin(begin(1), reserve_bytes=4_000_000)
    monkeypatch.setattr(os, "posix_fallocate", no_space)
    with pytest.raises(DiskFull, match="no room") as refused:
        writer.begin(begin(2), reserve_bytes=4_000_000)
    assert refused.value.hint
    writer.append((span(1, output=b'"' + b"x" * 3_000_000 + b'"'),))
    monkeypatch.undo()
    writer.begin(begin(3))
    assert [record.trace_id for record in written(writer.directory)] == [trace_id(1), trace_id(1), trace_id(3)]


def test_scores_may_not_eat_the_room_of_answers(writer: SpoolWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    writer.begin(begin(1), reserve_bytes=CHUNK_BYTES - 2_000)
    monkeypatch.setattr(os, "posix_fallocate", no_space)
    small = [score(number, comment="c" * 500) for number in range(100)]
    with pytest.raises(DiskFull):
        writer.append(small)
    writer.append((span(1, output=b'"' + b"x" * 900_000 + b'"'),))


def test_an_answer_beyond_its_reserve_uses_the_emergency_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = SpoolWriter(tmp_path)
    writer.begin(begin(1), reserve_bytes=1_000)
    live = tmp_path / f"{writer.writer_id}.live"
    assert live.stat().st_blocks * 512 >= EMERGENCY_BYTES
    real = os.posix_fallocate

    def full_until_released(fd: int, offset: int, size: int) -> None:
        if live.stat().st_size:
            no_space()
        real(fd, offset, size)

    monkeypatch.setattr(os, "posix_fallocate", full_until_released)
    writer.append((span(1, output=b'"' + b"x" * 1_500_000 + b'"'),))
    assert live.stat().st_size == 0
    monkeypatch.setattr(os, "posix_fallocate", no_space)
    with pytest.raises(DiskFull):
        writer.begin(begin(2))
    monkeypatch.undo()
    writer.begin(begin(3))
    assert live.stat().st_size == EMERGENCY_BYTES
    writer.close()


def test_a_full_disk_postpones_rotation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = SpoolWriter(tmp_path, max_segment_bytes=10_000)
    for number in range(30):
        writer.begin(begin(number), reserve_bytes=2_000)
    monkeypatch.setattr(os, "posix_fallocate", no_space)
    for number in range(30):
        writer.append((span(number),))
    assert len(list_segments(tmp_path)) == 1
    monkeypatch.undo()
    writer.append((span(30),))
    assert len(list_segments(tmp_path)) == 2
    writer.close()


def test_durable_append_returns_after_the_fsync_that_covers_it(
    writer: SpoolWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: (real(fd), synced.append(fd)))
    writer.append((span(1),), durable=True)
    assert synced


def test_strict_append_async_awaits_one_shared_fsync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    calls: list[int] = []
    real = os.fdatasync

    def slow(fd: int) -> None:
        calls.append(fd)
        gate.wait()
        real(fd)

    monkeypatch.setattr(os, "fdatasync", slow)
    writer = SpoolWriter(tmp_path, strict=True)

    async def many() -> None:
        tasks = [asyncio.ensure_future(writer.append_async((span(number),))) for number in range(50)]
        done, _ = await asyncio.wait(tasks, timeout=0.05)
        assert not done
        gate.set()
        await asyncio.gather(*tasks)

    asyncio.run(many())
    assert len(calls) <= 3
    writer.close()


def test_a_failed_fsync_is_never_retried_on_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed: list[int] = []
    inodes: list[int] = []
    real = os.fdatasync

    def failing(fd: int) -> None:
        inodes.append(os.fstat(fd).st_ino)
        if not failed:
            failed.append(os.fstat(fd).st_ino)
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(fd)

    monkeypatch.setattr(os, "fdatasync", failing)
    writer = SpoolWriter(tmp_path, strict=True)
    writer.begin(begin(1))
    with pytest.raises(Unavailable, match="fsync"):
        writer.append((span(2),))
    while writer.fault:
        writer._thread.join(0.01)
    writer.append((span(1),))
    assert inodes.count(failed[0]) == 1
    # The failed segment counts as finished, and the open trace is begun again in the new one.
    first, second = list_segments(tmp_path)
    assert not is_held(first.path)
    assert read_segment(second.path).frames[0].records == [begin(1)]
    writer.close()


def test_while_nothing_can_be_synced_nothing_is_acknowledged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(fd: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    writer = SpoolWriter(tmp_path, strict=True)
    monkeypatch.setattr(os, "fdatasync", broken)
    with pytest.raises(Unavailable):
        writer.append((span(1),))
    with pytest.raises(Unavailable):
        writer.begin(begin(2))
    with pytest.raises(Unavailable):
        writer.append((span(2),))
    assert writer.fault
    monkeypatch.undo()
    writer._wake.set()
    while writer.fault:
        writer._thread.join(0.01)
    writer.append((span(3),))
    writer.close()


def test_a_closed_writer_refuses(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path)
    writer.close()
    writer.close()
    with pytest.raises(Unavailable, match="closed"):
        writer.append((span(1),))


def test_values_that_cannot_be_packed_are_refused_whole(writer: SpoolWriter) -> None:
    with pytest.raises(Invalid, match="cannot be stored"):
        writer.append((span(1), span(2, input_tokens=1 << 70)))
    with pytest.raises(Invalid, match="cannot be stored"):
        writer.append((span(1, name="\ud800"),))
    assert written(writer.directory) == []


def test_the_late_writer_acknowledges_what_is_not_there(tmp_path: Path) -> None:
    writer = LateSpoolWriter(tmp_path)
    writer.append((span(1),), durable=True)
    assert written(tmp_path) == []
    writer.close()
    assert written(tmp_path) == [span(1)]


def test_the_writing_side_loads_nothing_heavy() -> None:
    code = f"import sys, loopwright.traces.spool; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_fault_of_ours_in_the_sync_thread_leaves_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = SpoolWriter(tmp_path, strict=True)
    failing = True

    def broken(_segment: object) -> None:
        if failing:
            raise ValueError("a bug")

    monkeypatch.setattr(writer, "_allocate_ahead", broken)
    writer.append((span(1),))
    while not writer.fault:
        writer._thread.join(0.01)
    with pytest.raises(Unavailable, match="a bug"):
        writer.append((span(2),))
    failing = False
    while writer.fault:
        writer._thread.join(0.01)
    writer.append((span(3),))
    writer.close()
