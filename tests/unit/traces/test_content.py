"""Previews and searchable text out of raw JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from loopwright.traces.content import PREVIEW_CHARS, previews


def shown(given: Any, answer: Any) -> tuple[str, str]:
    return previews(json.dumps(given).encode(), json.dumps(answer).encode())[:2]


@pytest.mark.parametrize(
    ("given", "answer", "expected"),
    [
        (
            {"messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}]},
            "yo",
            ("hi", "yo"),
        ),
        ([{"role": "user", "content": "hi"}, {"role": "user", "content": "two"}], {"content": "yo"}, ("hi", "yo")),
        ("hi", {"choices": [{"message": {"role": "assistant", "content": "yo"}}]}, ("hi", "yo")),
        ({"input": ["a", "b"], "model": "m"}, None, ("a b", "")),
        (
            [{"role": "user", "content": [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {}}]}],
            {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": '{"x":1}'}}]},
            ("see", 'f({"x":1})'),
        ),
        ({"query": "find it"}, [{"text": "passage"}], ("find it", "passage")),
        (3, {"unknown": True}, ("", "")),
    ],
)
def test_what_a_person_would_read(given: Any, answer: Any, expected: tuple[str, str]) -> None:
    assert shown(given, answer) == expected


def test_previews_are_cut_and_search_text_is_not() -> None:
    text = "wörd " * 200
    preview, _, search = previews(json.dumps(text).encode(), b"")
    assert len(preview) == PREVIEW_CHARS
    assert preview.endswith("…")
    assert search.count("wörd") == 200


def test_bytes_that_are_no_json_are_shown_as_text() -> None:
    assert previews(b"plain", b"\xffbroken")[:2] == ("plain", "�broken")


def test_nothing_gives_nothing() -> None:
    assert previews(b"", b"") == ("", "", "\n")
