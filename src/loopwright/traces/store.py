"""Spans and scores in the lake: what is appended, found, counted and kept tidy there."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import lance
import pyarrow as pa
import pyarrow.compute
from lance.query import FullTextOperator, MatchQuery

from loopwright.foundation.errors import NotFound
from loopwright.foundation.lake import Lake, LakeTable, lake_errors
from loopwright.traces.schemas import ScoreRecord
from loopwright.traces.scoring import live_scores, verdict
from loopwright.traces.selection import Selection

SCALAR_INDEX_ROWS = 10_000
TEXT_INDEX_ROWS = 50_000
SMALL_TABLE_ROWS = 20_000
FIRST_WINDOW_US = 5 * 1_000_000
WINDOW_GROWTH = 8
TAKE_ROWS = 200
PUSHED_IDS = 2_000
CACHED_TEAMS = 64
NOTED_TEAMS = 10_000
KEEP_VERSIONS = timedelta(minutes=10)

_log = logging.getLogger(__name__)
_literal = LakeTable.literal
# Its stubs know neither tables nor plain Python values as arguments.
pc: Any = pyarrow.compute


def _field(name: str, kind: pa.DataType) -> pa.Field[Any]:
    return pa.field(name, kind)


SPANS = pa.schema(
    [
        *(_field(name, pa.string()) for name in ("team_id", "trace_id", "span_id", "parent_span_id", "kind", "name")),
        *(_field(name, pa.int64()) for name in ("start_us", "duration_us")),
        *(_field(name, pa.string()) for name in ("status", "error_code", "error_message")),
        *(_field(name, pa.string()) for name in ("provider", "model", "requested_model", "endpoint")),
        _field("stream", pa.bool_()),
        *(_field(name, pa.string()) for name in ("session_id", "user_id", "key_id")),
        *(_field(name, pa.large_string()) for name in ("input", "output")),
        *(_field(name, pa.int64()) for name in ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")),
        _field("usage_estimated", pa.bool_()),
        *(_field(name, pa.int64()) for name in ("cost_nanousd", "ttft_us")),
        _field("attributes", pa.large_string()),
        # Known of roots only: what lists and searches read instead of the large columns above.
        *(_field(name, pa.string()) for name in ("input_preview", "output_preview", "kinds")),
        _field("search_text", pa.large_string()),
        _field("span_count", pa.int32()),
        _field("stored_us", pa.int64()),
        _field("spool_segment", pa.string()),
        _field("spool_offset", pa.int64()),
    ]
)
SCORES = pa.schema(
    [
        *(_field(name, pa.string()) for name in ("team_id", "trace_id", "id", "span_id", "name", "kind", "text")),
        _field("number", pa.float64()),
        *(_field(name, pa.string()) for name in ("comment", "author", "source")),
        _field("created_us", pa.int64()),
        _field("deleted", pa.bool_()),
        _field("spool_segment", pa.string()),
        _field("spool_offset", pa.int64()),
    ]
)
LARGE_COLUMNS = ("input", "output", "attributes", "search_text")
SPAN_COLUMNS = [name for name in SPANS.names if name not in {"search_text", "spool_segment", "spool_offset"}]
# Each column of a list costs as much as its rows: no more of them than a trace shows.
LIST_COLUMNS = [
    name
    for name in SPAN_COLUMNS
    if name not in {*LARGE_COLUMNS, "team_id", "span_id", "parent_span_id", "kind", "key_id", "kinds"}
]
_SCORE_COLUMNS = list(ScoreRecord.__struct_fields__)
_SPAN_INDEXES: Mapping[str, Any] = {
    "trace_id": "BTREE",
    "start_us": "BTREE",
    "stored_us": "ZONEMAP",
    "spool_segment": "ZONEMAP",
    "session_id": "BTREE",
    "status": "BITMAP",
    "model": "BITMAP",
}
_SCORE_INDEXES: Mapping[str, Any] = {"trace_id": "BTREE", "spool_segment": "ZONEMAP"}
_TEXT_INDEX = "search_text_words"

Row = dict[str, Any]
Place = tuple[int, str]


@dataclass(frozen=True)
class Found:
    """Rows of one state of the table, newest first; later writes do not change what they hold."""

    dataset: lance.LanceDataset | None
    row_ids: list[int]

    def rows(self, columns: Sequence[str]) -> Iterator[list[Row]]:
        """The rows' columns in order, `TAKE_ROWS` at a time."""
        if self.dataset is None:
            return
        for start in range(0, len(self.row_ids), TAKE_ROWS):
            with lake_errors("spans"):
                taken = self.dataset._take_rows(self.row_ids[start : start + TAKE_ROWS], list(columns))
            yield taken.to_pylist()


