"""The HTTP face of traces: what goes in and out, and that every route says what it needs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from loopwright.foundation.clock import FixedClock
from loopwright.foundation.errors import LoopwrightError
from loopwright.foundation.identity import Principal, action_of
from loopwright.foundation.lake import Lake
from loopwright.traces.routes import build_router
from tests.unit.traces.records import score, span, trace_id
from tests.unit.traces.rig import Rig, rig


@pytest.fixture
def traces(home: Path, lake: Lake, clock: FixedClock) -> Iterator[Rig]:
    with rig(home / "spool", lake, clock) as made:
        yield made


@pytest.fixture
def client(traces: Rig) -> TestClient:
    app = FastAPI()

    @app.middleware("http")
    async def identify(request: Request, call_next: Any) -> Any:
        team = request.headers.get("x-team", "team_a")
        request.state.principal = Principal(team, "key_1", "member")
        return await call_next(request)

    @app.exception_handler(LoopwrightError)
    async def problem(_: Request, error: LoopwrightError) -> JSONResponse:
        return JSONResponse(error.problem(), error.status)

    app.include_router(build_router(traces.service))
    return TestClient(app)


def test_every_route_declares_its_action(traces: Rig) -> None:
    routes = [route for route in build_router(traces.service).routes if isinstance(route, APIRoute)]
    declared = {(method, route.path): action_of(route.endpoint) for route in routes for method in route.methods}
    assert declared == {
        ("GET", "/api/traces"): "traces.read",
        ("GET", "/api/traces/facets"): "traces.read",
        ("GET", "/api/traces/stream"): "traces.read",
        ("GET", "/api/traces/{trace_id}"): "traces.read",
        ("POST", "/api/traces/{trace_id}/scores"): "scores.write",
        ("DELETE", "/api/traces/{trace_id}/scores/{score_id}"): "scores.write",
    }


def test_pages_of_a_filtered_list(traces: Rig, client: TestClient) -> None:
    traces.keep(*(span(number, model=f"m{number % 2}") for number in range(6)))
    first = client.get("/api/traces", params={"model": "m1", "limit": 2}).json()
    assert [item["trace_id"] for item in first["items"]] == [trace_id(5), trace_id(3)]
    second = client.get("/api/traces", params={"model": "m1", "limit": 2, "cursor": first["next_cursor"]}).json()
    assert [item["trace_id"] for item in second["items"]] == [trace_id(1)]
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    ("name", "value"), [("status", "x"), ("since", "x"), ("cursor", "x"), ("limit", "0"), ("feedback", "x")]
)
def test_a_bad_parameter_is_named(client: TestClient, name: str, value: str) -> None:
    answer = client.get("/api/traces", params={name: value})
    assert (answer.status_code, answer.json()["param"]) == (400, name)


def test_one_trace_and_its_scores(traces: Rig, client: TestClient) -> None:
    traces.keep(span(1))
    url = f"/api/traces/{trace_id(1)}"
    added = client.post(f"{url}/scores", json={"kind": "stars", "value": 4, "comment": "good"})
    assert added.status_code == 201
    assert (added.json()["author"], added.json()["value"], added.json()["source"]) == ("key_1", 4, "human")
    detail = client.get(url).json()
    assert detail["scores"] == detail["trace"]["scores"] == [added.json()]
    assert detail["spans"][0]["input"] == {"messages": [{"role": "user", "content": "question 1"}]}
    assert client.delete(f"{url}/scores/{added.json()['id']}").status_code == 204
    assert client.get(url).json()["scores"] == []
    assert client.get(url, headers={"x-team": "team_b"}).status_code == 404


def test_a_text_of_digits_stays_text(traces: Rig, client: TestClient) -> None:
    traces.keep(span(1))
    added = client.post(f"/api/traces/{trace_id(1)}/scores", json={"kind": "label", "value": "5"})
    assert added.json()["value"] == "5"


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "stars", "value": 9},
        {"kind": "stars", "value": True},
        {"kind": "stars"},
        {"kind": "stars", "value": 1, "team_id": "x"},
    ],
)
def test_a_faulty_score_is_refused(traces: Rig, client: TestClient, body: dict[str, Any]) -> None:
    traces.keep(span(1))
    assert client.post(f"/api/traces/{trace_id(1)}/scores", json=body).status_code in (400, 422)
    assert client.get(f"/api/traces/{trace_id(1)}").json()["scores"] == []


def test_facets(traces: Rig, client: TestClient) -> None:
    traces.keep(span(1), score(1))
    assert client.get("/api/traces/facets").json()["models"] == [{"value": "m1", "count": 1}]


def test_the_stream_sends_arrivals_and_ends_with_its_client(
    traces: Rig, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loopwright.traces.routes.POLL_SECONDS", 0.001)
    monkeypatch.setattr("loopwright.traces.routes.KEEP_ALIVE_SECONDS", 0.0)
    tail = traces.service.tail("team_a")
    traces.keep(span(1))
    cursor = tail.poll()[0][0]
    traces.keep(span(2))
    sent: list[bytes] = []
    gone = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if not sent:
            return {"type": "http.request", "body": b"", "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message.get("body", b""))
        if b"keep-alive" in sent[-1]:
            gone.set()

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/api/traces/stream",
        "raw_path": b"/api/traces/stream",
        "query_string": b"",
        "headers": [(b"last-event-id", cursor.encode())],
        "http_version": "1.1",
        "scheme": "http",
        "root_path": "",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
    }
    asyncio.run(asyncio.wait_for(client.app(scope, receive, send), 10))
    events = [part for part in b"".join(sent).decode().split("\n\n") if part.startswith("id:")]
    assert len(events) == 1
    head, kind, data = events[0].split("\n")
    assert kind == "event: trace"
    assert json.loads(data.removeprefix("data: "))["trace_id"] == trace_id(2)
    resumed = traces.service.tail("team_a", head.removeprefix("id: "))
    assert resumed.poll() == []
