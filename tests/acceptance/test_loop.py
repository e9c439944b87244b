"""The loop once: documents, an assistant, an answer, its trace, a judgement, a dataset that never changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.acceptance.product import Product

PAGES = {
    "refunds.md": "# Refunds\n\nRefunds are paid within fourteen days of the return. Shipping is not refunded.\n",
    "warranty.md": "# Warranty\n\nThe warranty of a kettle lasts three years. It does not cover limescale.\n",
}
ASSISTANT = "kind: Endpoint\nname: clerk\nmodel: builtin/extract\nknowledge_base: shop-rules\n"
LIKED = "feedback=up&endpoint=clerk"


@dataclass
class Clerk:
    """An assistant over two pages, and the ids of three traces of it: liked with a comment, disliked, not judged."""

    product: Product
    liked: str
    disliked: str
    unjudged: str

    def rate(self, trace_id: str, kind: str, value: object, comment: str = "") -> None:
        body = {"kind": kind, "value": value, "comment": comment}
        status, score, _ = self.product.request("POST", f"/api/traces/{trace_id}/scores", body)
        assert status == 201, score

    def draw(self) -> dict[str, Any]:
        """The next version of the dataset `liked-answers`, drawn by the command line."""
        made = self.product.command(
            "dataset", "from-traces", "liked-answers", "--feedback", "up", "--endpoint", "clerk", "--json"
        )
        drawn: dict[str, Any] = json.loads(made.stdout)
        return drawn

    def rows(self, version: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.product.get(f"/api/datasets/liked-answers/versions/{version}/rows")["items"]
        return found

    def export(self, version: int) -> str:
        text: str = self.product.get(f"/api/datasets/liked-answers/versions/{version}/export")
        return text


def ask(client: openai.OpenAI, question: str) -> tuple[str, str]:
    """The answer and the id of its trace."""
    raw = client.chat.completions.with_raw_response.create(
        model="clerk", messages=[{"role": "user", "content": question}], user="ada"
    )
    return raw.parse().choices[0].message.content or "", raw.headers["x-loopwright-trace-id"]


@pytest.fixture(scope="module")
def clerk(product: Product, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clerk]:
    folder = tmp_path_factory.mktemp("shop")
    for name, text in PAGES.items():
        (folder / name).write_text(text)
    product.command("kb", "create", "shop-rules", str(folder))
    product.apply(ASSISTANT)
    client = openai.OpenAI(base_url=f"{product.url}/v1", api_key=product.key, max_retries=0)
    answer, liked = ask(client, "When are refunds paid?")
    assert answer == "Refunds are paid within fourteen days of the return. [1]"
    product.wait_for(lambda: product.request("GET", f"/api/traces/{liked}")[0] == 200, 2.0, "the trace")
    _, disliked = ask(client, "How long does the warranty of a kettle last?")
    _, unjudged = ask(client, "Is shipping refunded?")
    made = Clerk(product, liked, disliked, unjudged)
    for trace_id in (disliked, unjudged):
        product.wait_for(lambda one=trace_id: product.request("GET", f"/api/traces/{one}")[0] == 200, 2.0, "the trace")
    made.rate(liked, "thumbs", 1, "names the days")
    made.rate(liked, "comment", "short and right")
    made.rate(disliked, "thumbs", -1)
    yield made
    product.request("DELETE", "/api/datasets/liked-answers")


def test_the_trace_shows_the_retrieval_below_the_request(clerk: Clerk) -> None:
    detail = clerk.product.get(f"/api/traces/{clerk.liked}")
    root, *children = detail["spans"]
    assert detail["trace"]["span_count"] == len(detail["spans"])
    assert (root["parent_span_id"], root["kind"]) == (None, "model")
    retrieval = [span for span in children if span["kind"] == "retrieval"]
    assert [span["parent_span_id"] for span in retrieval] == [root["span_id"]]
    assert retrieval[0]["input"]["query"] == "When are refunds paid?"
    assert retrieval[0]["output"][0]["source"] == "refunds.md"
    assert root["start_time"] <= retrieval[0]["start_time"]
    assert retrieval[0]["duration_ms"] <= root["duration_ms"]
    # What the caller sent is kept as it was sent; the passages are in the retrieval span.
    assert [message["role"] for message in root["input"]["messages"]] == ["user"]


def test_the_filter_finds_the_liked_trace_and_only_it(clerk: Clerk) -> None:
    product = clerk.product

    def with_feedback(wanted: str) -> set[str]:
        return {item["trace_id"] for item in product.get(f"/api/traces?endpoint=clerk&feedback={wanted}")["items"]}

    product.wait_for(lambda: with_feedback("any") == {clerk.liked, clerk.disliked}, 2.0, "both judgements")
    assert with_feedback("up") == {clerk.liked}
    assert with_feedback("down") == {clerk.disliked}
    assert with_feedback("none") == {clerk.unjudged}


def test_the_dataset_keeps_judgements_and_never_changes(clerk: Clerk, tmp_path: Path) -> None:
    product = clerk.product
    product.wait_for(lambda: product.get(f"/api/traces?{LIKED}")["items"], 2.0, "the judgement")
    first = clerk.draw()
    assert first["counts"] == {"selected": 1, "rows": 1, "duplicates": 0, "skipped": 0}
    (row,) = clerk.rows(1)
    assert row["trace_id"] == clerk.liked
    assert [message["content"] for message in row["messages"]] == ["When are refunds paid?"]
    assert row["output"]["content"].startswith("Refunds are paid within fourteen days")
    (label,) = row["labels"]
    assert (label["name"], label["kind"], label["value"]) == ("feedback", "thumbs", 1)
    assert label["comment"] == "names the days"
    assert row["comments"] == ["short and right"]
    assert row["metadata"]["endpoint"] == "clerk"
    assert row["metadata"]["user_id"] == "ada"

    exported = clerk.export(1)
    assert [json.loads(line) for line in exported.splitlines()] == [row]
    assert first["version"]["digest"] == f"sha256:{sha256(exported.encode()).hexdigest()}"
    file = tmp_path / "liked.jsonl"
    product.command("dataset", "export", "liked-answers", "--version", "1", "--output", str(file))
    assert file.read_text() == exported
    assert product.command("dataset", "export", "liked-answers").stdout == exported

    second = clerk.draw()
    assert second["version"]["version"] == 2
    assert second["version"]["digest"] == first["version"]["digest"]

    clerk.rate(clerk.liked, "stars", 5, "still good")
    stars = "/api/traces/" + clerk.liked
    product.wait_for(lambda: len(product.get(stars)["scores"]) == 3, 2.0, "the stars")
    assert clerk.rows(1) == [row]
    assert clerk.export(1) == exported
    third = clerk.draw()
    assert third["version"]["digest"] != first["version"]["digest"]
    assert {label["kind"] for label in clerk.rows(3)[0]["labels"]} == {"thumbs", "stars"}
    versions = product.get("/api/datasets/liked-answers")["versions"]
    assert [version["digest"] for version in reversed(versions)] == [
        drawn["version"]["digest"] for drawn in (first, second, third)
    ]
