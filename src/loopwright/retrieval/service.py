"""The rules of knowledge bases: who they belong to, what goes in, when they are built, how they are searched."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, get_args

import msgspec

from loopwright.foundation.blobs import Blobs
from loopwright.foundation.clock import Clock, iso
from loopwright.foundation.database import Connection
from loopwright.foundation.errors import Conflict, Invalid, LoopwrightError, NotFound, Unavailable
from loopwright.foundation.identity import Principal
from loopwright.foundation.ids import is_name, new_id
from loopwright.foundation.jobs import Job, Jobs
from loopwright.retrieval.building import BUILD, EmbedderOf, IndexBuilder
from loopwright.retrieval.chunking import Recipe
from loopwright.retrieval.index.fusion import fuse
from loopwright.retrieval.index.store import PassageIndex, PassageRow, PassageTables
from loopwright.retrieval.reading import RunLimited
from loopwright.retrieval.schemas import (
    Document,
    DocumentDetail,
    EmbedderInfo,
    Failure,
    GroupBy,
    Hit,
    IndexVersion,
    KnowledgeBase,
    KnowledgeBaseDetail,
    Mode,
    SearchResult,
    Status,
    StoredPassage,
)
from loopwright.retrieval.store import KnowledgeStore
from loopwright.retrieval.uploads import Upload, Uploads

EMBEDDER_CHOICES: Final = ("", "auto", "minilm", "hashing")
"""What a recipe may ask for; a folder of the server is its operator's business."""

MAX_TOP_K: Final = 100
LONGEST_QUERY: Final = 2_000
DEPTH: Final = 50
"""Passages that each search gives to the fusion."""

DOCUMENT_DEPTH: Final = 200
"""The same, when passages are grouped by document."""

SWITCHES_SURVIVED: Final = 4
"""How often the index may be replaced while one search runs; a slow search beside short builds meets several."""

RUNNING: Final = ("queued", "running")


