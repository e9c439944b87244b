"""The command line: JSON everywhere, exit codes, help, and what it costs to start."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from loopwright.apps.cli import COMMANDS, app
from tests.acceptance.product import Product

LOOPWRIGHT = str(Path(sys.executable).with_name("loopwright"))
TRACE = {"trace_id", "start_time", "duration_ms", "status", "model", "endpoint", "cost_usd", "input_preview", "scores"}
BASE = {"id", "name", "status", "document_count", "passage_count", "failed_count", "embedder", "active_version"}
DATASET = {"id", "name", "description", "latest_version", "version_count", "row_count", "created_at", "updated_at"}
VERSION = {"version", "row_count", "digest", "source", "created_at", "created_by", "note"}
JOB = {"id", "kind", "subject", "status", "progress", "error", "created_at", "finished_at"}
HIT = {"rank", "score", "passage_id", "document_id", "title", "source", "heading", "page", "text", "start", "end"}
SCORE = {"id", "trace_id", "name", "kind", "value", "comment", "author", "created_at"}
ROW = {"id", "trace_id", "span_id", "messages", "output", "labels", "comments", "metadata"}
APPLIED = {"kind", "name", "action", "diff", "resolved"}


def as_json(product: Product, *arguments: str, stdin: str | None = None) -> Any:
    """What a command prints under `--json`, which must be one JSON value and nothing else."""
    return json.loads(product.command(*arguments, "--json", stdin=stdin).stdout)


def ask(product: Product, text: str) -> str:
    """The id of a new trace."""
    body = {"model": "builtin/echo", "messages": [{"role": "user", "content": text}]}
    return product.request("POST", "/v1/chat/completions", body)[2]["x-loopwright-trace-id"]


@pytest.fixture(scope="module")
def filled(product: Product, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A product with something of every kind; what it made says `cli-` in its name."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "page.md").write_text("# Tea\n\nGreen tea is brewed at eighty degrees.\n")
    assert as_json(product, "kb", "create", "cli-tea", str(folder)).keys() >= BASE
    trace_id = ask(product, "cli-question")
    product.wait_for(lambda: product.request("GET", f"/api/traces/{trace_id}")[0] == 200, 5.0, "the trace")
    assert as_json(product, "traces", "rate", trace_id, "--stars", "4").keys() >= SCORE
    drawn = as_json(product, "dataset", "from-traces", "cli-asked", "--query", "cli-question")
    assert drawn["version"].keys() >= VERSION
    yield product
    assert as_json(product, "dataset", "delete", "cli-asked", "--yes") == {"deleted": "cli-asked"}
    assert as_json(product, "kb", "delete", "cli-tea", "--yes") == {"deleted": "cli-tea"}


LISTS = [
    (("models",), {"id", "owned_by"}),
    (("traces", "ls"), TRACE),
    (("kb", "ls"), BASE),
    (("dataset", "ls"), DATASET),
    (("jobs", "ls"), JOB),
    (("keys", "ls"), {"id", "name", "role", "prefix", "created_at", "revoked_at"}),
    (("doctor",), {"check", "status", "detail", "hint"}),
]


@pytest.mark.parametrize(("arguments", "keys"), LISTS, ids=[" ".join(arguments) for arguments, _ in LISTS])
def test_every_list_is_json_with_stable_keys(filled: Product, arguments: tuple[str, ...], keys: set[str]) -> None:
    items = as_json(filled, *arguments)
    assert items
    assert all(keys <= item.keys() for item in items), (keys - items[0].keys(), items[0])


def test_everything_shown_is_json_with_stable_keys(filled: Product, tmp_path: Path) -> None:
    (trace,) = as_json(filled, "traces", "ls", "--query", "cli-question")
    shown = as_json(filled, "traces", "show", trace["trace_id"])
    assert shown.keys() == {"trace", "spans", "scores"}
    assert shown["scores"][0].keys() >= SCORE
    base = as_json(filled, "kb", "show", "cli-tea")
    assert base.keys() >= BASE | {"versions", "failures"}
    assert as_json(filled, "jobs", "show", base["job_id"]).keys() >= JOB
    assert as_json(filled, "jobs", "watch", base["job_id"])["status"] == "succeeded"
    found = as_json(filled, "kb", "search", "cli-tea", "how hot is green tea")
    assert found["items"][0].keys() >= HIT
    detail = as_json(filled, "dataset", "show", "cli-asked")
    assert detail["dataset"].keys() >= DATASET
    assert detail["versions"][0].keys() >= VERSION
    assert as_json(filled, "dataset", "export", "cli-asked").keys() >= ROW
    file = tmp_path / "rows.jsonl"
    assert as_json(filled, "dataset", "export", "cli-asked", "-o", str(file))["output"] == str(file)
    answer = as_json(filled, "ask", "-m", "builtin/echo", "hello")
    assert (answer["answer"], answer["citations"]) == ("hello", [])
    assert as_json(filled, "login")["url"].startswith(filled.url)
    key = as_json(filled, "keys", "create", "cli-key", "--role", "viewer")
    assert key["key"].startswith("lw-")
    assert as_json(filled, "keys", "revoke", key["id"]) == {"revoked": key["id"]}


def test_people_get_tables(filled: Product) -> None:
    table = filled.command("kb", "ls").stdout.splitlines()
    assert table[0].split() == [
        "name",
        "status",
        "document_count",
        "passage_count",
        "failed_count",
        "embedder",
        "updated_at",
    ]
    assert any(line.startswith("cli-tea ") for line in table[1:])


def test_exit_codes(product: Product, tmp_path: Path) -> None:
    def code(*arguments: str, **more: str) -> int:
        done = subprocess.run(
            [LOOPWRIGHT, *arguments], env={**product.env, **more}, capture_output=True, text=True, check=False
        )
        assert "Traceback" not in done.stderr
        assert (done.returncode == 0) == (done.stderr == ""), done.stderr
        return done.returncode

    reached = {"LOOPWRIGHT_URL": product.url}
    viewer = as_json(product, "keys", "create", "exit-codes", "--role", "viewer")["key"]
    assert code("models") == 0
    assert code("models", **reached, LOOPWRIGHT_API_KEY=product.key) == 0
    assert code("kb", "show", "not-there") == 1
    assert code("kb", "show") == 2
    assert code("traces", "ls", "--no-such-option") == 2
    assert code("models", **reached, LOOPWRIGHT_API_KEY="lw-nobody") == 4
    assert code("keys", "create", "x", **reached, LOOPWRIGHT_API_KEY=viewer) == 4
    assert code("models", LOOPWRIGHT_URL="http://127.0.0.1:1") == 5
    assert code("models", LOOPWRIGHT_HOME=str(tmp_path / "nothing-here")) == 5


@pytest.mark.parametrize(
    ("typed", "meant"), [("tracs", "traces"), ("datasets", "dataset"), ("aks", "ask"), ("traces shw", "show")]
)
def test_an_unknown_command_names_the_nearest(product: Product, typed: str, meant: str) -> None:
    done = product.command(*typed.split(), check=False)
    assert done.returncode == 2
    assert f"Did you mean '{meant}'?" in done.stderr
    assert done.stdout == ""


def test_a_dry_run_shows_everything_and_changes_nothing(product: Product) -> None:
    def spec(system: str) -> str:
        return f"kind: Endpoint\nname: dry-run\nmodel: builtin/echo\nsystem: {system}\n"

    def endpoints() -> Any:
        return [one for one in product.get("/api/endpoints")["items"] if one["name"] == "dry-run"]

    text = product.command("apply", "-f", "-", "--dry-run", stdin=spec("Be brief.")).stdout
    assert "Endpoint dry-run: would be created" in text
    assert "system: None -> 'Be brief.'" in text
    # Resolved: also what the file leaves out.
    for resolved in ("model: builtin/echo", "parameters: {}", "aliases: []"):
        assert resolved in text
    (planned,) = as_json(product, "apply", "-f", "-", "--dry-run", stdin=spec("Be brief."))
    assert planned.keys() == APPLIED
    assert endpoints() == []
    product.apply(spec("Be brief."))
    (made,) = endpoints()
    text = product.command("apply", "-f", "-", "--dry-run", stdin=spec("Be kind.")).stdout
    assert "would be updated" in text
    assert "system: 'Be brief.' -> 'Be kind.'" in text
    assert endpoints() == [made]
    assert "unchanged" in product.command("apply", "-f", "-", "--dry-run", stdin=spec("Be brief.")).stdout


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_tail_shows_new_traces(product: Product, options: tuple[str, ...]) -> None:
    # As users have it: buffered by Python when it goes into a pipe.
    environment = {name: value for name, value in product.env.items() if name != "PYTHONUNBUFFERED"}
    tail = subprocess.Popen(
        [LOOPWRIGHT, "traces", "tail", *options], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert tail.stdout is not None
    lines: queue.Queue[str] = queue.Queue()
    reader = threading.Thread(target=lambda out: [lines.put(line) for line in out], args=(tail.stdout,), daemon=True)
    reader.start()
    marker = f"tail{len(options)}-{time.monotonic_ns()}"
    try:
        asked: list[str] = []
        line = ""
        # Few enough to fit into a buffer: one that is not written out at once would hold them all.
        while not line and len(asked) < 6:
            asked.append(ask(product, marker))
            with suppress(queue.Empty):
                line = lines.get(timeout=4)
    finally:
        tail.terminate()
        tail.wait(10)
        reader.join(10)
        tail.stdout.close()
    assert line, "nothing came"
    if options:
        trace = json.loads(line)
        assert trace["trace_id"] in asked
        assert trace["input_preview"] == marker
    else:
        assert marker in line
        assert any(trace_id in line for trace_id in asked)


def test_doctor_tells_a_running_one_from_a_stopped_one(product: Product, tmp_path: Path) -> None:
    well = as_json(product, "doctor")
    assert {"version", "disk", "running", "catalogue", "store", "traces", "embedder"} == {one["check"] for one in well}
    assert all(one["status"] in ("ok", "warning") for one in well)
    environment = {**product.env, "LOOPWRIGHT_HOME": str(tmp_path / "stopped")}
    done = subprocess.run(
        [LOOPWRIGHT, "doctor", "--json"], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    ill = {one["check"]: one for one in json.loads(done.stdout)}
    assert ill["running"]["status"] == "failed"
    assert "loopwright up" in ill["running"]["hint"]
    assert not (tmp_path / "stopped").exists()


def every_command() -> Iterator[tuple[str, ...]]:
    """The words of each command and each group of commands."""
    group: Any = typer.main.get_command(app)
    context: Any = typer.Context(group)
    for name in COMMANDS:
        yield (name,)
        command: Any = group.get_command(context, name)
        for inner in getattr(command, "commands", {}):
            yield name, inner


@pytest.mark.parametrize("words", [(), *every_command()], ids=" ".join)
def test_every_command_has_help(words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPWRIGHT_HOME", str(tmp_path))
    done = CliRunner().invoke(app, [*words, "--help"], prog_name="loopwright")
    assert done.exit_code == 0, done.output
    assert done.output.startswith(f"Usage: {' '.join(('loopwright', *words))}")
    assert "--install-completion" not in done.output
    # A sentence says what it does.
    assert len(done.output.splitlines()[2].split()) > 2


def test_what_starting_costs() -> None:
    """Prints; a wall clock would assert the machine."""

    def fastest_ms(*command: str) -> float:
        times = []
        for _ in range(7):
            started = time.perf_counter()
            subprocess.run(
                command, capture_output=True, check=True, env={**os.environ, "LOOPWRIGHT_HOME": "/nonexistent"}
            )
            times.append(time.perf_counter() - started)
        return min(times) * 1000

    plain = fastest_ms(sys.executable, "-c", "pass")
    figures = {word: fastest_ms(LOOPWRIGHT, word) for word in ("--help", "--version")}
    shown = ", ".join(f"loopwright {word} {value:.0f} ms" for word, value in figures.items())
    print(f"\nfastest of 7: python -c pass {plain:.0f} ms, {shown}")
    # Not a clock but a guard: what is heavy must not be loaded to print a line.
    heavy = ("lance", "pyarrow", "numpy", "fastapi", "sqlalchemy", "pydantic", "httpx", "rich")
    probe = f"import sys; from loopwright.apps.cli import app; print(sorted({{*{heavy}}} & {{*sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True).stdout.strip()
    assert loaded == "[]"
