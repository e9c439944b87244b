"""How documents become an index version: in batches, each of them done once or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import msgspec
import numpy as np

from loopwright.foundation.blobs import Blobs
from loopwright.foundation.clock import Clock
from loopwright.foundation.errors import Conflict, Invalid, LoopwrightError, NotFound, Unavailable
from loopwright.retrieval.chunking import Recipe
from loopwright.retrieval.index.store import PassageRow, PassageTables
from loopwright.retrieval.reading import File, ReadDocument, Reader, RunLimited
from loopwright.retrieval.store import KnowledgeStore
from loopwright.signals import Embedder

BUILD: Final = "knowledge.build"
"""Kind of the job that builds an index version."""

BATCH_DOCUMENTS: Final = 64
BATCH_BYTES: Final = 256 * 1024
"""Of text: about twenty seconds of one core, the most that a killed build does again."""

EMBED_TEXTS: Final = 64
SHOWN_REASONS: Final = 3

EmbedderOf = Callable[[str], Embedder]
"""The embedder of a choice; the default one for an empty choice."""

Report = Callable[[int, int, str], None]
"""`(documents done, documents in all, what is going on)`."""


class Plan(msgspec.Struct, kw_only=True, frozen=True):
    """What a build will do: its version, and the ids of documents by batch."""

    version: int
    batches: list[list[str]]

    @property
    def total(self) -> int:
        """Documents in all."""
        return sum(len(batch) for batch in self.batches)


class Built(msgspec.Struct, kw_only=True, frozen=True):
    """What a build made."""

    version: int
    document_count: int
    passage_count: int
    failed_count: int
    embedder: str
    real: bool


class IndexBuilder:
    """The steps of a build. Each may run again after a crash: it then ends in the same state."""

    def __init__(
        self,
        store: KnowledgeStore,
        tables: PassageTables,
        blobs: Blobs,
        embedder_of: EmbedderOf,
        run: RunLimited,
        clock: Clock,
    ) -> None:
        self._store = store
        self._tables = tables
        self._blobs = blobs
        self._embedder_of = embedder_of
        self._run = run
        self._clock = clock

    def start(self, team_id: str, base_id: str, job_id: str) -> Plan:
        """A new version with an empty table beside the one that serves. Raises NotFound, Invalid without documents."""
        base = self._store.base_by_id(team_id, base_id)
        if base is None:
            raise NotFound(f"knowledge base {base_id} was deleted")
        documents = self._store.documents(team_id, base_id)
        if not documents:
            raise Invalid(f"knowledge base {base.name!r} holds no document", hint=f"loopwright kb add {base.name} PATH")
        recipe = msgspec.convert(base.recipe, Recipe)
        embedder = self._embedder_of(recipe.embedder)
        version = self._store.version_of_job(team_id, base_id, job_id)
        if version is None:
            version = self._store.add_version(
                {
                    "team_id": team_id,
                    "knowledge_base_id": base_id,
                    "job_id": job_id,
                    "status": "building",
                    "recipe": base.recipe,
                    "embedder_name": embedder.name,
                    "embedder_digest": embedder.digest,
                    "embedder_real": embedder.real,
                    "dimensions": embedder.dimensions,
                    "created_us": self._clock.now_us(),
                }
            )
        self._tables.create(team_id, base_id, version, embedder.dimensions)
        return Plan(version=version, batches=[[row.id for row in batch] for batch in _batches(documents)])

    def run(self, team_id: str, base_id: str, plan: Plan) -> BuildRun:
        """The batches of `plan`, to be run in order. Raises Conflict when the embedder changed since the start."""
        version = self._store.version(team_id, base_id, plan.version)
        if version is None:
            raise NotFound(f"index version {plan.version} of knowledge base {base_id} was deleted")
        recipe = msgspec.convert(version.recipe, Recipe)
        embedder = self._embedder_of(recipe.embedder)
        if embedder.digest != version.embedder_digest:
            raise Conflict(
                f"the build began with embedder {version.embedder_name} and would go on with {embedder.name}",
                hint="build again from the start",
            )
        return BuildRun(self._store, self._tables, self._blobs, self._run, embedder, recipe, version, plan)

    def finish(self, team_id: str, base_id: str, version: int) -> Built:
        """Indexes the version and switches to it. Raises Invalid when nothing could be read; then the old one stays."""
        row = self._store.version(team_id, base_id, version)
        if row is None:
            raise NotFound(f"index version {version} of knowledge base {base_id} was deleted")
        documents, passages, failed = self._store.totals(team_id, base_id, version)
        counts: dict[str, object] = {
            "document_count": documents,
            "passage_count": passages,
            "failed_count": failed,
        }
        if passages == 0:
            reason = self._refusal(team_id, base_id, version)
            self._store.set_version(team_id, base_id, version, counts)
            self.abandon(team_id, base_id, version)
            raise Invalid(reason, hint="see the reasons with: loopwright kb show NAME")
        found = self._tables.finish(team_id, base_id, version)
        if found != passages:
            raise Unavailable(f"the index holds {found} passages where {passages} were written")
        self._store.set_version(team_id, base_id, version, counts)
        for old in self._store.switch(team_id, base_id, version, self._clock.now_us()):
            self._tables.drop(team_id, base_id, old)
        return Built(version=version, embedder=row.embedder_name, real=row.embedder_real, **counts)  # type: ignore[arg-type]

    def abandon(self, team_id: str, base_id: str, version: int) -> None:
        """Marks a version as failed and removes its table; the one that serves is not touched."""
        row = self._store.version(team_id, base_id, version)
        if row is not None and row.status == "building":
            values: dict[str, object] = {"status": "failed", "finished_us": self._clock.now_us()}
            self._store.set_version(team_id, base_id, version, values)
            self._tables.drop(team_id, base_id, version)

    def _refusal(self, team_id: str, base_id: str, version: int) -> str:
        outcomes = list(self._store.indexed(team_id, base_id, version).values())
        shown = "; ".join(f"{row.source}: {row.reason}" for row in outcomes[:SHOWN_REASONS])
        more = f"; and {len(outcomes) - SHOWN_REASONS} more" if len(outcomes) > SHOWN_REASONS else ""
        return f"none of the {len(outcomes)} documents could be read: {shown}{more}" if outcomes else "nothing to index"


class BuildRun:
    """The batches of one build. While one is embedded, the next is read on another thread."""

    def __init__(
        self,
        store: KnowledgeStore,
        tables: PassageTables,
        blobs: Blobs,
        run: RunLimited,
        embedder: Embedder,
        recipe: Recipe,
        version: Any,
        plan: Plan,
    ) -> None:
        self._store = store
        self._tables = tables
        self._blobs = blobs
        self._embedder = embedder
        self._reader = Reader(run, recipe, embedder.tokenizer_file)
        self._version = version
        self._plan = plan
        self._ahead = ThreadPoolExecutor(1, thread_name_prefix="read-ahead")
        self._coming: tuple[int, Future[_Batch]] | None = None
        self._team_id: str = version.team_id
        self._base_id: str = version.knowledge_base_id
        self._reusable = self._find_reusable()

    def batch(self, number: int, report: Report) -> int:
        """Indexes batch `number` unless it is done; the number of passages it added."""
        coming, self._coming = self._coming, None
        ready = coming[1].result() if coming is not None and coming[0] == number else self._read(number)
        if number + 1 < len(self._plan.batches):
            self._coming = (number + 1, self._ahead.submit(self._read, number + 1))
        if not ready.outcomes:
            return 0
        before = sum(len(batch) for batch in self._plan.batches[:number])
        vectors = np.empty((len(ready.rows), self._embedder.dimensions), dtype=np.float32)
        for start in range(0, len(ready.rows), EMBED_TEXTS):
            some = ready.rows[start : start + EMBED_TEXTS]
            vectors[start : start + len(some)] = self._embedder.embed([row.content for row in some])
            share = (start + len(some)) / len(ready.rows)
            report(before + int(share * len(self._plan.batches[number])), self._plan.total, "embedding")
        rows, vectors = [*ready.rows, *ready.kept], np.concatenate([vectors, ready.kept_vectors])
        self._tables.append(self._team_id, self._base_id, self._version.version, number, rows, vectors)
        self._store.add_indexed(ready.outcomes)
        report(before + len(self._plan.batches[number]), self._plan.total, "indexing")
        return len(rows)

    def close(self) -> None:
        """Stops reading ahead."""
        self._ahead.shutdown(wait=True, cancel_futures=True)

    def _read(self, number: int) -> _Batch:
        ids = self._plan.batches[number]
        done = self._store.indexed(self._team_id, self._base_id, self._version.version, ids)
        pending = [row for row in self._store.documents_by_id(self._team_id, self._base_id, ids) if row.id not in done]
        kept = [row for row in pending if self._is_reusable(row)]
        kept_rows, kept_vectors = self._copy([row.id for row in kept])
        fresh = [row for row in pending if not self._is_reusable(row)]
        files: list[File] = []
        missing: dict[str, ReadDocument] = {}
        for row in fresh:
            try:
                content = self._blobs.get(row.digest)
            except LoopwrightError as error:
                missing[row.id] = ReadDocument(reason=error.message)
                continue
            files.append(File(name=row.source, media_type=row.media_type, content=content, title=row.title))
        read = iter(self._reader.read(files))
        results = [(row, missing.get(row.id) or next(read)) for row in fresh]
        rows = [passage for row, result in results for passage in _passages(row, result)]
        outcomes = [self._outcome(number, row, result) for row, result in results]
        for row in kept:
            before = self._reusable[row.id]
            count = before.passage_count
            outcomes.append(
                self._outcome(number, row, ReadDocument(title=before.title, page_count=before.page_count), count)
            )
        return _Batch(rows=rows, kept=kept_rows, kept_vectors=kept_vectors, outcomes=outcomes)

    def _copy(self, ids: Sequence[str]) -> tuple[list[PassageRow], Any]:
        if not ids:
            return [], np.empty((0, self._embedder.dimensions), dtype=np.float32)
        return self._tables.rows_of(self._team_id, self._base_id, self._active, ids)

    def _find_reusable(self) -> dict[str, Any]:
        """What the active version holds, when it was made the same way."""
        base = self._store.base_by_id(self._team_id, self._base_id)
        self._active: int = base.active_version or 0 if base is not None else 0
        active = self._store.version(self._team_id, self._base_id, self._active) if self._active else None
        same = (
            active is not None
            and active.embedder_digest == self._version.embedder_digest
            and active.recipe == self._version.recipe
        )
        return self._store.indexed(self._team_id, self._base_id, self._active) if same else {}

    def _is_reusable(self, row: Any) -> bool:
        before = self._reusable.get(row.id)
        return (
            before is not None and not before.reason and before.digest == row.digest and row.title in ("", before.title)
        )

    def _outcome(self, number: int, row: Any, result: ReadDocument, passages: int = 0) -> dict[str, object]:
        return {
            "knowledge_base_id": self._base_id,
            "version": self._version.version,
            "document_id": row.id,
            "team_id": self._team_id,
            "batch": number,
            "source": row.source,
            "digest": row.digest,
            "title": result.title,
            "page_count": result.page_count,
            "passage_count": passages or len(result.chunks),
            "reason": result.reason,
        }


class _Batch(msgspec.Struct, kw_only=True):
    rows: list[PassageRow]
    kept: list[PassageRow]
    kept_vectors: Any
    outcomes: list[dict[str, object]]


def _passages(document: Any, read: ReadDocument) -> Iterator[PassageRow]:
    for chunk in read.chunks:
        heading = " > ".join(chunk.heading)
        # A passage seldom repeats what its document and section are about; the search must see it.
        shown = heading if heading.startswith(read.title) else f"{read.title}\n{heading}".strip()
        lead = f"{shown}\n\n" if shown else ""
        yield PassageRow(
            passage_id=f"{document.id}-{document.digest[:8]}-{chunk.ordinal}",
            document_id=document.id,
            source=document.source,
            title=read.title,
            heading=heading,
            page=chunk.page,
            ordinal=chunk.ordinal,
            start=chunk.start,
            end=chunk.end,
            lead=len(lead),
            content=lead + chunk.text,
        )


def _batches(documents: Sequence[Any]) -> Iterator[list[Any]]:
    batch: list[Any] = []
    size = 0
    for row in documents:
        # A PDF holds about a tenth of its bytes as text.
        weight = row.bytes // 10 if row.media_type == "application/pdf" else row.bytes
        if batch and (len(batch) == BATCH_DOCUMENTS or size + weight > BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += weight
    if batch:
        yield batch
