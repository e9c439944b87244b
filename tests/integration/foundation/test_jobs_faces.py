"""HTTP and command-line faces of jobs."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from typer.testing import CliRunner

from loopwright.foundation.client import Client
from loopwright.foundation.clock import SystemClock
from loopwright.foundation.database import Database
from loopwright.foundation.errors import Conflict, LoopwrightError
from loopwright.foundation.identity import Principal, action_of
from loopwright.foundation.jobs import JobContext, Jobs
from loopwright.foundation.jobs.commands import app as commands
from loopwright.foundation.jobs.routes import build_router
from loopwright.foundation.jobs.testing import wait_for
from tests.servers import free_port

ALICE = Principal("team_a", "key_a", "admin")


@pytest.fixture
def jobs(database: Database) -> Iterator[Jobs]:
    def add(context: JobContext, spec: dict[str, Any]) -> dict[str, Any]:
        context.progress(1, 1, "sums", "added")
        return {"sum": spec["a"] + spec["b"]}

    made = Jobs(database, SystemClock(), {"add": add})
    made.migrate()
    yield made
    made.stop()


@pytest.fixture
def base_url(jobs: Jobs) -> Iterator[str]:
    """A server with the routes of jobs and nothing else."""
    app = FastAPI()

    @app.middleware("http")
    async def identify(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
        request.state.principal = Principal(request.headers.get("team", "team_a"), "key_a", "admin")
        return await call_next(request)

    @app.exception_handler(LoopwrightError)
    async def problem(_request: Request, error: LoopwrightError) -> Response:
        return JSONResponse(error.problem(), error.status)

    app.include_router(build_router(jobs))
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        assert time.monotonic() < deadline, "the server does not start"
        time.sleep(0.01)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


@pytest.fixture
def http(base_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base_url) as client:
        yield client


@pytest.fixture
def client(base_url: str) -> Client:
    return Client(base_url, out=io.StringIO())


def _invoke(client: Client, *arguments: str) -> str:
    done = CliRunner().invoke(commands, list(arguments), obj=client)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert isinstance(client.out, io.StringIO)
    shown = client.out.getvalue()
    client.out = io.StringIO()
    return shown


def test_every_route_says_what_it_takes_to_call_it(jobs: Jobs) -> None:
    found = {(route.path, action_of(route.endpoint)) for route in build_router(jobs).routes}  # type: ignore[attr-defined]
    assert found == {
        ("/api/jobs", "jobs.read"),
        ("/api/jobs/{job_id}", "jobs.read"),
        ("/api/jobs/{job_id}/cancel", "jobs.write"),
        ("/api/jobs/{job_id}/resume", "jobs.write"),
    }


def test_http_shows_cancels_and_resumes(http: httpx.Client, jobs: Jobs) -> None:
    made = [jobs.submit(ALICE, "add", f"s{number}", {"a": 1, "b": number}) for number in range(3)]
    page = http.get("/api/jobs", params={"limit": 2}).json()
    assert [job["subject"] for job in page["items"]] == ["s2", "s1"]
    rest = http.get("/api/jobs", params={"limit": 2, "cursor": page["next_cursor"]}).json()
    assert ([job["subject"] for job in rest["items"]], rest["next_cursor"]) == (["s0"], None)
    assert http.get("/api/jobs", params={"subject": "s1"}).json()["items"][0]["id"] == made[1].id
    assert http.get("/api/jobs", headers={"team": "team_b"}).json()["items"] == []
    assert http.get(f"/api/jobs/{made[0].id}", headers={"team": "team_b"}).status_code == 404
    assert http.post(f"/api/jobs/{made[0].id}/cancel").json()["status"] == "cancelled"
    assert http.post(f"/api/jobs/{made[0].id}/cancel").status_code == 409
    assert http.post(f"/api/jobs/{made[0].id}/resume").json()["status"] == "queued"
    jobs.start("w1")
    wait_for(jobs, "team_a", made[0].id)
    shown = http.get(f"/api/jobs/{made[0].id}").json()
    assert (shown["status"], shown["result"], shown["error"]) == ("succeeded", {"sum": 1}, None)
    assert shown["progress"]["message"] == "added"
    assert shown["finished_at"].endswith("Z")


def test_commands_list_show_watch_and_cancel(client: Client, jobs: Jobs) -> None:
    good = jobs.submit(ALICE, "add", "sums", {"a": 1, "b": 2})
    bad = jobs.submit(ALICE, "add", "sums", {})
    other = jobs.submit(ALICE, "add", "other", {"a": 1, "b": 2})
    assert "cancelled" in _invoke(client, "cancel", other.id)
    jobs.start("w1")
    assert "sum" in _invoke(client, "watch", good.id)
    with pytest.raises(Conflict, match="by a fault of ours"):
        _invoke(client, "watch", bad.id)
    listed = _invoke(client, "ls", "--subject", "sums")
    assert "1/1 sums, added" in listed
    assert other.id not in listed
    client.as_json = True
    assert json.loads(_invoke(client, "show", good.id))["result"] == {"sum": 3}
    assert json.loads(_invoke(client, "resume", other.id))["status"] == "queued"
