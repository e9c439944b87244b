"""The plan of the house, the import contract and the page that shows it say the same."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from tests.architecture.tree import REPOSITORY, SOURCE, packages, write_tree

# Of the plan. A new room is a decision: it is written here, in the contract and on the page.
PLAN = {
    "apps": 6,
    "evaluation": 5,
    "retrieval": 5,
    "reporting": 5,
    "gateway": 4,
    "training": 4,
    "serving": 4,
    "catalog": 3,
    "datasets": 3,
    "traces": 2,
    "access": 2,
    "signals": 2,
    "foundation": 1,
}


def contract() -> dict[str, object]:
    tools = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]
    contracts: list[dict[str, object]] = tools["importlinter"]["contracts"]
    return next(item for item in contracts if item["id"] == "rows")


def rows_of_page(text: str) -> dict[str, int]:
    """Lines of the form `| 5 | `retrieval` | ... |`."""
    return {name: int(row) for row, name in re.findall(r"^\|\s*(\d)\s*\|\s*`(\w+)`\s*\|", text, re.MULTILINE)}


def test_the_tree_has_the_rooms_of_the_plan() -> None:
    assert set(packages()) == set(PLAN)


def test_the_contract_is_the_plan() -> None:
    found = contract()
    assert found["exhaustive"] is True
    layers = found["layers"]
    assert isinstance(layers, list)
    rows = {name.strip(): len(layers) - height for height, layer in enumerate(layers) for name in layer.split("|")}
    assert rows == PLAN


def test_the_page_is_the_plan() -> None:
    assert rows_of_page((REPOSITORY / "docs" / "architecture.md").read_text()) == PLAN


def test_a_package_names_only_role_files_and_nouns() -> None:
    """Faces and stores have one spelling, so that everyone finds them."""
    wrong = {"router", "routers", "models", "model", "db", "repository", "exceptions"}
    found = [path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if path.stem in wrong]
    # In `apps` a module is called by the command it holds.
    assert [path for path in found if not path.startswith("apps/")] == []


def test_the_contract_sees_an_import_upward(tmp_path: Path) -> None:
    write_tree(
        tmp_path,
        {
            "house/__init__.py": "",
            "house/apps/__init__.py": "",
            "house/ground/__init__.py": "from house import apps\n",
            "setup.cfg": (
                "[importlinter]\nroot_package = house\n\n[importlinter:contract:rows]\nname = rows\ntype = layers\n"
                "containers = house\nlayers =\n    apps\n    ground\nexhaustive = True\n"
            ),
        },
    )
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command; lint_imports_command()",
        "--no-cache",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "house.ground -> house.apps" in done.stdout
