"""A disk that really fills up: refused before money is spent, what was begun still kept, recovered alone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopwright.foundation.errors import DiskFull
from loopwright.foundation.lake import Lake
from loopwright.traces import Drainer, SpoolWriter, TraceStore
from loopwright.traces.segments import list_segments, read_segment
from tests.unit.traces.records import begin, span

DISK_MIB = 12


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "loopwright-test", str(disk)],
        capture_output=True,
        text=True,
    )
    if mounted.returncode != 0:
        pytest.skip(f"mounting a tmpfs is not permitted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path, leave_bytes: int) -> Path:
    """Takes all the disk's room but `leave_bytes`."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"x" * 4096)
        except OSError:
            pass
    with ballast.open("r+b") as file:
        file.truncate(max(0, ballast.stat().st_size - leave_bytes))
    return ballast


@pytest.mark.parametrize("leave_kib", range(0, 8 * 1024, 512))
def test_every_fill_point_refuses_at_begin_or_keeps_the_answer(small_disk: Path, leave_kib: int) -> None:
    spool = small_disk / "spool"
    ballast = fill(small_disk, leave_kib * 1024)
    writer = SpoolWriter(spool, max_segment_bytes=256 * 1024)
    answer = b'"' + b"x" * 50_000 + b'"'
    accepted: list[int] = []
    refused = 0
    for number in range(300):
        try:
            writer.begin(begin(number))
        except DiskFull:
            refused += 1
            if refused == 3:
                break
        else:
            accepted.append(number)
    for number in accepted:
        writer.append((span(number, output=answer),))
    assert refused == 3
    ballast.unlink()
    writer.begin(begin(1_000))
    writer.append((span(1_000, output=answer),))
    writer.close()
    kept = [
        int(frame.records[0].trace_id, 16)
        for segment in list_segments(spool)
        for frame in read_segment(segment.path, limit_bytes=1 << 30).frames
        if frame.records[0] == span(int(frame.records[0].trace_id, 16), output=answer)
    ]
    assert sorted(kept) == [*accepted, 1_000]


def test_a_full_lake_keeps_the_spool_and_recovers(small_disk: Path, home: Path) -> None:
    writer = SpoolWriter(home / "spool")
    store = TraceStore(Lake(str(small_disk / "lake")))
    drainer = Drainer(home / "spool", store)
    for number in range(50):
        writer.append((span(number),))
    drainer.drain_now()
    ballast = fill(small_disk, 8 * 1024)
    large = b'"' + b"".join(b"%08x" % (n * 2654435761 % 2**32) for n in range(20_000)) + b'"'
    for number in range(50, 100):
        writer.append((span(number, output=large),))
    for _ in range(3):
        with pytest.raises(DiskFull):
            drainer.drain_now()
    assert not drainer.health.ok
    assert store.count_traces("team_a") == 50
    ballast.unlink()
    drainer.drain_now()
    assert drainer.health.ok
    assert store.count_traces("team_a") == 100
    writer.close()
    drainer.close()
