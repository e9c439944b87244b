from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.catalog import Usage
from loopwright.foundation.errors import UpstreamFailed
from loopwright.gateway import stream
from loopwright.gateway.stream import (
    MAX_TOKENS,
    StreamTap,
    count_tokens,
    estimate_tokens,
    message_text,
    read_answer,
    sse_data,
)


def events(chunks: Iterable[bytes]) -> list[bytes]:
    async def source() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    async def collect() -> list[bytes]:
        return [data async for data in sse_data(source())]

    return asyncio.run(collect())


STREAM = (
    ": a comment\n\n"
    'event: message\nid: 1\ndata: {"a": "é"}\n\n'
    'data:{"b":2}\r\n\r\n'
    "retry: 10\ndata:\n\n"
    'data:   {"c": "data: x"}  \n\n'
    "data: [DONE]\n\n"
    "data: after\n\n"
).encode()
FOUND = ['{"a": "é"}'.encode(), b'{"b":2}', b'{"c": "data: x"}']


def test_events_are_the_same_wherever_the_bytes_are_split() -> None:
    assert events([STREAM]) == FOUND
    assert events(STREAM[i : i + 1] for i in range(len(STREAM))) == FOUND
    for place in range(len(STREAM)):
        assert events([STREAM[:place], STREAM[place:]]) == FOUND


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_events_are_the_same_in_any_pieces(places: list[int]) -> None:
    edges = [0, *sorted(places), len(STREAM)]
    assert events(STREAM[a:b] for a, b in pairwise(edges)) == FOUND


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        (b"", []),
        (b"\n\n\n", []),
        (b"data: 1", [b"1"]),
        (b"data: 1\r", [b"1"]),
        (b"data: 1\n", [b"1"]),
        (b"data: 1\n\ndata: [DONE]", [b"1"]),
        (b"data: [DONE]\n\n", []),
        (b"data: 1\ndata: 2\n\n", [b"1", b"2"]),
        (b": data: 1\n\nmydata: 2\n\n data: 3\n\n", []),
        (b"data", []),
        (b"{}\n", []),
    ],
)
def test_what_is_data_and_what_is_not(sent: bytes, found: list[bytes]) -> None:
    assert events([sent]) == found


def test_a_line_without_an_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_EVENT_BYTES", 1000)
    taken = 0

    def endless() -> Iterable[bytes]:
        nonlocal taken
        while True:
            taken += 100
            yield b"x" * 100

    with pytest.raises(UpstreamFailed, match="a line of more than 1000 bytes"):
        events(endless())
    assert taken <= 1200


def test_many_small_events_are_no_large_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_EVENT_BYTES", 1000)
    assert len(events([b"data: 1\n\n" * 500] * 3)) == 1500


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes_give_events_or_nothing(chunks: list[bytes]) -> None:
    assert all(data and b"\n" not in data for data in events(chunks))


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, index: int = 0, **more: Any) -> bytes:
    choices = [{"index": index, "delta": delta or {}, "finish_reason": finish}]
    return json.dumps({"choices": choices, **more}).encode()


def seen(*chunks: bytes) -> StreamTap:
    tap = StreamTap()
    for data in chunks:
        tap.see(data)
    return tap


def message(tap: StreamTap, choice: int = 0) -> dict[str, Any]:
    return dict(json.loads(tap.output())["choices"][choice]["message"])


def test_a_tap_puts_the_pieces_together() -> None:
    tap = seen(
        chunk({"role": "assistant", "content": ""}, model="m-1"),
        chunk({"content": "Once"}),
        chunk({"content": " upon"}),
        chunk({}, "stop"),
        json.dumps({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}).encode(),
    )
    assert json.loads(tap.output())["choices"] == [
        {"index": 0, "message": {"role": "assistant", "content": "Once upon"}, "finish_reason": "stop"}
    ]
    assert (tap.text(), tap.model, tap.finished) == ("Once upon", "m-1", True)
    assert tap.usage == Usage(5, 2)


def test_a_tap_keeps_choices_apart() -> None:
    tap = seen(chunk({"content": "b"}, index=1), chunk({"content": "a"}), chunk({"content": "B"}, "stop", index=1))
    shown = json.loads(tap.output())["choices"]
    assert [(c["index"], c["message"]["content"], c["finish_reason"]) for c in shown] == [
        (0, "a", None),
        (1, "bB", "stop"),
    ]


def test_a_tap_joins_the_arguments_of_each_tool_call() -> None:
    def call(index: int, **more: Any) -> bytes:
        return chunk({"tool_calls": [{"index": index, **more}]})

    tap = seen(
        call(0, id="c0", function={"name": "weather", "arguments": ""}),
        call(1, id="c1", function={"name": "time", "arguments": "{}"}),
        call(0, function={"arguments": '{"city":'}),
        call(0, function={"arguments": '"Bonn"}'}),
    )
    assert message(tap)["tool_calls"] == [
        {"id": "c0", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Bonn"}'}},
        {"id": "c1", "type": "function", "function": {"name": "time", "arguments": "{}"}},
    ]
    assert tap.text() == 'weather{"city":"Bonn"}time{}'


def test_a_tap_keeps_reasoning_apart_from_the_answer() -> None:
    tap = seen(chunk({"reasoning_content": "Hm"}), chunk({"reasoning_content": "m"}), chunk({"content": "42"}))
    assert message(tap) == {"role": "assistant", "content": "42", "reasoning_content": "Hmm"}


def test_a_tap_takes_a_whole_answer_too() -> None:
    tap = seen(b'{"choices": [{"index": 0, "message": {"content": "hi there"}, "finish_reason": "stop"}]}')
    assert tap.text() == "hi there"


def test_an_empty_tap_has_nothing() -> None:
    assert json.loads(StreamTap().output()) == {"choices": []}
    assert not StreamTap().finished


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b"1", b"null", b'"x"', b"\xff", b'{"choices": 1}', b'{"usage": []}', b"[" * 100_000]
)
def test_what_is_no_answer_is_the_providers_failure(data: bytes) -> None:
    with pytest.raises(UpstreamFailed, match="cannot be read"):
        StreamTap().see(data)


