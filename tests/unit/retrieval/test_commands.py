"""`loopwright kb`: what it reads from disk, what it says, how it fails."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from loopwright.foundation.client import Client
from loopwright.foundation.errors import Conflict, Invalid
from loopwright.retrieval import commands
from loopwright.retrieval.commands import app


class FakeClient(Client):
    """Answers like a server, and keeps what it was asked."""

    def __init__(self, real: bool = True) -> None:
        super().__init__(base_url="http://127.0.0.1:1", out=io.StringIO())
        self.calls: list[tuple[str, object]] = []
        self.uploaded: list[list[str]] = []
        self.real = real
        self.job_status = "succeeded"

    def get(self, path: str, **params: object) -> Any:
        if path.startswith("/api/jobs/"):
            progress = {"done": 1, "total": 2, "unit": "documents", "rate": None, "eta_s": None, "message": ""}
            error = {"detail": "none of them could be read"} if self.job_status == "failed" else None
            return {"kind": "b", "subject": "k", "status": self.job_status, "progress": progress, "error": error}
        if path == "/api/info":
            return {"base_url": "http://127.0.0.1:8700"}
        return {
            "name": "docs",
            "status": "ready",
            "document_count": 2,
            "passage_count": 3,
            "failed_count": 1,
            "embedder": {"name": "hashing-384", "real": self.real},
            "failures": [{"source": "bad.pdf", "reason": "the PDF is damaged"}],
            "versions": [],
        }

    def post(self, path: str, body: object = None) -> Any:
        self.calls.append((path, body))
        return {"id": "job_1"}

    def upload(self, path: str, files: Any) -> Any:
        self.uploaded.append([name for name, _ in files])
        items = [
            {"source": name, "status": "failed" if name == "no.json" else "stored", "reason": "no"} for name, _ in files
        ]
        return {"items": items}

    def progress(self, text: str) -> None:
        self.calls.append(("progress", text))


def run(client: FakeClient, *arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments), obj=client, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    out = client.out
    assert isinstance(out, io.StringIO)
    return out.getvalue()


def write(folder: Path, **files: str) -> None:
    for name, content in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def test_create_reads_a_folder_uploads_builds_and_says_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("b.md", "a.txt", "sub/c.html", "no.json", "photo.png", ".hidden.md", ".git/x.md"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x")
    monkeypatch.setattr(commands, "UPLOAD_FILES", 3)
    client = FakeClient(real=False)
    out = run(client, "create", "docs", str(tmp_path), "--chunk-tokens", "100")
    assert client.uploaded == [["a.txt", "b.md", "no.json"], ["sub/c.html"]]
    made = ("/api/knowledge-bases", {"name": "docs", "description": "", "recipe": {"chunk_tokens": 100}})
    assert client.calls[0] == made
    assert [path for path, _ in client.calls if path != "progress"][-1] == "/api/knowledge-bases/docs/build"
    assert "not read: photo.png: files of this type cannot be read" in out
    assert "refused: no.json: no" in out
    assert "docs: ready, 2 documents, 3 passages, 1 failed" in out
    assert "failed: bad.pdf: the PDF is damaged" in out
    assert "warning: hashing-384" in out
    assert "http://127.0.0.1:8700/knowledge/docs" in out


def test_a_single_file_is_named_by_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "xquad.en.json").write_text("{}")
    client = FakeClient()
    out = run(client, "add", "docs", str(tmp_path / "xquad.en.json"))
    assert client.uploaded == [["xquad.en.json"]]
    assert "warning" not in out


def test_a_folder_without_anything_to_read_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"x")
    client = FakeClient()
    with pytest.raises(Invalid, match="nothing to read"):
        run(client, "create", "docs", str(tmp_path))
    with pytest.raises(Invalid, match="is not there"):
        run(client, "create", "docs", str(tmp_path / "absent"))
    assert client.calls == []


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.md").write_text("x")
    with pytest.raises(Invalid, match=r"both be named a\.md"):
        run(FakeClient(), "create", "docs", str(tmp_path / "one"), str(tmp_path / "two"))


def test_a_failed_build_is_an_error_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("x")
    client = FakeClient()
    client.job_status = "failed"
    with pytest.raises(Conflict, match="none of them could be read"):
        run(client, "create", "docs", str(tmp_path))


def test_a_search_asks_as_told(monkeypatch: pytest.MonkeyPatch) -> None:
    client = FakeClient()
    hit = {"rank": 1, "source": "a.md", "heading": "A > B", "title": "A", "page": 3, "score": 0.1818, "text": "x\ny"}
    asked: list[object] = []

    def post(_path: str, body: object = None) -> Any:
        asked.append(body)
        return {"items": [hit], "embedder": {"name": "m", "real": True}}

    monkeypatch.setattr(client, "post", post)
    out = run(client, "search", "docs", "how?", "-k", "3", "--mode", "text")
    assert asked == [{"query": "how?", "top_k": 3, "mode": "text", "group_by": "passage"}]
    assert out == "1. a.md  A > B  page 3  (0.1818)\n   x y\n"
