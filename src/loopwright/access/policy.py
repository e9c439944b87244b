"""Roles and actions decided by Cedar: default deny, the policy is a file people can read."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

import cedarpy

from loopwright.foundation.identity import Principal, Role

VERBS = ("read", "write", "call", "admin")


def allowed(principal: Principal, action: str, team_id: str | None = None) -> bool:
    """Whether `principal` may do `action` (`noun.verb`) to something of `team_id`, its own team by default."""
    return _decide(principal.role, action, team_id is None or team_id == principal.team_id)


@cache
def _policies() -> cedarpy.PolicySet:
    return cedarpy.PolicySet.from_str(files("loopwright.access").joinpath("policy.cedar").read_text())


@cache
def _decide(role: Role, action: str, same_team: bool) -> bool:
    verb = action.rpartition(".")[2]
    if verb not in VERBS:
        return False
    entities: list[dict[str, object]] = [
        {"uid": {"type": "Caller", "id": "c"}, "attrs": {"role": role, "team": "a"}, "parents": []},
        {"uid": {"type": "Thing", "id": "t"}, "attrs": {"team": "a" if same_team else "b"}, "parents": []},
        {"uid": {"type": "Action", "id": action}, "attrs": {}, "parents": [{"type": "Action", "id": verb}]},
        {"uid": {"type": "Action", "id": verb}, "attrs": {}, "parents": []},
    ]
    request = {"principal": 'Caller::"c"', "action": f"Action::{json.dumps(action)}", "resource": 'Thing::"t"'}
    result = cedarpy.is_authorized(request, _policies(), entities)
    return bool(result.decision == cedarpy.Decision.Allow)
