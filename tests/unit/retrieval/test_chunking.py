"""Passages: exact offsets, whole code blocks, one heading path and one page each."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.foundation.errors import Invalid
from loopwright.retrieval.chunking import CHARACTERS_PER_TOKEN, LONGEST_TOKEN, WHOLE_RATIO, Chunk, Chunker, Recipe
from loopwright.retrieval.parsing import ParsedDocument, Section, parse

SENTENCE = "The quick brown fox jumps over the lazy dog near the river. "


PIECES = ["# H\n", "## Ü\n", "word ", "é€😀 ", "\n\n", "```\ncode\n```\n", "- item\n", "a" * 3000, SENTENCE * 3]


def chunks_of(markdown: str, tokens: int = 64, overlap: int = 0) -> tuple[ParsedDocument, list[Chunk]]:
    document = parse("a.md", "text/markdown", markdown.encode())
    found = Chunker(Recipe(chunk_tokens=tokens, chunk_overlap_tokens=overlap), None).chunk(document)
    return document, found


def test_a_short_document_is_one_passage() -> None:
    _, found = chunks_of("# Title\n\nA little.\n\n## Sub\n\nMore.\n")
    assert [one.text for one in found] == ["# Title\n\nA little.\n\n## Sub\n\nMore."]
    assert found[0].heading == ("Title",)


def test_a_section_a_little_over_the_budget_stays_whole() -> None:
    text = SENTENCE * 5
    assert 64 < len(text.strip()) / CHARACTERS_PER_TOKEN < 64 * WHOLE_RATIO
    assert len(chunks_of(text)[1]) == 1
    assert len(chunks_of(text * 2)[1]) > 1


def test_sections_keep_their_heading_paths() -> None:
    body = SENTENCE * 4
    _, found = chunks_of(f"# A\n\n{body}\n\n## B\n\n{body}\n\n### C\n\n{body}\n\n## D\n\n{body}\n\n# E\n\n{body}")
    assert [one.heading for one in found] == [("A",), ("A", "B"), ("A", "B", "C"), ("A", "D"), ("E",)]
    assert [one.ordinal for one in found] == [0, 1, 2, 3, 4]


def test_small_siblings_share_a_passage_under_their_parent() -> None:
    parts = "\n\n".join(f"## S{number}\n\n{SENTENCE}" for number in range(6))
    _, found = chunks_of(f"# Top\n\n{SENTENCE * 4}\n\n{parts}")
    assert len(found) < 6
    assert all(one.heading[0] == "Top" for one in found)


def test_a_code_block_is_not_cut_while_it_fits() -> None:
    code = "```python\n" + "\n".join(f"value_{n} = {n}" for n in range(10)) + "\n```"
    _, found = chunks_of(f"# Guide\n\n{SENTENCE * 6}\n\n{code}\n\n{SENTENCE * 6}")
    assert sum(code in one.text for one in found) == 1


def test_no_passage_is_a_mere_heading() -> None:
    _, found = chunks_of(f"# Title\n\n## One\n\n{SENTENCE * 12}\n\n## Two\n\n{SENTENCE * 12}")
    assert min(len(one.text) for one in found) > 40


def test_pages_are_not_mixed() -> None:
    text = SENTENCE * 2 + "\n\n" + SENTENCE * 12 + "\n\n" + SENTENCE
    first, second = len(SENTENCE) * 2 + 2, len(SENTENCE) * 14 + 4
    document = ParsedDocument(
        title="t",
        text=text,
        sections=(
            Section(start=0, end=first, page=1),
            Section(start=first, end=second, page=2),
            Section(start=second, end=len(text), page=5),
        ),
    )
    found = Chunker(Recipe(chunk_tokens=64), None).chunk(document)
    assert sorted({one.page for one in found if one.page}) == [1, 2, 5]
    for one in found:
        section = next(s for s in document.sections if s.page == one.page)
        assert section.start <= one.start < one.end <= section.end


def test_overlap_repeats_the_end_of_the_passage_before() -> None:
    _, plain = chunks_of(SENTENCE * 40)
    _, found = chunks_of(SENTENCE * 40, overlap=20)
    assert all(left.end <= right.start for left, right in pairwise(plain))
    assert any(left.end > right.start for left, right in pairwise(found))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.sampled_from(PIECES),
        max_size=30,
    ),
    st.sampled_from([16, 40, 100]),
    st.sampled_from([0, 8]),
)  # fmt: skip
def test_offsets_are_exact_and_nothing_is_lost(pieces: list[str], tokens: int, overlap: int) -> None:
    text = "".join(pieces)
    document = ParsedDocument(title="", text=text, sections=(Section(start=0, end=len(text)),), markdown=True)
    found = Chunker(Recipe(chunk_tokens=tokens, chunk_overlap_tokens=overlap), None).chunk(document)
    covered: set[int] = set()
    for one in found:
        assert text[one.start : one.end] == one.text
        assert one.text.strip()
        assert len(one.text) <= tokens * LONGEST_TOKEN
        covered.update(range(one.start, one.end))
    assert all(text[index].isspace() for index in range(len(text)) if index not in covered)


def test_encoded_data_is_cut_by_length() -> None:
    _, found = chunks_of("x" * 100_000)
    assert max(len(one.text) for one in found) <= 64 * LONGEST_TOKEN


@pytest.mark.parametrize(
    "recipe", [Recipe(chunk_tokens=3), Recipe(chunk_overlap_tokens=-1), Recipe(chunk_overlap_tokens=101)]
)
def test_a_recipe_that_cannot_work_is_refused(recipe: Recipe) -> None:
    with pytest.raises(Invalid):
        Chunker(recipe, None)