class KnowledgeBaseService:
    """Knowledge bases of every team; each call names the team it is for."""

    def __init__(
        self,
        store: KnowledgeStore,
        tables: PassageTables,
        blobs: Blobs,
        embedder_of: EmbedderOf,
        run: RunLimited,
        jobs: Jobs,
        clock: Clock,
    ) -> None:
        self._store = store
        self._tables = tables
        self._blobs = blobs
        self._embedder_of = embedder_of
        self._jobs = jobs
        self._clock = clock
        self._uploads = Uploads(store, blobs, run, clock)
        self.builder = IndexBuilder(store, tables, blobs, embedder_of, run, clock)

    def create(
        self, principal: Principal, name: str, description: str = "", recipe: Mapping[str, object] | None = None
    ) -> KnowledgeBase:
        """An empty knowledge base. Raises Invalid, Conflict when the name is taken."""
        if not is_name(name):
            raise Invalid(
                f"{name[:80]!r} cannot name a knowledge base",
                hint="use lower case letters, digits, - and _; at most 63, first a letter or digit",
                param="name",
            )
        wanted = self._checked(recipe or {})
        now = self._clock.now_us()
        self._store.add_base(
            {
                "id": new_id("kb"),
                "team_id": principal.team_id,
                "name": name,
                "description": description,
                "recipe": msgspec.to_builtins(wanted),
                "created_us": now,
                "updated_us": now,
            }
        )
        return self._show(self._base(principal.team_id, name))

    def described(self, connection: Connection, principal: Principal, name: str) -> dict[str, Any] | None:
        """Description and recipe of a knowledge base within a transaction, None when there is none."""
        base = self._store.base_in(connection, principal.team_id, name)
        return None if base is None else {"description": base.description, "recipe": dict(base.recipe)}

    def describe(
        self, connection: Connection, principal: Principal, name: str, description: str, recipe: Mapping[str, object]
    ) -> None:
        """Makes a knowledge base within a transaction, or changes its description and the recipe of its next build."""
        now = self._clock.now_us()
        self._store.put_base(
            connection,
            {
                "id": new_id("kb"),
                "team_id": principal.team_id,
                "name": name,
                "description": description,
                "recipe": msgspec.to_builtins(self._checked(recipe)),
                "created_us": now,
                "updated_us": now,
            },
        )

    def bases(self, principal: Principal) -> Sequence[KnowledgeBase]:
        """Every knowledge base of the team by name."""
        return [self._show(row) for row in self._store.bases(principal.team_id)]

    def get(self, principal: Principal, name: str) -> KnowledgeBaseDetail:
        """One knowledge base with its versions and failures. Raises NotFound."""
        base = self._base(principal.team_id, name)
        shown = self._show(base)
        versions = self._store.versions(base.team_id, base.id)
        # The newest build that ended says what could not be read, even when it failed and the one before it serves.
        latest = next((row.version for row in versions if row.status in ("ready", "failed")), 0)
        outcomes = self._store.indexed(base.team_id, base.id, latest) if latest else {}
        return KnowledgeBaseDetail(
            **msgspec.structs.asdict(shown),
            versions=[_version(row) for row in versions],
            failures=[
                Failure(document_id=row.document_id, source=row.source, reason=row.reason)
                for row in outcomes.values()
                if row.reason
            ],
        )

    def delete(self, principal: Principal, name: str) -> None:
        """Removes the knowledge base, its passages and the files nobody else has. Raises NotFound."""
        base = self._base(principal.team_id, name)
        if self._job_status(base) in RUNNING:
            self._jobs.cancel(principal, base.job_id)
        versions, digests = self._store.delete_base(base.team_id, base.id)
        for version in versions:
            self._tables.drop(base.team_id, base.id, version)
        for digest in digests:
            self._blobs.delete(digest)

    def add_documents(self, principal: Principal, name: str, files: Iterable[Upload]) -> Sequence[Document]:
        """Keeps files for the next build; one of the same name is replaced. Raises NotFound, Invalid for a bad name."""
        base = self._base(principal.team_id, name)
        return self._uploads.add(base.team_id, base.id, files)

    def documents(self, principal: Principal, name: str) -> Sequence[Document]:
        """The documents by source, with what the active index made of them. Raises NotFound."""
        base = self._base(principal.team_id, name)
        rows = self._store.documents(base.team_id, base.id)
        latest = self._latest(base)
        outcomes = self._store.indexed(base.team_id, base.id, latest) if latest else {}
        return [_document(row, outcomes.get(row.id)) for row in rows]

    def document(self, principal: Principal, name: str, document_id: str) -> DocumentDetail:
        """One document and its passages in the active index. Raises NotFound."""
        base = self._base(principal.team_id, name)
        row = self._document(base, document_id)
        latest = self._latest(base)
        outcome = self._store.indexed(base.team_id, base.id, latest, [row.id]).get(row.id) if latest else None
        passages: Sequence[PassageRow] = []
        if base.active_version:
            passages = self._tables.passages_of(base.team_id, base.id, base.active_version, row.id)
        return DocumentDetail(
            **msgspec.structs.asdict(_document(row, outcome)), passages=[_passage(found) for found in passages]
        )

    def delete_document(self, principal: Principal, name: str, document_id: str) -> None:
        """Removes a document: searches hide it at once, its passages go with the next version. Raises NotFound."""
        base = self._base(principal.team_id, name)
        self._document(base, document_id)
        for digest in self._store.remove_document(base.team_id, base.id, document_id):
            self._blobs.delete(digest)

    def build(self, principal: Principal, name: str) -> Job:
        """The job that builds the next version; the present one serves meanwhile.

        Raises NotFound, Invalid when there is nothing to build from, Conflict while a build runs.
        """
        base = self._base(principal.team_id, name)
        if self._job_status(base) in RUNNING:
            raise Conflict(
                f"knowledge base {name!r} is being built by job {base.job_id}",
                hint=f"watch it with: loopwright jobs watch {base.job_id}",
            )
        if not self._store.documents(base.team_id, base.id):
            raise Invalid(
                f"knowledge base {name!r} holds no document", hint=f"add some with: loopwright kb add {name} PATH"
            )
        spec = {"knowledge_base_id": base.id}
        return self._store.start_build(
            base.team_id,
            base.id,
            self._clock.now_us(),
            lambda connection: self._jobs.submit(principal, BUILD, name, spec, connection),
        )

    def search(
        self,
        principal: Principal,
        name: str,
        query: str,
        *,
        top_k: int = 5,
        mode: str = "hybrid",
        group_by: str = "passage",
    ) -> SearchResult:
        """The `top_k` best passages, or the best passage of each of the best documents.

        Raises NotFound, Invalid for an empty query, Conflict while there is no index that can answer.
        """
        started = time.perf_counter()
        query = _checked_search(query, top_k, mode, group_by)
        # A build may switch to the next version, and drop the one just looked up, at any line of a search.
        for left in reversed(range(SWITCHES_SURVIVED + 1)):
            base = self._base(principal.team_id, name)
            version = self._serving(base)
            try:
                index = self._tables.open(base.team_id, base.id, version.version)
                items = self._find(base, version, index, query, top_k, mode, group_by)
                break
            except (NotFound, Unavailable):
                if left == 0 or self._base(principal.team_id, name).active_version == version.version:
                    raise
        took = round((time.perf_counter() - started) * 1000, 3)
        return SearchResult(items=items, embedder=_embedder(version), took_ms=took)

    def _find(
        self, base: Any, version: Any, index: PassageIndex, query: str, top_k: int, mode: str, group_by: str
    ) -> list[Hit]:
        depth = max(DEPTH if group_by == "passage" else DOCUMENT_DEPTH, top_k)
        near = self._by_vector(base, version, index, query, depth) if mode != "text" else []
        worded = index.by_words(query, depth) if mode != "dense" else []
        ranked = fuse([near, worded]) if mode == "hybrid" else near or worded
        documents = [index.document_of(offset) for offset, _ in ranked]
        # A document deleted since the build is hidden at once.
        alive = {row.id for row in self._store.documents_by_id(base.team_id, base.id, list(dict.fromkeys(documents)))}
        chosen: list[tuple[int, float]] = []
        seen: set[str] = set()
        for (offset, score), document in zip(ranked, documents, strict=True):
            if document in alive and not (group_by == "document" and document in seen):
                seen.add(document)
                chosen.append((offset, score))
            if len(chosen) == top_k:
                break
        places = [{offset: (rank, score) for rank, (offset, score) in enumerate(one, 1)} for one in (near, worded)]
        rows = index.take([offset for offset, _ in chosen])
        return [
            _hit(rank, score, row, places[0].get(offset), places[1].get(offset))
            for rank, ((offset, score), row) in enumerate(zip(chosen, rows, strict=True), start=1)
        ]

    def _by_vector(
        self, base: Any, version: Any, index: PassageIndex, query: str, depth: int
    ) -> list[tuple[int, float]]:
        embedder = self._embedder_of(version.recipe.get("embedder", ""))
        if embedder.digest != version.embedder_digest:
            raise Conflict(
                f"knowledge base {base.name!r} was indexed by embedder {version.embedder_name}, and this Loopwright "
                f"runs {embedder.name}; their vectors cannot be compared",
                hint=f"build it anew with: loopwright kb build {base.name}, or search with mode text",
            )
        return index.by_vector(embedder.embed([query])[0], depth)

    def _serving(self, base: Any) -> Any:
        """The active version. Raises Conflict that says what is missing."""
        version = self._store.version(base.team_id, base.id, base.active_version) if base.active_version else None
        if version is not None:
            return version
        status = self._status(base)
        if status == "building":
            raise Conflict(
                f"knowledge base {base.name!r} is being built for the first time",
                hint=f"watch it with: loopwright jobs watch {base.job_id}",
            )
        if status == "failed":
            raise Conflict(
                f"the build of knowledge base {base.name!r} failed",
                hint=f"see why with: loopwright kb show {base.name}",
            )
        held = self._store.documents(base.team_id, base.id)
        raise Conflict(
            f"knowledge base {base.name!r} holds {len(held)} documents and no index",
            hint=f"loopwright kb build {base.name}" if held else f"loopwright kb add {base.name} PATH",
        )

    def _latest(self, base: Any) -> int:
        """The version whose outcomes are shown: the one that serves, or the one that failed at the first try."""
        if base.active_version:
            return int(base.active_version)
        return next((row.version for row in self._store.versions(base.team_id, base.id) if row.status == "failed"), 0)

    def _checked(self, recipe: Mapping[str, object]) -> Recipe:
        try:
            wanted = msgspec.convert(dict(recipe), Recipe)
        except msgspec.ValidationError as error:
            raise Invalid(f"the recipe is wrong: {error}", param="recipe") from error
        unknown = set(recipe) - set(Recipe.__struct_fields__)
        if unknown:
            known = ", ".join(Recipe.__struct_fields__)
            raise Invalid(f"the recipe has no {', '.join(sorted(unknown))}; known: {known}", param="recipe")
        wanted.check()
        if wanted.embedder not in EMBEDDER_CHOICES:
            choices = ", ".join(choice for choice in EMBEDDER_CHOICES if choice)
            raise Invalid(f"there is no embedder {wanted.embedder!r}; known: {choices}", param="recipe")
        self._embedder_of(wanted.embedder)
        return wanted

    def _base(self, team_id: str, name: str) -> Any:
        base = self._store.base(team_id, name)
        if base is None:
            raise NotFound(f"there is no knowledge base {name!r}", hint="list them with: loopwright kb ls")
        return base

    def _document(self, base: Any, document_id: str) -> Any:
        row = self._store.document(base.team_id, base.id, document_id)
        if row is None:
            raise NotFound(f"knowledge base {base.name!r} has no document {document_id!r}")
        return row

    def _status(self, base: Any) -> Status:
        running = self._job_status(base)
        if running in RUNNING:
            return "building"
        if base.active_version:
            return "ready"
        return "failed" if running in ("failed", "cancelled") else "empty"

    def _job_status(self, base: Any) -> str:
        """Status of the latest build; empty when there was none or its job is forgotten."""
        if base.job_id is None:
            return ""
        try:
            return self._jobs.get(base.team_id, base.job_id).status
        except NotFound:
            return ""

    def _show(self, base: Any) -> KnowledgeBase:
        version = self._store.version(base.team_id, base.id, base.active_version) if base.active_version else None
        return KnowledgeBase(
            id=base.id,
            name=base.name,
            description=base.description,
            status=self._status(base),
            document_count=version.document_count if version else 0,
            passage_count=version.passage_count if version else 0,
            failed_count=version.failed_count if version else 0,
            embedder=_embedder(version) if version else self._planned(base),
            active_version=base.active_version,
            recipe=base.recipe,
            job_id=base.job_id,
            created_at=iso(base.created_us),
            updated_at=iso(base.updated_us),
        )

    def _planned(self, base: Any) -> EmbedderInfo | None:
        """The embedder the first build will use, None when its weights went missing."""
        try:
            embedder = self._embedder_of(base.recipe.get("embedder", ""))
        except LoopwrightError:
            return None
        return EmbedderInfo(name=embedder.name, real=embedder.real, dimensions=embedder.dimensions)


