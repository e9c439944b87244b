"""Packages are entered by their door, and a door is light and says who calls it."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import SOURCE, Module, modules, packages, write_tree

HEAVY = ("alembic", "dbos", "duckdb", "fastapi", "lance", "numpy", "pyarrow", "sqlalchemy", "torch", "transformers")
FACES = {"routes", "jobs", "commands"}


def side_doors(root: Path) -> list[str]:
    """Imports that enter another package past its door.

    Foundation has no door to pass. `apps` may enter the three faces, and its migrations the tables, because the
    schema of the whole catalogue exists nowhere else.
    """
    rooms = set(packages(root)) - {"foundation"}
    found = []
    for module in modules(root):
        for item in module.imports:
            parts = item.module.split(".")
            if parts[0] != "loopwright" or len(parts) < 2 or parts[1] not in rooms or parts[1] == module.package:
                continue
            inside = parts[2] if len(parts) > 2 else ""
            if not inside and (root / parts[1] / f"{item.name}.py").exists():
                inside = item.name
            if not inside or (module.package == "apps" and inside in FACES):
                continue
            if module.relative.startswith(("apps/migrations/", "apps/migrate.py")) and inside == "tables":
                continue
            found.append(f"{module.at(item.line)} enters {item.module} past its door")
    return found


def door_faults(root: Path) -> list[str]:
    """Doors without three to six lines of docstring, or whose `__all__` and contents differ."""
    found = []
    for name in packages(root):
        door = Module(root / name / "__init__.py", root)
        lines = [line for line in (ast.get_docstring(door.syntax) or "").splitlines() if line.strip()]
        if not 3 <= len(lines) <= 6:
            found.append(f"{door.relative}: {len(lines)} lines of docstring, not three to six")
        listed = _listed(door)
        if listed is None:
            found.append(f"{door.relative}: no __all__")
            continue
        public = {item.name for item in door.imports if item.name and not item.in_function and _ours(item.module)}
        unlisted = {found_name for found_name in public if not found_name.startswith("_")} - set(listed)
        found += [f"{door.relative}: {extra} is imported but not in __all__" for extra in sorted(unlisted)]
    return found


def _ours(module: str) -> bool:
    return module.partition(".")[0] == "loopwright"


def _listed(door: Module) -> list[str] | None:
    for node in door.syntax.body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            assert isinstance(node, (ast.Assign, ast.AnnAssign))
            assert node.value is not None
            return list(ast.literal_eval(node.value))
    return None


def heavy_doors(names: list[str]) -> dict[str, list[str]]:
    """Heavy libraries each door brings along, seen by importing them one after the other in a new process."""
    code = (
        "import importlib, json, sys\n"
        f"heavy, seen, found = {HEAVY!r}, set(), {{}}\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
        "    new = [h for h in heavy if h in sys.modules and h not in seen]\n"
        "    seen.update(new)\n"
        "    found[name] = new\n"
        "print(json.dumps({k: v for k, v in found.items() if v}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def test_packages_are_entered_by_their_door() -> None:
    assert not side_doors(SOURCE)


def test_doors_say_what_comes_in_and_what_goes_out() -> None:
    assert not door_faults(SOURCE)


@pytest.mark.parametrize("package", packages())
def test_every_name_of_a_door_opens(package: str) -> None:
    door = importlib.import_module(f"loopwright.{package}")
    assert len(door.__all__) == len(set(door.__all__))
    assert [name for name in door.__all__ if not hasattr(door, name)] == []


def test_names_taken_from_a_door_are_listed_there() -> None:
    listed = {name: set(_listed(Module(SOURCE / name / "__init__.py", SOURCE)) or ()) for name in packages()}
    taken = [
        f"{module.at(item.line)} takes {item.name}, which loopwright.{item.module.split('.')[1]} does not list"
        for module in modules()
        for item in module.imports
        if item.module.count(".") == 1 and _ours(item.module) and item.name
        if (room := item.module.split(".")[1]) in listed and room not in ("foundation", module.package)
        if item.name not in listed[room] and not (module.package == "apps" and item.name in FACES | {"tables"})
    ]
    assert not taken


def test_doors_are_light() -> None:
    assert heavy_doors([f"loopwright.{name}" for name in packages()]) == {}


def test_the_rules_see_a_broken_door(tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path,
        {
            "traces/__init__.py": '"""Too short."""\n\nfrom loopwright.traces.store import Store\n\n__all__ = []\n',
            "traces/store.py": "class Store: ...\n",
            "gateway/__init__.py": '"""Nothing."""\n',
            "gateway/record.py": "from loopwright.traces.store import Store\nfrom loopwright.traces import store\n",
            "apps/__init__.py": '"""One.\n\nTwo.\nThree.\n"""\n\n__all__: list[str] = []\n',
            "apps/wiring.py": "from loopwright.traces import routes\nfrom ..traces import store\n",
            "traces/routes.py": "",
        },
    )
    assert [line.partition(" ")[0] for line in side_doors(tree)] == [
        "apps/wiring.py:2",
        "gateway/record.py:1",
        "gateway/record.py:2",
    ]
    assert len(door_faults(tree)) == 4


def test_a_heavy_door_is_seen() -> None:
    assert heavy_doors(["json", "numpy"]) == {"numpy": ["numpy"]}
