"""Starts and stops that go wrong: quiet, quick, one clear line, and the next start works."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.acceptance.product import Product
from tests.acceptance.upstream import Upstream

LOOPWRIGHT = str(Path(sys.executable).with_name("loopwright"))


def ask(product: Product, text: str, model: str = "builtin/echo", **more: Any) -> tuple[int, Any, dict[str, str]]:
    body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
    return product.request("POST", "/v1/chat/completions", body)


def is_alive(pid: int) -> bool:
    with suppress(OSError):
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.parametrize("after_s", [0.7, 1.4, 2.1, 2.8])
def test_an_interrupt_in_a_start_is_quiet_and_the_next_start_works(fresh: Product, after_s: float) -> None:
    command = [LOOPWRIGHT, "up", "--port", "0"]
    starting = subprocess.Popen(
        command, env=fresh.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    time.sleep(after_s)
    # As a terminal does: the interrupt goes to the children as well.
    os.killpg(starting.pid, signal.SIGINT)
    _, complaints = starting.communicate(timeout=40)
    assert starting.returncode in (0, 130)
    assert complaints == ""
    # A key that was made and never shown is lost; the operator's commands need none.
    assert "builtin/echo" in fresh.start().command("models").stdout


def test_children_end_with_a_killed_supervisor_and_the_port_is_free_at_once(fresh: Product, upstream: Upstream) -> None:
    upstream.pause_s, upstream.chunks = 0.1, 30
    fresh.start()
    fresh.apply(upstream.spec)
    port = fresh.url.rpartition(":")[2]
    children = [pid for name in ("gateway", "control") if (pid := fresh.pid_of(name))]
    answers: list[str] = []
    streaming = threading.Thread(
        target=lambda: answers.append(ask(fresh, "in flight", "witness/count", stream=True)[1])
    )
    streaming.start()
    fresh.wait_for(lambda: upstream.served, 5, "the call")
    assert fresh.process is not None
    os.kill(fresh.process.pid, signal.SIGKILL)
    fresh.process.wait()
    again = Product(fresh.home, environment={"LOOPWRIGHT_PORT": port})
    time.sleep(0.5)
    again.process = subprocess.Popen(
        [LOOPWRIGHT, "up"],
        env=again.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        text=True,
    )
    try:
        streaming.join(30)
        assert "[DONE]" in answers[0]
        again.url, again.key = fresh.url, fresh.key
        again.wait_for(lambda: _answers(again), 20, "the next start")
        again.wait_for(lambda: not any(map(is_alive, children)), 25, "the end of the old children")
        assert ask(again, "after")[0] == 200
    finally:
        again.stop()


def _answers(product: Product) -> bool:
    with suppress(OSError):
        return product.request("GET", "/api/info")[0] == 200
    return False


def test_a_stop_under_load_loses_nothing(fresh: Product, upstream: Upstream) -> None:
    upstream.pause_s, upstream.chunks = 0.05, 20
    fresh.start()
    fresh.apply(upstream.spec)
    answered: list[str] = []
    halves: list[str] = []
    stop = threading.Event()

    def load(number: int) -> None:
        while not stop.is_set():
            try:
                stream = number == 0
                _, body, headers = ask(fresh, "x", "witness/count" if stream else "builtin/echo", stream=stream)
            except (OSError, ValueError):
                time.sleep(0.02)
                continue
            whole = "[DONE]" in body or '"error"' in body if stream else "choices" in body
            (answered if whole else halves).append(headers.get("x-loopwright-trace-id", ""))

    threads = [threading.Thread(target=load, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    time.sleep(2)
    assert fresh.process is not None
    began = time.monotonic()
    fresh.process.terminate()
    assert fresh.process.wait(30) == 0
    assert time.monotonic() - began < 28
    stop.set()
    for thread in threads:
        thread.join()
    assert len(answered) > 50
    assert halves == []
    fresh.stop()
    fresh.start()
    fresh.wait_for(lambda: set(answered) <= _trace_ids(fresh), 20, "every answered request")


def _trace_ids(product: Product) -> set[str]:
    found: set[str] = set()
    cursor = ""
    while True:
        page = product.get(f"/api/traces?limit=200&cursor={cursor}")
        found |= {item["trace_id"] for item in page["items"]}
        cursor = page["next_cursor"]
        if not cursor:
            return found


@pytest.mark.parametrize("home", ["a file", "/dev/null/below", "what? a question"])
def test_a_data_folder_that_cannot_be_is_one_clear_line(tmp_path: Path, home: str) -> None:
    (tmp_path / "a file").write_text("x")
    environment = {**os.environ, "LOOPWRIGHT_HOME": str(tmp_path / home)}
    done = subprocess.run([LOOPWRIGHT, "up"], env=environment, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    assert "hint:" in done.stderr


@pytest.mark.parametrize("folder", ["with space & ünïcode 日本", "#1 100%", "x" * 100 + "/" + "y" * 120])
def test_odd_names_of_data_folders_work(tmp_path: Path, folder: str) -> None:
    product = Product(tmp_path / folder)
    try:
        trace_id = ask(product.start(), "hello")[2]["x-loopwright-trace-id"]
        product.wait_for(lambda: product.request("GET", f"/api/traces/{trace_id}")[0] == 200, 10, "the trace")
        assert product.command("keys", "ls").returncode == 0
        assert {path.name for path in tmp_path.iterdir()} == {folder.partition("/")[0]}
    finally:
        product.stop()


def test_a_damaged_catalogue_is_one_clear_line(fresh: Product) -> None:
    fresh.start()
    fresh.stop()
    catalogue = fresh.home / "catalogue.db"
    for rest in fresh.home.glob("catalogue.db-*"):
        rest.unlink()
    catalogue.write_bytes(catalogue.read_bytes()[: catalogue.stat().st_size // 2])
    done = fresh.command("up", "--port", "0", check=False)
    assert done.returncode != 0
    assert "the catalogue is damaged" in done.stderr
    assert "backup" in done.stderr


def test_a_lake_that_is_deleted_while_it_runs_is_made_again(fresh: Product) -> None:
    fresh.start()
    first = ask(fresh, "before")[2]["x-loopwright-trace-id"]
    fresh.wait_for(lambda: fresh.request("GET", f"/api/traces/{first}")[0] == 200, 10, "the first trace")
    subprocess.run(["rm", "-rf", str(fresh.home / "lake")], check=True)
    second = ask(fresh, "after")[2]["x-loopwright-trace-id"]
    fresh.wait_for(lambda: fresh.request("GET", f"/api/traces/{second}")[0] == 200, 15, "the second trace")


def test_no_secret_lies_in_the_data_folder(fresh: Product, upstream: Upstream) -> None:
    fresh.start()
    fresh.apply(upstream.spec)
    issued = fresh.request("POST", "/api/keys", {"name": "short-lived"})[1]
    secrets = [fresh.key, fresh.login, issued["key"], "sk-witness-secret"]
    ask(fresh, "hello", "witness/count", stream=True)
    fresh.request("GET", f"/api/traces?q={fresh.key}", key=fresh.key)
    fresh.request("GET", "/v1/models", key=fresh.key + "x")
    fresh.request("POST", "/api/session", {"login_token": fresh.login})
    fresh.request("POST", "/api/session", {"key": issued["key"]})
    fresh.request("POST", "/api/session", {"key": issued["key"], "unknown": issued["key"]})
    fresh.request("POST", "/api/apply", {"text": upstream.spec + "oops: 1\n", "dry_run": True})
    time.sleep(2)
    command_lines = b"".join(
        path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.parent.name != str(os.getpid())
    )
    fresh.stop()
    found = []
    for path in [path for path in fresh.home.rglob("*") if path.is_file()]:
        content = path.read_bytes()
        for secret in secrets:
            raw = secret.encode()
            forms = {raw, base64.b64encode(raw)[:-4], raw.hex().encode(), quote(secret, safe="").encode()}
            found += [f"{secret[:6]}… in {path.name}" for form in forms if form in content]
    assert found == []
    assert not any(secret.encode() in command_lines for secret in secrets)
