"""The ground is a closed list, and errors form one tree."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

from tests.architecture.tree import REPOSITORY, SOURCE, modules, write_tree

CLOSED_LIST = {
    "blobs",
    "client",
    "clock",
    "cluster",
    "database",
    "errors",
    "identity",
    "ids",
    "jobs",
    "lake",
    "registry",
    "settings",
    "telemetry",
}
# Like every package, foundation may hold its SQL and its conformance suites in files of these names.
ROLE_FILES = {"__init__", "schemas", "store", "tables", "testing"}
FAMILIES = {
    "Conflict",
    "Denied",
    "Invalid",
    "LimitExceeded",
    "NotFound",
    "Unauthenticated",
    "Unavailable",
    "UpstreamFailed",
}
ERROR_LINES = 60


def every_error() -> dict[str, type[Exception]]:
    """All classes of the tree by name, with every `errors.py` imported."""
    root: type[Exception] = importlib.import_module("loopwright.foundation.errors").LoopwrightError
    for path in SOURCE.glob("*/errors.py"):
        importlib.import_module(f"loopwright.{path.parent.name}.errors")
    found: dict[str, type[Exception]] = {}
    waiting = [root]
    while waiting:
        error = waiting.pop()
        found[error.__name__] = error
        waiting.extend(child for child in error.__subclasses__() if child.__module__.startswith("loopwright."))
    return found


def stray_errors(root: Path, known: set[str]) -> list[str]:
    """Error classes outside an `errors.py`, and exceptions raised past the tree's root."""
    found = []
    for module in modules(root):
        for node in ast.walk(module.syntax):
            if isinstance(node, ast.ClassDef) and module.path.name != "errors.py":
                bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
                # One with a leading underscore never leaves its module.
                if bases & known and not node.name.startswith("_"):
                    found.append(f"{module.at(node.lineno)} {node.name} belongs into errors.py")
            elif isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                raised = ast.unparse(node.exc.func)
                if raised in {"Exception", "BaseException", "LoopwrightError"}:
                    found.append(f"{module.at(node.lineno)} raises {raised}, which is no family")
    return found


def test_the_ground_is_a_closed_list() -> None:
    entries = [path for path in (SOURCE / "foundation").iterdir() if path.name[0] != "." and path.name != "__pycache__"]
    assert {path.stem for path in entries} - ROLE_FILES == CLOSED_LIST


def test_there_are_eight_families() -> None:
    root = every_error()["LoopwrightError"]
    assert {child.__name__ for child in root.__subclasses__()} == FAMILIES


def test_no_two_errors_share_a_code_by_accident() -> None:
    """A subclass may keep the code of its family; one that gives a code gives a new one."""
    errors = every_error()
    given = [error.__dict__["code"] for error in errors.values() if "code" in error.__dict__]
    assert sorted(given) == sorted(set(given))
    assert [name for name, error in errors.items() if not 400 <= error.status <= 599] == []  # type: ignore[attr-defined]


def test_every_code_is_documented() -> None:
    page = (REPOSITORY / "docs" / "troubleshooting.md").read_text()
    codes = {error.code for error in every_error().values()}  # type: ignore[attr-defined]
    assert sorted(code for code in codes if f"`{code}`" not in page) == []


def test_errors_of_a_package_are_few() -> None:
    lengths = {path.parent.name: len(path.read_text().splitlines()) for path in SOURCE.glob("*/errors.py")}
    del lengths["foundation"]
    assert {name: count for name, count in lengths.items() if count >= ERROR_LINES} == {}


def test_errors_live_in_the_tree() -> None:
    assert stray_errors(SOURCE, set(every_error())) == []


def test_a_stray_error_is_seen(tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path,
        {
            "traces/errors.py": "class Lost(NotFound): ...\n",
            "traces/service.py": "class Gone(errors.NotFound): ...\n\ndef f():\n    raise Exception('x')\n",
        },
    )
    assert len(stray_errors(tree, FAMILIES)) == 2
