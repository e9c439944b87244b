from __future__ import annotations

import re
import time

import pytest

from loopwright.foundation import ids


def test_an_id_has_its_prefix_and_26_crockford_characters() -> None:
    made = ids.new_id("trace")
    assert re.fullmatch(r"trace_[0-9a-hjkmnp-tv-z]{26}", made)
    assert ids.is_identifier(made)


def test_ids_never_repeat() -> None:
    assert len({ids.new_id("x") for _ in range(5000)}) == 5000
    assert len({ids.new_span_id() for _ in range(5000)}) == 5000
    assert len({ids.new_trace_id() for _ in range(5000)}) == 5000


def test_later_ids_sort_behind_earlier_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    milliseconds = [1, 2, 31, 32, 1023, 1024, 2**40, 2**47]
    made = []
    for value in milliseconds:
        monkeypatch.setattr(time, "time_ns", lambda value=value: value * 1_000_000)
        made.append(ids.new_id("key"))
    assert made == sorted(made)


def test_the_time_is_readable_from_an_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_123 * 1_000_000)
    digits = ids.new_id("key").partition("_")[2][:10]
    value = 0
    for digit in digits:
        value = value * 32 + "0123456789abcdefghjkmnpqrstvwxyz".index(digit)
    # Ten digits hold 50 bits, of which the 48 low ones are milliseconds and none random.
    assert value == 1_700_000_000_123


def test_traces_and_spans_have_the_lengths_of_opentelemetry() -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", ids.new_trace_id())
    assert re.fullmatch(r"[0-9a-f]{16}", ids.new_span_id())


@pytest.mark.parametrize("name", ["a", "0", "support-bot_2", "a" * 63])
def test_names_users_may_give(name: str) -> None:
    assert ids.is_name(name)


@pytest.mark.parametrize(
    "name", ["", "A", "-a", "_a", "a b", "a/b", "a.b", "a" * 64, "é", "a\n", "\na", "..", "a\0", "٣"]
)
def test_names_users_may_not_give(name: str) -> None:
    assert not ids.is_name(name)


@pytest.mark.parametrize("text", ["", "../x", "a/b", "A", "a" * 65, "x\n", "x%"])
def test_what_cannot_be_an_id_of_ours(text: str) -> None:
    assert not ids.is_identifier(text)
