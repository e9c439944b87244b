from __future__ import annotations

import pytest

from loopwright.access import allowed
from loopwright.access.policy import VERBS
from loopwright.foundation.identity import ROLES, Principal, Role

TABLE = {
    "admin": {"read": True, "write": True, "call": True, "admin": True},
    "member": {"read": True, "write": True, "call": True, "admin": False},
    "viewer": {"read": True, "write": False, "call": False, "admin": False},
}
CELLS = [(role, verb, may) for role, row in TABLE.items() for verb, may in row.items()]


def caller(role: Role, team: str = "team_1") -> Principal:
    return Principal(team, "key_1", role)


def test_the_table_is_whole() -> None:
    assert set(TABLE) == set(ROLES)
    assert all(set(row) == set(VERBS) for row in TABLE.values())


@pytest.mark.parametrize(("role", "verb", "may"), CELLS)
@pytest.mark.parametrize("noun", ["traces", "keys", "anything"])
def test_a_role_may_do_what_the_table_says(role: Role, verb: str, may: bool, noun: str) -> None:
    assert allowed(caller(role), f"{noun}.{verb}") is may
    assert allowed(caller(role), f"{noun}.{verb}", "team_1") is may


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("verb", VERBS)
def test_nobody_may_do_anything_to_another_team(role: Role, verb: str) -> None:
    assert not allowed(caller(role), f"traces.{verb}", "team_2")
    assert not allowed(caller(role), f"traces.{verb}", "")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("action", ["", "traces", "traces.", "traces.delete", "traces.READ", "traces.read ", 'x"."'])
def test_an_unknown_verb_is_denied(role: Role, action: str) -> None:
    assert not allowed(caller(role), action)


def test_an_unknown_role_is_denied() -> None:
    assert not allowed(Principal("team_1", "x", "owner"), "traces.read")  # type: ignore[arg-type]


def test_a_strange_noun_is_data_and_never_policy() -> None:
    assert allowed(caller("viewer"), 'a"b\\c.read')
    assert not allowed(caller("viewer"), 'a" || true || ".write')
