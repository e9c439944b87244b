from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.foundation.clock import FixedClock, SystemClock, iso, parse_iso


def test_a_fixed_clock_moves_only_when_told_to() -> None:
    clock = FixedClock(5_000_000)
    assert (clock.now_us(), clock.monotonic()) == (5_000_000, 5.0)
    assert clock.now_us() == 5_000_000
    clock.advance(1.5)
    assert (clock.now_us(), clock.monotonic()) == (6_500_000, 6.5)


def test_the_system_clock_tells_the_machines_time() -> None:
    before = time.time_ns() // 1000
    assert before <= SystemClock().now_us() <= time.time_ns() // 1000
    assert SystemClock().monotonic() <= time.monotonic()


def test_iso_is_utc_with_microseconds_and_z() -> None:
    assert iso(0) == "1970-01-01T00:00:00.000000Z"
    assert iso(1_700_000_000_000_001) == "2023-11-14T22:13:20.000001Z"


@pytest.mark.parametrize(
    ("text", "us"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1970-01-01T00:00:00", 0),
        ("1970-01-02", 86_400_000_000),
        ("2023-11-14T22:13:20.000001Z", 1_700_000_000_000_001),
        ("1969-12-31T23:59:59.999999Z", -1),
    ],
)
def test_iso_times_are_read_and_mean_utc_without_a_zone(text: str, us: int) -> None:
    assert parse_iso(text) == us


@pytest.mark.parametrize("text", ["", "yesterday", "2023-13-01", "1700000000"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"isoformat|month"):
        parse_iso(text)


@given(st.integers(min_value=0, max_value=253_402_300_799_999_999))
def test_every_microsecond_until_the_year_9999_survives_the_wire(us: int) -> None:
    assert parse_iso(iso(us)) == us
