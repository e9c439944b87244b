"""Unit tests are quick and mirror the source; no test is run again until it is green."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.architecture.tree import REPOSITORY, packages, write_tree

UNIT = REPOSITORY / "tests" / "unit"
WAITS = {"time.sleep", "sleep"}
NETWORK = {"boto3", "requests", "urllib3", "obstore"}
AGAIN = ("flaky", "reruns", "rerunfailures")


def waits(root: Path) -> list[str]:
    """Sleeps and network libraries in unit tests; `asyncio.sleep(0)` only yields, and is fine."""
    return [
        f"{path.relative_to(root)}:{line} {what}" for path in sorted(root.rglob("*.py")) for line, what in _slow(path)
    ]


def _slow(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in WAITS or (called == "asyncio.sleep" and ast.unparse(node.args[0]) != "0"):
                yield node.lineno, called
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names if alias.name in NETWORK)


def test_unit_tests_neither_sleep_nor_call_out() -> None:
    assert not waits(UNIT)


def test_unit_tests_mirror_the_source() -> None:
    folders = {path.name for path in UNIT.iterdir() if path.is_dir() and list(path.rglob("test_*.py"))}
    assert folders
    assert folders <= set(packages())


def test_no_test_is_run_again() -> None:
    named = (REPOSITORY / "pyproject.toml").read_text() + (REPOSITORY / "Makefile").read_text()
    assert [word for word in AGAIN if word in named] == []


def test_a_sleep_is_seen(tmp_path: Path) -> None:
    write_tree(tmp_path, {"test_a.py": "import time, asyncio\ntime.sleep(1)\nasyncio.sleep(0)\nasyncio.sleep(0.1)\n"})
    assert waits(tmp_path) == ["test_a.py:2 time.sleep", "test_a.py:4 asyncio.sleep"]