def _checked_search(query: str, top_k: int, mode: str, group_by: str) -> str:
    if not query.strip():
        raise Invalid("the query is empty", hint="ask for something", param="query")
    if not 1 <= top_k <= MAX_TOP_K:
        raise Invalid(f"top_k is {top_k}; it must lie in 1 to {MAX_TOP_K}", param="top_k")
    if mode not in get_args(Mode):
        raise Invalid(f"mode is {mode!r}; known: {', '.join(get_args(Mode))}", param="mode")
    if group_by not in get_args(GroupBy):
        raise Invalid(f"group_by is {group_by!r}; known: {', '.join(get_args(GroupBy))}", param="group_by")
    return query.strip()[:LONGEST_QUERY]


def _embedder(version: Any) -> EmbedderInfo:
    return EmbedderInfo(name=version.embedder_name, real=version.embedder_real, dimensions=version.dimensions)


def _version(row: Any) -> IndexVersion:
    return IndexVersion(
        version=row.version,
        status=row.status,
        embedder=_embedder(row),
        recipe=row.recipe,
        document_count=row.document_count,
        passage_count=row.passage_count,
        failed_count=row.failed_count,
        created_at=iso(row.created_us),
        finished_at=None if row.finished_us is None else iso(row.finished_us),
    )


def _document(row: Any, outcome: Any) -> Document:
    """`outcome` counts only while the file is still the one that was indexed."""
    same = outcome is not None and outcome.digest == row.digest
    return Document(
        id=row.id,
        source=row.source,
        media_type=row.media_type,
        bytes=row.bytes,
        digest=row.digest,
        status="stored" if not same else "failed" if outcome.reason else "indexed",
        reason=outcome.reason if same else "",
        title=(outcome.title if same else "") or row.title,
        page_count=outcome.page_count if same else None,
        passage_count=outcome.passage_count if same else 0,
    )


def _passage(row: PassageRow) -> StoredPassage:
    return StoredPassage(
        id=row.passage_id,
        ordinal=row.ordinal,
        heading=row.heading,
        page=row.page,
        start=row.start,
        end=row.end,
        text=row.text,
    )


def _hit(
    rank: int, score: float, row: PassageRow, near: tuple[int, float] | None, worded: tuple[int, float] | None
) -> Hit:
    return Hit(
        rank=rank,
        score=score,
        passage_id=row.passage_id,
        document_id=row.document_id,
        title=row.title,
        source=row.source,
        heading=row.heading,
        page=row.page,
        text=row.text,
        start=row.start,
        end=row.end,
        dense_rank=near[0] if near else None,
        text_rank=worded[0] if worded else None,
        dense_score=near[1] if near else None,
        text_score=worded[1] if worded else None,
    )
