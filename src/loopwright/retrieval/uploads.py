"""Uploaded files to documents: names are checked, contents go to blobs by digest, files that hold many are split."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import IO, Any, Final

import msgspec

from loopwright.foundation.blobs import Blobs
from loopwright.foundation.clock import Clock
from loopwright.foundation.errors import Invalid
from loopwright.foundation.ids import new_id
from loopwright.retrieval.formats import MAX_BYTES, MEDIA_TYPES, media_type_of
from loopwright.retrieval.parsing import Part
from loopwright.retrieval.reading import RunLimited, read_parts
from loopwright.retrieval.schemas import Document
from loopwright.retrieval.store import KnowledgeStore

LONGEST_NAME: Final = 512
BLOB_WRITERS: Final = 8

Upload = tuple[str, IO[bytes]]
"""The relative name of a file, and its content."""


def clean_source(name: str) -> str:
    """A relative file name with `/` between its parts; it names a document and never becomes a path.

    Raises Invalid for an absolute name, one that climbs out with `..`, or one with control characters.
    """
    parts = [part for part in name.replace("\\", "/").split("/") if part != "."]
    refused = not name.strip() or parts[0] == "" or ".." in parts or "" in parts[:-1] or parts[-1] == ""
    if refused or re.match(r"[A-Za-z]:", name) or any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in name):
        raise Invalid(
            f"{name[:120]!r} cannot name a document", hint="use a relative name such as guide/start.md", param="files"
        )
    source = "/".join(parts)
    if len(source) > LONGEST_NAME:
        raise Invalid(
            f"the name {source[:60]!r}... has {len(source)} characters; at most {LONGEST_NAME}", param="files"
        )
    return source


class _Item(msgspec.Struct, kw_only=True, frozen=True):
    source: str
    origin: str
    media_type: str
    size: int
    digest: str
    title: str = ""


class Uploads:
    """Takes files into a knowledge base."""

    def __init__(self, store: KnowledgeStore, blobs: Blobs, run: RunLimited, clock: Clock) -> None:
        self._store = store
        self._blobs = blobs
        self._run = run
        self._clock = clock

    def add(self, team_id: str, base_id: str, files: Iterable[Upload]) -> list[Document]:
        """One result per document: added, changed or unchanged by source and digest; a file of no use is `failed`.

        Raises Invalid, before anything is kept, when a name is refused.
        """
        named = {clean_source(name): content for name, content in files}
        existing = {row.source: row for row in self._store.documents(team_id, base_id)}
        items: list[_Item] = []
        failed: list[Document] = []
        with ThreadPoolExecutor(BLOB_WRITERS) as writers:
            taken = list(writers.map(self._take, named.keys(), named.values()))
        for source, (found, reason) in zip(named, taken, strict=True):
            items += found
            if reason:
                failed.append(_failed(source, reason))
        shown, rows = [], []
        now = self._clock.now_us()
        for item in items:
            row, document = _compare(item, existing.get(item.source), now)
            shown.append(document)
            if row is not None:
                rows.append(row)
        sources, origins = {item.source for item in items}, {item.origin for item in items}
        gone = [row.id for row in existing.values() if row.origin in origins and row.source not in sources]
        for digest in self._store.write_documents(team_id, base_id, rows, gone):
            self._blobs.delete(digest)
        self._restore(items, named)
        return sorted([*shown, *failed], key=lambda document: document.source)

    def _take(self, source: str, content: IO[bytes]) -> tuple[list[_Item], str]:
        """The documents of one file, its bytes put into blobs; or the reason why there are none."""
        media_type = media_type_of(source)
        if media_type is None:
            return [], f"files of this type cannot be read; known are {' '.join(sorted(MEDIA_TYPES))}"
        size = content.seek(0, 2)
        content.seek(0)
        if size > MAX_BYTES:
            return [], f"the file has {size:,} bytes; at most {MAX_BYTES:,} are read"
        if media_type != "application/json":
            digest = self._blobs.put(content)
            return [_Item(source=source, origin=source, media_type=media_type, size=size, digest=digest)], ""
        parts, reason = read_parts(self._run, source, content.read())
        with ThreadPoolExecutor(BLOB_WRITERS) as writers:
            digests = list(writers.map(lambda part: self._blobs.put(part.text.encode()), parts))
        return [_part_item(source, part, digest) for part, digest in zip(parts, digests, strict=True)], reason

    def _restore(self, items: Sequence[_Item], named: dict[str, IO[bytes]]) -> None:
        """Puts a blob again that a deletion elsewhere removed between our put and our row."""
        for item in items:
            if item.source == item.origin and not self._blobs.exists(item.digest):
                named[item.origin].seek(0)
                self._blobs.put(named[item.origin])


def _part_item(origin: str, part: Part, digest: str) -> _Item:
    return _Item(
        source=f"{origin}#{part.key}"[:1000],
        origin=origin,
        media_type="text/plain",
        size=len(part.text.encode()),
        digest=digest,
        title=part.title,
    )


def _compare(item: _Item, before: Any, now_us: int) -> tuple[dict[str, object] | None, Document]:
    same = before is not None and before.digest == item.digest and before.title == item.title
    document_id = new_id("doc") if before is None else before.id
    document = Document(
        id=document_id,
        source=item.source,
        media_type=item.media_type,
        bytes=item.size,
        digest=item.digest,
        status="stored",
        reason="",
        title=item.title,
        page_count=None,
        passage_count=0,
        change="unchanged" if same else "added" if before is None else "changed",
    )
    if same:
        return None, document
    return {
        "id": document_id,
        "source": item.source,
        "origin": item.origin,
        "media_type": item.media_type,
        "bytes": item.size,
        "digest": item.digest,
        "title": item.title,
        "created_us": now_us,
        "updated_us": now_us,
    }, document


def _failed(source: str, reason: str) -> Document:
    return Document(
        id="",
        source=source,
        media_type=media_type_of(source) or "application/octet-stream",
        bytes=0,
        digest="",
        status="failed",
        reason=reason,
        title="",
        page_count=None,
        passage_count=0,
    )
