"""Moves the spool into the lake: every record once, whoever is killed in between."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import msgspec

from loopwright.foundation.clock import Clock, SystemClock
from loopwright.foundation.errors import Conflict, LoopwrightError
from loopwright.traces.content import previews
from loopwright.traces.schemas import BeginRecord, ScoreRecord, SpanRecord
from loopwright.traces.segments import Frame, Segment, is_alive, is_held, list_segments, read_segment
from loopwright.traces.spool import LIVE_SUFFIX, MAGIC

TICK_SECONDS = 0.5
MAX_BACKOFF_SECONDS = 10.0
BATCH_BYTES = 16 * 1024 * 1024
UPKEEP_SECONDS = 300.0
UPKEEP_LOOK_SECONDS = 5.0
UPKEEP_FRAGMENTS = 150
STALE_SECONDS = 60.0
LOCK_NAME = "drainer.lock"
MAX_INT64 = (1 << 63) - 1

_log = logging.getLogger(__name__)
_TEXT_FIELDS = ("input", "output", "attributes")
_INT_FIELDS = (
    "start_us",
    "duration_us",
    "input_tokens",
    "output_tokens",
    "cached_tokens",
    "reasoning_tokens",
    "cost_nanousd",
    "ttft_us",
)

Row = dict[str, Any]


class SpanSink(Protocol):
    """What the drainer asks of the lake; `TraceStore` is the one implementation, tests break others on purpose."""

    is_local: bool

    def prepare(self) -> None:
        """Makes the tables fit this release."""
        ...

    def append_spans(self, rows: Sequence[Row]) -> None:
        """One commit, all or nothing."""
        ...

    def append_scores(self, rows: Sequence[Row]) -> None:
        """One commit, all or nothing."""
        ...

    def span_positions(self, segments: Sequence[str]) -> dict[str, int]:
        """How far each segment's spans are committed."""
        ...

    def score_positions(self, segments: Sequence[str]) -> dict[str, int]:
        """How far each segment's scores are committed."""
        ...

    def ended(self, trace_ids: Sequence[str]) -> set[tuple[str, str]]:
        """`(team, trace)` of those that have a root span."""
        ...

    def fragment_count(self) -> int:
        """Files of the spans table."""
        ...

    def maintain(self) -> None:
        """Upkeep of the tables."""
        ...


@dataclass(slots=True)
class _Progress:
    """How far one segment has been read, and how far the lake had it when this drainer began."""

    position: int = 0
    spans_committed: int = 0
    scores_committed: int = 0
    broken: int = 0


@dataclass(slots=True)
class _Open:
    """A begun trace and where its begin lies."""

    record: BeginRecord
    segment: str
    end: int


@dataclass(slots=True)
class _Batch:
    """What one commit takes along; `moved` are the positions that become true with it."""

    spans: list[Row] = field(default_factory=list)
    scores: list[Row] = field(default_factory=list)
    moved: dict[str, int] = field(default_factory=dict)
    done: list[Segment] = field(default_factory=list)
    dead_writers: list[str] = field(default_factory=list)
    interrupted: list[str] = field(default_factory=list)
    size: int = 0


@dataclass(frozen=True, slots=True)
class DrainerHealth:
    """`ok` is false while the lake cannot take what the spool holds; nothing is lost then, only late."""

    ok: bool
    reason: str
    waiting_bytes: int


