"""The product with its catalogue on PostgreSQL and its lake and blobs in an object store, and after a restart."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.product import Product
from tests.servers import PostgresServer, S3Server

PAGE = "# Ferries\n\nThe night ferry to Bergen leaves at nine. Dogs travel free of charge.\n"
ASSISTANT = "kind: Endpoint\nname: harbour\nmodel: builtin/extract\nknowledge_base: ferries\n"


@pytest.fixture(scope="module")
def scaled(
    postgres: PostgresServer, s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    """A running product whose state lies in servers."""
    name = f"t{uuid.uuid4().hex}"
    postgres.create(name)
    environment = {
        **s3_server.environment(),
        "LOOPWRIGHT_DATABASE_URL": postgres.url(name),
        "LOOPWRIGHT_STORE_URL": f"s3://{s3_server.create_bucket()}/team",
    }
    product = Product(tmp_path_factory.mktemp("scaled"), environment)
    try:
        product.start()
        yield product
    finally:
        product.stop()
        postgres.drop(name)


def ask(product: Product, question: str, model: str = "harbour", key: str | None = None) -> tuple[int, Any, str]:
    """Status, text or error, and trace id of one question."""
    body = {"model": model, "messages": [{"role": "user", "content": question}]}
    status, answer, headers = product.request("POST", "/v1/chat/completions", body, key=key)
    text = answer["choices"][0]["message"]["content"] if status == 200 else answer
    return status, text, headers.get("x-loopwright-trace-id", "")


def state(product: Product, trace_id: str) -> dict[str, Any]:
    """Everything a restart must keep, as the API shows it."""
    hits = product.request("POST", "/api/knowledge-bases/ferries/search", {"query": "Do dogs pay?"})[1]["items"]
    return {
        "trace": product.get(f"/api/traces/{trace_id}"),
        "liked": [item["trace_id"] for item in product.get("/api/traces?feedback=up")["items"]],
        "dataset": product.get("/api/datasets/ferry-answers"),
        "rows": product.get("/api/datasets/ferry-answers/versions/1/rows"),
        "export": product.get("/api/datasets/ferry-answers/versions/1/export"),
        "base": product.get("/api/knowledge-bases/ferries"),
        "hits": [(hit["passage_id"], hit["text"]) for hit in hits],
        "endpoints": product.get("/api/endpoints"),
    }


@pytest.mark.timeout(240)
def test_the_loop_and_a_restart(scaled: Product, tmp_path: Path) -> None:
    info = scaled.get("/api/info")
    assert "postgresql" in info["database"].lower()
    assert info["store"].startswith("s3")
    (tmp_path / "ferries.md").write_text(PAGE)
    scaled.command("kb", "create", "ferries", str(tmp_path))
    scaled.apply(ASSISTANT)
    status, text, trace_id = ask(scaled, "When does the night ferry to Bergen leave?")
    assert (status, text) == (200, "The night ferry to Bergen leaves at nine. [1]")
    scaled.wait_for(lambda: scaled.request("GET", f"/api/traces/{trace_id}")[0] == 200, 2.0, "the trace")
    scaled.command("traces", "rate", trace_id, "--up", "--comment", "right")
    scaled.wait_for(lambda: scaled.get("/api/traces?feedback=up")["items"], 2.0, "the rating")
    scaled.command("dataset", "from-traces", "ferry-answers", "--feedback", "up")
    before = state(scaled, trace_id)
    assert before["liked"] == [trace_id]
    assert json.loads(before["export"])["trace_id"] == trace_id
    assert "Dogs travel free" in before["hits"][0][1]

    # What is in servers is not on the disk of the machine.
    kept_here = {path.name for path in scaled.home.iterdir()}
    assert not kept_here & {"catalogue.db", "lake", "blobs"}, kept_here
    scaled.stop()
    scaled.start()
    log = (scaled.home / "logs" / "processes.log").read_text()
    assert "starting it again" not in log, log
    assert state(scaled, trace_id) == before
    status, text, _ = ask(scaled, "Do dogs pay on the ferry?")
    assert status == 200
    assert "[1]" in text


def test_the_gateway_knows_a_new_key_within_two_seconds(scaled: Product) -> None:
    spans = []
    for number in range(5):
        status, made, _ = scaled.request("POST", "/api/keys", {"name": f"new-{number}", "role": "member"})
        assert status == 201
        started = time.monotonic()
        scaled.wait_for(lambda key=made["key"]: ask(scaled, "hi", "builtin/echo", key)[0] == 200, 2.0, "the new key")
        spans.append(time.monotonic() - started)
        status = scaled.request("DELETE", f"/api/keys/{made['id']}")[0]
        assert status == 204
        started = time.monotonic()
        scaled.wait_for(lambda key=made["key"]: ask(scaled, "hi", "builtin/echo", key)[0] == 401, 2.0, "its end")
        spans.append(time.monotonic() - started)
    print(f"\nkeys known and forgotten after {', '.join(f'{one * 1000:.0f}' for one in spans)} ms")
