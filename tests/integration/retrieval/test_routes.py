"""The HTTP face of knowledge bases: what goes in and out, and that every route says what it needs."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from loopwright.foundation.errors import LoopwrightError
from loopwright.foundation.identity import Principal, action_of
from loopwright.foundation.jobs.testing import wait_for
from loopwright.retrieval.routes import build_router
from tests.integration.retrieval.conftest import Rig

BASES = "/api/knowledge-bases"


@pytest.fixture
def client(rig: Rig) -> TestClient:
    app = FastAPI()

    @app.middleware("http")
    async def identify(request: Request, call_next: Any) -> Any:
        request.state.principal = Principal(request.headers.get("x-team", "team_alpha"), "key_1", "member")
        return await call_next(request)

    @app.exception_handler(LoopwrightError)
    async def problem(_: Request, error: LoopwrightError) -> JSONResponse:
        return JSONResponse(error.problem(), error.status)

    app.include_router(build_router(rig.service))
    return TestClient(app)


@pytest.mark.backend("local")
def test_every_route_declares_its_action(rig: Rig) -> None:
    routes = [route for route in build_router(rig.service).routes if isinstance(route, APIRoute)]
    declared = {
        (method, route.path.removeprefix(BASES)): action_of(route.endpoint)
        for route in routes
        for method in route.methods
    }
    assert declared == {
        ("GET", ""): "knowledge.read",
        ("POST", ""): "knowledge.write",
        ("GET", "/{name}"): "knowledge.read",
        ("DELETE", "/{name}"): "knowledge.admin",
        ("POST", "/{name}/documents"): "knowledge.write",
        ("GET", "/{name}/documents"): "knowledge.read",
        ("GET", "/{name}/documents/{document_id}"): "knowledge.read",
        ("DELETE", "/{name}/documents/{document_id}"): "knowledge.write",
        ("POST", "/{name}/build"): "knowledge.write",
        ("POST", "/{name}/search"): "knowledge.read",
    }


@pytest.mark.backend("local")
def test_a_knowledge_base_over_http(client: TestClient, rig: Rig) -> None:
    made = client.post(BASES, json={"name": "kb", "recipe": {"chunk_tokens": 64}})
    assert made.status_code == 201
    assert made.json()["recipe"] == {"chunk_tokens": 64, "chunk_overlap_tokens": 0, "embedder": ""}
    assert made.json()["status"] == "empty"

    files = [("files", ("guide/a.md", b"# Reset\n\nPress the button.")), ("files", ("b.exe", b"x"))]
    items = client.post(f"{BASES}/kb/documents", files=files).json()["items"]
    assert [(one["source"], one["status"]) for one in items] == [("b.exe", "failed"), ("guide/a.md", "stored")]
    refused = client.post(f"{BASES}/kb/documents", files=[("files", ("../a.md", b"x"))])
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid")

    early = client.post(f"{BASES}/kb/search", json={"query": "button"})
    assert (early.status_code, early.json()["hint"]) == (409, "loopwright kb build kb")
    job = client.post(f"{BASES}/kb/build")
    assert job.status_code == 202
    assert wait_for(rig.jobs, "team_alpha", job.json()["id"]).status == "succeeded"

    found = client.post(f"{BASES}/kb/search", json={"query": "button", "top_k": 3}).json()
    assert found["embedder"] == {"name": "hashing-384", "real": False, "dimensions": 384}
    assert found["took_ms"] > 0
    hit = found["items"][0]
    assert (hit["source"], hit["heading"], hit["page"], hit["text"]) == (
        "guide/a.md",
        "Reset",
        None,
        "# Reset\n\nPress the button.",
    )
    document = client.get(f"{BASES}/kb/documents/{hit['document_id']}").json()
    assert document["passages"][0]["id"] == hit["passage_id"]
    assert client.get(f"{BASES}/kb").json()["versions"][0]["status"] == "ready"
    assert client.post(f"{BASES}/kb/search", json={"query": " "}).status_code == 400
    assert client.get(f"{BASES}/kb", headers={"x-team": "team_beta"}).status_code == 404
    assert client.delete(f"{BASES}/kb/documents/{hit['document_id']}").status_code == 204
    assert client.delete(f"{BASES}/kb").status_code == 204
    assert client.get(BASES).json() == {"items": [], "next_cursor": None}
