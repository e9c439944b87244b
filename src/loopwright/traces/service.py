"""The questions one may ask about traces, and the judgements one may add to them."""

from __future__ import annotations

import contextlib
import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from loopwright.foundation.clock import Clock, SystemClock
from loopwright.foundation.errors import Invalid, LoopwrightError, NotFound
from loopwright.foundation.ids import new_id
from loopwright.traces.drainer import Drainer
from loopwright.traces.schemas import (
    SCORE_SOURCES,
    Facets,
    FacetValue,
    Score,
    ScoreRecord,
    Trace,
    TraceDetail,
    TraceFilter,
    TracePage,
    TraceStats,
)
from loopwright.traces.scoring import MAX_NAME, MAX_TEXT, check_value, live_scores, wire_score
from loopwright.traces.selection import is_trace_id, read_cursor, select, write_cursor
from loopwright.traces.spool import SpoolWriter
from loopwright.traces.store import LIST_COLUMNS, SPAN_COLUMNS, Place, Row, TraceStore
from loopwright.traces.views import wire_span, wire_trace

MAX_PAGE = 200
FACET_TRACES = 2_000
FACET_VALUES = 100
TAIL_PAGE = 500
TAIL_KNOWN = 10_000
TAIL_OVERLAP_US = 5_000_000

_log = logging.getLogger(__name__)


class TraceService:
    """Reads from the lake, writes scores through control's own spool; `drainer` makes what was written readable."""

    def __init__(self, store: TraceStore, drainer: Drainer, spool: SpoolWriter, *, clock: Clock | None = None) -> None:
        self._store = store
        self._drainer = drainer
        self._spool = spool
        self._clock = clock or SystemClock()

    def list_traces(self, team_id: str, given: TraceFilter, limit: int = 50, cursor: str = "") -> TracePage:
        """The newest traces the filter holds. Raises Invalid that names the faulty parameter."""
        selection = select(given)
        if not 1 <= limit <= MAX_PAGE:
            raise Invalid(f"limit is {limit}, it must be 1 to {MAX_PAGE}", param="limit", hint="page with cursor")
        before = read_cursor(cursor) if cursor else None
        found = self._store.find(team_id, selection, limit + 1, before, self._clock.now_us())
        rows = [row for page in found.rows(LIST_COLUMNS) for row in page]
        more = len(rows) > limit
        rows = rows[:limit]
        next_cursor = write_cursor(rows[-1]["start_us"], rows[-1]["trace_id"]) if more else None
        return TracePage(items=self.as_traces(team_id, rows), next_cursor=next_cursor)

    def get_trace(self, team_id: str, trace_id: str) -> TraceDetail:
        """A trace with its spans and scores. Raises NotFound."""
        rows = self._spans(team_id, trace_id)
        scores = self._scores(team_id, [trace_id])[trace_id]
        root = next((row for row in rows if not row["parent_span_id"]), rows[0])
        return TraceDetail(
            trace=wire_trace(root, scores, len(rows)), spans=[wire_span(row) for row in rows], scores=scores
        )

    def select_traces(self, team_id: str, given: TraceFilter, limit: int) -> Iterator[TraceDetail]:
        """The newest `limit` traces of one moment with their root span and scores, newest first. Raises Invalid."""
        found = self._store.find(team_id, select(given), limit, None, self._clock.now_us())
        for rows in found.rows(SPAN_COLUMNS):
            scores = self._scores(team_id, [row["trace_id"] for row in rows])
            for row in rows:
                own = scores[row["trace_id"]]
                yield TraceDetail(trace=wire_trace(row, own), spans=[wire_span(row)], scores=own)

    def facets(self, team_id: str) -> Facets:
        """The values that occur in the newest `FACET_TRACES` traces."""
        found = self._store.find(team_id, select(TraceFilter()), FACET_TRACES, None, self._clock.now_us())
        columns = ("model", "endpoint", "provider", "status")
        counts: dict[str, Counter[str]] = {column: Counter() for column in columns}
        for rows in found.rows(columns):
            for row in rows:
                for column in columns:
                    counts[column][row[column]] += 1
        return Facets(
            models=_facet(counts["model"]),
            endpoints=_facet(counts["endpoint"]),
            providers=_facet(counts["provider"]),
            statuses=_facet(counts["status"]),
        )

    def stats(self, team_id: str, since_us: int) -> TraceStats:
        """Counts, tokens, cost and latency of traces that started at or after `since_us`."""
        columns = ("status", "input_tokens", "output_tokens", "cost_nanousd", "duration_us")
        found = self._store.recent(team_id, columns, since_us).to_pydict()
        durations = sorted(found["duration_us"])
        return TraceStats(
            traces=len(durations),
            errors=sum(status != "ok" for status in found["status"]),
            input_tokens=sum(found["input_tokens"]),
            output_tokens=sum(found["output_tokens"]),
            cost_usd=sum(cost for cost in found["cost_nanousd"] if cost is not None) / 1_000_000_000,
            p50_duration_ms=_quantile(durations, 0.50),
            p95_duration_ms=_quantile(durations, 0.95),
        )

    def count(self, team_id: str) -> int:
        """How many traces the team has."""
        return self._store.count_traces(team_id)

    def add_score(
        self,
        team_id: str,
        trace_id: str,
        *,
        kind: str,
        value: object,
        author: str,
        name: str = "feedback",
        comment: str = "",
        span_id: str = "",
        source: str = "human",
    ) -> Score:
        """Adds a judgement; it is fsynced when this returns, and the next read shows it.

        Raises Invalid, NotFound, DiskFull, Unavailable.
        """
        number, text = check_value(kind, value)
        if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
            raise Invalid(f"name {name[:80]!r} must be 1 to {MAX_NAME} printable characters", param="name")
        if len(comment) > MAX_TEXT["comment"]:
            raise Invalid(f"comment has {len(comment)} characters, at most {MAX_TEXT['comment']}", param="comment")
        if source not in SCORE_SOURCES:
            raise Invalid(
                f"source {source[:40]!r} is unknown", param="source", hint=f"one of: {', '.join(SCORE_SOURCES)}"
            )
        spans = self._spans(team_id, trace_id)
        if span_id and all(row["span_id"] != span_id for row in spans):
            raise NotFound(f"trace {trace_id} has no span {span_id[:40]!r}", param="span_id")
        record = ScoreRecord(
            team_id=team_id,
            trace_id=trace_id,
            id=new_id("score"),
            kind=kind,
            created_us=self._clock.now_us(),
            span_id=span_id,
            name=name,
            text=text,
            number=number,
            comment=comment,
            author=author,
            source=source,
        )
        self._keep(record)
        return wire_score(record)

    def delete_score(self, team_id: str, trace_id: str, score_id: str) -> None:
        """Takes a judgement back by a tombstone. Raises NotFound, DiskFull, Unavailable."""
        live = live_scores(self._store.scores_of(team_id, [trace_id])) if is_trace_id(trace_id) else []
        found = next((score for score in live if score.id == score_id), None)
        if found is None:
            raise NotFound(
                f"trace {trace_id[:40]!r} has no score {score_id[:64]!r}",
                hint=f"see: loopwright traces show {trace_id[:40]}",
            )
        self._keep(
            ScoreRecord(
                team_id=team_id,
                trace_id=trace_id,
                id=score_id,
                kind=found.kind,
                created_us=self._clock.now_us(),
                deleted=True,
            )
        )

    def tail(self, team_id: str, cursor: str = "") -> TraceTail:
        """New traces from now on, or from where an earlier tail stopped. Raises Invalid."""
        after = read_cursor(cursor) if cursor else (self._clock.now_us(), "f" * 32)
        return TraceTail(self, self._store, self._drainer, team_id, after)

    def as_traces(self, team_id: str, rows: Sequence[Row]) -> list[Trace]:
        """Root rows with their scores."""
        scores = self._scores(team_id, [row["trace_id"] for row in rows])
        return [wire_trace(row, scores[row["trace_id"]]) for row in rows]

    def _scores(self, team_id: str, trace_ids: Sequence[str]) -> defaultdict[str, list[Score]]:
        grouped: defaultdict[str, list[Score]] = defaultdict(list)
        for record in live_scores(self._store.scores_of(team_id, trace_ids)):
            grouped[record.trace_id].append(wire_score(record))
        return grouped

    def _spans(self, team_id: str, trace_id: str) -> list[Row]:
        """The spans of a trace, if need be drained first: it may have ended a moment ago. Raises NotFound."""
        if is_trace_id(trace_id):
            rows = self._store.spans_of(team_id, trace_id)
            if rows:
                return rows
            self._drain()
            rows = self._store.spans_of(team_id, trace_id)
            if rows:
                return rows
        raise NotFound(f"no trace {trace_id[:40]!r} in this team", hint="see the newest with: loopwright traces ls")

    def _keep(self, record: ScoreRecord) -> None:
        self._spool.append((record,), durable=True)
        self._drain()

    def _drain(self) -> None:
        # What is in the spool is safe already; a lake that is away only makes it late.
        with contextlib.suppress(LoopwrightError):
            self._drainer.drain_now()


