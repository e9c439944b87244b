"""The demonstration: its assistant answers questions about the docs, cites the right page, and knows what it cannot."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import openai
import pytest

from loopwright.signals import NOTHING_FITS
from tests.acceptance.product import Product

# Written before the index was built, and never fitted to it.
QUESTIONS = json.loads(Path(__file__).with_name("handbook_questions.json").read_text())
UNANSWERABLE = (
    "What is the capital of Mongolia?",
    "How many grams of butter go into a shortcrust pastry?",
    "Who painted the ceiling of the Sistine Chapel?",
)
MARKER = re.compile(r"\[(\d+)\]")


@pytest.fixture
def client(demo: Product) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{demo.url}/v1", api_key=demo.key, max_retries=0)


def ask(client: openai.OpenAI, question: str) -> tuple[str, list[dict[str, Any]]]:
    """The answer's text and its citations."""
    answer = client.chat.completions.create(model="handbook", messages=[{"role": "user", "content": question}])
    assert answer.model_extra is not None
    return answer.choices[0].message.content or "", answer.model_extra["citations"]


def cited_pages(text: str, citations: list[dict[str, Any]]) -> list[str]:
    """Sources of the passages whose marker stands in the text, in its order."""
    by_index = {found["index"]: found["source"] for found in citations}
    return list(dict.fromkeys(by_index[int(index)] for index in MARKER.findall(text)))


def test_eight_of_ten_answers_cite_the_right_page(client: openai.OpenAI) -> None:
    right = 0
    print()
    for wanted in QUESTIONS:
        text, citations = ask(client, wanted["question"])
        pages = cited_pages(text, citations)
        right += wanted["page"] in pages
        sign = "yes" if wanted["page"] in pages else "NO"
        print(f"{sign:4}{wanted['page']:20}{', '.join(pages) or '-':44}{wanted['question']}\n    {text[:160]}")
    print(f"{right} of {len(QUESTIONS)} cite the right page")
    assert right >= 8


@pytest.mark.parametrize("question", UNANSWERABLE)
def test_it_says_so_when_the_docs_do_not_know(client: openai.OpenAI, question: str) -> None:
    text, citations = ask(client, question)
    assert text == NOTHING_FITS
    assert cited_pages(text, citations) == []


@pytest.mark.parametrize("question", [QUESTIONS[0]["question"], QUESTIONS[7]["question"], UNANSWERABLE[0]])
def test_a_stream_says_and_cites_the_same(client: openai.OpenAI, question: str) -> None:
    stream = client.chat.completions.create(
        model="handbook", messages=[{"role": "user", "content": question}], stream=True
    )
    chunks = list(stream)
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    with_citations = [chunk.model_extra["citations"] for chunk in chunks if "citations" in (chunk.model_extra or {})]
    assert len(with_citations) == 1
    assert (text, with_citations[0]) == ask(client, question)
    last = next(choice for chunk in chunks for choice in chunk.choices if choice.finish_reason)
    annotations = (last.delta.model_extra or {})["annotations"]
    assert annotations == [{"type": "file_citation", **found} for found in with_citations[0]]
