"""Every route of control, from the live table: closed to strangers, to low roles, and to other teams.

A new route is covered the moment it exists; one with a path parameter nobody listed here fails the sweep.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from loopwright.access import AccessStore, hash_secret, new_key
from loopwright.apps.control import build_control
from loopwright.apps.gatekeeper import OPERATOR, api_routes, check_declared
from loopwright.apps.house import House
from loopwright.foundation.identity import PUBLIC, Role, action_of
from loopwright.foundation.ids import new_id, new_span_id, new_trace_id
from loopwright.foundation.settings import Settings
from loopwright.traces import SpanRecord, SpoolWriter
from tests.integration.apps.control_app import TOKEN, Answer, call

CANARY = "canary7f3a"
HANDBOOK = f"# {CANARY}\n\nThe {CANARY} sings in the mine when the air is good.\n"
SPECS = f"""\
kind: Provider
name: {CANARY}
base_url: http://127.0.0.1:9/v1
---
kind: Endpoint
name: {CANARY}
model: {CANARY}/m
---
kind: Price
name: {CANARY}/m
input_per_million: 1
output_per_million: 1
"""


@dataclass
class Stage:
    """Two teams; one of them has something of everything, and its ids by path parameter."""

    app: FastAPI
    keys: dict[tuple[str, Role], str]
    parameters: dict[str, str] = field(default_factory=dict)

    def as_team(self, team: str, role: Role, method: str, path: str, body: object = None) -> Answer:
        return call(self.app, method, path, self.keys[team, role], body)

    def filled(self, route: APIRoute) -> str:
        names = set(re.findall(r"\{(\w+)", route.path))
        missing = names - set(self.parameters)
        assert not missing, f"{route.path}: tell the sweep a value for {missing}"
        return route.path.format(**{name: self.parameters[name] for name in names})


@pytest.fixture
def stage(settings: Settings) -> Iterator[Stage]:
    house = House(settings, TOKEN)
    house.prepare()
    house.start()
    app = build_control(house)
    found = Stage(app, _two_teams(house))
    try:
        _furnish(found, settings)
        yield found
    finally:
        house.stop()


def _two_teams(house: House) -> dict[tuple[str, Role], str]:
    store = AccessStore(house.database)
    keys: dict[tuple[str, Role], str] = {}
    with house.database.write() as connection:
        for team in ("owner", "stranger"):
            team_id = f"team_{team}"
            store.add_team(connection, {"id": team_id, "name": team, "created_us": 1})
            for role in ("admin", "member", "viewer"):
                secret = new_key()
                row = {
                    "id": new_id("key"),
                    "team_id": team_id,
                    "name": CANARY if team == "owner" else "k",
                    "role": role,
                }
                hashed = {"prefix": secret[:9], "key_hash": hash_secret(secret), "created_by": "t", "created_us": 1}
                store.add_key(connection, {**row, **hashed})
                keys[team, role] = secret
    return keys


def _furnish(stage: Stage, settings: Settings) -> None:
    """Gives the owner one of everything that a route can name."""

    def owner(method: str, path: str, body: object = None) -> Any:
        answer = stage.as_team("owner", "admin", method, path, body)
        assert answer.status < 300, (method, path, answer.status, answer.body)
        return answer.json() if answer.body else None

    trace_id = new_trace_id()
    spool = SpoolWriter(settings.spool_dir)
    messages = json.dumps({"messages": [{"role": "user", "content": CANARY}]}).encode()
    choices = json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": CANARY}}]}).encode()
    record = {"team_id": "team_owner", "trace_id": trace_id, "span_id": new_span_id(), "kind": "model", "name": CANARY}
    now = time.time_ns() // 1000
    spool.append([SpanRecord(**record, start_us=now, duration_us=5, input=messages, output=choices, model=CANARY)])
    spool.close()
    score = owner("POST", f"/api/traces/{trace_id}/scores", {"kind": "comment", "value": CANARY})
    owner("POST", f"/api/datasets/{CANARY}/versions", {"filter": {}})
    owner("POST", "/api/apply", {"text": SPECS, "dry_run": False})
    owner("POST", "/api/knowledge-bases", {"name": CANARY})
    form = (
        f'--x\r\nContent-Disposition: form-data; name="files"; filename="{CANARY}.md"\r\n\r\n{HANDBOOK}\r\n--x--\r\n'
    ).encode()
    key = stage.keys["owner", "admin"]
    upload = call(
        stage.app, "POST", f"/api/knowledge-bases/{CANARY}/documents", key, form,
        {"content-type": "multipart/form-data; boundary=x"},
    )  # fmt: skip
    assert upload.status < 300, upload.body
    job = owner("POST", f"/api/knowledge-bases/{CANARY}/build", {})
    deadline = time.monotonic() + 60
    while (state := owner("GET", f"/api/jobs/{job['id']}"))["status"] not in ("succeeded", "failed"):
        assert time.monotonic() < deadline, state
        time.sleep(0.1)
    assert state["status"] == "succeeded", state
    issued = owner("POST", "/api/keys", {"name": CANARY, "role": "viewer"})
    stage.parameters = {
        "trace_id": trace_id,
        "score_id": score["id"],
        "name": CANARY,
        "version": "1",
        "document_id": upload.json()["items"][0]["id"],
        "job_id": job["id"],
        "key_id": issued["id"],
    }


BODIES: dict[str, object] = {
    "/api/traces/{trace_id}/scores": {"kind": "thumbs", "value": 1},
    "/api/datasets/{name}/versions": {"filter": {}, "dry_run": True},
    "/api/knowledge-bases/{name}/search": {"query": CANARY},
    "/api/knowledge-bases/{name}/build": {},
}

MAKES_ITS_OWN = {"/api/datasets/{name}/versions"}
"""Routes that make a thing of that name in the caller's own team; they may answer, with nothing of the owner's."""


def test_no_route_is_open_to_strangers_or_to_low_roles(stage: Stage) -> None:
    opened = []
    for route in api_routes(stage.app.routes):
        action = action_of(route.endpoint)
        path = stage.filled(route)
        for method in route.methods or ():
            anonymous = call(stage.app, method, path, "", {}).status
            wrong = call(stage.app, method, path, "lw-wrong", {}).status
            viewer = stage.as_team("stranger", "viewer", method, path, BODIES.get(route.path, {})).status
            member = stage.as_team("stranger", "member", method, path, BODIES.get(route.path, {})).status
            if action == PUBLIC:
                assert path == "/api/session", path
            elif action == OPERATOR:
                opened += [path] if {anonymous, wrong, viewer, member} != {401, 404} and viewer != 404 else []
            else:
                verb = str(action).rpartition(".")[2]
                opened += [f"{method} {path} anonymous {anonymous}"] if (anonymous, wrong) != (401, 401) else []
                opened += [f"{method} {path} viewer {viewer}"] if verb != "read" and viewer != 403 else []
                opened += [f"{method} {path} member {member}"] if verb == "admin" and member != 403 else []
    assert opened == []


def test_no_route_shows_or_touches_what_is_another_teams(stage: Stage) -> None:
    touched = []
    swept = 0
    for route in api_routes(stage.app.routes):
        if action_of(route.endpoint) in (PUBLIC, OPERATOR):
            continue
        for method in route.methods or ():
            path = stage.filled(route)
            answer = stage.as_team("stranger", "admin", method, path, BODIES.get(route.path, {}))
            swept += 1
            if route.path in MAKES_ITS_OWN:
                assert answer.json()["sample"] == [], path
                continue
            shown = answer.body.decode(errors="replace").replace(path, "")
            names_thing = "{" in route.path
            # An error may repeat the name the caller sent; nothing else of the owner's may come back.
            leaked = CANARY in shown and answer.status < 400
            reached = names_thing and answer.status < 400 and method != "GET"
            if leaked or reached or (names_thing and method == "GET" and answer.status < 400):
                touched.append(f"{method} {path}: {answer.status} {shown[:200]}")
    assert swept > 25
    assert touched == []
    still_there = stage.as_team("owner", "viewer", "GET", f"/api/traces/{stage.parameters['trace_id']}").json()
    assert len(still_there["scores"]) == 1
    assert stage.as_team("owner", "viewer", "GET", f"/api/knowledge-bases/{CANARY}").json()["status"] == "ready"
    assert stage.as_team("owner", "viewer", "GET", f"/api/datasets/{CANARY}").status == 200


def test_the_owner_sees_the_canary_on_the_routes_that_hid_it(stage: Stage) -> None:
    # The sweep would also pass if nothing were stored at all.
    seen = 0
    for route in api_routes(stage.app.routes):
        if "GET" in (route.methods or ()) and action_of(route.endpoint) not in (PUBLIC, OPERATOR):
            seen += CANARY in stage.as_team("owner", "admin", "GET", stage.filled(route)).body.decode(errors="replace")
    assert seen >= 12


def test_paths_without_a_route_tell_strangers_nothing(stage: Stage) -> None:
    for path in ("/api/nothing", "/api/traces/x/y/z", "/internal/embed", "/internal/nothing", "/v1/models"):
        assert call(stage.app, "GET", path).status == 401, path
    assert stage.as_team("owner", "admin", "GET", "/api/nothing").status == 404
    assert stage.as_team("owner", "admin", "POST", "/internal/embed", {"texts": ["x"]}).status == 404


def test_the_operator_token_opens_the_inner_routes(stage: Stage) -> None:
    embedded = call(stage.app, "POST", "/internal/embed", "", {"texts": ["x"]}, {"x-loopwright-operator": TOKEN})
    assert (embedded.status, len(embedded.body)) == (200, 384 * 4)
    refused = call(stage.app, "POST", "/internal/embed", "", {"texts": ["x"]}, {"x-loopwright-operator": TOKEN + "x"})
    assert refused.status in (401, 404)


def test_a_route_without_an_action_is_refused_at_start(stage: Stage) -> None:
    open_app = FastAPI()
    open_app.add_api_route("/api/open", lambda: None)
    with pytest.raises(RuntimeError, match="/api/open"):
        check_declared(open_app.routes)
