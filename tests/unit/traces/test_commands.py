"""The command line face of traces, against a client that records what it is asked."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from typer.testing import CliRunner

from loopwright.foundation.client import Client
from loopwright.foundation.errors import Invalid
from loopwright.traces.commands import app

SPAN = {"parent_span_id": None, "kind": "model", "duration_ms": 1500.0, "cost_usd": 0.25, "error": None}
DETAIL = {
    "trace": {
        "trace_id": "t1",
        "start_time": "2026-11-20T10:00:00Z",
        "status": "error",
        "duration_ms": 1500.0,
        "cost_usd": 0.25,
        "input_preview": "asked this",
        "output_preview": "answered that",
    },
    "spans": [
        {**SPAN, "span_id": "a", "name": "chat"},
        {**SPAN, "span_id": "b", "name": "search", "parent_span_id": "a", "kind": "retrieval", "cost_usd": None},
        {**SPAN, "span_id": "c", "name": "call", "parent_span_id": "a", "error": {"code": "e", "message": "broke"}},
        {**SPAN, "span_id": "d", "name": "lost child", "parent_span_id": "zz"},
    ],
    "scores": [{"id": "s1", "name": "feedback", "kind": "thumbs", "value": -1, "comment": "wrong"}],
}


class FakeClient(Client):
    """Answers from memory."""

    def __init__(self, as_json: bool = False) -> None:
        super().__init__("http://test", as_json=as_json, out=io.StringIO())
        self.calls: list[tuple[str, Any]] = []
        self.pages: list[dict[str, Any]] = []

    def get(self, path: str, **params: object) -> Any:
        self.calls.append((path, {key: value for key, value in params.items() if value not in (None, "")}))
        return self.pages.pop(0) if self.pages else DETAIL

    def post(self, path: str, body: object = None) -> Any:
        self.calls.append((path, body))
        return body

    def stream_sse(self, path: str, **params: object) -> Any:
        yield "trace", {**DETAIL["trace"], "model": "m1"}
        yield "other", {}

    @property
    def text(self) -> str:
        return self.out.getvalue()  # type: ignore[attr-defined]


def invoke(client: FakeClient, *arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), obj=client, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return client.text


def test_ls_passes_filters_on_and_follows_pages() -> None:
    client = FakeClient(as_json=True)
    client.pages = [
        {"items": [{"trace_id": str(number)} for number in range(200)], "next_cursor": "c1"},
        {"items": [{"trace_id": "last"}], "next_cursor": None},
    ]
    shown = json.loads(
        invoke(client, "ls", "-q", "refund", "--status", "error", "--min-duration-ms", "5", "--limit", "300")
    )
    assert len(shown) == 201
    assert client.calls[0] == ("/api/traces", {"q": "refund", "status": "error", "min_duration_ms": 5.0, "limit": 200})
    assert client.calls[1][1]["cursor"] == "c1"
    assert client.calls[1][1]["limit"] == 100


def test_show_prints_a_tree_with_durations_and_cost() -> None:
    lines = invoke(FakeClient(), "show", "t1").splitlines()
    assert lines[3:] == [
        "├─ chat [model]  1500.0 ms  $0.250000",
        "│  ├─ search [retrieval]  1500.0 ms  cost unknown",
        "│  └─ call [model]  1500.0 ms  $0.250000  e: broke",
        "└─ lost child [model]  1500.0 ms  $0.250000",
        "s1  feedback (thumbs): -1  wrong",
    ]


def test_show_as_json_is_the_whole_answer() -> None:
    assert json.loads(invoke(FakeClient(as_json=True), "show", "t1")) == DETAIL


def test_tail_prints_one_line_per_trace() -> None:
    lines = invoke(FakeClient(), "tail").splitlines()
    assert len(lines) == 1
    assert "asked this" in lines[0]


@pytest.mark.parametrize(
    ("arguments", "kind", "value", "comment"),
    [
        (["--up"], "thumbs", 1, ""),
        (["--down", "--comment", "wrong"], "thumbs", -1, "wrong"),
        (["--stars", "4"], "stars", 4, ""),
        (["--emoji", "🎉"], "emoji", "🎉", ""),
        (["--number", "0.5", "--name", "x"], "number", 0.5, ""),
        (["--label", "refund"], "label", "refund", ""),
        (["--comment", "hm"], "comment", "hm", ""),
    ],
)
def test_rate_posts_one_score(arguments: list[str], kind: str, value: object, comment: str) -> None:
    client = FakeClient()
    invoke(client, "rate", "t1", *arguments)
    path, body = client.calls[0]
    assert path == "/api/traces/t1/scores"
    assert (body["kind"], body["value"], body["comment"]) == (kind, value, comment)


@pytest.mark.parametrize("arguments", [[], ["--up", "--down"], ["--up", "--stars", "3"]])
def test_rate_wants_exactly_one_judgement(arguments: list[str]) -> None:
    with pytest.raises(Invalid, match="one is needed"):
        invoke(FakeClient(), "rate", "t1", *arguments)
