"""What retrieval shows to callers: knowledge bases, documents, index versions, hits."""

from __future__ import annotations

from typing import Literal

import msgspec

Status = Literal["empty", "building", "ready", "failed"]
DocumentStatus = Literal["stored", "indexed", "failed"]
Mode = Literal["hybrid", "dense", "text"]
GroupBy = Literal["passage", "document"]


class EmbedderInfo(msgspec.Struct, kw_only=True, frozen=True):
    """The embedder behind vectors; `real` is False for the hashing stand-in, which knows no meaning."""

    name: str
    real: bool
    dimensions: int


class Failure(msgspec.Struct, kw_only=True, frozen=True):
    """A document that could not be indexed, and why."""

    document_id: str
    source: str
    reason: str


class IndexVersion(msgspec.Struct, kw_only=True, frozen=True):
    """One build of an index: `building` until the switch, `ready` while it serves, then `retired`."""

    version: int
    status: Literal["building", "ready", "retired", "failed"]
    embedder: EmbedderInfo
    recipe: dict[str, object]
    document_count: int
    passage_count: int
    failed_count: int
    created_at: str
    finished_at: str | None


class KnowledgeBase(msgspec.Struct, kw_only=True, frozen=True):
    """A named set of documents with its index; counts are those of the active version."""

    id: str
    name: str
    description: str
    status: Status
    document_count: int
    passage_count: int
    failed_count: int
    embedder: EmbedderInfo | None
    active_version: int | None
    recipe: dict[str, object]
    job_id: str | None
    created_at: str
    updated_at: str


class KnowledgeBaseDetail(KnowledgeBase, kw_only=True, frozen=True):
    """A knowledge base with its history and what it could not read."""

    versions: list[IndexVersion]
    failures: list[Failure]


class Document(msgspec.Struct, kw_only=True, frozen=True):
    """A document; `source` is its relative file name, `stored` means not in the active index yet."""

    id: str
    source: str
    media_type: str
    bytes: int
    digest: str
    status: DocumentStatus
    reason: str
    title: str
    page_count: int | None
    passage_count: int
    change: Literal["", "added", "changed", "unchanged"] = ""


class StoredPassage(msgspec.Struct, kw_only=True, frozen=True):
    """A passage as indexed; `start` and `end` count characters of the document's extracted text."""

    id: str
    ordinal: int
    heading: str
    page: int | None
    start: int
    end: int
    text: str


class DocumentDetail(Document, kw_only=True, frozen=True):
    """A document with its passages in the active index."""

    passages: list[StoredPassage]


class Hit(msgspec.Struct, kw_only=True, frozen=True):
    """A found passage; a rank or score is None for a search that did not see it. `score` is fused in hybrid mode."""

    rank: int
    score: float
    passage_id: str
    document_id: str
    title: str
    source: str
    heading: str
    page: int | None
    text: str
    start: int
    end: int
    dense_rank: int | None
    text_rank: int | None
    dense_score: float | None
    text_score: float | None


class SearchResult(msgspec.Struct, kw_only=True, frozen=True):
    """Hits best first, the embedder of the index, and the time the search took in milliseconds."""

    items: list[Hit]
    embedder: EmbedderInfo
    took_ms: float
