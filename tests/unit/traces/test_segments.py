"""Reading segments that are torn, broken, foreign or gone."""

from __future__ import annotations

import os
import random
from pathlib import Path
from struct import pack_into

import pytest

from loopwright.traces import SpoolWriter
from loopwright.traces.segments import READ_BYTES, list_segments, read_segment
from loopwright.traces.spool import MAGIC
from tests.unit.traces.records import span, trace_id


@pytest.fixture
def segment(tmp_path: Path) -> Path:
    """A closed segment with the spans 0 to 9."""
    writer = SpoolWriter(tmp_path)
    for number in range(10):
        writer.append((span(number),))
    writer.close()
    return list_segments(tmp_path)[0].path


def numbers(path: Path, **kwargs: bool) -> list[int]:
    return [int(frame.records[0].trace_id, 16) for frame in read_segment(path, **kwargs).frames]


def test_every_cut_leaves_the_whole_frames_before_it(segment: Path) -> None:
    whole = segment.read_bytes()
    ends = [frame.end for frame in read_segment(segment).frames]
    for cut in range(0, len(whole), 13):
        segment.write_bytes(whole[:cut])
        reading = read_segment(segment, sealed=True)
        assert [frame.end for frame in reading.frames] == [end for end in ends if end <= cut]
        assert reading.broken == 0


def test_zeros_that_were_allocated_ahead_end_a_segment(segment: Path) -> None:
    end = segment.stat().st_size
    with segment.open("ab") as file:
        file.truncate(end + 100_000)
    assert read_segment(segment).position == end


def test_reading_goes_on_where_it_stopped(segment: Path) -> None:
    whole = segment.read_bytes()
    third = read_segment(segment).frames[2].end
    segment.write_bytes(whole[: third + 5])
    first = read_segment(segment)
    assert first.position == third
    segment.write_bytes(whole)
    rest = read_segment(segment, first.position)
    assert [frame.records[0].trace_id for frame in rest.frames] == [trace_id(number) for number in range(3, 10)]


def test_a_broken_frame_stops_an_open_segment_and_is_stepped_over_in_a_sealed_one(segment: Path) -> None:
    data = bytearray(segment.read_bytes())
    frames = read_segment(segment).frames
    data[frames[3].end + 20] ^= 1
    segment.write_bytes(data)
    assert numbers(segment) == [0, 1, 2, 3]
    assert numbers(segment, sealed=True) == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    assert read_segment(segment, sealed=True).broken == 1


def test_no_flipped_bit_is_ever_believed(segment: Path) -> None:
    whole = segment.read_bytes()
    sound = {frame.end: frame.records for frame in read_segment(segment).frames}
    chance = random.Random(7)
    for _ in range(300):
        data = bytearray(whole)
        data[chance.randrange(len(MAGIC), len(data))] ^= 1 << chance.randrange(8)
        segment.write_bytes(data)
        for sealed in (True, False):
            frames = read_segment(segment, sealed=sealed).frames
            assert all(sound.get(frame.end) == frame.records for frame in frames)
            assert len(frames) < 10


def test_a_length_beyond_the_file_is_not_believed(segment: Path) -> None:
    data = bytearray(segment.read_bytes())
    pack_into("<I", data, len(MAGIC), 0xFFFF_FFFF)
    segment.write_bytes(data)
    assert numbers(segment, sealed=True) == []


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"something else altogether"])
def test_foreign_files_hold_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "w-000001.seg"
    path.write_bytes(content)
    assert read_segment(path, sealed=True).frames == []
    assert read_segment(path, sealed=True).position == 0


def test_a_file_that_is_gone_holds_nothing(tmp_path: Path) -> None:
    assert read_segment(tmp_path / "gone.seg").frames == []


def test_frames_larger_than_one_read(tmp_path: Path) -> None:
    writer = SpoolWriter(tmp_path)
    large = os.urandom(READ_BYTES + 100_000).hex().encode()
    for number in range(3):
        writer.append((span(number, output=b'"' + large + b'"'),))
        writer.append((span(10 + number),))
    writer.close()
    path, found, position = list_segments(tmp_path)[0].path, [], 0
    while (reading := read_segment(path, position)).frames:
        found += [int(frame.records[0].trace_id, 16) for frame in reading.frames]
        position = reading.position
    assert found == [0, 10, 1, 11, 2, 12]


def test_segments_are_listed_in_the_order_they_were_written(tmp_path: Path) -> None:
    for name in (
        "b-000002.seg",
        "b-000010.seg",
        "a-000003.seg",
        "b-000001.seg",
        ".b-000011.seg.tmp",
        "b.live",
        "x.seg",
    ):
        (tmp_path / name).touch()
    assert [s.name for s in list_segments(tmp_path)] == ["a-000003.seg", "b-000001.seg", "b-000002.seg", "b-000010.seg"]
    assert [s.sequence for s in list_segments(tmp_path, "b")] == [1, 2, 10]
