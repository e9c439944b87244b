"""The append-only files a trace lies in: the reading side, which may meet them half-written or broken."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from zlib import crc32

import msgspec

from loopwright.traces.schemas import BeginRecord, Record, ScoreRecord, SpanRecord
from loopwright.traces.spool import FRAME_HEADER, LIVE_SUFFIX, MAGIC, SEGMENT_SUFFIX

READ_BYTES = 4 * 1024 * 1024

_decoder = msgspec.msgpack.Decoder(list[SpanRecord | BeginRecord | ScoreRecord])


@dataclass(frozen=True, slots=True)
class Frame:
    """The records written by one append; `end` is the offset just behind it."""

    end: int
    records: list[Record]


@dataclass(slots=True)
class Reading:
    """What one look at a segment found.

    `position` is where the next look starts. `broken` counts frames in the middle whose bytes do not match their sum
    (a torn last frame is not among them).
    """

    frames: list[Frame] = field(default_factory=list)
    position: int = 0
    broken: int = 0


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of the spool by its name `<writer>-<sequence>.seg`."""

    path: Path
    writer: str
    sequence: int

    @property
    def name(self) -> str:
        """The file's name, unique for ever: it is the key of positions in the lake."""
        return self.path.name


def list_segments(directory: Path, writer: str = "") -> list[Segment]:
    """Every visible segment, or those of one writer, in the order they were written."""
    found = []
    for path in directory.glob(f"{writer or '*'}-*{SEGMENT_SUFFIX}"):
        name, _, sequence = path.stem.rpartition("-")
        if name and not name.startswith(".") and sequence.isdigit():
            found.append(Segment(path, name, int(sequence)))
    return sorted(found, key=lambda segment: (segment.writer, segment.sequence))


def is_held(path: Path) -> bool:
    """Whether a living process has the file locked. Ask before reading: what is read after a no is final."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def is_alive(directory: Path, writer: str) -> bool:
    """Whether the process that owns this writer still runs. List its segments again after a no."""
    return is_held(directory / f"{writer}{LIVE_SUFFIX}")


def read_segment(path: Path, position: int = 0, *, sealed: bool = False, limit_bytes: int = READ_BYTES) -> Reading:
    """Frames from `position` on, about `limit_bytes` of them; none when the file is gone.

    Stops at a zero length (blocks allocated ahead), a torn frame or a wrong sum. In a `sealed` segment a frame with
    a wrong sum is stepped over when a sound one follows it.
    """
    reading = Reading(position=position)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return reading
    try:
        if position == 0:
            if os.pread(fd, len(MAGIC), 0) != MAGIC:
                return reading
            reading.position = len(MAGIC)
        for end, records in _frames(fd, reading.position, limit_bytes, sealed):
            if records is None:
                reading.broken += 1
            else:
                reading.frames.append(Frame(end, records))
            reading.position = end
    finally:
        os.close(fd)
    return reading


def _frames(fd: int, start: int, limit_bytes: int, sealed: bool) -> Iterator[tuple[int, list[Record] | None]]:
    """`(end, records)` of frame after frame, records None for a broken one that a sound one follows."""
    position, skipped, size = start, [], os.fstat(fd).st_size
    # An idle tick looks at eight bytes, not at megabytes of zeros.
    if not any(os.pread(fd, FRAME_HEADER.size, position)):
        return
    data, base = os.pread(fd, limit_bytes, position), position
    while position - start < limit_bytes:
        at = position - base
        if len(data) - at < FRAME_HEADER.size:
            data, base, at = os.pread(fd, limit_bytes, position), position, 0
            if len(data) < FRAME_HEADER.size:
                return
        length, checksum = FRAME_HEADER.unpack_from(data, at)
        if length == 0 or position + FRAME_HEADER.size + length > size:
            return
        body = at + FRAME_HEADER.size
        if len(data) - body < length:
            data, base, body = os.pread(fd, max(limit_bytes, FRAME_HEADER.size + length), position), position, 8
            if len(data) - body < length:
                return
        end = position + FRAME_HEADER.size + length
        records = _decode(memoryview(data)[body : body + length], checksum)
        if records is None:
            if not sealed:
                return
            skipped.append(end)
        else:
            yield from ((broken, None) for broken in skipped)
            skipped = []
            yield end, records
        position = end


def _decode(payload: memoryview, checksum: int) -> list[Record] | None:
    if crc32(payload) != checksum:
        return None
    try:
        return list(_decoder.decode(payload))
    except msgspec.DecodeError:
        return None
