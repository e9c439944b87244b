"""The rules of scores: which values a kind allows, which of several counts, what feedback they add up to."""

from __future__ import annotations

import math
from collections.abc import Iterable

from loopwright.foundation.clock import iso
from loopwright.foundation.errors import Invalid
from loopwright.traces.schemas import SCORE_KINDS, Score, ScoreRecord

MAX_TEXT = {"emoji": 16, "label": 128, "comment": 10_000}
MAX_NAME = 64
_SUPERSEDED = {"thumbs", "stars", "number", "label"}


def check_value(kind: str, value: object) -> tuple[float | None, str]:
    """`(number, text)` of a score's value, one of them empty. Raises Invalid that names what the kind allows."""
    if kind not in SCORE_KINDS:
        known = ", ".join(SCORE_KINDS)
        raise Invalid(f"score kind {str(kind)[:40]!r} is unknown", param="kind", hint=f"use one of: {known}")
    if kind in MAX_TEXT:
        if not isinstance(value, str) or not value.strip() or len(value) > MAX_TEXT[kind]:
            raise _bad_value(kind, value, f"text of 1 to {MAX_TEXT[kind]} characters")
        return None, value
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise _bad_value(kind, value, "a finite number")
    if kind == "thumbs" and value not in (1, -1):
        raise _bad_value(kind, value, "1 for up or -1 for down")
    if kind == "stars" and (value != int(value) or not 1 <= value <= 5):
        raise _bad_value(kind, value, "a whole number from 1 to 5")
    return float(value), ""


def live_scores(records: Iterable[ScoreRecord]) -> list[ScoreRecord]:
    """What counts of all rows ever written: no tombstoned one, and of one author's judgements of a kind and name
    on one span only the latest; comments and emojis add up. In order of creation.
    """
    rows = list(records)
    dead = {(row.team_id, row.id) for row in rows if row.deleted}
    counted: dict[tuple[str, ...], ScoreRecord] = {}
    for row in sorted(rows, key=lambda row: (row.created_us, row.id)):
        if (row.team_id, row.id) in dead:
            continue
        key: tuple[str, ...] = (row.team_id, row.trace_id, row.span_id, row.name, row.kind, row.author, row.source)
        counted[key if row.kind in _SUPERSEDED else (*key, row.id)] = row
    return sorted(counted.values(), key=lambda row: (row.created_us, row.id))


def verdict(record: ScoreRecord) -> str:
    """`up`, `down` or empty: thumbs, or four and more against two and fewer stars."""
    if record.number is None or record.kind not in {"thumbs", "stars"}:
        return ""
    if record.kind == "thumbs":
        return "up" if record.number > 0 else "down"
    return "up" if record.number >= 4 else "down" if record.number <= 2 else ""


def wire_score(record: ScoreRecord) -> Score:
    """A score as the API shows it."""
    value: float | int | str = record.text
    if record.number is not None:
        value = record.number if record.kind == "number" else int(record.number)
    return Score(
        id=record.id,
        trace_id=record.trace_id,
        span_id=record.span_id,
        name=record.name,
        kind=record.kind,
        value=value,
        comment=record.comment,
        author=record.author,
        source=record.source,
        created_at=iso(record.created_us),
    )


def _bad_value(kind: str, value: object, allowed: str) -> Invalid:
    return Invalid(f"{value!r:.80} is no value of a {kind} score", param="value", hint=f"{kind} takes {allowed}")
