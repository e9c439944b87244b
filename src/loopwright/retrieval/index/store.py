"""The Lance table of one index version, and the vectors of it that stay in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import msgspec
import numpy as np
import pyarrow as pa
from lance.query import MatchQuery

from loopwright.foundation.errors import NotFound
from loopwright.foundation.lake import Lake, LakeTable, lake_errors

CACHE_BYTES: Final = 768 * 1024 * 1024
"""Vectors and row tables kept in memory over all knowledge bases: half a million passages of 384 dimensions."""

SCAN_BYTES: Final = 512 * 1024 * 1024
"""An index with more bytes of vectors is scanned on disk instead."""

Array = np.ndarray[Any, np.dtype[np.float32]]


class PassageRow(msgspec.Struct, kw_only=True, frozen=True):
    """A passage as stored. `content` is what is searched: its lead (title and heading), then the text."""

    passage_id: str
    document_id: str
    source: str
    title: str
    heading: str
    page: int | None
    ordinal: int
    start: int
    end: int
    lead: int
    content: str

    @property
    def text(self) -> str:
        """The passage itself."""
        return self.content[self.lead :]


class PassageTables:
    """Every index version's table, under its team's folder of the lake."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._cache: OrderedDict[str, _Loaded] = OrderedDict()
        self._lock = threading.Lock()
        self._loading: dict[str, threading.Lock] = {}

    def create(self, team_id: str, knowledge_base_id: str, version: int, dimensions: int) -> None:
        """An empty table, in place of one that an earlier try left."""
        table = self._table(team_id, knowledge_base_id, version)
        table.drop()
        table.create(_schema(dimensions))

    def append(
        self, team_id: str, knowledge_base_id: str, version: int, batch: int, rows: Sequence[PassageRow], vectors: Array
    ) -> None:
        """Writes batch number `batch` in one commit, in place of what a broken try of it left."""
        table = self._table(team_id, knowledge_base_id, version)
        dataset = table.open()
        with lake_errors(table.name):
            left = dataset.count_rows(filter=f"batch = {batch}")
        if left:
            table.delete(f"batch = {batch}")
        if not rows:
            return
        schema = _schema(vectors.shape[1])
        columns = [
            pa.array([getattr(row, item.name) for row in rows], type=item.type)
            for item in schema
            if item.name not in ("vector", "batch")
        ]
        columns.append(pa.array([batch] * len(rows), type=pa.int32()))
        columns.append(_vector_column(vectors))
        table.append(pa.Table.from_arrays(columns, schema=schema))

    def finish(self, team_id: str, knowledge_base_id: str, version: int) -> int:
        """Compacts the table and makes its indexes; the number of passages. May be done again."""
        table = self._table(team_id, knowledge_base_id, version)
        table.maintain(timedelta(0), erase=True)
        dataset = table.open()
        with lake_errors(table.name):
            # Stemming finds inflected words; a stop list would lose "to be or not to be" and gains nothing when fused.
            dataset.create_scalar_index(
                "content", "INVERTED", replace=True, with_position=False, stem=True, remove_stop_words=False,
                language="English", lower_case=True, ascii_folding=True,
            )  # fmt: skip
            dataset.create_scalar_index("document_id", "BTREE", replace=True)
            return int(dataset.count_rows())

    def drop(self, team_id: str, knowledge_base_id: str, version: int) -> None:
        """Removes the table and what is cached of it."""
        table = self._table(team_id, knowledge_base_id, version)
        with self._lock:
            self._cache.pop(table.name, None)
        table.drop()

    def rows_of(
        self, team_id: str, knowledge_base_id: str, version: int, document_ids: Sequence[str]
    ) -> tuple[list[PassageRow], Array]:
        """The passages of some documents in order, and their vectors."""
        table = self._table(team_id, knowledge_base_id, version)
        dataset = table.open()
        wanted = ", ".join(table.literal(one) for one in document_ids)
        with lake_errors(table.name):
            found = dataset.to_table(columns=[*_ROW_COLUMNS, "vector"], filter=f"document_id IN ({wanted})")
        rows = _rows(found)
        order = sorted(range(len(rows)), key=lambda i: (rows[i].document_id, rows[i].ordinal))
        vectors = _matrix(found.column("vector"))
        return [rows[i] for i in order], vectors[order]

    def passages_of(self, team_id: str, knowledge_base_id: str, version: int, document_id: str) -> list[PassageRow]:
        """The passages of one document in order."""
        table = self._table(team_id, knowledge_base_id, version)
        dataset = table.open()
        with lake_errors(table.name):
            found = dataset.to_table(columns=_ROW_COLUMNS, filter=f"document_id = {table.literal(document_id)}")
        return sorted(_rows(found), key=lambda row: row.ordinal)

    def open(self, team_id: str, knowledge_base_id: str, version: int) -> PassageIndex:
        """The index of a finished version. Raises NotFound when it was dropped meanwhile."""
        table = self._table(team_id, knowledge_base_id, version)
        with self._lock:
            loaded = self._cache.get(table.name)
            if loaded is not None:
                self._cache.move_to_end(table.name)
                return PassageIndex(table.name, loaded)
            loading = self._loading.setdefault(table.name, threading.Lock())
        with loading:
            with self._lock:
                loaded = self._cache.get(table.name)
            if loaded is None:
                loaded = _load(table)
                self._keep(table.name, loaded)
        return PassageIndex(table.name, loaded)

    def _keep(self, name: str, loaded: _Loaded) -> None:
        with self._lock:
            self._cache[name] = loaded
            self._loading.pop(name, None)
            while len(self._cache) > 1 and sum(one.size for one in self._cache.values()) > CACHE_BYTES:
                self._cache.popitem(last=False)

    def _table(self, team_id: str, knowledge_base_id: str, version: int) -> LakeTable:
        return self._lake.table("passages", team_id, f"{knowledge_base_id}-{version}")


