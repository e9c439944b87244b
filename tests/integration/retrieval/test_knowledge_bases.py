"""Knowledge bases on real stores: built, searched, rebuilt, deleted; one team never sees another's."""

from __future__ import annotations

import io
import json
import threading

import pytest

from loopwright.foundation.errors import Conflict, Invalid, NotFound
from loopwright.foundation.jobs.testing import wait_for
from loopwright.signals import HashingEmbedder
from tests.integration.retrieval.conftest import Rig
from tests.unit.retrieval.test_parsing import make_pdf

MANUALS = {
    "router.md": b"# Router\n\n## Reset\n\nHold the red button for ten seconds to reset the router.\n\n"
    b"## Warranty\n\nThe warranty lasts two years.\n",
    "guide/camera.html": b"<h1>Caf&eacute; camera</h1><p>The camera records at night, too &amp; in rain.</p>",
    "notes.txt": b"Deliveries arrive on Tuesday at the northern gate.",
    "report.pdf": make_pdf("Sales in Norway doubled.", "Costs in Spain fell.", title="Report"),
}


def test_a_folder_becomes_a_searchable_knowledge_base(rig: Rig) -> None:
    job = rig.make("manuals", MANUALS)
    assert job.status == "succeeded"
    made = {"version": 1, "document_count": 4, "passage_count": 5, "failed_count": 0}
    assert job.result == {**made, "embedder": "hashing-384", "real": False}
    assert (job.progress["done"], job.progress["total"], job.progress["unit"]) == (4, 4, "documents")
    base = rig.service.get(rig.alpha, "manuals")
    assert (base.status, base.document_count, base.passage_count, base.active_version) == ("ready", 4, 5, 1)
    assert base.embedder is not None
    assert base.embedder.real is False

    hit = rig.service.search(rig.alpha, "manuals", "costs in Spain", top_k=1).items[0]
    assert (hit.source, hit.title, hit.page, hit.text) == ("report.pdf", "Report", 2, "Costs in Spain fell.")
    assert (hit.rank, hit.dense_rank, hit.text_rank) == (1, 1, 1)
    for mode in ("hybrid", "dense", "text"):
        assert rig.found("manuals", "How do I reset the router?", mode=mode)[0] == "router.md"
        assert rig.found("manuals", "café cameras in rain", mode=mode)[0] == "guide/camera.html"


def test_passages_are_exact_pieces_of_their_documents(rig: Rig) -> None:
    text = "\n\n".join(f"## Part {n}\n\n" + f"Sentence {n} about topic {n * 7}. " * 60 for n in range(6))
    rig.make("long", {"a.md": text.encode()})
    document = rig.service.documents(rig.alpha, "long")[0]
    assert (document.status, document.title) == ("indexed", "a")
    passages = rig.service.document(rig.alpha, "long", document.id).passages
    assert len(passages) == document.passage_count > 6
    assert [one.ordinal for one in passages] == list(range(len(passages)))
    assert all(text[one.start : one.end] == one.text for one in passages)
    hit = rig.service.search(rig.alpha, "long", "topic 35", top_k=1).items[0]
    assert hit.heading == "Part 5"
    assert text[hit.start : hit.end] == hit.text


def test_what_cannot_be_read_is_listed_and_the_rest_goes_on(rig: Rig) -> None:
    rig.make(
        "mixed",
        {
            "good.txt": b"A good file.",
            "empty.txt": b"",
            "broken.pdf": b"%PDF-1.4 oops",
            "locked.pdf": make_pdf("secret", password="key"),
            "binary.txt": b"\x00\x01",
        },
    )
    base = rig.service.get(rig.alpha, "mixed")
    assert (base.status, base.document_count, base.failed_count) == ("ready", 1, 4)
    reasons = {failure.source: failure.reason for failure in base.failures}
    assert reasons.keys() == {"empty.txt", "broken.pdf", "locked.pdf", "binary.txt"}
    assert "password" in reasons["locked.pdf"]
    shown = {one.source: one.status for one in rig.service.documents(rig.alpha, "mixed")}
    assert shown["good.txt"] == "indexed"
    assert shown["locked.pdf"] == "failed"


