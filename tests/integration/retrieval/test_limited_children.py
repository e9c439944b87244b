"""Untrusted files in a real child with limits: bombs cost a reason, not the process, and not their neighbours."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial

import pytest

from loopwright.foundation.cluster import Executor, Limits
from loopwright.retrieval.chunking import Recipe
from loopwright.retrieval.reading import READER, READER_LIMITS, File, Reader, read_parts
from loopwright.signals import find_weights
from tests.unit.retrieval.test_parsing import make_pdf


@pytest.fixture
def executor() -> Iterator[Executor]:
    made = Executor(Limits(memory_mb=READER_LIMITS.memory_mb, cpu_s=3, wall_s=10))
    yield made
    made.close()


def test_a_child_reads_every_format(executor: Executor) -> None:
    weights = find_weights()
    reader = Reader(partial(executor.run, READER), Recipe(), weights and weights / "tokenizer.json")
    files = [
        File(name="a.md", media_type="text/markdown", content=b"# Title\n\nText."),
        File(name="b.html", media_type="text/html", content=b"<h1>H</h1><p>&eacute;</p>"),
        File(name="c.pdf", media_type="application/pdf", content=make_pdf("one", "two")),
    ]
    found = reader.read(files)
    assert [(one.title, one.reason, len(one.chunks)) for one in found] == [
        ("Title", "", 1),
        ("b", "", 1),
        ("c", "", 2),
    ]


def test_a_bomb_is_stopped_and_its_neighbours_are_read(executor: Executor) -> None:
    bomb = b"> " * 300_000 + b"x"
    files = [
        File(name="a.md", media_type="text/markdown", content=b"Fine."),
        File(name="bomb.md", media_type="text/markdown", content=bomb),
        File(name="b.md", media_type="text/markdown", content=b"Fine too."),
    ]
    started = time.monotonic()
    found = Reader(partial(executor.run, READER), Recipe(), None).read(files)
    assert [bool(one.reason) for one in found] == [False, True, False]
    assert "reading it was stopped" in found[1].reason
    assert time.monotonic() - started < 30


def test_deep_json_is_refused(executor: Executor) -> None:
    parts, reason = read_parts(partial(executor.run, READER), "deep.json", b'{"data":' * 200_000)
    assert parts == ()
    assert reason