class Drainer:
    """Reads every writer's segments and commits them in batches; only one drainer works on a spool at a time.

    Each row carries its segment and offset, so the position commits with the batch. After any failure everything
    known is dropped and read again from the lake, which also settles a commit whose outcome was unknown.
    """

    def __init__(
        self, directory: Path, store: SpanSink, *, clock: Clock | None = None, tick_seconds: float = TICK_SECONDS
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory = directory
        self._store = store
        self._clock = clock or SystemClock()
        self._tick_seconds = tick_seconds
        self._lock = threading.Lock()
        self._lock_fd: int | None = None
        self._ready = False
        self._progress: dict[str, _Progress] = {}
        self._open: dict[tuple[str, str], _Open] = {}
        self._stored_us = 0
        self._reason = ""
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self.commits = 0
        """Grows with every commit of this drainer; a cheap sign of news."""

    @property
    def health(self) -> DrainerHealth:
        """Whether the lake takes what comes, and how much waits in the spool."""
        waiting = 0
        for segment in list_segments(self._directory):
            progress = self._progress.get(segment.name)
            with contextlib.suppress(FileNotFoundError):
                used = segment.path.stat().st_blocks * 512
                waiting += max(0, used - (progress.position if progress else 0)) if self._reason else 0
        return DrainerHealth(ok=not self._reason, reason=self._reason, waiting_bytes=waiting)

    def start(self) -> None:
        """Drains and keeps the tables tidy on two threads until `close`."""
        for name, target in (("drainer", self.run), ("lake-upkeep", self._keep_tidy)):
            thread = threading.Thread(target=target, name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        """Stops the threads after a last look at the spool, and lets another drainer work on it."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()
        with contextlib.suppress(LoopwrightError):
            self.drain_now()
        with self._lock:
            if self._lock_fd is not None:
                os.close(self._lock_fd)
                self._lock_fd = None

    def run(self) -> None:
        """Ticks until `close`; after a failure it waits longer and longer, up to `MAX_BACKOFF_SECONDS`."""
        pause = self._tick_seconds
        while not self._stopping.wait(pause):
            try:
                self.drain_now()
                pause = self._tick_seconds
            except LoopwrightError as error:
                pause = min(MAX_BACKOFF_SECONDS, pause * 2)
                _log.warning("the lake takes no traces, they wait in the spool: %s", error.message)
            except Exception:  # noqa: BLE001 - the thread must outlive a fault of ours; the log has it whole
                pause = min(MAX_BACKOFF_SECONDS, pause * 2)
                _log.exception("drainer tick failed, traces wait in the spool")

    def drain_now(self) -> int:
        """Moves everything written before this call; the number of rows. Raises Unavailable, DiskFull, Conflict."""
        total = 0
        while True:
            rows, more = self.tick()
            total += rows
            if not more:
                return total

    def tick(self) -> tuple[int, bool]:
        """One batch: `(rows committed, whether more waits)`. Raises Unavailable, DiskFull, Conflict."""
        with self._lock:
            try:
                self._take_ownership()
                if not self._ready:
                    self._store.prepare()
                    self._ready = True
                batch, more = self._collect()
                self._commit(batch)
            except Exception as error:
                self._forget(error)
                raise
            self._reason = ""
            return len(batch.spans) + len(batch.scores), more

    def maintain_now(self) -> None:
        """Upkeep of the lake tables. Raises Conflict while another process does it."""
        self._store.maintain()

    def _keep_tidy(self) -> None:
        """Apart from the ticks: compaction takes seconds, and nobody should wait that long to see a trace."""
        due = time.monotonic() + UPKEEP_SECONDS
        while not self._stopping.wait(UPKEEP_LOOK_SECONDS):
            try:
                if time.monotonic() < due and self._store.fragment_count() < UPKEEP_FRAGMENTS:
                    continue
                due = time.monotonic() + UPKEEP_SECONDS
                self.maintain_now()
            except Conflict as error:
                _log.info("lake upkeep left to another process: %s", error.message)
            except Exception:  # noqa: BLE001 - tables only grow slower to read; the next round tries again
                _log.exception("lake upkeep failed")

    def _take_ownership(self) -> None:
        if self._lock_fd is not None:
            return
        fd = os.open(self._directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            raise Conflict(
                f"another process drains {self._directory}", hint="stop the other Loopwright on this data folder"
            ) from None
        self._lock_fd = fd

    def _forget(self, error: Exception) -> None:
        self._reason = error.message if isinstance(error, LoopwrightError) else f"{type(error).__name__}: {error}"
        self._progress.clear()
        self._open.clear()

    def _collect(self) -> tuple[_Batch, bool]:
        """Reads on in every segment, in order within a writer; True when the batch was full before the end."""
        batch = _Batch()
        segments = list_segments(self._directory)
        self._learn(segments)
        by_writer: dict[str, list[Segment]] = {}
        for segment in segments:
            by_writer.setdefault(segment.writer, []).append(segment)
        for writer, listed in by_writer.items():
            alive = is_alive(self._directory, writer)
            if not alive:
                # It may have opened one more segment between our list and its death.
                listed = list_segments(self._directory, writer)
                self._learn(listed)
            # Asked before reading: a segment found free now has no frame that we could read too early.
            final = [not alive or not is_held(segment.path) for segment in listed]
            if not self._read_writer(batch, listed, final):
                return batch, True
            if not alive:
                batch.dead_writers.append(writer)
                self._interrupt(batch, writer)
        return batch, False

    def _learn(self, segments: Sequence[Segment]) -> None:
        """Asks the lake how far it has the segments not seen before."""
        unknown = [segment.name for segment in segments if segment.name not in self._progress]
        if not unknown:
            return
        spans, scores = self._store.span_positions(unknown), self._store.score_positions(unknown)
        for name in unknown:
            self._progress[name] = _Progress(0, spans.get(name, 0), scores.get(name, 0))

    def _read_writer(self, batch: _Batch, segments: Sequence[Segment], final: Sequence[bool]) -> bool:
        """False when the batch is full and the writer may have more."""
        for segment, sealed in zip(segments, final, strict=True):
            progress = self._progress[segment.name]
            position = progress.position
            while True:
                if batch.size >= BATCH_BYTES:
                    return False
                reading = read_segment(segment.path, position, sealed=sealed)
                progress.broken += reading.broken
                if reading.position == position:
                    break
                for frame in reading.frames:
                    self._take(batch, segment, frame, progress)
                batch.size += reading.position - position
                position = reading.position
                batch.moved[segment.name] = position
            if sealed:
                batch.done.append(segment)
        return True

    def _take(self, batch: _Batch, segment: Segment, frame: Frame, progress: _Progress) -> None:
        """Adds a frame's records to the batch unless the lake has them; keeps the books of what is open."""
        spans = [record for record in frame.records if isinstance(record, SpanRecord)]
        counts = Counter(span.trace_id for span in spans)
        kinds: dict[str, set[str]] = {}
        for span in spans:
            kinds.setdefault(span.trace_id, set()).add(span.kind)
        for record in frame.records:
            if isinstance(record, BeginRecord):
                self._open[segment.writer, record.trace_id] = _Open(record, segment.name, frame.end)
            elif isinstance(record, ScoreRecord):
                if frame.end > progress.scores_committed:
                    batch.scores.append(_score_row(record, segment.name, frame.end))
            else:
                if not record.parent_span_id:
                    self._open.pop((segment.writer, record.trace_id), None)
                if frame.end > progress.spans_committed:
                    row = _span_row(record, counts[record.trace_id], kinds[record.trace_id])
                    row["spool_segment"], row["spool_offset"] = segment.name, frame.end
                    batch.spans.append(row)

    def _interrupt(self, batch: _Batch, writer: str) -> None:
        """What a dead writer began and never ended becomes a trace of its own, once."""
        orphans = {key: found for key, found in self._open.items() if key[0] == writer}
        if not orphans:
            return
        # A drainer killed after this commit and before the segments went would find the same begins again.
        ended = self._store.ended([trace_id for _, trace_id in orphans])
        now_us = self._clock.now_us()
        for key, found in orphans.items():
            if (found.record.team_id, found.record.trace_id) not in ended:
                row = _span_row(_interrupted(found.record, now_us), 1, {found.record.kind})
                row["spool_segment"], row["spool_offset"] = found.segment, found.end
                batch.spans.append(row)
            del self._open[key]

    def _commit(self, batch: _Batch) -> None:
        if batch.spans:
            self._stored_us = max(self._stored_us + 1, self._clock.now_us())
            for row in batch.spans:
                row["stored_us"] = self._stored_us
            self._store.append_spans(batch.spans)
        if batch.scores:
            self._store.append_scores(batch.scores)
        for name, position in batch.moved.items():
            self._progress[name].position = position
        if batch.spans or batch.scores:
            self.commits += 1
        if batch.done or batch.dead_writers or not self._progress:
            self._remove(batch)

    def _remove(self, batch: _Batch) -> None:
        """Deletes drained segments, oldest first: a younger one holds the begins an older one could not end."""
        if batch.done and self._store.is_local:
            # The lake's files are written but not synced by their library; the spool is their only durable copy.
            os.sync()
        for segment in batch.done:
            progress = self._progress.pop(segment.name)
            if progress.broken or _is_foreign(segment.path, progress.position):
                _log.error("spool segment %s has broken frames, kept aside", segment.name)
                segment.path.rename(segment.path.with_suffix(".broken"))
            else:
                segment.path.unlink(missing_ok=True)
        for writer in batch.dead_writers:
            (self._directory / f"{writer}{LIVE_SUFFIX}").unlink(missing_ok=True)
        self._sweep()

    def _sweep(self) -> None:
        """Removes what a process leaves that died before it wrote anything."""
        for path in self._directory.glob(f"*{LIVE_SUFFIX}"):
            if not is_held(path) and not list_segments(self._directory, path.stem):
                path.unlink(missing_ok=True)
        for path in self._directory.glob(".*.tmp"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > STALE_SECONDS and not is_held(path):
                    path.unlink(missing_ok=True)


def _is_foreign(path: Path, position: int) -> bool:
    """Whether nothing could be read although something was written."""
    if position:
        return False
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        return file.read(len(MAGIC)).strip(b"\0") != b""
    return False


def _span_row(record: SpanRecord, span_count: int, kinds: set[str]) -> Row:
    row = msgspec.structs.asdict(record)
    for name in _INT_FIELDS:
        # A provider's nonsense count must not stop everybody else's rows.
        if (number := row[name]) is not None and not -MAX_INT64 <= number <= MAX_INT64:
            row[name] = MAX_INT64 if number > 0 else -MAX_INT64
    for name in _TEXT_FIELDS:
        row[name] = row[name].decode("utf-8", "replace")
    if record.parent_span_id:
        return row
    row["input_preview"], row["output_preview"], row["search_text"] = previews(record.input, record.output)
    row["span_count"] = span_count
    row["kinds"] = f",{','.join(sorted(kinds))},"
    return row


def _score_row(record: ScoreRecord, segment: str, end: int) -> Row:
    row = msgspec.structs.asdict(record)
    row["spool_segment"], row["spool_offset"] = segment, end
    return row


def _interrupted(begun: BeginRecord, now_us: int) -> SpanRecord:
    known = msgspec.structs.asdict(begun)
    return SpanRecord(
        **known,
        duration_us=max(0, now_us - begun.start_us),
        status="interrupted",
        error_code="interrupted",
        error_message="the process that answered this request ended before the answer did",
    )
