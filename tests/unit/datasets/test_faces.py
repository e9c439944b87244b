"""The HTTP and command line faces of datasets."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from loopwright.datasets import DatasetService, DatasetStore
from loopwright.datasets.commands import app as commands
from loopwright.datasets.routes import build_router
from loopwright.foundation.client import Client
from loopwright.foundation.clock import FixedClock
from loopwright.foundation.database import Database
from loopwright.foundation.errors import LoopwrightError
from loopwright.foundation.identity import Principal, action_of
from loopwright.foundation.lake import Lake
from tests.unit.datasets.details import FakeTraces, detail, score


class RoutedClient(Client):
    """Speaks to the routes without a network."""

    def __init__(self, http: TestClient) -> None:
        super().__init__("http://test", out=io.StringIO())
        self._http = http

    def get(self, path: str, **params: object) -> Any:
        return self._http.get(path).json()

    def post(self, path: str, body: object = None) -> Any:
        return self._http.post(path, json=body).json()

    def delete(self, path: str) -> Any:
        self._http.delete(path)

    def lines(self, path: str, method: str = "GET", body: object = None, **params: object) -> Iterator[str]:
        yield from self._http.get(path).content.decode().rstrip("\n").split("\n")


@pytest.fixture
def service(database: Database, lake: Lake, clock: FixedClock) -> DatasetService:
    traces = FakeTraces(detail(1, scores=(score("thumbs", 1),)), detail(2), detail(3, given="none"))
    return DatasetService(DatasetStore(database, lake), traces, clock=clock)


@pytest.fixture
def http(service: DatasetService) -> TestClient:
    app = FastAPI()

    @app.middleware("http")
    async def identify(request: Request, call_next: Any) -> Any:
        request.state.principal = Principal(request.headers.get("x-team", "team_a"), "key_1", "admin")
        return await call_next(request)

    @app.exception_handler(LoopwrightError)
    async def problem(_: Request, error: LoopwrightError) -> JSONResponse:
        return JSONResponse(error.problem(), error.status)

    app.include_router(build_router(service))
    return TestClient(app)


@pytest.fixture
def client(http: TestClient) -> RoutedClient:
    return RoutedClient(http)


def invoke(client: RoutedClient, *arguments: str) -> str:
    result = CliRunner().invoke(commands, list(arguments), obj=client, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output + client.out.getvalue()  # type: ignore[attr-defined]


def test_every_route_declares_its_action(service: DatasetService) -> None:
    routes = [route for route in build_router(service).routes if isinstance(route, APIRoute)]
    declared = {(method, route.path): action_of(route.endpoint) for route in routes for method in route.methods}
    assert declared == {
        ("GET", "/api/datasets"): "datasets.read",
        ("GET", "/api/datasets/{name}"): "datasets.read",
        ("POST", "/api/datasets/{name}/versions"): "datasets.write",
        ("GET", "/api/datasets/{name}/versions/{version}/rows"): "datasets.read",
        ("GET", "/api/datasets/{name}/versions/{version}/export"): "datasets.read",
        ("DELETE", "/api/datasets/{name}"): "datasets.admin",
    }


def test_from_drawing_to_removal_over_http(http: TestClient) -> None:
    url = "/api/datasets/support"
    planned = http.post(f"{url}/versions", json={"filter": {"model": "m1"}, "dry_run": True})
    assert (planned.status_code, planned.json()["counts"]["skipped"]) == (200, 1)
    assert http.get(url).status_code == 404
    drawn = http.post(f"{url}/versions", json={"filter": {"model": "m1"}, "note": "n"})
    assert drawn.status_code == 201
    assert drawn.json()["version"]["digest"] == planned.json()["version"]["digest"]
    assert drawn.json()["sample"][0]["labels"][0]["value"] == 1
    assert [item["name"] for item in http.get("/api/datasets").json()["items"]] == ["support"]
    assert http.get(url).json()["versions"][0]["source"]["filter"] == {"model": "m1"}
    rows = http.get(f"{url}/versions/1/rows", params={"offset": 1}).json()["items"]
    assert [row["messages"][0]["content"] for row in rows] == ["question 2"]
    export = http.get(f"{url}/versions/1/export")
    assert export.headers["content-type"] == "application/x-ndjson"
    assert drawn.json()["version"]["digest"] == "sha256:" + hashlib.sha256(export.content).hexdigest()
    assert http.get(f"{url}/versions/1/export", headers={"x-team": "team_b"}).status_code == 404
    assert http.delete(url, headers={"x-team": "team_b"}).status_code == 404
    assert http.delete(url).status_code == 204
    assert http.get(url).status_code == 404


@pytest.mark.parametrize("body", [{"filter": {"modell": "x"}}, {"limit": 0}, {"unknown": 1}])
def test_a_faulty_wish_is_refused(http: TestClient, body: dict[str, Any]) -> None:
    assert http.post("/api/datasets/support/versions", json=body).status_code in (400, 422)
    assert http.get("/api/datasets").json()["items"] == []


def test_the_commands_draw_show_and_export(client: RoutedClient, tmp_path: Path) -> None:
    planned = invoke(client, "from-traces", "support", "--model", "m1", "--dry-run")
    assert "version 1 would hold 2 rows" in planned
    assert client.get("/api/datasets")["items"] == []
    assert "3 traces, 0 duplicates, 1 without an answer" in invoke(client, "from-traces", "support", "--feedback", "up")
    assert "support" in invoke(client, "ls")
    assert "sha256:" in invoke(client, "show", "support")
    target = tmp_path / "out.jsonl"
    invoke(client, "export", "support", "-o", str(target))
    digest = client.get("/api/datasets/support")["versions"][0]["digest"]
    assert digest == "sha256:" + hashlib.sha256(target.read_bytes()).hexdigest()
    assert [path.name for path in tmp_path.glob("out*")] == ["out.jsonl"]
    printed = CliRunner().invoke(commands, ["export", "support", "--version", "1"], obj=client).output
    assert printed == target.read_text()
    assert len([json.loads(line) for line in printed.splitlines()]) == 2
    invoke(client, "delete", "support", "--yes")
    assert client.get("/api/datasets")["items"] == []
