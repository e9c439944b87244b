"""What the guides name exists: paths, links, commands, options, settings, specs, make targets."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import typer.main
import yaml
from pydantic import BaseModel, ValidationError

from loopwright.foundation.settings import Settings
from tests.architecture.tree import REPOSITORY, SOURCE, CodeBlock, code_blocks, guides, shell_lines, write_tree

ROOTS = ("src/", "web/", "tests/", "docs/", "examples/", "bench/", "deploy/", "requirements/", ".ci/")
ROOT_FILES = {path.name for path in REPOSITORY.iterdir() if path.is_file()}
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
QUOTED = re.compile(r"`([^`\n]+)`")
# Built or made at run time, so named by guides but not in a fresh clone.
MADE_LATER = ("src/loopwright/apps/static", "web/dist", "web/node_modules", "bench/out", ".ci/out")


def ids(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def missing_paths(page: Path, root: Path = REPOSITORY) -> list[str]:
    """Paths in backticks and relative links of a page that lead nowhere."""
    text = page.read_text()
    found = []
    for target in LINK.findall(text):
        if "://" not in target and not target.startswith("mailto:") and not (page.parent / target).exists():
            found.append(target)
    for quoted in QUOTED.findall(text):
        is_path = quoted.startswith(ROOTS) and not re.search(r"[\s{}<>*$]", quoted)
        if is_path and not quoted.startswith(MADE_LATER) and not (root / quoted.partition(":")[0]).exists():
            found.append(quoted)
    return found


@cache
def command_line() -> Any:
    """The whole tree of commands, as typer makes it."""
    return typer.main.get_command(importlib.import_module("loopwright.apps.cli").app)


def commands(group: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, with the words that call it."""
    group = group or command_line()
    for name in group.list_commands(None):
        command = group.get_command(None, name)
        if command.hidden:
            continue
        if is_group(command):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def is_group(command: Any) -> bool:
    return hasattr(command, "list_commands")


def options(command: Any) -> set[str]:
    return {option for param in command.params for option in (*param.opts, *param.secondary_opts)} | {"--help"}


def command_fault(line: str) -> str:
    """What is wrong with a `loopwright ...` line of a guide; empty when it could be typed."""
    words = shlex.split(line.split(" | ")[0].split(" > ")[0].split(" && ")[0])[1:]
    command: Any = command_line()
    known = options(command)
    while words and is_group(command) and not words[0].startswith("-"):
        found = command.get_command(None, words[0])
        if found is None:
            return f"there is no command {words[0]!r}"
        command = found
        del words[0]
        known |= options(command)
    given = {word.partition("=")[0] for word in words if word.startswith("-") and len(word) > 1}
    return f"there is no option {', '.join(sorted(given - known))}" if given - known else ""


def told_commands(page: Path) -> list[tuple[int, str]]:
    """Lines of a page that call our program: in shell blocks, and in backticks."""
    found = [
        (number, re.sub(r"^(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?", "", line))
        for number, line in shell_lines(page)
        if re.match(r"(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?loopwright(?: |$)", line)
    ]
    for number, line in enumerate(page.read_text().splitlines(), 1):
        found += [(number, quoted) for quoted in QUOTED.findall(line) if re.match(r"loopwright [a-z-]", quoted)]
    return found


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))


@cache
def spec_kinds() -> dict[str, type[BaseModel]]:
    """Every model with a fixed `kind`, wherever a package keeps its schemas and specs."""
    found: dict[str, type[BaseModel]] = {}
    for path in sorted([*SOURCE.glob("*/schemas.py"), *SOURCE.glob("*/specs.py")]):
        module = importlib.import_module(f"loopwright.{path.parent.name}.{path.stem}")
        for value in vars(module).values():
            if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__ == module.__name__:
                kind = value.model_fields.get("kind")
                if kind and get_origin(kind.annotation) is Literal and get_args(kind.annotation)[0][0].isupper():
                    found[get_args(kind.annotation)[0]] = value
    return found


def spec_faults(text: str) -> list[str]:
    found = []
    for number, document in enumerate(yaml.safe_load_all(text), 1):
        kind = document.get("kind") if isinstance(document, dict) else None
        if kind not in spec_kinds():
            found.append(f"document {number}: no kind {kind!r}")
            continue
        try:
            spec_kinds()[kind].model_validate(document)
        except ValidationError as error:
            found += [f"document {number}: {fault['loc']}: {fault['msg']}" for fault in error.errors()]
    return found


