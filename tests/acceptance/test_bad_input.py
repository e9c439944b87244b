"""Bad input and bad days: one clear error each, nothing lost, and the next start works."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.product import Product


def ask(product: Product, text: str = "hello", **more: Any) -> tuple[int, Any, dict[str, str]]:
    body = {"model": "builtin/echo", "messages": [{"role": "user", "content": text}], **more}
    return product.request("POST", "/v1/chat/completions", body)


def test_a_ten_megabyte_prompt(product: Product) -> None:
    status, body, headers = ask(product, "x" * 10_000_000)
    assert status == 413
    assert "9.5 MiB; the limit is 8 MiB" in body["error"]["message"]
    assert "LOOPWRIGHT_MAX_REQUEST_MB" in body["error"]["message"]
    assert headers["x-should-retry"] == "false"
    assert ask(product)[0] == 200


def test_a_prompt_just_under_the_limit_is_answered_and_kept(product: Product) -> None:
    status, body, headers = ask(product, "word " * 1_600_000, max_tokens=3)
    assert status == 200
    assert body["choices"][0]["finish_reason"] == "length"
    trace_id = headers["x-loopwright-trace-id"]
    product.wait_for(lambda: product.request("GET", f"/api/traces/{trace_id}")[0] == 200, 10, "the trace")


def test_an_unknown_model_names_the_nearest(product: Product) -> None:
    status, body, _ = ask(product, model="builtin/ecko")
    assert (status, body["error"]["code"]) == (404, "model_not_found")
    assert "builtin/echo" in body["error"]["message"]
    done = product.command("ask", "-m", "builtin/ecko", "hello", check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert "builtin/echo" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_key(product: Product) -> None:
    for path in ("/v1/models", "/api/traces"):
        status, body, _ = product.request("GET", path, key="lw-wrong")
        assert status == 401
        assert "not known here" in json.dumps(body)
    done = subprocess.run(
        _command("models"),
        env={**product.env, "LOOPWRIGHT_URL": product.url, "LOOPWRIGHT_API_KEY": "lw-wrong"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 4
    assert "not known here" in done.stderr


def _command(*arguments: str) -> list[str]:
    return [str(Path(sys.executable).with_name("loopwright")), *arguments]


def test_a_taken_port_and_a_second_start(product: Product, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        env = {**product.env, "LOOPWRIGHT_HOME": str(tmp_path / "other")}
        done = subprocess.run(_command("up", "--port", str(port)), env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"port {port} on 127.0.0.1 cannot be used" in done.stderr
    assert f"loopwright up --port {port + 1}" in done.stderr
    again = product.command("up", "--port", "0", check=False)
    assert again.returncode == 1
    assert "already" in again.stderr
    assert ask(product)[0] == 200


def test_wrong_settings_are_all_named_at_once(product: Product) -> None:
    env = {**product.env, "LOOPWRIGHT_PORT": "no", "LOOPWRIGHT_DATABASE_URL": "mysql://x"}
    done = subprocess.run(_command("up"), env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "LOOPWRIGHT_PORT" in done.stderr
    assert "LOOPWRIGHT_DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_pdf_is_listed_with_its_reason_and_the_rest_goes_on(product: Product, tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "good.md").write_text("# Refunds\n\nRefunds are paid within fourteen days of the return.\n")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\nthis is not a pdf at all")
    done = product.command("kb", "create", "broken-pdf", str(folder))
    assert "broken.pdf" in done.stdout + done.stderr
    base = product.get("/api/knowledge-bases/broken-pdf")
    assert [failure["source"] for failure in base["failures"]] == ["broken.pdf"]
    assert base["failures"][0]["reason"]
    assert base["status"] == "ready"
    _, found, _ = product.request("POST", "/api/knowledge-bases/broken-pdf/search", {"query": "when are refunds paid"})
    assert found["items"][0]["source"] == "good.md"


def test_an_empty_folder(product: Product, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    done = product.command("kb", "create", "from-nothing", str(tmp_path / "empty"), check=False)
    assert done.returncode == 1
    assert done.stderr.count("error:") == 1
    assert "empty" in done.stderr
    assert all(base["name"] != "from-nothing" for base in product.get("/api/knowledge-bases")["items"])


def test_bad_specs_name_every_fault_and_change_nothing(product: Product) -> None:
    provider = "kind: Provider\nname: Bad Name\nbase_url: ftp://x\n"
    text = f"{provider}---\nkind: Nonsense\n---\nkind: Price\nname: a/b\nextra: 1\n"
    done = product.command("apply", "-f", "-", stdin=text, check=False)
    assert done.returncode == 1
    for said in ("document 1 (Provider): name", "document 1 (Provider): base_url", "'Nonsense'", "extra"):
        assert said in done.stderr


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 48 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, check=False)
    if mounted.returncode != 0:
        pytest.skip("mounting a tmpfs needs root; run as root to test a full disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.timeout(180)
def test_a_full_disk_refuses_before_it_acknowledges_and_recovers_alone(small_disk: Path) -> None:
    product = Product(small_disk / "home")
    try:
        product.start()
        kept = {ask(product, f"before {number}")[2]["x-loopwright-trace-id"] for number in range(20)}
        ballast = small_disk / "ballast"
        _fill(ballast)
        refused = 0
        for number in range(200):
            status, body, headers = ask(product, f"full {number} " + "x" * 200_000)
            if status == 200:
                kept.add(headers["x-loopwright-trace-id"])
            else:
                assert (status, body["error"]["code"]) == (507, "disk_full"), body
                refused += 1
        assert refused > 0
        ballast.unlink()
        product.wait_for(lambda: ask(product, "after")[0] == 200, 10, "normal answers after space returned")
        product.wait_for(lambda: kept <= _trace_ids(product), 30, "every acknowledged trace")
        product.stop()
        _fill(ballast)
        done = subprocess.run(
            _command("up", "--port", "0"), env=product.env, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode != 0
        assert done.stderr.count("error:") == 1
        assert "full" in done.stderr
        assert "Traceback" not in done.stderr
        ballast.unlink()
        product.start()
        product.wait_for(lambda: kept <= _trace_ids(product), 30, "every acknowledged trace after the next start")
    finally:
        product.stop()


def _fill(path: Path) -> None:
    with open(path, "wb", buffering=0) as file:
        size = 1 << 20
        while size >= 512:
            try:
                file.write(os.urandom(size))
            except OSError:
                size //= 2


def _trace_ids(product: Product) -> set[str]:
    found: set[str] = set()
    cursor = ""
    while True:
        page = product.get(f"/api/traces?limit=200&cursor={cursor}")
        found |= {item["trace_id"] for item in page["items"]}
        cursor = page["next_cursor"]
        if not cursor:
            return found
