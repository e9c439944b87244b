"""The tail is capped: files, functions and complexity have a largest size."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

from tests.architecture.tree import REPOSITORY, SOURCE, modules, write_tree

FILE_LINES = 600
FUNCTION_LINES = 80
COMPLEXITY = 12
WEB_SUFFIXES = {".ts", ".tsx", ".css"}


def long_files(paths: list[Path]) -> list[str]:
    lengths = [(path, len(path.read_text().splitlines())) for path in paths]
    return [f"{path}: {count} lines" for path, count in lengths if count > FILE_LINES]


def long_functions(root: Path) -> list[str]:
    found = []
    for module in modules(root):
        # Drafted by Alembic from the tables, read once, never changed: cutting it up would hide its order.
        if module.relative.startswith("apps/migrations/versions/"):
            continue
        for node in ast.walk(module.syntax):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                count = (node.end_lineno or node.lineno) - node.lineno + 1
                if count > FUNCTION_LINES:
                    found.append(f"{module.at(node.lineno)} {node.name}: {count} lines")
    return found


def complex_functions(root: Path) -> list[str]:
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--select=C901"]
    command += [f"--config=lint.mccabe.max-complexity={COMPLEXITY}", "--output-format=concise", str(root)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return [line for line in done.stdout.splitlines() if "C901" in line]


def test_files_are_short() -> None:
    assert not long_files([module.path for module in modules()])


def test_files_of_the_screens_are_short() -> None:
    sources = [path for path in (REPOSITORY / "web" / "src").rglob("*") if path.suffix in WEB_SUFFIXES]
    assert sources
    assert not long_files(sources)


def test_functions_are_short() -> None:
    assert not long_functions(SOURCE)


def test_functions_are_simple() -> None:
    assert not complex_functions(SOURCE)


def test_the_caps_bite(tmp_path: Path) -> None:
    branches = "".join(f"    if x == {n}:\n        return {n}\n" for n in range(COMPLEXITY))
    tree = write_tree(
        tmp_path,
        {
            "long.py": "x = 1\n" * (FILE_LINES + 1),
            "function.py": "def f() -> None:\n" + "    x = 1\n" * FUNCTION_LINES,
            "complex.py": f"def g(x: int) -> int:\n{branches}    return 0\n",
        },
    )
    assert [line for line in long_files(list(tree.glob("*.py"))) if "long.py" in line]
    assert long_functions(tree) == ["function.py:1 f: 81 lines"]
    assert len(complex_functions(tree)) == 1