def test_a_first_build_without_a_readable_file_fails_and_says_why(rig: Rig) -> None:
    job = rig.make("bad", {"empty.txt": b"", "broken.pdf": b"%PDF-1.4 oops"})
    assert job.status == "failed"
    assert job.error is not None
    assert "none of the 2 documents could be read: broken.pdf: the PDF is damaged" in job.error["detail"]
    base = rig.service.get(rig.alpha, "bad")
    assert (base.status, base.active_version, len(base.failures)) == ("failed", None, 2)
    with pytest.raises(Conflict, match="failed"):
        rig.found("bad", "anything")


def test_a_later_build_without_a_readable_file_leaves_the_old_one_serving(rig: Rig) -> None:
    rig.make("kb", {"a.txt": b"The gate opens at nine."})
    rig.add("kb", {"a.txt": b""})
    assert rig.build("kb").status == "failed"
    assert rig.found("kb", "gate") == ["a.txt"]
    base = rig.service.get(rig.alpha, "kb")
    assert (base.status, base.active_version, [one.source for one in base.failures]) == ("ready", 1, ["a.txt"])


def test_squad_json_is_a_document_a_paragraph_and_replaced_as_a_whole(rig: Rig) -> None:
    def squad(*contexts: str) -> bytes:
        paragraphs = [{"context": context} for context in contexts]
        return json.dumps({"data": [{"title": "Super_Bowl", "paragraphs": paragraphs}]}).encode()

    rig.service.create(rig.alpha, "qa")
    first = rig.add("qa", {"s.json": squad("Denver won the game.", "The stadium is in Santa Clara.")})
    assert [(one.source, one.title, one.change) for one in first] == [
        ("s.json#Super_Bowl-1", "Super Bowl", "added"),
        ("s.json#Super_Bowl-2", "Super Bowl", "added"),
    ]
    assert rig.build("qa").status == "succeeded"
    assert rig.found("qa", "Where is the stadium?", top_k=1) == ["s.json#Super_Bowl-2"]
    second = rig.add("qa", {"s.json": squad("Denver won the game.")})
    assert [(one.source, one.change) for one in second] == [("s.json#Super_Bowl-1", "unchanged")]
    assert len(rig.service.documents(rig.alpha, "qa")) == 1
    refused = rig.add("qa", {"other.json": b"{}", "photo.png": b"x"})
    assert [(one.source, one.status) for one in refused] == [("other.json", "failed"), ("photo.png", "failed")]


def test_a_rebuild_embeds_only_what_changed(rig: Rig) -> None:
    class Counting(HashingEmbedder):
        texts: list[str] = []  # noqa: RUF012

        def embed(self, texts):  # type: ignore[no-untyped-def]
            self.texts.extend(texts)
            return super().embed(texts)

    rig.embedders[""] = Counting()
    rig.make("kb", {"a.txt": b"Alpha stays.", "b.txt": b"Beta goes.", "c.txt": b"Gamma stays."})
    Counting.texts.clear()
    changes = {one.source: one.change for one in rig.add("kb", {"a.txt": b"Alpha stays.", "b.txt": b"Delta came."})}
    assert changes == {"a.txt": "unchanged", "b.txt": "changed"}
    assert {one.source: one.status for one in rig.service.documents(rig.alpha, "kb")}["b.txt"] == "stored"
    assert rig.found("kb", "beta goes", mode="text") == ["b.txt"]
    assert rig.build("kb").result["passage_count"] == 3  # type: ignore[index]
    assert Counting.texts == ["b\n\nDelta came."]
    assert rig.found("kb", "beta goes", mode="text") == []
    assert rig.found("kb", "delta", mode="text") == ["b.txt"]
    assert rig.found("kb", "alpha stays", top_k=1) == ["a.txt"]


def test_the_old_version_serves_until_the_new_one_is_complete(rig: Rig) -> None:
    rig.make("kb", {"a.txt": b"Old words here."})
    reached, go_on = threading.Event(), threading.Event()

    def block(_payload: bytes) -> None:
        reached.set()
        assert go_on.wait(30)

    rig.before_read.append(block)
    rig.add("kb", {"a.txt": b"New words here."})
    job = rig.service.build(rig.alpha, "kb")
    assert reached.wait(30)
    assert rig.service.get(rig.alpha, "kb").status == "building"
    with pytest.raises(Conflict, match="is being built"):
        rig.service.build(rig.alpha, "kb")
    texts = {hit.text for hit in rig.service.search(rig.alpha, "kb", "words").items}
    assert texts == {"Old words here."}
    go_on.set()
    assert wait_for(rig.jobs, "team_alpha", job.id).status == "succeeded"
    assert {hit.text for hit in rig.service.search(rig.alpha, "kb", "words").items} == {"New words here."}
    versions = rig.service.get(rig.alpha, "kb").versions
    assert [(one.version, one.status) for one in versions] == [(2, "ready"), (1, "retired")]
    base = rig.service.get(rig.alpha, "kb")
    assert not rig.lake.table("passages", "team_alpha", f"{base.id}-1").exists()


