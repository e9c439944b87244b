"""Real input: 240 paragraphs of Wikipedia by one command, and 1,190 questions through the HTTP search."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from bench.retrieval.xquad import quality
from tests.acceptance.product import Product
from tests.shared_data import shared_file

SEARCH = "/api/knowledge-bases/xquad/search"
THREADS = 3


def rank_of_gold(product: Product, asked: Sequence[tuple[str, str]], contexts: dict[str, str]) -> list[int]:
    """Place, from 1, of the document whose text is the gold paragraph, for each (question, paragraph); 0: not found.

    One connection, kept alive.
    """
    parts = urlsplit(product.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
    headers = {"authorization": f"Bearer {product.key}", "content-type": "application/json"}
    ranks = []
    for question, paragraph in asked:
        wanted = {"query": question, "top_k": 10, "mode": "hybrid", "group_by": "document"}
        connection.request("POST", SEARCH, json.dumps(wanted), headers)
        response = connection.getresponse()
        found = json.loads(response.read())
        assert response.status == 200, found
        ranks.append(next((hit["rank"] for hit in found["items"] if contexts[hit["document_id"]] == paragraph), 0))
    connection.close()
    return ranks


def contexts_by_document(product: Product, paragraphs: set[str]) -> dict[str, str]:
    """The paragraph that each indexed document holds, found by its text alone."""
    found = {}
    for document in product.get("/api/knowledge-bases/xquad/documents")["items"]:
        passages = product.get(f"/api/knowledge-bases/xquad/documents/{document['id']}")["passages"]
        holders = [text for text in paragraphs if all(passage["text"] in text for passage in passages)]
        assert passages
        assert len(holders) == 1, (document["source"], len(holders))
        found[document["id"]] = holders[0]
    return found


@pytest.mark.timeout(600)
def test_hybrid_search_finds_the_gold_paragraph(product: Product) -> None:
    path = shared_file("xquad.en.json")
    articles = json.loads(path.read_text())["data"]
    asked = [
        (qa["question"], paragraph["context"])
        for article in articles
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
    ]
    started = time.perf_counter()
    product.command("kb", "create", "xquad", str(path))
    built_s = time.perf_counter() - started
    contexts = contexts_by_document(product, {paragraph for _, paragraph in asked})
    assert len(set(contexts.values())) == 240
    started = time.perf_counter()
    with ThreadPoolExecutor(THREADS) as pool:
        shares = [asked[number::THREADS] for number in range(THREADS)]
        ranks = [rank for share in pool.map(lambda one: rank_of_gold(product, one, contexts), shares) for rank in share]
    searched_s = time.perf_counter() - started
    reached = quality(ranks)
    figures = ", ".join(f"{name} {value:.4f}" for name, value in reached.items())
    print(f"\n{len(ranks)} questions: {figures}; built in {built_s:.1f} s, searched in {searched_s:.1f} s")
    assert len(ranks) == 1190
    base = product.get("/api/knowledge-bases/xquad")
    if not base["embedder"]["real"]:
        pytest.skip(f"{base['embedder']['name']} knows words only, no meaning: make embed")
    assert reached["recall@1"] >= 0.92
    assert reached["recall@5"] >= 0.98