def yaml_blocks() -> list[CodeBlock]:
    return [
        block for page in guides() for block in code_blocks(page) if block.language == "yaml" and "kind:" in block.text
    ]


@pytest.mark.parametrize("page", guides(), ids=ids)
def test_every_path_of_a_guide_exists(page: Path) -> None:
    assert missing_paths(page) == []


@pytest.mark.parametrize("page", guides(), ids=ids)
def test_every_command_of_a_guide_can_be_typed(page: Path) -> None:
    faults = [(number, line, command_fault(line)) for number, line in told_commands(page)]
    assert [f"{ids(page)}:{number}: {line}: {fault}" for number, line, fault in faults if fault] == []


@pytest.mark.parametrize("page", guides(), ids=ids)
def test_every_make_target_of_a_guide_exists(page: Path) -> None:
    named = [line for _, line in shell_lines(page)] + QUOTED.findall(page.read_text())
    targets = {target for line in named for target in re.findall(r"^make ([a-z-]+)", line)}
    assert targets - make_targets() == set()


@pytest.mark.parametrize("page", guides(), ids=ids)
def test_every_variable_of_a_guide_is_a_setting(page: Path) -> None:
    known = {f"LOOPWRIGHT_{name.upper()}" for name in Settings.model_fields}
    assert set(re.findall(r"LOOPWRIGHT_[A-Z_]*[A-Z]", page.read_text())) - known == set()


@pytest.mark.parametrize("page", guides(), ids=ids)
def test_python_and_yaml_of_a_guide_parse(page: Path) -> None:
    for block in code_blocks(page):
        if block.language == "python":
            ast.parse(block.text, block.at)
        elif block.language == "yaml":
            assert list(yaml.safe_load_all(block.text)), block.at


def test_every_setting_is_documented_with_its_default() -> None:
    page = (REPOSITORY / "docs" / "settings.md").read_text()
    for name, field in Settings.model_fields.items():
        row = next((line for line in page.splitlines() if line.startswith(f"| `LOOPWRIGHT_{name.upper()}` |")), None)
        assert row is not None, f"docs/settings.md has no row for LOOPWRIGHT_{name.upper()}"
        default = field.default
        if isinstance(default, (bool, int, float)) or (isinstance(default, str) and default):
            assert f"`{str(default).lower() if isinstance(default, bool) else default}`" in row, row


def test_every_command_is_documented() -> None:
    page = (REPOSITORY / "docs" / "cli.md").read_text()
    every = [" ".join(("loopwright", *words)) for words, _ in commands()]
    assert len(every) >= 10
    assert [line for line in every if f"`{line}" not in page] == []


def test_every_kind_of_spec_has_an_example() -> None:
    assert set(spec_kinds()) >= {"Provider", "Endpoint", "Price", "KnowledgeBase"}
    shown = {document["kind"] for block in yaml_blocks() for document in yaml.safe_load_all(block.text)}
    assert set(spec_kinds()) - shown == set()


@pytest.mark.parametrize("block", yaml_blocks(), ids=lambda block: block.at)
def test_every_spec_of_a_guide_loads(block: CodeBlock) -> None:
    assert spec_faults(block.text) == []


@pytest.mark.parametrize("path", sorted((REPOSITORY / "examples").rglob("*.y*ml")), ids=ids)
def test_every_example_loads(path: Path) -> None:
    assert spec_faults(path.read_text()) == []


def test_the_readme_fits_one_screen_and_says_how_to_start() -> None:
    text = (REPOSITORY / "README.md").read_text()
    told = {line for _, line in shell_lines(REPOSITORY / "README.md")}
    assert {"make up", "make test"} <= told
    assert any(line.startswith("export OPENAI_BASE_URL=http://127.0.0.1:8700/v1") for line in told)
    assert len(text.splitlines()) <= 100


def test_untrue_guides_are_seen(tmp_path: Path) -> None:
    page = write_tree(tmp_path, {"page.md": "See `src/gone.py`, [this](gone.md) and `docs/<name>.md`.\n"}) / "page.md"
    assert missing_paths(page, tmp_path) == ["gone.md", "src/gone.py"]
    assert len(spec_faults("kind: Endpoint\nname: x\nmodel: builtin/echo\nmodle: y\n---\nkind: Nothing\n")) == 2
    assert command_fault("loopwright brew coffee")
    assert command_fault("loopwright doctor --coffee")
    assert command_fault("loopwright doctor --help") == ""
