"""Filters and cursors from the wire."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.foundation.errors import Invalid
from loopwright.traces import TraceFilter
from loopwright.traces.selection import read_cursor, select, write_cursor
from tests.unit.traces.records import trace_id


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "fine"),
        ("kind", "models"),
        ("feedback", "good"),
        ("since", "yesterday"),
        ("until", "2026-13-01"),
        ("min_duration_ms", -1.0),
        ("max_duration_ms", float("nan")),
        ("min_cost_usd", float("inf")),
        ("q", "word " * 17),
    ],
)
def test_a_bad_value_is_refused_by_its_name(name: str, value: Any) -> None:
    with pytest.raises(Invalid) as refused:
        select(TraceFilter(**{name: value}))
    assert refused.value.param == name
    assert refused.value.hint


def test_units_become_those_of_the_store() -> None:
    chosen = select(
        TraceFilter(
            q="  Two WORDS ",
            min_duration_ms=1.5,
            max_duration_ms=2,
            min_cost_usd=0.000001,
            since="1970-01-01T00:00:01Z",
            until="1970-01-01T00:00:02+00:00",
            model="m",
        )
    )
    assert chosen.words == ("two", "words")
    assert (chosen.at_least, chosen.at_most) == ({"duration_us": 1_500, "cost_nanousd": 1_000}, {"duration_us": 2_000})
    assert (chosen.since_us, chosen.until_us) == (1_000_000, 2_000_000)
    assert chosen.equals == {"model": "m"}


@given(st.integers(-(1 << 61), 1 << 61), st.integers(0, (1 << 128) - 1))
def test_a_cursor_comes_back_as_it_was(number: int, trace: int) -> None:
    assert read_cursor(write_cursor(number, trace_id(trace))) == (number, trace_id(trace))


@pytest.mark.parametrize(
    "text", ["x", "####", "é", write_cursor(1, "not-an-id"), "MTI6' OR 1=1", write_cursor(1 << 70, "0" * 32)]
)
def test_a_cursor_that_is_not_ours_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        read_cursor(text)
    assert refused.value.param == "cursor"