@pytest.mark.parametrize("error", ['"overloaded"', '{"message": "overloaded"}', "1", "[]", "false"])
def test_an_error_in_an_answer_is_the_providers_failure(error: str) -> None:
    with pytest.raises(UpstreamFailed, match="answered with an error"):
        StreamTap().see(f'{{"error": {error}}}'.encode())
    assert StreamTap().see(b'{"error": null}').choices is None


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens": 3, "completion_tokens": 4}, Usage(3, 4)),
        ({"prompt_tokens": None}, Usage()),
        ({"prompt_tokens": 3, "completion_tokens": -1}, None),
        ({"prompt_tokens": 3, "completion_tokens": 10**30}, None),
        ({"prompt_tokens": 3, "completion_tokens": MAX_TOKENS + 1}, None),
        ({"prompt_tokens": 3, "completion_tokens": MAX_TOKENS}, Usage(3, MAX_TOKENS)),
        (
            {"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": None},
            Usage(9, 0, 4, 0),
        ),
        ({"completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 5}}, Usage(0, 9, 0, 5)),
        ({"prompt_tokens_details": {"cached_tokens": None, "audio_tokens": 3}, "x": 1}, Usage()),
    ],
)
def test_usage_is_what_a_request_can_have(usage: dict[str, Any], counted: Usage | None) -> None:
    assert seen(json.dumps({"usage": usage}).encode()).usage == counted


@settings(max_examples=60)
@given(st.binary(max_size=300) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(str).map(str.encode))
def test_any_bytes_are_an_answer_or_the_providers_failure(data: bytes) -> None:
    # Anything but UpstreamFailed fails the test.
    with suppress(UpstreamFailed):
        read_answer(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
known = st.sampled_from(["choices", "usage", "model", "error", "index", "delta", "message", "tool_calls", "content"])


@settings(max_examples=60)
@given(st.dictionaries(known, st.lists(st.dictionaries(known, json_values, max_size=4), max_size=2) | json_values))
def test_any_json_is_seen_or_the_providers_failure(value: dict[str, Any]) -> None:
    tap = StreamTap()
    try:
        tap.see(json.dumps(value).encode(errors="replace"))
    except UpstreamFailed:
        return
    assert isinstance(json.loads(tap.output())["choices"], list)
    assert isinstance(tap.text(), str)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("   \n", 0),
        ("word", 1),
        ("sixsix", 1),
        ("sevenly", 2),
        ("Hello, world!", 4),
        ("a_b", 1),
        ("naïve", 1),
        ("日本", 1),
        ("👍👍", 2),
        ("...", 3),
    ],
)
def test_tokens_by_our_own_rule(text: str, tokens: int) -> None:
    assert count_tokens(text) == tokens


@given(st.text(), st.text())
def test_tokens_of_two_lines_add_up(one: str, two: str) -> None:
    assert count_tokens(f"{one}\n{two}") == count_tokens(one) + count_tokens(two)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("plain", "plain"),
        (None, ""),
        (7, ""),
        ({}, ""),
        ([], ""),
        ([{"type": "text", "text": "a"}, {"type": "image_url"}, {"type": "text", "text": "b"}], "a\nb"),
        ([{"text": None}, "x", 1, None], ""),
    ],
)
def test_the_text_of_a_message(content: object, text: str) -> None:
    assert message_text(content) == text


def test_an_answer_without_end_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_TEXT", 10)
    monkeypatch.setattr(stream, "MAX_STREAM_BYTES", 1_000)
    text, other, calls = StreamTap(), StreamTap(), StreamTap()
    with pytest.raises(UpstreamFailed, match="more than 10 characters"):
        for _ in range(11):
            text.see(b'{"choices":[{"delta":{"content":"x"}}]}')
    with pytest.raises(UpstreamFailed, match="larger than 1000 bytes"):
        for _ in range(30):
            other.see(b'{"choices":[],"padding":"0123456789"}')
    monkeypatch.setattr(stream, "MAX_STREAM_BYTES", 10_000_000)
    with pytest.raises(UpstreamFailed, match="tool calls"):
        for number in range(2_000):
            calls.see(b'{"choices":[{"delta":{"tool_calls":[{"index":%d}]}}]}' % number)
    with pytest.raises(UpstreamFailed, match="choices"):
        for number in range(200):
            calls.see(b'{"choices":[{"index":%d,"delta":{"content":""}}]}' % number)


def test_a_long_text_counts_as_its_parts_do() -> None:
    assert count_tokens("sixsix" * 200_000) == 200_000
    assert count_tokens("a b " * 300_000) == 600_000


@pytest.mark.parametrize(
    ("error", "said"),
    [({"message": "overloaded", "code": 529}, "error: overloaded"), ("no", "error: no"), ({"a": 1}, '{"a":1}')],
)
def test_a_providers_error_event_is_told_by_its_message(error: object, said: str) -> None:
    with pytest.raises(UpstreamFailed, match=re.escape(said)):
        StreamTap().see(json.dumps({"error": error}, separators=(",", ":")).encode())


def test_an_estimate_of_a_long_text_takes_no_longer_than_its_sample() -> None:
    assert estimate_tokens("a b c") == 3
    began = time.perf_counter()
    assert estimate_tokens("a b " * 4_000_000) == pytest.approx(8_000_000, rel=0.01)
    assert time.perf_counter() - began < 0.5