@dataclass
class _Loaded:
    """What of a table stays in memory: row ids and documents by offset, and vectors unless there are too many."""

    dataset: Any
    row_ids: np.ndarray[Any, np.dtype[np.uint64]]
    codes: np.ndarray[Any, np.dtype[np.int64]]
    documents: list[Any]
    vectors: Array | None

    @property
    def size(self) -> int:
        vectors = 0 if self.vectors is None else self.vectors.nbytes
        return vectors + self.row_ids.nbytes + self.codes.nbytes + 64 * len(self.documents)


class PassageIndex:
    """Searches over one finished version; offsets number its passages."""

    def __init__(self, name: str, loaded: _Loaded) -> None:
        self._name = name
        self._loaded = loaded

    def by_vector(self, query: Array, depth: int) -> list[tuple[int, float]]:
        """The `depth` passages nearest to a unit vector, exactly: (offset, cosine), nearest first."""
        vectors = self._loaded.vectors
        if vectors is None:
            return self._scan(query, depth)
        scores = vectors @ query
        depth = min(depth, len(scores))
        if depth == 0:
            return []
        top = np.argpartition(-scores, depth - 1)[:depth]
        top = top[np.lexsort((top, -scores[top]))]
        return [(int(offset), float(scores[offset])) for offset in top]

    def by_words(self, query: str, depth: int) -> list[tuple[int, float]]:
        """The `depth` passages that fit the words of `query` best: (offset, BM25), best first."""
        if not any(character.isalnum() for character in query):
            return []
        with lake_errors(self._name):
            found = self._loaded.dataset.to_table(
                columns=["_score"],
                full_text_query=MatchQuery(query, "content"),
                limit=depth,
                with_row_id=True,
                disable_scoring_autoprojection=True,
            )
        scores = found.column("_score").to_pylist()
        pairs = list(zip(self._offsets(found.column("_rowid").to_numpy()), scores, strict=True))
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))

    def document_of(self, offset: int) -> str:
        """The id of the document a passage belongs to."""
        return str(self._loaded.documents[int(self._loaded.codes[offset])])

    def take(self, offsets: Sequence[int]) -> list[PassageRow]:
        """The passages at `offsets`, in that order."""
        if not offsets:
            return []
        with lake_errors(self._name):
            return _rows(self._loaded.dataset.take(list(offsets), columns=_ROW_COLUMNS))

    def _scan(self, query: Array, depth: int) -> list[tuple[int, float]]:
        nearest = {"column": "vector", "q": query, "k": depth, "metric": "dot", "use_index": False}
        with lake_errors(self._name):
            found = self._loaded.dataset.to_table(
                columns=["_distance"], nearest=nearest, with_row_id=True, disable_scoring_autoprojection=True
            )
        distances = found.column("_distance").to_pylist()
        offsets = self._offsets(found.column("_rowid").to_numpy())
        return [(offset, 1 - distance) for offset, distance in zip(offsets, distances, strict=True)]

    def _offsets(self, row_ids: Any) -> list[int]:
        return [int(offset) for offset in np.searchsorted(self._loaded.row_ids, row_ids)]


_ROW_COLUMNS = [
    "passage_id", "document_id", "source", "title", "heading", "page", "ordinal", "start", "end", "lead", "content",
]  # fmt: skip


def _schema(dimensions: int) -> pa.Schema:
    types: dict[str, pa.DataType] = {
        "passage_id": pa.string(),
        "document_id": pa.string(),
        "source": pa.string(),
        "title": pa.string(),
        "heading": pa.string(),
        "page": pa.int32(),
        "ordinal": pa.int32(),
        "start": pa.int64(),
        "end": pa.int64(),
        "lead": pa.int32(),
        "content": pa.string(),
        "batch": pa.int32(),
        "vector": pa.list_(pa.float32(), dimensions),
    }
    return pa.schema([pa.field(name, kind, nullable=name == "page") for name, kind in types.items()])


def _load(table: LakeTable) -> _Loaded:
    dataset = table.open()
    with lake_errors(table.name):
        count = dataset.count_rows()
        dimensions = dataset.schema.field("vector").type.list_size
        in_memory = count * dimensions * 4 <= SCAN_BYTES
        columns = ["document_id", "vector"] if in_memory else ["document_id"]
        found = dataset.to_table(columns=columns, with_row_id=True, scan_in_order=True)
    if found.num_rows == 0:
        raise NotFound(f"index {table.name!r} holds no passage")
    coded = found.column("document_id").combine_chunks().dictionary_encode()
    return _Loaded(
        dataset=dataset,
        row_ids=found.column("_rowid").to_numpy(),
        codes=coded.indices.to_numpy().astype(np.int64),
        documents=coded.dictionary.to_pylist(),
        vectors=_matrix(found.column("vector")) if in_memory else None,
    )


def _rows(found: pa.Table) -> list[PassageRow]:
    return [PassageRow(**row) for row in found.select(_ROW_COLUMNS).to_pylist()]


def _vector_column(vectors: Array) -> Any:
    flat = pa.array(np.ascontiguousarray(vectors, dtype=np.float32).reshape(-1))
    return pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1])


def _matrix(column: Any) -> Array:
    """A fixed-size list column as an array of (rows, dimensions)."""
    chunks = column.combine_chunks()
    if isinstance(chunks, pa.ChunkedArray):
        chunks = pa.concat_arrays(chunks.chunks)
    found: Array = chunks.flatten().to_numpy().reshape(len(chunks), -1)
    return found
