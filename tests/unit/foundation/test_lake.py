"""Names, literals and leases of the lake."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopwright.foundation.clock import FixedClock
from loopwright.foundation.database import Database
from loopwright.foundation.errors import Conflict, Invalid
from loopwright.foundation.lake import Lake, LakeTable, TableLeases


@pytest.mark.parametrize("parts", [(), ("..",), ("spans", "a/b"), ("Spans",), ("a.b",), ("",), ("x" * 65,)])
def test_only_identifiers_name_tables(lake: Lake, parts: tuple[str, ...]) -> None:
    with pytest.raises(Invalid, match="cannot name a table"):
        lake.table(*parts)


def test_literal_matches_itself_and_nothing_else(lake: Lake) -> None:
    table = lake.table("words")
    words = ["x' OR 'a'='a", "'", "''", "back\\slash", "nul\0nul", "line\nline", "\u2028", "-- comment", "%_", "é", ""]
    table.append(pa.table({"word": words}))
    for word in words:
        found = table.open().to_table(filter=f"word = {LakeTable.literal(word)}")
        assert found["word"].to_pylist() == [word]


@settings(max_examples=30, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=("Cs",))))
def test_literal_is_one_quoted_string(text: str) -> None:
    literal = LakeTable.literal(text)
    assert literal[0] == literal[-1] == "'"
    assert literal[1:-1].replace("''", "") == text.replace("'", "")
    assert literal[1:-1].count("'") == 2 * text.count("'")


def test_literal_of_other_types() -> None:
    assert [LakeTable.literal(value) for value in (None, True, 3, 0.5)] == ["NULL", "true", "3", "0.5"]


def test_a_lease_has_one_holder_until_it_lapses(database: Database, clock: FixedClock) -> None:
    leases = TableLeases(database, clock, lease_s=60)
    first = leases.acquire("spans")
    with pytest.raises(Conflict, match="held by other upkeep"):
        leases.acquire("spans")
    leases.acquire("other")
    clock.advance(59)
    assert leases.renew(first)
    clock.advance(59)
    with pytest.raises(Conflict):
        leases.acquire("spans")
    clock.advance(2)
    second = leases.acquire("spans")
    assert not leases.renew(first)
    assert first.lost.is_set()
    leases.release(first)
    with pytest.raises(Conflict):
        leases.acquire("spans")
    leases.release(second)
    leases.acquire("spans")


def test_upkeep_is_refused_while_another_holds_the_table(lake: Lake) -> None:
    table = lake.table("spans")
    table.append(pa.table({"n": [1]}))
    with lake.lease("spans"), pytest.raises(Conflict, match="held by other upkeep"):
        table.maintain()
    table.maintain()


def test_upkeep_without_a_catalogue_is_exclusive_in_the_process(home: object) -> None:
    lake = Lake(f"{home}/lake")
    with lake.lease("a"), lake.lease("b"), pytest.raises(Conflict), lake.lease("a"):
        pass