class TraceTail:
    """One listener's place among arriving traces; `poll` from one thread at a time."""

    def __init__(self, service: TraceService, store: TraceStore, drainer: Drainer, team_id: str, after: Place) -> None:
        self._service = service
        self._store = store
        self._drainer = drainer
        self._team_id = team_id
        self._after = after
        self._news: tuple[int, int] | None = None
        # Commits of drainers on other machines may arrive out of order: a little before the place is looked at again.
        earlier = store.arrived(team_id, after[0] - TAIL_OVERLAP_US, (), TAIL_KNOWN)
        self._seen = {row["trace_id"]: int(row["stored_us"]) for row in earlier if _place(row) <= after}

    def poll(self) -> list[tuple[str, Trace]]:
        """`(cursor, trace)` of what arrived since the last call, oldest first."""
        news = self._drainer.commits, self._store.versions()[0]
        if news == self._news:
            return []
        rows = self._store.arrived(self._team_id, self._after[0] - TAIL_OVERLAP_US, self._seen, TAIL_PAGE)
        if len(rows) < TAIL_PAGE:
            self._news = news
        arrived = []
        for row, trace in zip(rows, self._service.as_traces(self._team_id, rows), strict=True):
            self._after = max(self._after, _place(row))
            self._seen[trace.trace_id] = row["stored_us"]
            arrived.append((write_cursor(*self._after), trace))
        horizon = self._after[0] - TAIL_OVERLAP_US
        self._seen = {trace_id: stored_us for trace_id, stored_us in self._seen.items() if stored_us >= horizon}
        return arrived


def _place(row: Row) -> Place:
    return row["stored_us"], row["trace_id"]


def _facet(counts: Counter[str]) -> list[FacetValue]:
    return [FacetValue(value, count) for value, count in counts.most_common(FACET_VALUES) if value]


def _quantile(ordered: Sequence[int], share: float) -> float | None:
    """Nearest rank, in milliseconds; None of nothing."""
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] / 1_000
