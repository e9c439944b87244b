"""The source tree as the rules see it: modules with their syntax, packages, guides."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCE = REPOSITORY / "src" / "loopwright"


@dataclass(frozen=True)
class Import:
    """One imported thing: `module` is absolute, `name` is empty for a plain `import module`."""

    module: str
    name: str
    line: int
    in_function: bool

    @property
    def top(self) -> str:
        """The package that would have to be installed."""
        return self.module.partition(".")[0]


@dataclass(frozen=True)
class Module:
    """One Python file below `root`, which stands for the package `loopwright`."""

    path: Path
    root: Path

    @cached_property
    def text(self) -> str:
        return self.path.read_text()

    @cached_property
    def syntax(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def relative(self) -> str:
        """`traces/store.py`."""
        return self.path.relative_to(self.root).as_posix()

    @property
    def package(self) -> str:
        """`traces`, or an empty string for a file directly under the root."""
        parts = self.path.relative_to(self.root).parts
        return parts[0] if len(parts) > 1 else ""

    def at(self, line: int) -> str:
        """Where, the way editors open it."""
        return f"{self.relative}:{line}"

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        """Every import that runs; those under `if TYPE_CHECKING` do not."""
        return tuple(self._imports(self.syntax, in_function=False))

    def _imports(self, node: ast.AST, *, in_function: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                for other in child.orelse:
                    yield from self._imports(other, in_function=in_function)
            elif isinstance(child, ast.Import):
                for alias in child.names:
                    yield Import(alias.name, "", child.lineno, in_function)
            elif isinstance(child, ast.ImportFrom):
                for alias in child.names:
                    yield Import(self._absolute(child), alias.name, child.lineno, in_function)
            else:
                inside = in_function or isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
                yield from self._imports(child, in_function=inside)

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        parts = ["loopwright", *self.path.relative_to(self.root).with_suffix("").parts]
        kept = parts[: len(parts) - node.level]
        return ".".join([*kept, node.module] if node.module else kept)


def modules(root: Path = SOURCE) -> list[Module]:
    """Every Python file of the package."""
    return [Module(path, root) for path in sorted(root.rglob("*.py"))]


def packages(root: Path = SOURCE) -> list[str]:
    """The rooms of the house: directories with a door."""
    return sorted(path.parent.name for path in root.glob("*/__init__.py"))


def guides() -> list[Path]:
    """Every page people read: the handbook and the Markdown files of the repository."""
    found = set(REPOSITORY.glob("*.md"))
    for folder in ("docs", "bench", "deploy", "examples"):
        found.update((REPOSITORY / folder).rglob("*.md"))
    return sorted(found)


def write_tree(root: Path, files: dict[str, str]) -> Path:
    """A small package for a negative control; returns its root."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


@dataclass(frozen=True)
class CodeBlock:
    """A fenced block of a guide."""

    path: Path
    line: int
    language: str
    text: str

    @property
    def at(self) -> str:
        """Where, the way editors open it."""
        return f"{self.path.relative_to(REPOSITORY)}:{self.line}"


def code_blocks(path: Path) -> list[CodeBlock]:
    """The fenced blocks of a Markdown page."""
    found: list[CodeBlock] = []
    language, start, lines = None, 0, [""]
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.lstrip().startswith("```"):
            lines.append(line)
        elif language is None:
            language, start, lines = line.strip().removeprefix("```"), number + 1, []
        else:
            found.append(CodeBlock(path, start, language, "\n".join(lines)))
            language = None
    assert language is None, f"{path} has a block that never ends"
    return found


def shell_lines(path: Path) -> list[tuple[int, str]]:
    """The commands of a guide's shell blocks, with continued lines joined and prompts and comments cut."""
    found = []
    for block in code_blocks(path):
        if block.language not in {"sh", "bash", "shell", "console"}:
            continue
        pending, start = "", 0
        for number, raw in enumerate(block.text.splitlines(), block.line):
            line = raw.strip().removeprefix("$ ")
            start = start if pending else number
            pending += line.removesuffix("\\")
            if not line.endswith("\\"):
                command = pending.split(" #")[0].strip()
                if command and not command.startswith("#"):
                    found.append((start, command))
                pending = ""
    return found
