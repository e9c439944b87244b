"""A trace filter from the wire as checked values, and the cursor that remembers a place in a list."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field

from loopwright.foundation.clock import parse_iso
from loopwright.foundation.errors import Invalid
from loopwright.traces.schemas import FEEDBACKS, KINDS, STATUSES, TraceFilter

MAX_WORDS = 16
_TEXT_COLUMNS = ("status", "model", "provider", "endpoint", "session_id", "user_id")


@dataclass(frozen=True, slots=True)
class Selection:
    """What to select, in the units of the store: microseconds and nano-dollars. `words` are lower case."""

    equals: dict[str, str] = field(default_factory=dict)
    at_least: dict[str, int] = field(default_factory=dict)
    at_most: dict[str, int] = field(default_factory=dict)
    kind: str = ""
    since_us: int | None = None
    until_us: int | None = None
    words: tuple[str, ...] = ()
    feedback: str = ""


def select(given: TraceFilter) -> Selection:
    """Checks a filter. Raises Invalid that names the parameter."""
    _one_of("status", given.status, STATUSES)
    _one_of("kind", given.kind, KINDS)
    _one_of("feedback", given.feedback, FEEDBACKS)
    words = tuple(given.q.lower().split())
    if len(words) > MAX_WORDS:
        raise Invalid(f"q has {len(words)} words, at most {MAX_WORDS} are searched", param="q", hint="use fewer words")
    at_least: dict[str, int] = {}
    at_most: dict[str, int] = {}
    for name, value, column, scale, bounds in (
        ("min_duration_ms", given.min_duration_ms, "duration_us", 1_000, at_least),
        ("max_duration_ms", given.max_duration_ms, "duration_us", 1_000, at_most),
        ("min_cost_usd", given.min_cost_usd, "cost_nanousd", 1_000_000_000, at_least),
    ):
        if value is None:
            continue
        if not 0 <= value <= 1e9:
            raise Invalid(f"{name} is {value}, it must be between 0 and 1e9", param=name, hint="give a number >= 0")
        bounds[column] = round(value * scale)
    return Selection(
        equals={name: value for name in _TEXT_COLUMNS if (value := getattr(given, name))},
        at_least=at_least,
        at_most=at_most,
        kind=given.kind,
        since_us=_time("since", given.since),
        until_us=_time("until", given.until),
        words=words,
        feedback=given.feedback,
    )


def write_cursor(number: int, trace_id: str) -> str:
    """An opaque place in a list that is ordered by (number, trace id)."""
    return base64.urlsafe_b64encode(f"{number}:{trace_id}".encode()).decode().rstrip("=")


def read_cursor(text: str) -> tuple[int, str]:
    """The place a cursor of ours stands for. Raises Invalid."""
    try:
        decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
        number, _, trace_id = decoded.partition(":")
        place = int(number), trace_id
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise _bad_cursor(text) from error
    if not is_trace_id(trace_id) or abs(place[0]) >= 1 << 62:
        raise _bad_cursor(text)
    return place


def is_trace_id(text: str) -> bool:
    """Whether it is 32 lower case hexadecimal digits."""
    return len(text) == 32 and all(digit in "0123456789abcdef" for digit in text)


def _bad_cursor(text: str) -> Invalid:
    return Invalid(
        f"cursor {text[:80]!r} is not one of ours", param="cursor", hint="pass next_cursor of the last page as it is"
    )


def _one_of(name: str, value: str, known: Sequence[str]) -> None:
    if value and value not in known:
        raise Invalid(f"{name} {value[:80]!r} is unknown", param=name, hint=f"use one of: {', '.join(known)}")


def _time(name: str, text: str) -> int | None:
    if not text:
        return None
    try:
        return parse_iso(text)
    except ValueError as error:
        raise Invalid(
            f"{name} {text[:80]!r} is not a time: {error}", param=name, hint="use ISO 8601, as 2026-11-20T10:00:00Z"
        ) from error
