"""Each heavy or dangerous thing has one place, and nobody else touches it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.tree import SOURCE, Module, modules, write_tree

ROLE_FILES = ("tables.py", "store.py")
MODEL_ROOMS = ("training/", "serving/")
# library -> where it may be imported: a path, a folder ending in "/", or a bare file name that counts in every package.
FENCES: dict[str, tuple[str, ...]] = {
    "lance": ("foundation/lake.py", "store.py"),
    "duckdb": ("foundation/lake.py", "store.py"),
    "pyarrow": ("foundation/lake.py", "store.py"),
    "dbos": ("foundation/jobs.py", "foundation/jobs/"),
    "fastapi": ("routes.py", "apps/"),
    "starlette": ("routes.py", "apps/"),
    "sqlalchemy": ("foundation/database.py", *ROLE_FILES, "apps/migrations/", "apps/migrate.py"),
    "alembic": ("apps/",),
    "torch": MODEL_ROOMS,
    "transformers": MODEL_ROOMS,
    "accelerate": MODEL_ROOMS,
    "peft": MODEL_ROOMS,
    "trl": MODEL_ROOMS,
    "ray": ("foundation/cluster.py", *MODEL_ROOMS),
    "pickle": (),
    "cloudpickle": (),
    "dill": (),
    "joblib": (),
    "marshal": (),
    "shelve": (),
}
ENVIRONMENT_HOME = "foundation/settings.py"
PROVIDERS = {"openai", "anthropic", "ollama", "vllm", "gemini", "mistral", "groq", "azure", "bedrock"}
DRAWERS = {"utils", "util", "helpers", "helper", "common", "core", "base", "manager", "misc"}
HOT_PATH_FORBIDDEN = ("alembic", "dbos", "duckdb", "fastapi", "lance", "numpy", "pyarrow")
COMMAND_FORBIDDEN = (*HOT_PATH_FORBIDDEN, "sqlalchemy", "cedarpy")


def crossed(root: Path) -> list[str]:
    found = []
    for module in modules(root):
        for item in module.imports:
            allowed = FENCES.get(item.top)
            if allowed is not None and not any(_within(module.relative, place) for place in allowed):
                found.append(f"{module.at(item.line)} imports {item.top}")
    return found


def _within(relative: str, place: str) -> bool:
    if place.endswith("/"):
        return relative.startswith(place)
    return relative == place or ("/" not in place and relative.endswith("/" + place))


def forbidden_calls(root: Path) -> list[str]:
    """Environment outside the settings, unsafe YAML, prints, stubs, and providers compared by name."""
    return [f"{module.at(line)} {what}" for module in modules(root) for line, what in _forbidden(module)]


def _forbidden(module: Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(module.syntax):
        if isinstance(node, ast.Attribute) and module.relative != ENVIRONMENT_HOME:
            if ast.unparse(node) in {"os.environ", "os.getenv", "os.putenv"}:
                yield node.lineno, ast.unparse(node)
        elif isinstance(node, ast.ImportFrom) and node.module == "os" and module.relative != ENVIRONMENT_HOME:
            if {alias.name for alias in node.names} & {"environ", "getenv", "putenv"}:
                yield node.lineno, "os.environ"
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in {"print", "yaml.unsafe_load", "yaml.full_load", "eval", "exec"} or (
                called == "yaml.load" and "Safe" not in ast.unparse(node)
            ):
                yield node.lineno, called
        elif isinstance(node, ast.Raise) and node.exc and ast.unparse(node.exc).startswith("NotImplementedError"):
            yield node.lineno, "stub"
        elif isinstance(node, ast.Compare) and not module.relative.startswith("gateway/providers"):
            sides = [side for side in ast.walk(node) if isinstance(side, ast.Constant)]
            if any(isinstance(side.value, str) and side.value.lower() in PROVIDERS for side in sides):
                yield node.lineno, f"compares a provider's name: {ast.unparse(node)}"


def late_imports(root: Path) -> list[str]:
    """Imports inside functions without a comment that says why; the comment stands on that line or right above it.

    Doors are left out: their `__getattr__` is known to be lazy.
    """
    found = []
    for module in modules(root):
        if module.path.name == "__init__.py":
            continue
        lines = module.text.splitlines()
        previous = 0
        for item in module.imports:
            explained = "#" in lines[item.line - 1] or lines[item.line - 2].lstrip().startswith("#")
            if item.in_function and not explained and previous != item.line - 1:
                found.append(f"{module.at(item.line)} imports {item.module} late without saying why")
            elif item.in_function:
                previous = item.line
    return found


def loaded_by(module: str, names: tuple[str, ...]) -> list[str]:
    """Which of `names` a new process has loaded after importing `module`."""
    code = f"import importlib, json, sys\nimportlib.import_module({module!r})\n"
    code += f"print(json.dumps([n for n in {names!r} if n in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)
    return found


def test_libraries_stay_behind_their_fence() -> None:
    assert not crossed(SOURCE)


def test_nothing_forbidden_is_called() -> None:
    assert not forbidden_calls(SOURCE)


def test_late_imports_say_why() -> None:
    assert not late_imports(SOURCE)


def test_no_drawer_takes_what_has_no_place() -> None:
    assert [module.relative for module in modules() if DRAWERS & set(Path(module.relative).with_suffix("").parts)] == []


@pytest.mark.parametrize("module", ["loopwright.apps.gateway", "loopwright.gateway"])
def test_the_gateway_process_stays_small(module: str) -> None:
    assert loaded_by(module, HOT_PATH_FORBIDDEN) == []


def test_the_command_line_starts_light() -> None:
    assert loaded_by("loopwright.apps.cli", COMMAND_FORBIDDEN) == []


def test_the_fences_see_a_crossing(tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path,
        {
            "traces/store.py": "import lance\nfrom sqlalchemy import select\n",
            "traces/service.py": "import lance\nfrom fastapi import FastAPI\nimport pickle\n",
            "traces/types.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pyarrow\n",
            "apps/migrations/env.py": "import sqlalchemy, alembic\n",
            "apps/control.py": "import fastapi\nimport sqlalchemy\n",
        },
    )
    assert crossed(tree) == [
        "apps/control.py:2 imports sqlalchemy",
        "traces/service.py:1 imports lance",
        "traces/service.py:2 imports fastapi",
        "traces/service.py:3 imports pickle",
    ]


def test_forbidden_calls_are_seen(tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path,
        {
            "a.py": "import os\nhome = os.environ['HOME']\nprint(home)\n",
            "b.py": "import yaml\nyaml.load('x', Loader=yaml.Loader)\nyaml.load('x', Loader=yaml.SafeLoader)\n",
            "c.py": "def f(provider):\n    if provider == 'openai':\n        raise NotImplementedError\n",
            "foundation/settings.py": "import os\nx = os.environ\n",
            "gateway/providers/openai.py": "def f(p):\n    return p == 'openai'\n",
        },
    )
    assert [line.partition(" ")[0] for line in forbidden_calls(tree)] == [
        "a.py:3",
        "a.py:2",
        "b.py:2",
        "c.py:2",
        "c.py:3",
    ]


def test_late_imports_are_seen(tmp_path: Path) -> None:
    tree = write_tree(
        tmp_path,
        {
            "a.py": "def f():\n    import json\n    return json\n",
            "b.py": "def f():\n    # heavy, and only this command needs it\n    import lance\n    import numpy\n",
        },
    )
    assert late_imports(tree) == ["a.py:2 imports json late without saying why"]
