"""Untrusted files to passages in a child process with limits; one file that breaks the child costs only itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import msgspec
from tokenizers import Tokenizer

from loopwright.foundation.cluster import Limits
from loopwright.foundation.errors import LoopwrightError
from loopwright.retrieval.chunking import Chunk, Chunker, Recipe
from loopwright.retrieval.parsing import Part, parse, split_parts

READER_LIMITS: Final = Limits(memory_mb=1536, cpu_s=60, wall_s=90)
"""Of one group of files."""

CHILD_BYTES: Final = 16 * 1024 * 1024
"""Files that share a child; a larger one gets its own."""

READER: Final = "loopwright.retrieval.reading:read_child"

RunLimited = Callable[[bytes], bytes]
"""Runs `read_child` on a payload in a child with limits; raises a LoopwrightError when the child dies."""


class File(msgspec.Struct, kw_only=True, frozen=True):
    """One file to read. `title` overrides the one found in the file."""

    name: str
    media_type: str
    content: bytes
    title: str = ""


class ReadDocument(msgspec.Struct, kw_only=True, frozen=True):
    """What became of one file: passages, or the reason why there are none."""

    title: str = ""
    chunks: tuple[Chunk, ...] = ()
    page_count: int | None = None
    reason: str = ""


class _Request(msgspec.Struct, kw_only=True, frozen=True, tag="read"):
    files: tuple[File, ...]
    recipe: Recipe
    tokenizer_file: str = ""


class _PartsRequest(msgspec.Struct, kw_only=True, frozen=True, tag="parts"):
    name: str
    content: bytes


class _PartsReply(msgspec.Struct, kw_only=True, frozen=True):
    parts: tuple[Part, ...] = ()
    reason: str = ""


def read_child(payload: bytes) -> bytes:
    """The entry of the child: JSON of a request to JSON of its reply."""
    request = msgspec.json.decode(payload, type=_Request | _PartsRequest)
    if isinstance(request, _PartsRequest):
        try:
            return msgspec.json.encode(_PartsReply(parts=tuple(split_parts(request.name, request.content))))
        except LoopwrightError as error:
            return msgspec.json.encode(_PartsReply(reason=error.message))
    chunker = _chunker(request.recipe, request.tokenizer_file)
    return msgspec.json.encode([_read(chunker, file) for file in request.files])


class Reader:
    """Reads files by one recipe through `run`, in groups as long as all goes well."""

    def __init__(self, run: RunLimited, recipe: Recipe, tokenizer_file: Path | None) -> None:
        self._run = run
        self._recipe = recipe
        self._tokenizer_file = "" if tokenizer_file is None else str(tokenizer_file)

    def read(self, files: Sequence[File]) -> list[ReadDocument]:
        """One result a file, in order. A file that cannot be read has a reason; the others are not touched by it."""
        return [result for group in _groups(files) for result in self._read_group(group)]

    def _read_group(self, group: Sequence[File]) -> list[ReadDocument]:
        request = _Request(files=tuple(group), recipe=self._recipe, tokenizer_file=self._tokenizer_file)
        try:
            return msgspec.json.decode(self._run(msgspec.json.encode(request)), type=list[ReadDocument])
        except LoopwrightError as error:
            if len(group) == 1:
                return [ReadDocument(reason=f"reading it was stopped: {error.message}")]
        # Someone in the group broke the child: each gets one of its own.
        return [result for file in group for result in self._read_group([file])]


def read_parts(run: RunLimited, name: str, content: bytes) -> tuple[tuple[Part, ...], str]:
    """The documents inside a file that holds many, or none and the reason."""
    try:
        reply = msgspec.json.decode(
            run(msgspec.json.encode(_PartsRequest(name=name, content=content))), type=_PartsReply
        )
    except LoopwrightError as error:
        return (), f"reading it was stopped: {error.message}"
    return reply.parts, reply.reason


@lru_cache(4)
def _chunker(recipe: Recipe, tokenizer_file: str) -> Chunker:
    tokenizer = Tokenizer.from_file(tokenizer_file) if tokenizer_file else None
    if tokenizer is not None:
        tokenizer.no_truncation()
        tokenizer.no_padding()
    return Chunker(recipe, tokenizer)


def _read(chunker: Chunker, file: File) -> ReadDocument:
    try:
        document = parse(file.name, file.media_type, file.content)
    except LoopwrightError as error:
        return ReadDocument(reason=error.message)
    return ReadDocument(
        title=file.title or document.title, chunks=tuple(chunker.chunk(document)), page_count=document.page_count
    )


def _groups(files: Sequence[File]) -> Iterator[list[File]]:
    group: list[File] = []
    size = 0
    for file in files:
        if group and size + len(file.content) > CHILD_BYTES:
            yield group
            group, size = [], 0
        group.append(file)
        size += len(file.content)
    if group:
        yield group
