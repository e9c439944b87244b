"""Documents to passages: headings, pages and code blocks are respected, offsets are exact."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from semantic_text_splitter import MarkdownSplitter, TextSplitter
from tokenizers import Tokenizer

from loopwright.foundation.errors import Invalid
from loopwright.retrieval.parsing import ParsedDocument, Section

CHARACTERS_PER_TOKEN: Final = 4
"""Measure of an embedder without a tokenizer."""

WHOLE_RATIO: Final = 1.3
"""What is at most this much over the budget stays whole: half a thought is found worse than a slightly cut one."""

LONGEST_TOKEN: Final = 12
"""Characters; a text beyond this per token is no language, and a tokenizer may count a megabyte of it as one."""

LONGEST_WORD: Final = 1000


class Recipe(msgspec.Struct, kw_only=True, frozen=True):
    """How documents become passages. `embedder` names the one that makes the vectors."""

    chunk_tokens: int = 200
    chunk_overlap_tokens: int = 0
    embedder: str = ""

    def check(self) -> None:
        """Raises Invalid when a value cannot work."""
        if not 16 <= self.chunk_tokens <= 8192:
            raise Invalid(f"chunk_tokens is {self.chunk_tokens}; it must lie in 16 to 8192", param="chunk_tokens")
        if not 0 <= self.chunk_overlap_tokens <= self.chunk_tokens // 2:
            raise Invalid(
                f"chunk_overlap_tokens is {self.chunk_overlap_tokens}; it must lie in 0 to half of chunk_tokens",
                param="chunk_overlap_tokens",
            )


class Chunk(msgspec.Struct, kw_only=True, frozen=True):
    """A passage: exactly `text[start:end]` of its document. `heading` is the path, outermost first."""

    ordinal: int
    start: int
    end: int
    text: str
    heading: tuple[str, ...]
    page: int | None


class Chunker:
    """Cuts documents by one recipe; tokens are those of `tokenizer`, or four characters each without one."""

    def __init__(self, recipe: Recipe, tokenizer: Tokenizer | None) -> None:
        recipe.check()
        self._budget = recipe.chunk_tokens
        self._tokenizer = tokenizer
        overlap = recipe.chunk_overlap_tokens
        if tokenizer is None:
            size, overlap = self._budget * CHARACTERS_PER_TOKEN, overlap * CHARACTERS_PER_TOKEN
            self._markdown, self._text = MarkdownSplitter(size, overlap), TextSplitter(size, overlap)
        else:
            self._markdown = MarkdownSplitter.from_huggingface_tokenizer(tokenizer, self._budget, overlap)
            self._text = TextSplitter.from_huggingface_tokenizer(tokenizer, self._budget, overlap)
        self._least = self._budget // 8
        self._longest = self._budget * LONGEST_TOKEN

    def chunk(self, document: ParsedDocument) -> list[Chunk]:
        """The passages of `document` in order; a short one is a single passage."""
        chunks: list[Chunk] = []
        for group in self._groups(document):
            heading = _common_path([section.heading for section in group])
            for start, end in self._cut(document, group[0].start, group[-1].end):
                chunks.append(
                    Chunk(
                        ordinal=len(chunks),
                        start=start,
                        end=end,
                        text=document.text[start:end],
                        heading=heading,
                        page=group[0].page,
                    )
                )
        return chunks

    def _groups(self, document: ParsedDocument) -> Iterator[list[Section]]:
        """Neighbouring sections that fit one passage together: a heading with what lies under it, or siblings."""
        group: list[Section] = []
        total = 0
        for section in document.sections:
            size = self._tokens(document.text[section.start : section.end])
            if group and not (
                section.page == group[0].page
                and (total < self._least or (total + size <= self._budget and _belongs(group[0], section)))
            ):
                yield group
                group, total = [], 0
            group.append(section)
            total += size
        if group:
            yield group

    def _cut(self, document: ParsedDocument, start: int, end: int) -> Iterator[tuple[int, int]]:
        """(start, end) of the passages of `text[start:end]`, without white space at their ends."""
        text = document.text[start:end]
        if self._fits(text):
            if text.strip():
                yield start + len(text) - len(text.lstrip()), start + len(text.rstrip())
            return
        spans: list[tuple[int, int]] = []
        splitter = self._markdown if document.markdown else self._text
        for piece_start, piece in _slices(text, self._longest) if _is_dense(text) else [(0, text)]:
            for offset, chunk in splitter.chunk_indices(piece):
                span = (start + piece_start + offset, start + piece_start + offset + len(chunk))
                # A heading alone, or the last words of a section, belong to their neighbour.
                if spans and self._is_crumb(document, spans[-1], span):
                    spans[-1] = (spans[-1][0], span[1])
                else:
                    spans.append(span)
        yield from spans

    def _is_crumb(self, document: ParsedDocument, left: tuple[int, int], right: tuple[int, int]) -> bool:
        sizes = [self._tokens(document.text[a:b]) for a, b in (left, right)]
        return min(sizes) < self._least and self._fits(document.text[left[0] : right[1]])

    def _fits(self, text: str) -> bool:
        return len(text) <= self._longest and self._tokens(text) <= self._budget * WHOLE_RATIO

    def _tokens(self, text: str) -> int:
        if self._tokenizer is None:
            return -(-len(text.strip()) // CHARACTERS_PER_TOKEN)
        return len(self._tokenizer.encode(text, add_special_tokens=False).ids)


def _belongs(first: Section, following: Section) -> bool:
    """Whether `following` lies under the heading that `first` lies under."""
    parent = first.heading[:-1]
    return len(following.heading) >= len(first.heading) and following.heading[: len(parent)] == parent


def _slices(text: str, size: int) -> Iterator[tuple[int, str]]:
    return ((start, text[start : start + size]) for start in range(0, len(text), size))


def _is_dense(text: str) -> bool:
    """Whether it holds runs without white space that are no words: encoded data, on which the splitters crawl."""
    return any(len(word) > LONGEST_WORD for word in text.split())


def _common_path(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """The headings all `paths` begin with; a preamble without heading has no say."""
    shared, *others = [path for path in paths if path] or [()]
    for path in others:
        pairs = zip(shared, path, strict=False)
        same = next((i for i, (left, right) in enumerate(pairs) if left != right), min(len(shared), len(path)))
        shared = shared[:same]
    return shared
