"""The demonstration: the assistant `handbook`, which answers questions about Loopwright from its own documentation."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loopwright.foundation.client import Client
from loopwright.foundation.errors import Invalid, NotFound, Unavailable, UpstreamFailed

NAME = "handbook"
_SPEC = """\
kind: Endpoint
name: handbook
description: Answers questions about Loopwright from its own documentation.
model: builtin/extract
knowledge_base: handbook
aliases: [prod]
"""
_QUESTIONS = ("How do I rate an answer?", "What happens to a trace when the gateway is killed?")
_BUILD_LIMIT_S = 300.0
_PATIENCE_S = 120.0
_PAUSE_S = 1.0


def handbook_folder() -> Path:
    """Where the documentation lies: in the installed package, or in the checkout. Raises NotFound."""
    package = Path(__file__).parent
    for folder in (package / "handbook", package.parents[2] / "docs"):
        if (folder / "quickstart.md").is_file():
            return folder
    raise NotFound("the documentation is not installed with this package", hint="start without --demo")


def seed(client: Client, patience_s: float = _PATIENCE_S) -> Iterator[str]:
    """Makes the demonstration step by step, telling each; goes on where it stopped, also when control restarts."""
    deadline = time.monotonic() + patience_s
    while True:
        try:
            yield from _seed(client)
            return
        except (Unavailable, UpstreamFailed):
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_S)


def _seed(client: Client) -> Iterator[str]:
    bases = {base["name"]: base for base in client.get("/api/knowledge-bases")["items"]}
    if not bases.get(NAME, {}).get("active_version"):
        yield from _read(client, bases.get(NAME))
    # An endpoint of that name is the user's by now; it is left as it is.
    if NAME not in {endpoint["name"] for endpoint in client.get("/api/endpoints")["items"]}:
        client.post("/api/apply", {"text": _SPEC, "dry_run": False})
        for question in _QUESTIONS:
            _ask(client, question)
    yield f"Demo: the assistant '{NAME}' is ready.  Try:  loopwright ask \"{_QUESTIONS[0]}\""


def _read(client: Client, base: dict[str, Any] | None) -> Iterator[str]:
    if base is not None and base["status"] == "building":
        _follow(client, base["job_id"])
        return
    folder = handbook_folder()
    if base is None:
        client.post("/api/knowledge-bases", {"name": NAME, "description": "Loopwright's own documentation."})
    files = [(path.name, path.read_bytes()) for path in sorted(folder.glob("*.md"))]
    client.upload(f"/api/knowledge-bases/{NAME}/documents", files)
    yield f"Demo: reading {len(files)} pages of documentation into the knowledge base '{NAME}' …"
    job = client.post(f"/api/knowledge-bases/{NAME}/build")
    _follow(client, job["id"])


def _follow(client: Client, job_id: str) -> None:
    deadline = time.monotonic() + _BUILD_LIMIT_S
    while time.monotonic() < deadline:
        job = client.get(f"/api/jobs/{job_id}")
        if job["status"] == "succeeded":
            return
        if job["status"] in ("failed", "cancelled"):
            reason = (job.get("error") or {}).get("detail", job["status"])
            raise Invalid(f"the knowledge base was not built: {reason}", hint=f"loopwright jobs show {job_id}")
        time.sleep(0.2)
    raise Invalid("the knowledge base is still being built", hint=f"loopwright jobs watch {job_id}")


def _ask(client: Client, question: str) -> None:
    body = {"model": NAME, "messages": [{"role": "user", "content": question}], "user": "demo"}
    deadline = time.monotonic() + 10.0
    while True:
        try:
            with client.response("/v1/chat/completions", body) as response:
                json.loads(response.read())
            return
        except NotFound:
            # The gateway notices the new endpoint a moment after it was applied.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
