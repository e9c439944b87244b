"""Retrieval quality on XQuAD English: 240 paragraphs, 1,190 questions, each with one paragraph that answers it.

    python bench/retrieval/xquad.py ../shared/data/xquad.en.json               # through a running Loopwright
    python bench/retrieval/xquad.py ../shared/data/xquad.en.json --in-process  # without a server

Through a server it uses the one of this machine, or LOOPWRIGHT_URL with LOOPWRIGHT_API_KEY, makes the knowledge base
`bench-xquad`, asks every question by the HTTP search route in each mode with group_by=document, and deletes the base
unless told to `--keep` it. Prints recall@1 and @5, MRR@10, nDCG@10 and the time of one search.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from math import log2
from pathlib import Path
from typing import Any

from loopwright.apps.cli import connect
from loopwright.foundation.blobs import Blobs
from loopwright.foundation.clock import SystemClock
from loopwright.foundation.database import Database, metadata
from loopwright.foundation.identity import Principal
from loopwright.foundation.jobs import Jobs
from loopwright.foundation.jobs.commands import follow
from loopwright.foundation.jobs.testing import InlineLedger
from loopwright.foundation.lake import Lake
from loopwright.retrieval import KnowledgeBaseService, KnowledgeStore, PassageTables
from loopwright.retrieval.jobs import build_jobs
from loopwright.retrieval.reading import read_child
from loopwright.signals import Embedders

NAME = "bench-xquad"
MODES = ("hybrid", "dense", "text")

Ask = Callable[[str, str], list[str]]
"""`(question, mode)` -> sources of the ten best documents."""


def questions(path: Path) -> list[tuple[str, str]]:
    """(question, source of the paragraph that answers it)."""
    return [
        (qa["question"], f"{path.name}#{article['title']}-{number}")
        for article in json.loads(path.read_text())["data"]
        for number, paragraph in enumerate(article["paragraphs"], start=1)
        for qa in paragraph["qas"]
    ]


def served(path: Path) -> tuple[Ask, Callable[[], None]]:
    """Asks a running Loopwright."""
    client = connect(False)
    started = time.perf_counter()
    client.post("/api/knowledge-bases", {"name": NAME})
    client.upload(f"/api/knowledge-bases/{NAME}/documents", [(path.name, path.read_bytes())])
    follow(client, client.post(f"/api/knowledge-bases/{NAME}/build")["id"])
    base = client.get(f"/api/knowledge-bases/{NAME}")
    _built(base["document_count"], base["passage_count"], base["embedder"]["name"], time.perf_counter() - started)

    def ask(question: str, mode: str) -> list[str]:
        wanted = {"query": question, "top_k": 10, "mode": mode, "group_by": "document"}
        return [hit["source"] for hit in client.post(f"/api/knowledge-bases/{NAME}/search", wanted)["items"]]

    return ask, lambda: client.delete(f"/api/knowledge-bases/{NAME}")


def in_process(path: Path, home: Path) -> Ask:
    """Asks a service of this process with a fresh data folder."""
    clock, principal = SystemClock(), Principal("team_bench", "bench", "admin")
    database = Database(f"sqlite:///{home}/catalogue.db")
    metadata.create_all(database.engine)
    jobs = Jobs(database, clock)
    service = KnowledgeBaseService(
        KnowledgeStore(database),
        PassageTables(Lake(str(home / "lake"))),
        Blobs(str(home / "blobs")),
        Embedders(),
        read_child,
        jobs,
        clock,
    )
    started = time.perf_counter()
    base = service.create(principal, NAME)
    service.add_documents(principal, NAME, [(path.name, io.BytesIO(path.read_bytes()))])
    build = build_jobs(service)["knowledge.build"]
    made = build(InlineLedger().context(team_id=principal.team_id, clock=clock), {"knowledge_base_id": base.id})
    _built(made["document_count"], made["passage_count"], made["embedder"], time.perf_counter() - started)

    def ask(question: str, mode: str) -> list[str]:
        found = service.search(principal, NAME, question, top_k=10, mode=mode, group_by="document")
        return [hit.source for hit in found.items]

    return ask


def measure(ask: Ask, asked: Sequence[tuple[str, str]]) -> None:
    """Prints one line a mode."""
    _say(f"{'mode':8}{''.join(f'{name:>10}' for name in quality([1]))}{'p50 ms':>10}{'p99 ms':>10}")
    for mode in MODES:
        ranks: list[int] = []
        times: list[float] = []
        for question, wanted in asked:
            started = time.perf_counter()
            found = ask(question, mode)
            times.append(time.perf_counter() - started)
            ranks.append(found.index(wanted) + 1 if wanted in found else 0)
        times.sort()
        p50, p99 = times[len(times) // 2] * 1000, times[int(len(times) * 0.99)] * 1000
        _say(f"{mode:8}{''.join(f'{value:10.3f}' for value in quality(ranks).values())}{p50:10.1f}{p99:10.1f}")


def quality(ranks: Sequence[int]) -> dict[str, float]:
    """recall@1, recall@5, MRR@10, nDCG@10 of the places, from 1, at which the one right document came; 0: it did not.

    With one right document a question, nDCG is 1 / log2(rank + 1).
    """
    found = [rank for rank in ranks if 1 <= rank <= 10]
    return {
        "recall@1": sum(rank == 1 for rank in found) / len(ranks),
        "recall@5": sum(rank <= 5 for rank in found) / len(ranks),
        "MRR@10": sum(1 / rank for rank in found) / len(ranks),
        "nDCG@10": sum(1 / log2(rank + 1) for rank in found) / len(ranks),
    }


def main() -> None:
    """Builds, asks, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--in-process", action="store_true")
    parser.add_argument("--keep", action="store_true")
    arguments = parser.parse_args()
    asked = questions(arguments.data)
    if arguments.in_process:
        with tempfile.TemporaryDirectory() as folder:
            measure(in_process(arguments.data, Path(folder)), asked)
        return
    ask, delete = served(arguments.data)
    try:
        measure(ask, asked)
    finally:
        if not arguments.keep:
            delete()


def _built(documents: int, passages: int, embedder: Any, seconds: float) -> None:
    _say(f"{documents} documents, {passages} passages, {embedder}: built in {seconds:.1f} s")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
