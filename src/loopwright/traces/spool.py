"""The append-only files a trace lies in from the moment it happens until the lake has it: the writing side."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from struct import Struct
from zlib import crc32

import msgspec

from loopwright.foundation.errors import DiskFull, Invalid, LoopwrightError, Unavailable
from loopwright.traces.schemas import BeginRecord, ScoreRecord, SpanRecord

MAGIC = b"LWSPOOL1"
FRAME_HEADER = Struct("<II")
SEGMENT_SUFFIX = ".seg"
LIVE_SUFFIX = ".live"

CHUNK_BYTES = 1024 * 1024
EMERGENCY_BYTES = 2 * CHUNK_BYTES
GROUP_SECONDS = 0.05
RETRY_SECONDS = 1.0
DEFAULT_RESERVE_BYTES = 64 * 1024

_log = logging.getLogger(__name__)
_NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_Waiter = Callable[[LoopwrightError | None], None]


class _Segment:
    """The open file frames go to. Its lock is taken before its name is visible, so no reader ever sees it unlocked."""

    def __init__(self, directory: Path, name: str) -> None:
        self.path = directory / name
        self.fd = _create_locked(self.path, MAGIC, CHUNK_BYTES)
        self.end = len(MAGIC)
        self.allocated = CHUNK_BYTES
        self.named = False

    def grow(self, needed_end: int) -> None:
        """Allocates blocks up to at least `needed_end`. Raises OSError when the disk is full."""
        if needed_end <= self.allocated:
            return
        target = -(-needed_end // CHUNK_BYTES) * CHUNK_BYTES
        try:
            os.posix_fallocate(self.fd, self.allocated, target - self.allocated)
        except OSError as error:
            if error.errno not in _NO_SPACE:
                raise
            target = needed_end
            os.posix_fallocate(self.fd, self.allocated, target - self.allocated)
        self.allocated = target

    def put(self, payload: bytes) -> None:
        """Writes one frame. A frame that fails half-way is overwritten by the next one. Raises OSError."""
        header = FRAME_HEADER.pack(len(payload), crc32(payload))
        size = len(header) + len(payload)
        if os.pwritev(self.fd, (header, payload), self.end) != size:
            frame = memoryview(header + payload)
            done = 0
            while done < size:
                done += os.pwrite(self.fd, frame[done:], self.end + done)
        self.end += size

    def seal(self) -> None:
        """Gives unused blocks back and unlocks."""
        try:
            os.ftruncate(self.fd, self.end)
        finally:
            os.close(self.fd)


class SpoolWriter:
    """One process's way into the spool; safe to share between threads and an event loop.

    `begin` and `append` cost one write(2). Blocks are allocated ahead of need, so a full disk shows as DiskFull
    at `begin`, before money is spent, while the answers of what was begun still find room. A thread fsyncs in
    groups, `GROUP_SECONDS` apart; with `strict` an append is acknowledged only after the fsync that covers it.
    """

    def __init__(self, directory: Path, *, strict: bool = False, max_segment_bytes: int = 32 * 1024 * 1024) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.directory = directory
        self.strict = strict
        self.writer_id = f"{time.time_ns():016x}{os.urandom(3).hex()}"
        self._max_segment_bytes = max_segment_bytes
        self._encode = msgspec.msgpack.Encoder().encode
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._sequence = 0
        self._segment: _Segment | None = None
        self._retired: list[_Segment] = []
        self._dirty = False
        self._waiters: list[_Waiter] = []
        self._open: dict[str, tuple[BeginRecord, int]] = {}
        self._reserved = 0
        self._emergency = False
        self._fault: LoopwrightError | None = None
        self._closed = False
        self._live_path = directory / f"{self.writer_id}{LIVE_SUFFIX}"
        try:
            self._live_fd = _create_locked(self._live_path, b"", 0)
        except OSError as error:
            raise _refusal(error) from error
        self._directory_fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._thread = threading.Thread(target=self._sync_forever, name="spool-sync", daemon=True)
        self._thread.start()

    @property
    def fault(self) -> str:
        """Why nothing can be acknowledged right now; empty when all is well."""
        fault = self._fault
        return fault.message if fault else ""

    def begin(self, record: BeginRecord, reserve_bytes: int = DEFAULT_RESERVE_BYTES) -> None:
        """Notes that a request starts and keeps `reserve_bytes` of disk for what its trace will need.

        Raises DiskFull when there is no room for it, Unavailable while the disk refuses to sync; both before
        anything was spent.
        """
        payload = self._packed((record,))
        with self._lock:
            self._check()
            try:
                self._fill_emergency()
                segment = self._room(FRAME_HEADER.size + len(payload) + reserve_bytes, spent=False)
                segment.put(payload)
            except OSError as error:
                raise _refusal(error) from error
            previous = self._open.get(record.trace_id)
            self._reserved += reserve_bytes - (previous[1] if previous else 0)
            self._open[record.trace_id] = (record, reserve_bytes)
            self._dirty = True
        if not self._wake.is_set():
            self._wake.set()

    def append(self, records: Sequence[SpanRecord | ScoreRecord], *, durable: bool = False) -> None:
        """Writes `records` as one frame, all or nothing; a root span ends its trace.

        Returns after write(2); under `strict`, or when `durable` is asked for, after the fsync that covers it.
        Raises DiskFull, Unavailable: then nothing was acknowledged.
        """
        if not (self.strict or durable):
            self._write(records, None)
            return
        settled = threading.Event()
        outcome: list[LoopwrightError | None] = []

        def settle(error: LoopwrightError | None) -> None:
            outcome.append(error)
            settled.set()

        self._write(records, settle)
        settled.wait()
        if outcome[0] is not None:
            raise outcome[0]

    async def append_async(self, records: Sequence[SpanRecord | ScoreRecord]) -> None:
        """As `append`, but awaits the shared fsync instead of blocking the event loop."""
        if not self.strict:
            self._write(records, None)
            return
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()

        def resolve(error: LoopwrightError | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(None)
            else:
                future.set_exception(error)

        def settle(error: LoopwrightError | None) -> None:
            # A loop that was closed meanwhile has nobody left to tell.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(resolve, error)

        self._write(records, settle)
        await future

    def close(self) -> None:
        """Syncs and unlocks. Traces still open count as interrupted from now on."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._hurry.set()
        self._wake.set()
        self._thread.join()
        self._live_path.unlink(missing_ok=True)
        os.close(self._live_fd)
        os.close(self._directory_fd)

    def _write(self, records: Sequence[SpanRecord | ScoreRecord], waiter: _Waiter | None) -> None:
        payload = self._packed(records)
        ended = [r.trace_id for r in records if type(r) is SpanRecord and not r.parent_span_id]
        with self._lock:
            self._check()
            # What was begun has been paid for: it may use the reserves, its own and the emergency one.
            kept = sum(self._open[trace_id][1] for trace_id in ended if trace_id in self._open)
            self._reserved -= kept
            try:
                segment = self._room(FRAME_HEADER.size + len(payload), spent=kept > 0)
                segment.put(payload)
            except OSError as error:
                self._reserved += kept
                raise _refusal(error) from error
            for trace_id in ended:
                self._open.pop(trace_id, None)
            self._dirty = True
            if waiter is not None:
                self._waiters.append(waiter)
                self._hurry.set()
        if not self._wake.is_set():
            self._wake.set()

    def _packed(self, records: Sequence[BeginRecord | SpanRecord | ScoreRecord]) -> bytes:
        try:
            return self._encode(records)
        except (OverflowError, UnicodeEncodeError, ValueError) as error:
            raise Invalid(f"a trace holds a value that cannot be stored: {error}") from error

    def _check(self) -> None:
        if self._closed:
            raise Unavailable("the spool is closed: this process is stopping", hint="try again in a moment")
        if self._fault is not None:
            raise type(self._fault)(self._fault.message, hint=self._fault.hint)

    def _room(self, size: int, *, spent: bool) -> _Segment:
        """The segment to write `size` bytes to. `spent`: money is gone, every reserve may be used. Raises OSError."""
        segment = self._segment
        if segment is None or segment.end >= self._max_segment_bytes:
            segment = self._rotate()
        wanted = segment.end + size + self._reserved
        if wanted <= segment.allocated:
            return segment
        try:
            segment.grow(wanted)
        except OSError as error:
            if not spent or error.errno not in _NO_SPACE:
                raise
            if segment.end + size > segment.allocated:
                self._release_emergency()
                segment.grow(segment.end + size)
        return segment

    def _rotate(self) -> _Segment:
        """A new segment that starts with every open trace, so that older ones can go. Raises OSError."""
        old = self._segment
        try:
            fresh = self._fresh_segment()
        except OSError as error:
            if old is None or error.errno not in _NO_SPACE:
                raise
            # The limit of a segment is soft: blocks that are ours already are worth more than a tidy size.
            return old
        if old is not None:
            self._retired.append(old)
        self._segment = fresh
        return fresh

    def _fresh_segment(self) -> _Segment:
        self._sequence += 1
        segment = _Segment(self.directory, f"{self.writer_id}-{self._sequence:06d}{SEGMENT_SUFFIX}")
        try:
            if self._open:
                payload = self._encode([record for record, _ in self._open.values()])
                segment.grow(segment.end + FRAME_HEADER.size + len(payload) + self._reserved)
                segment.put(payload)
        except OSError:
            os.close(segment.fd)
            segment.path.unlink(missing_ok=True)
            raise
        return segment

    def _fill_emergency(self) -> None:
        if not self._emergency:
            os.posix_fallocate(self._live_fd, 0, EMERGENCY_BYTES)
            self._emergency = True

    def _release_emergency(self) -> None:
        os.ftruncate(self._live_fd, 0)
        self._emergency = False

    def _sync_forever(self) -> None:
        while True:
            self._wake.wait(None if self._fault is None else RETRY_SECONDS)
            if not self.strict:
                self._hurry.wait(GROUP_SECONDS)
            self._wake.clear()
            self._hurry.clear()
            try:
                if self._fault is not None:
                    self._recover()
                else:
                    self._sync()
            except Exception as error:  # noqa: BLE001 - the thread outlives a fault of ours; no caller waits for ever
                self._refuse(Unavailable(f"the spool failed: {error!r}", hint="see the log; it tries again by itself"))
            if self._closed:
                self._finish()
                return

    def _sync(self) -> None:
        with self._lock:
            waiters, self._waiters = self._waiters, []
            retired, self._retired = self._retired, []
            dirty, self._dirty = self._dirty, False
            segment = self._segment
            named = segment is not None and not segment.named
        try:
            for old in retired:
                os.fdatasync(old.fd)
            if segment is not None and dirty:
                os.fdatasync(segment.fd)
                if named:
                    os.fsync(self._directory_fd)
                    segment.named = True
        except OSError as error:
            self._fail(error, waiters, retired)
            return
        for waiter in waiters:
            waiter(None)
        for old in retired:
            _seal(old)
        if segment is not None:
            self._allocate_ahead(segment)

    def _allocate_ahead(self, segment: _Segment) -> None:
        """Keeps half a chunk free, here, so that callers rarely wait for the file system to find blocks."""
        if segment.allocated - segment.end - self._reserved >= CHUNK_BYTES // 2:
            return
        start = segment.allocated
        try:
            os.posix_fallocate(segment.fd, start, CHUNK_BYTES)
        except OSError:
            return  # `begin` will meet the same answer and say it to a caller
        with self._lock:
            segment.allocated = max(segment.allocated, start + CHUNK_BYTES)

    def _fail(self, error: OSError, waiters: list[_Waiter], retired: list[_Segment]) -> None:
        """After a failed fsync nothing in those files may be acknowledged: a second fsync could falsely succeed."""
        fault = Unavailable(
            f"traces cannot be made durable: fsync in {self.directory} failed: {error.strerror}",
            hint="check the disk; requests are taken again as soon as a new file can be synced",
        )
        self._refuse(fault, waiters, retired)
        _log.error("spool fsync failed, segment abandoned", extra={"directory": str(self.directory)}, exc_info=error)
        self._recover()

    def _refuse(self, fault: Unavailable, waiters: Sequence[_Waiter] = (), retired: Sequence[_Segment] = ()) -> None:
        """Tells everybody who waits, and gives up every file that was not synced."""
        with self._lock:
            self._fault = fault
            waiters = [*waiters, *self._waiters]
            retired = [*retired, *self._retired, *([self._segment] if self._segment else [])]
            self._waiters, self._retired, self._segment = [], [], None
        for waiter in waiters:
            waiter(fault)
        for segment in retired:
            _seal(segment)

    def _recover(self) -> None:
        """While there is a fault nobody else writes, so a new segment can be made and synced without the lock."""
        segment = None
        try:
            segment = self._fresh_segment()
            os.fdatasync(segment.fd)
            os.fsync(self._directory_fd)
            segment.named = True
        except OSError as error:
            _log.warning("spool still cannot sync", extra={"directory": str(self.directory)}, exc_info=error)
            if segment is not None:
                _seal(segment)
            return
        with self._lock:
            self._segment = segment
            self._fault = None

    def _finish(self) -> None:
        with self._lock:
            segment, self._segment = self._segment, None
            waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter(Unavailable("the spool closed before the trace was synced", hint="try again"))
        if segment is not None:
            _seal(segment)


def _create_locked(path: Path, content: bytes, size: int) -> int:
    """A new file that is locked before anybody can see its name; returns its descriptor. Raises OSError."""
    hidden = path.with_name(f".{path.name}.tmp")
    fd = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if size:
            os.posix_fallocate(fd, 0, size)
        os.pwrite(fd, content, 0)
        hidden.rename(path)
    except OSError:
        os.close(fd)
        hidden.unlink(missing_ok=True)
        raise
    return fd


def _seal(segment: _Segment) -> None:
    try:
        segment.seal()
    except OSError as error:
        _log.warning("spool segment was not trimmed", extra={"segment": segment.path.name}, exc_info=error)


def _refusal(error: OSError) -> LoopwrightError:
    if error.errno in _NO_SPACE:
        return DiskFull(
            f"there is no room to keep a trace: {error.strerror}",
            hint="free some space on the disk of the data folder; requests are taken again at once",
        )
    return Unavailable(f"a trace cannot be written: {error.strerror}", hint="check the disk of the data folder")