def test_searches_during_a_switch_see_one_version_or_the_other(rig: Rig) -> None:
    rig.make("kb", {"a.txt": b"Generation 0 of the text."})
    seen: set[str] = set()
    faults: list[Exception] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                items = rig.service.search(rig.alpha, "kb", "generation text").items
                assert len(items) == 1
                seen.add(items[0].text)
            except Exception as error:
                faults.append(error)
                return

    readers = [threading.Thread(target=ask) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(1, 4):
        rig.add("kb", {"a.txt": b"Generation %d of the text." % number})
        assert rig.build("kb").status == "succeeded"
    stop.set()
    for reader in readers:
        reader.join()
    assert faults == []
    assert len(seen) > 1


def test_a_deleted_document_is_hidden_at_once_and_gone_after_a_build(rig: Rig) -> None:
    rig.make("kb", {"a.txt": b"The canary sings.", "b.txt": b"The canary flies."})
    gone = next(one for one in rig.service.documents(rig.alpha, "kb") if one.source == "a.txt")
    rig.service.delete_document(rig.alpha, "kb", gone.id)
    assert rig.found("kb", "canary") == ["b.txt"]
    assert not rig.blobs.exists(gone.digest)
    with pytest.raises(NotFound):
        rig.service.document(rig.alpha, "kb", gone.id)
    rig.build("kb")
    assert rig.service.get(rig.alpha, "kb").passage_count == 1


def test_a_deleted_knowledge_base_leaves_nothing_but_what_others_have_too(rig: Rig) -> None:
    rig.make("one", {"a.txt": b"Shared words.", "b.txt": b"Own words."})
    rig.make("two", {"a.txt": b"Shared words."}, rig.beta)
    digests = {one.source: one.digest for one in rig.service.documents(rig.alpha, "one")}
    base = rig.service.get(rig.alpha, "one")
    rig.service.delete(rig.alpha, "one")
    with pytest.raises(NotFound):
        rig.service.get(rig.alpha, "one")
    assert not rig.lake.table("passages", "team_alpha", f"{base.id}-1").exists()
    assert not rig.blobs.exists(digests["b.txt"])
    assert rig.found("two", "shared", rig.beta) == ["a.txt"]
    assert rig.build("two", rig.beta).status == "succeeded"
    rig.make("one", {"c.txt": b"Again."})
    assert rig.found("one", "again") == ["c.txt"]


def test_one_team_never_reaches_another(rig: Rig) -> None:
    rig.make("kb", {"a.txt": b"Alpha keeps canary-aaaa here."})
    rig.make("kb", {"b.txt": b"Beta keeps canary-bbbb here."}, rig.beta)
    rig.make("private", {"c.txt": b"canary-cccc"})
    for mode in ("hybrid", "dense", "text"):
        found = rig.service.search(rig.beta, "kb", "canary-aaaa keeps here", top_k=100, mode=mode).items
        assert {hit.source for hit in found} == {"b.txt"}
    document = rig.service.documents(rig.alpha, "private")[0]
    service = rig.service
    for reach in (
        lambda: service.get(rig.beta, "private"),
        lambda: service.search(rig.beta, "private", "canary"),
        lambda: service.documents(rig.beta, "private"),
        lambda: service.document(rig.beta, "kb", document.id),
        lambda: service.delete_document(rig.beta, "kb", document.id),
        lambda: service.delete(rig.beta, "private"),
        lambda: service.build(rig.beta, "private"),
        lambda: rig.add("private", {"x.txt": b"x"}, rig.beta),
    ):
        with pytest.raises(NotFound):
            reach()
    assert [one.name for one in service.bases(rig.beta)] == ["kb"]
    assert rig.found("private", "canary-cccc") == ["c.txt"]


def test_searches_that_cannot_work_say_why(rig: Rig) -> None:
    rig.service.create(rig.alpha, "kb")
    with pytest.raises(Conflict, match="holds 0 documents") as empty:
        rig.found("kb", "x")
    assert empty.value.hint == "loopwright kb add kb PATH"
    with pytest.raises(Invalid, match="holds no document"):
        rig.service.build(rig.alpha, "kb")
    rig.add("kb", {"a.txt": b"Words."})
    with pytest.raises(Conflict, match="no index") as unbuilt:
        rig.found("kb", "x")
    assert unbuilt.value.hint == "loopwright kb build kb"
    rig.build("kb")
    for wanted in ({"query": " "}, {"query": "x", "top_k": 0}, {"query": "x", "top_k": 101},
                   {"query": "x", "mode": "magic"}, {"query": "x", "group_by": "page"}):  # fmt: skip
        with pytest.raises(Invalid):
            rig.service.search(rig.alpha, "kb", **wanted)  # type: ignore[arg-type]
    for odd in ('"', "()[]:*", "a AND (", "' OR 1=1 --", "\u2028a", "x" * 5000, "日本"):
        rig.found("kb", odd)


def test_vectors_of_two_embedders_are_never_compared(rig: Rig) -> None:
    class Other(HashingEmbedder):
        digest = "f" * 64  # type: ignore[assignment]

    rig.make("kb", {"a.txt": b"Some words."})
    rig.embedders[""] = Other()
    with pytest.raises(Conflict, match="cannot be compared"):
        rig.found("kb", "words")
    assert rig.found("kb", "words", mode="text") == ["a.txt"]
    assert rig.build("kb").status == "succeeded"
    assert rig.found("kb", "words") == ["a.txt"]


def test_grouped_by_document_each_gives_its_best_passage(rig: Rig) -> None:
    long = "\n\n".join(f"# P{n}\n\n" + "The harbour opens early. " * 40 for n in range(4))
    rig.make("kb", {"long.md": long.encode(), "short.txt": b"The harbour closes late."})
    assert rig.found("kb", "harbour", top_k=3).count("long.md") >= 2
    assert sorted(rig.found("kb", "harbour", top_k=3, group_by="document")) == ["long.md", "short.txt"]


def test_names_and_recipes_are_checked(rig: Rig) -> None:
    rig.service.create(rig.alpha, "kb")
    with pytest.raises(Conflict, match="already"):
        rig.service.create(rig.alpha, "kb")
    for name in ("", "Upper", "../x", "a b"):
        with pytest.raises(Invalid):
            rig.service.create(rig.alpha, name)
    for recipe in ({"chunk_tokens": 1}, {"chunk_tokens": "x"}, {"size": 3}, {"embedder": "/etc"}):
        with pytest.raises(Invalid):
            rig.service.create(rig.alpha, "other", recipe=recipe)
    with pytest.raises(Invalid, match="cannot name a document"):
        rig.add("kb", {"good.txt": b"x", "../evil.txt": b"x"})
    assert rig.service.documents(rig.alpha, "kb") == []


def test_a_cancelled_build_leaves_the_old_version_and_the_next_one_works(rig: Rig) -> None:
    rig.make("kb", {"a.txt": b"Old words."})
    reached, go_on = threading.Event(), threading.Event()

    def block(_payload: bytes) -> None:
        reached.set()
        go_on.wait(30)

    rig.before_read.append(block)
    rig.add("kb", {"a.txt": b"New words."})
    job = rig.service.build(rig.alpha, "kb")
    assert reached.wait(30)
    rig.jobs.cancel(rig.alpha, job.id)
    go_on.set()
    assert wait_for(rig.jobs, "team_alpha", job.id).status == "cancelled"
    assert rig.found("kb", "old") == ["a.txt"]
    rig.before_read.clear()
    assert rig.build("kb").status == "succeeded"
    assert {hit.text for hit in rig.service.search(rig.alpha, "kb", "words").items} == {"New words."}


def test_uploads_of_the_same_content_share_one_blob_and_survive_each_other(rig: Rig) -> None:
    rig.service.create(rig.alpha, "kb")
    kept = rig.service.add_documents(rig.alpha, "kb", [("a.txt", io.BytesIO(b"same")), ("b.txt", io.BytesIO(b"same"))])
    assert kept[0].digest == kept[1].digest
    rig.service.delete_document(rig.alpha, "kb", kept[0].id)
    assert rig.blobs.exists(kept[1].digest)
    rig.service.delete_document(rig.alpha, "kb", kept[1].id)
    assert not rig.blobs.exists(kept[1].digest)
