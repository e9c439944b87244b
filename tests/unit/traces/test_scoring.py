"""Which values scores take, and which of several count."""

from __future__ import annotations

import pytest

from loopwright.foundation.errors import Invalid
from loopwright.traces.scoring import check_value, live_scores, verdict, wire_score
from tests.unit.traces.records import START_US, score


@pytest.mark.parametrize(
    ("kind", "value", "kept"),
    [
        ("thumbs", 1, (1.0, "")),
        ("thumbs", -1, (-1.0, "")),
        ("stars", 5, (5.0, "")),
        ("number", 0.25, (0.25, "")),
        ("emoji", "🎉", (None, "🎉")),
        ("label", "refund", (None, "refund")),
        ("comment", "too long", (None, "too long")),
    ],
)
def test_values_of_each_kind(kind: str, value: object, kept: tuple[float | None, str]) -> None:
    assert check_value(kind, value) == kept


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("thumbs", 0),
        ("thumbs", True),
        ("thumbs", "1"),
        ("stars", 0),
        ("stars", 6),
        ("stars", 2.5),
        ("number", float("nan")),
        ("number", "3"),
        ("emoji", ""),
        ("emoji", "x" * 17),
        ("label", " "),
        ("comment", 3),
        ("comment", "x" * 10_001),
    ],
)
def test_other_values_are_refused(kind: str, value: object) -> None:
    with pytest.raises(Invalid) as refused:
        check_value(kind, value)
    assert refused.value.param == "value"
    assert kind in refused.value.hint


def test_an_unknown_kind_names_the_known() -> None:
    with pytest.raises(Invalid, match="unknown") as refused:
        check_value("hearts", 1)
    assert "thumbs" in refused.value.hint


def test_an_authors_later_judgement_replaces_the_earlier_one() -> None:
    first = score(1, id="a", author="ann")
    later = score(1, id="b", author="ann", number=-1.0, created_us=START_US + 1)
    other = score(1, id="c", author="bob", created_us=START_US + 2)
    assert live_scores([later, other, first]) == [later, other]


def test_comments_and_emojis_add_up() -> None:
    rows = [score(1, id=str(n), kind="comment", number=None, text=str(n), created_us=START_US + n) for n in range(3)]
    assert live_scores(rows) == rows


def test_a_tombstone_takes_one_score_away_and_the_earlier_one_counts_again() -> None:
    first = score(1, id="a", author="ann")
    later = score(1, id="b", author="ann", number=-1.0, created_us=START_US + 1)
    gone = score(1, id="b", deleted=True, created_us=START_US + 2)
    assert live_scores([first, later, gone]) == [first]


def test_a_tombstone_of_another_team_counts_for_nothing() -> None:
    assert live_scores([score(1), score(1, team_id="team_b", deleted=True)]) == [score(1)]


@pytest.mark.parametrize(
    ("kind", "number", "said"),
    [("thumbs", 1.0, "up"), ("thumbs", -1.0, "down"), ("stars", 4.0, "up"), ("stars", 3.0, ""), ("stars", 2.0, "down")],
)
def test_verdicts(kind: str, number: float, said: str) -> None:
    assert verdict(score(1, kind=kind, number=number)) == said


def test_numbers_of_other_kinds_are_no_verdict() -> None:
    assert verdict(score(1, kind="number", number=1.0)) == ""
    assert verdict(score(1, kind="label", number=None, text="up")) == ""


def test_the_wire_shows_whole_numbers_as_such() -> None:
    assert wire_score(score(1, kind="stars", number=4.0)).value == 4
    assert isinstance(wire_score(score(1)).value, int)
    assert wire_score(score(1, kind="number", number=4.0)).value == 4.0
