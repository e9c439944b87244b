"""What people install holds everything that runs: policies, the handbook, the screens when they are built."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.architecture.tree import REPOSITORY, SOURCE


def test_the_wheel_is_complete(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="the build backend is not installed; get it with: make setup")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=REPOSITORY, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    left_out = {"__pycache__", ".pyc"}
    sources = {
        f"loopwright/{path.relative_to(SOURCE).as_posix()}"
        for path in SOURCE.rglob("*")
        if path.is_file() and not any(part in path.as_posix() for part in left_out)
    }
    handbook = {f"loopwright/apps/handbook/{path.name}" for path in (REPOSITORY / "docs").glob("*.md")}
    assert handbook
    assert (sources | handbook) - held == set()
    assert any(name.endswith("licenses/LICENSE") for name in held)
    assert [name for name in held if not name.startswith(("loopwright/", "loopwright-"))] == []