class TraceStore:
    """All access to the lake tables `spans` and `scores`; every question is asked for one team."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._spans = lake.table("spans")
        self._scores = lake.table("scores")
        self._newest: dict[str, int] = {}
        self._verdicts: dict[str, tuple[int, dict[str, set[str]]]] = {}
        self.is_local = lake.is_local

    def prepare(self) -> None:
        """Adds columns that this release knows and an older table lacks."""
        for table, schema in ((self._spans, SPANS), (self._scores, SCORES)):
            if table.exists():
                table.add_missing_columns(schema)

    def holds_traces(self) -> bool:
        """Whether any trace was ever stored here, of whatever team."""
        return self._spans.exists()

    def append_spans(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """One commit. Raises DiskFull, Unavailable."""
        self._spans.append(pa.Table.from_pylist(list(rows), schema=SPANS))
        for row in rows:
            self._note_newest(row["team_id"], row["start_us"])

    def append_scores(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """One commit. Raises DiskFull, Unavailable."""
        self._scores.append(pa.Table.from_pylist(list(rows), schema=SCORES))

    def span_positions(self, segments: Sequence[str]) -> dict[str, int]:
        """How far the spans of each spool segment are committed; segments without any are left out."""
        return self._positions(self._spans, segments)

    def score_positions(self, segments: Sequence[str]) -> dict[str, int]:
        """As `span_positions`, for scores."""
        return self._positions(self._scores, segments)

    def versions(self) -> tuple[int, int]:
        """Numbers that change when spans or scores do; 0 before there are any."""
        return _version(self._spans), _version(self._scores)

    def find(
        self, team_id: str, selection: Selection, limit: int, before: Place | None = None, now_us: int = 0
    ) -> Found:
        """The newest `limit` traces the selection holds, by start and trace id descending, strictly before a place."""
        dataset = _opened(self._spans)
        if dataset is None or limit < 1:
            return Found(None, [])
        wanted: set[str] | None = None
        if selection.feedback:
            wanted = self._with_feedback(team_id, selection.feedback)
            if not wanted and selection.feedback != "none":
                return Found(dataset, [])
        search = _Search(dataset, team_id, selection, wanted, before)
        with lake_errors("spans"):
            return Found(dataset, search.newest(limit, min(now_us, self._newest.get(team_id, now_us))))

    def arrived(self, team_id: str, since_us: int, known: Iterable[str], limit: int) -> list[Row]:
        """Traces stored at or after a time and not among the `known`, oldest first, at most `limit`."""
        dataset = _opened(self._spans)
        if dataset is None:
            return []
        where = f"{_roots(team_id)} AND stored_us >= {since_us}"
        with lake_errors("spans"):
            keys: Any = dataset.scanner(columns=["stored_us", "trace_id"], filter=where, with_row_id=True).to_table()
        keys = keys.filter(pc.invert(pc.is_in(keys["trace_id"], pa.array(list(known), pa.string()))))
        keys = keys.sort_by([("stored_us", "ascending"), ("trace_id", "ascending")]).slice(0, limit)
        pages = Found(dataset, keys["_rowid"].to_pylist()).rows(LIST_COLUMNS)
        return [row for page in pages for row in page]

    def spans_of(self, team_id: str, trace_id: str) -> list[Row]:
        """Every span of a trace in order of start, roots first among equals."""
        where = f"team_id = {_literal(team_id)} AND trace_id = {_literal(trace_id)}"
        rows = self._read(self._spans, SPAN_COLUMNS, where)
        return sorted(rows, key=lambda row: (row["start_us"], row["parent_span_id"] != "", row["span_id"]))

    def ended(self, trace_ids: Sequence[str]) -> set[tuple[str, str]]:
        """`(team, trace)` of those that have a root span already, whichever team they are of."""
        rows = self._read(self._spans, ["team_id", "trace_id"], f"parent_span_id = '' AND {_in('trace_id', trace_ids)}")
        return {(row["team_id"], row["trace_id"]) for row in rows}

    def scores_of(self, team_id: str, trace_ids: Sequence[str]) -> list[ScoreRecord]:
        """Every score row of these traces, tombstones and superseded ones too."""
        if not trace_ids:
            return []
        where = f"team_id = {_literal(team_id)} AND {_in('trace_id', trace_ids)}"
        return [ScoreRecord(**row) for row in self._read(self._scores, _SCORE_COLUMNS, where)]

    def recent(self, team_id: str, columns: Sequence[str], since_us: int) -> pa.Table:
        """Narrow columns of every trace that started at or after a time, in no order."""
        dataset = _opened(self._spans)
        if dataset is None:
            return pa.table({name: pa.array([], SPANS.field(name).type) for name in columns})
        with lake_errors("spans"):
            where = f"{_roots(team_id)} AND start_us >= {since_us}"
            return dataset.scanner(columns=list(columns), filter=where).to_table()

    def count_traces(self, team_id: str) -> int:
        """How many traces the team has."""
        dataset = _opened(self._spans)
        if dataset is None:
            return 0
        with lake_errors("spans"):
            return int(dataset.count_rows(filter=_roots(team_id)))

    def fragment_count(self) -> int:
        """How many files of spans a query has to open; the measure of when upkeep is due."""
        dataset = _opened(self._spans)
        return 0 if dataset is None else len(dataset.get_fragments())

    def maintain(self) -> None:
        """Compacts, cleans up, and makes the indexes that the tables have grown to need. Raises Conflict."""
        for table, indexes in ((self._spans, _SPAN_INDEXES), (self._scores, _SCORE_INDEXES)):
            if table.exists():
                table.maintain(KEEP_VERSIONS)
                self._index(table, indexes)

    def _index(self, table: LakeTable, indexes: Mapping[str, Any]) -> None:
        rows = table.open().count_rows()
        if rows < SCALAR_INDEX_ROWS:
            return
        with self._lake.lease(table.name), lake_errors(table.name):
            present = {index.name for index in table.open().describe_indices()}
            for column, kind in indexes.items():
                if f"{column}_idx" not in present:
                    table.open().create_scalar_index(column, kind, name=f"{column}_idx")
            if table is self._spans and rows >= TEXT_INDEX_ROWS and _TEXT_INDEX not in present:
                # Words as they are written: a stemmed or folded index would find other traces than the plain scan.
                table.open().create_scalar_index(
                    "search_text",
                    "INVERTED",
                    name=_TEXT_INDEX,
                    stem=False,
                    remove_stop_words=False,
                    ascii_folding=False,
                    max_token_length=None,
                )

    def _note_newest(self, team_id: str, start_us: int) -> None:
        """Where searches begin to look; only a hint, so teams seen long ago may be forgotten."""
        if start_us > self._newest.get(team_id, 0):
            if len(self._newest) >= NOTED_TEAMS:
                self._newest.clear()
            self._newest[team_id] = start_us

    def _with_feedback(self, team_id: str, feedback: str) -> set[str]:
        """Traces that have this verdict; for `any` and `none` those with any live score."""
        version = _version(self._scores)
        known = self._verdicts.get(team_id)
        if known is None or known[0] != version:
            rows = self._read(self._scores, _SCORE_COLUMNS, f"team_id = {_literal(team_id)}")
            verdicts: dict[str, set[str]] = {"any": set(), "up": set(), "down": set(), "": set()}
            for score in live_scores(ScoreRecord(**row) for row in rows):
                verdicts["any"].add(score.trace_id)
                verdicts[verdict(score)].add(score.trace_id)
            if len(self._verdicts) >= CACHED_TEAMS:
                self._verdicts.clear()
            self._verdicts[team_id] = known = (version, verdicts)
        return known[1]["any" if feedback == "none" else feedback]

    def _positions(self, table: LakeTable, segments: Sequence[str]) -> dict[str, int]:
        dataset = _opened(table)
        if dataset is None or not segments:
            return {}
        with lake_errors(table.name):
            rows = dataset.scanner(
                columns=["spool_segment", "spool_offset"], filter=_in("spool_segment", segments)
            ).to_table()
        grouped = rows.group_by("spool_segment").aggregate([("spool_offset", "max")]).to_pylist()
        return {row["spool_segment"]: row["spool_offset_max"] for row in grouped}

    def _read(self, table: LakeTable, columns: Sequence[str], where: str) -> list[Row]:
        dataset = _opened(table)
        if dataset is None:
            return []
        with lake_errors(table.name):
            found: list[Row] = dataset.scanner(columns=list(columns), filter=where).to_table().to_pylist()
        return found


class _Search:
    """One question for the newest traces, answered over narrow columns in a time window that widens."""

    def __init__(
        self,
        dataset: lance.LanceDataset,
        team_id: str,
        selection: Selection,
        wanted: set[str] | None,
        before: Place | None,
    ) -> None:
        self._dataset = dataset
        self._selection = selection
        self._wanted = wanted
        self._before = before
        self._conditions = [_roots(team_id), *_conditions(selection)]
        if wanted is not None and selection.feedback != "none" and len(wanted) <= PUSHED_IDS:
            self._conditions.append(_in("trace_id", sorted(wanted)))

    def newest(self, limit: int, from_us: int) -> list[int]:
        """Row ids of the newest `limit` matches, newest first; `from_us` is about where the newest may lie."""
        selection = self._selection
        low, high = selection.since_us, selection.until_us
        if self._before is not None:
            high = min(self._before[0] + 1, high if high is not None else self._before[0] + 1)
        words = selection.words
        # A word of signs alone has no token; only a scan can find it.
        plain = all(any(sign.isalnum() for sign in word) for word in words)
        if words and plain and (indexed := self._text_fragments()) is not None:
            return self._top([self._by_index(low, high), self._scan(low, high, words, indexed)], limit)
        if not self._pays_windows():
            return self._top([self._scan(low, high, words)], limit)
        return self._widening(limit, low, high, words, from_us)

    def _pays_windows(self) -> bool:
        """Whether narrow windows are cheaper than one look at every key."""
        # A session is few rows and has an index of its own: windows would only ask it again and again.
        if self._selection.equals.get("session_id") or self._dataset.count_rows() <= SMALL_TABLE_ROWS:
            return False
        # Without the index of start times each window reads all of them.
        return any(index.name == "start_us_idx" for index in self._dataset.describe_indices())

    def _widening(self, limit: int, low: int | None, high: int | None, words: Sequence[str], from_us: int) -> list[int]:
        """Windows never overlap, so every row is looked at once however far it goes."""
        parts: list[pa.Table] = []
        found, window, end = 0, FIRST_WINDOW_US, high
        # The first window has no upper end: other machines write too, and their clocks may run ahead.
        start = (min(from_us, high) if high is not None else from_us) - window
        while True:
            last = (low is not None and start <= low) or start <= 0
            part = self._scan(low if last else start, end, words)
            parts.append(part)
            found += part.num_rows
            if found >= limit or last:
                return self._top(parts, limit)
            # By what was found so far, but never much narrower or wider than a guess without it.
            growth = 1.5 * limit / found if found else WINDOW_GROWTH
            window = round(window * min(max(growth, 2), 4 * WINDOW_GROWTH))
            start, end = start - window, start

    def _scan(
        self, low: int | None, high: int | None, words: Sequence[str] = (), beyond: set[int] | None = None
    ) -> pa.Table:
        """Keys of matches in [low, high); with `beyond` only in the fragments that the text index does not cover."""
        conditions = [*self._conditions, *_between(low, high)]
        conditions += [f"contains(search_text, {_literal(word)})" for word in words]
        fragments = None
        if beyond is not None:
            fragments = [f for f in self._dataset.get_fragments() if f.fragment_id not in beyond]
            if not fragments:
                return _NO_KEYS
        return self._keys(filter=" AND ".join(conditions), fragments=fragments)

    def _by_index(self, low: int | None, high: int | None) -> pa.Table:
        query = MatchQuery(" ".join(self._selection.words), "search_text", operator=FullTextOperator.AND)
        where = " AND ".join([*self._conditions, *_between(low, high)])
        return self._keys(filter=where, full_text_query=query, prefilter=True, fast_search=True)

    def _keys(self, **scan: Any) -> pa.Table:
        keys: Any = self._dataset.scanner(
            columns=["start_us", "trace_id"], with_row_id=True, disable_scoring_autoprojection=True, **scan
        ).to_table()
        keys = keys.select(["start_us", "trace_id", "_rowid"])
        if self._wanted is not None:
            inside = pc.is_in(keys["trace_id"], pa.array(list(self._wanted), pa.string()))
            keys = keys.filter(pc.invert(inside) if self._selection.feedback == "none" else inside)
        if self._before is not None:
            start_us, trace_id = self._before
            older = pc.less(keys["start_us"], start_us)
            tied = pc.and_(pc.equal(keys["start_us"], start_us), pc.less(keys["trace_id"], trace_id))
            keys = keys.filter(pc.or_(older, tied))
        narrow: pa.Table = keys
        return narrow

    def _top(self, parts: Sequence[pa.Table], limit: int) -> list[int]:
        keys: Any = pa.concat_tables(parts)
        order: Any = [("start_us", "descending"), ("trace_id", "descending")]
        found: list[int] = keys.take(pc.select_k_unstable(keys, limit, order))["_rowid"].to_pylist()
        return found

    def _text_fragments(self) -> set[int] | None:
        for index in self._dataset.describe_indices():
            if index.name == _TEXT_INDEX:
                return {fragment for segment in index.segments for fragment in segment.fragment_ids}
        return None


_NO_KEYS = pa.table(
    {"start_us": pa.array([], pa.int64()), "trace_id": pa.array([], pa.string()), "_rowid": pa.array([], pa.uint64())}
)


def _conditions(selection: Selection) -> Iterator[str]:
    for column, text in selection.equals.items():
        yield f"{column} = {_literal(text)}"
    for column, number in selection.at_least.items():
        yield f"{column} >= {number}"
    for column, number in selection.at_most.items():
        yield f"{column} <= {number}"
    if selection.kind:
        yield f"contains(kinds, {_literal(f',{selection.kind},')})"


def _between(low: int | None, high: int | None) -> Iterator[str]:
    if low is not None:
        yield f"start_us >= {low}"
    if high is not None:
        yield f"start_us < {high}"


def _roots(team_id: str) -> str:
    return f"team_id = {_literal(team_id)} AND parent_span_id = ''"


def _in(column: str, values: Iterable[str]) -> str:
    return f"{column} IN ({', '.join(_literal(value) for value in values)})"


def _opened(table: LakeTable) -> lance.LanceDataset | None:
    try:
        return table.open()
    except NotFound:
        return None


def _version(table: LakeTable) -> int:
    dataset = _opened(table)
    return 0 if dataset is None else int(dataset.version)
