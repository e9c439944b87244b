"""The child reads groups of files; one that breaks it costs only itself."""

from __future__ import annotations

import msgspec

from loopwright.foundation.errors import LimitExceeded
from loopwright.retrieval.chunking import Recipe
from loopwright.retrieval.reading import CHILD_BYTES, File, Reader, read_child, read_parts

RECIPE = Recipe(chunk_tokens=32)


def text_file(name: str, content: bytes, title: str = "") -> File:
    return File(name=name, media_type="text/plain", content=content, title=title)


def test_each_file_gets_its_passages_or_its_reason() -> None:
    files = [
        text_file("a.txt", b"Hello there."),
        text_file("b.txt", b""),
        text_file("c.txt", b"More.", title="Given"),
        File(name="d.pdf", media_type="application/pdf", content=b"%PDF-1.7 broken"),
    ]
    found = Reader(read_child, RECIPE, None).read(files)
    assert [(one.title, [chunk.text for chunk in one.chunks]) for one in found] == [
        ("a", ["Hello there."]),
        ("", []),
        ("Given", ["More."]),
        ("", []),
    ]
    assert [one.reason.split(":")[0] for one in found] == ["", "the file is empty", "", "the PDF is damaged"]


def test_a_file_that_kills_the_child_costs_only_itself() -> None:
    calls: list[int] = []

    def run(payload: bytes) -> bytes:
        calls.append(len(payload))
        if b"Qk9NQg" in payload:  # BOMB, as base64
            raise LimitExceeded("it took more than 60 s of processor time")
        return read_child(payload)

    files = [text_file("a.txt", b"one"), text_file("b.txt", b"BOMB"), text_file("c.txt", b"two")]
    found = Reader(run, RECIPE, None).read(files)
    assert [one.reason for one in found] == [
        "",
        "reading it was stopped: it took more than 60 s of processor time",
        "",
    ]
    assert len(calls) == 4


def test_large_files_do_not_share_a_child() -> None:
    sizes: list[int] = []

    def run(payload: bytes) -> bytes:
        files = msgspec.json.decode(payload)["files"]
        sizes.append(len(files))
        return msgspec.json.encode([{"title": file["name"]} for file in files])

    big = b"x" * (CHILD_BYTES // 2 + 1)
    files = [text_file("a", b"1"), text_file("b", big), text_file("c", big), text_file("d", b"2")]
    assert [one.title for one in Reader(run, RECIPE, None).read(files)] == ["a", "b", "c", "d"]
    assert sizes == [2, 2]


def test_parts_come_from_the_child_or_say_why_not() -> None:
    squad = b'{"data": [{"title": "T", "paragraphs": [{"context": "One."}]}]}'
    parts, reason = read_parts(read_child, "s.json", squad)
    assert ([part.text for part in parts], reason) == (["One."], "")
    assert "shape of SQuAD" in read_parts(read_child, "s.json", b"{}")[1]
