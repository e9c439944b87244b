"""The locks hold exactly what pyproject asks for, every file by its hash, from nowhere in particular."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.tree import REPOSITORY

REQUIREMENTS = REPOSITORY / "requirements"
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)", re.MULTILINE)
EXTRAS = {"core.lock": (), "server.lock": ("postgres", "s3"), "dev.lock": ("dev", "postgres", "s3")}


def pins(text: str) -> dict[str, str]:
    return {canonicalize_name(name): version for name, version in PIN.findall(text)}


def asked_for(extras: tuple[str, ...]) -> list[Requirement]:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    lines = list(project["dependencies"])
    for extra in extras:
        lines += project["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


def direct(text: str) -> set[str]:
    """Packages whose lock entry says that pyproject itself wants them."""
    blocks = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)
    return {name for block in blocks if "loopwright (pyproject.toml)" in block for name in pins(block)}


def drift(text: str, wanted: list[Requirement]) -> list[str]:
    locked = pins(text)
    found = []
    for requirement in wanted:
        version = locked.get(canonicalize_name(requirement.name))
        if version is None:
            found.append(f"{requirement} is not locked")
        elif not requirement.specifier.contains(version, prereleases=True):
            found.append(f"{requirement} is locked at {version}")
    names = {canonicalize_name(requirement.name) for requirement in wanted}
    found += [f"{name} is locked for pyproject, which does not ask for it" for name in sorted(direct(text) - names)]
    return found


def unhashed(text: str) -> list[str]:
    blocks = [block for block in re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE) if PIN.match(block)]
    return [block.split("\n")[0] for block in blocks if "--hash=sha256:" not in block]


@pytest.mark.parametrize("name", EXTRAS)
def test_the_lock_is_what_pyproject_asks_for(name: str) -> None:
    found = drift((REQUIREMENTS / name).read_text(), asked_for(EXTRAS[name]))
    assert not found, "run: make lock"


@pytest.mark.parametrize("path", sorted(REQUIREMENTS.glob("*.lock")), ids=lambda path: path.name)
def test_every_file_is_known_by_its_hash_and_not_by_its_address(path: Path) -> None:
    text = path.read_text()
    assert pins(text)
    assert not unhashed(text)
    assert not re.search(r"://|^\s*-(?:i|f)\b|--(?:extra-)?index-url|--find-links", text, re.MULTILINE)


def test_all_locks_agree_on_versions() -> None:
    dev = pins((REQUIREMENTS / "dev.lock").read_text())
    for name in ("core.lock", "server.lock"):
        smaller = pins((REQUIREMENTS / name).read_text())
        assert {package: version for package, version in smaller.items() if dev.get(package) != version} == {}


def test_drift_is_seen() -> None:
    via = "    # via loopwright (pyproject.toml)\n"
    text = f"a==1.0 \\\n    --hash=sha256:00\n{via}b==2.0\n{via}"
    assert drift(text, [Requirement("a>=2"), Requirement("c")]) == [
        "a>=2 is locked at 1.0",
        "c is not locked",
        "b is locked for pyproject, which does not ask for it",
    ]
    assert unhashed(text) == ["b==2.0"]
