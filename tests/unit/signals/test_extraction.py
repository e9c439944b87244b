"""Answers are sentences of the passages, with markers, or an honest refusal."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Sequence

import pytest

from loopwright.signals import NOTHING_FITS, HashingEmbedder, PassageBlock, extract_answer, extract_answer_async
from loopwright.signals.extraction import MAX_EMBEDDED, split_sentences

PASSAGES = [
    PassageBlock(
        index=1, text="# Reset\n\nHold the red button for ten seconds to reset the router. The light turns blue."
    ),
    PassageBlock(index=2, text="The warranty lasts two years. Batteries are not part of the warranty."),
    PassageBlock(index=4, text="Dr. Smith founded the company in 1987. It moved to Oslo, e.g. for the harbour."),
]


def embed(texts: Sequence[str]) -> list[list[float]]:
    return [[float(x) for x in row] for row in HashingEmbedder().embed(texts)]


@pytest.mark.parametrize(
    ("question", "wanted", "indexes"),
    [
        ("How do I reset the router?", "Hold the red button for ten seconds to reset the router.", (1,)),
        ("How long does the warranty last?", "The warranty lasts two years.", (2,)),
        ("Who founded the company?", "Dr. Smith founded the company in 1987.", (4,)),
    ],
)
def test_the_best_sentence_is_quoted_with_its_marker(question: str, wanted: str, indexes: tuple[int, ...]) -> None:
    found = extract_answer(question, PASSAGES, embed)
    assert found.fits
    assert wanted in found.text
    assert found.indexes == indexes
    assert found.text.endswith(f"[{indexes[-1]}]")


def test_a_question_that_nothing_fits_is_refused() -> None:
    found = extract_answer("Which planets have rings made of ice?", PASSAGES, embed)
    assert (found.text, found.indexes, found.fits) == (NOTHING_FITS, (), False)


def test_no_passages_and_no_sentences_are_refused_without_embedding() -> None:
    def refuse(_texts: Sequence[str]) -> list[list[float]]:
        raise AssertionError("nothing to embed")

    assert not extract_answer("What?", [], refuse).fits
    assert not extract_answer("What?", [PassageBlock(index=1, text="\n---\n")], refuse).fits


def test_the_asynchronous_way_gives_the_same() -> None:
    async def later(texts: Sequence[str]) -> list[list[float]]:
        return embed(texts)

    question = "How long does the warranty last?"
    assert asyncio.run(extract_answer_async(question, PASSAGES, later)) == extract_answer(question, PASSAGES, embed)


def test_a_bounded_number_of_sentences_is_embedded() -> None:
    seen: list[int] = []

    def count(texts: Sequence[str]) -> list[list[float]]:
        seen.append(len(texts))
        return embed(texts)

    extract_answer("Why?", [PassageBlock(index=1, text="One thing. " * 500)], count)
    assert seen == [MAX_EMBEDDED + 1]


def test_sentences_are_split_at_their_ends_only() -> None:
    text = "See Fig. 3 for it. Mr. Jones agreed!\n\n- first item\n- second item\n\n```\ncode. Here\n```\n## T\nLast"
    assert split_sentences(text) == [
        "See Fig. 3 for it.",
        "Mr. Jones agreed!",
        "- first item",
        "- second item",
        "Last",
    ]


def test_the_door_loads_no_numpy() -> None:
    code = "import sys, loopwright.signals as s; s.parse_context(''); sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_rows_of_a_table_stand_alone_without_its_head() -> None:
    rows = "| `base_url` | URL of the API |\n| `api_key` | sealed | kept |\n\nAfter it."
    table = f"| key | meaning |\n| --- | :-: |\n{rows}"
    assert split_sentences(table) == ["`base_url`: URL of the API", "`api_key`: sealed · kept", "After it."]


def test_short_code_stays_with_the_sentence_that_announces_it() -> None:
    text = "To start it, type:\n\n```sh\nmake up\nmake test\n```\n\nThen wait."
    assert split_sentences(text) == ["To start it, type: `make up; make test`.", "Then wait."]


def test_long_code_is_left_out() -> None:
    text = "As follows:\n\n```python\n" + "x = 1\n" * 100 + "```\nThe end."
    assert split_sentences(text) == ["As follows:", "The end."]


def test_a_short_list_stays_with_the_sentence_that_announces_it() -> None:
    text = "These need no key:\n\n- `builtin/echo` repeats.\n- `builtin/extract` quotes.\n\nOthers do."
    assert split_sentences(text) == [
        "These need no key: `builtin/echo` repeats; `builtin/extract` quotes.",
        "Others do.",
    ]


def test_a_long_list_stays_a_list() -> None:
    items = [f"- item number {number} of a long list" for number in range(40)]
    assert split_sentences("All of them:\n\n" + "\n".join(items))[:2] == ["All of them:", items[0]]
