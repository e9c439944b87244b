"""What the README and the quickstart tell a newcomer to type works as it stands there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.product import Product

ROOT = Path(__file__).parents[2]
GUIDES = ("README.md", "docs/quickstart.md")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WRITTEN_ADDRESS = "http://127.0.0.1:8700"


def blocks(guide: str, language: str) -> list[str]:
    """The code blocks of a guide in one language."""
    return [text for found, text in BLOCK.findall((ROOT / guide).read_text()) if found == language]


def curl_lines() -> list[str]:
    """Every curl command of every guide, its continued lines joined."""
    pages = ["README.md", *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))]
    text = "".join(block for page in pages for block in blocks(page, "sh")).replace("\\\n", " ")
    return [line for line in text.splitlines() if line.startswith("curl ")]


def printed_exports(demo: Product) -> dict[str, str]:
    """What the two printed lines set when they are pasted into a shell."""
    return dict(re.findall(r"^export (OPENAI_\w+)=(.*)$", demo.output, re.MULTILINE))


def run(demo: Product, command: list[str]) -> str:
    """What a command prints in a shell into which the two lines were pasted; it must succeed."""
    environment = {**demo.env, **printed_exports(demo)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def test_the_printed_lines_are_those_of_the_guides(demo: Product) -> None:
    assert printed_exports(demo) == {"OPENAI_BASE_URL": f"{demo.url}/v1", "OPENAI_API_KEY": demo.key}
    written = f"export OPENAI_BASE_URL={WRITTEN_ADDRESS}/v1\nexport OPENAI_API_KEY=lw-...\n"
    assert written.replace(WRITTEN_ADDRESS, demo.url).replace("lw-...\n", demo.key) in demo.output
    for guide in GUIDES:
        assert written in blocks(guide, "sh"), guide


PROGRAMS = [(guide, number) for guide in GUIDES for number in range(len(blocks(guide, "python")))]


@pytest.mark.parametrize(("guide", "number"), PROGRAMS)
def test_the_python_of_a_guide_answers(demo: Product, tmp_path: Path, guide: str, number: int) -> None:
    program = tmp_path / "program.py"
    program.write_text(blocks(guide, "python")[number])
    assert "Markdown" in run(demo, [sys.executable, str(program)])


def test_every_guide_has_a_program() -> None:
    assert {guide for guide, _ in PROGRAMS} == set(GUIDES)


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl: apt-get install curl")
@pytest.mark.parametrize("line", curl_lines())
def test_curl_lines_answer(demo: Product, line: str) -> None:
    # The port is the one thing that differs from a first start on a free machine.
    answer = json.loads(run(demo, ["sh", "-c", f"{line} --silent --show-error".replace(WRITTEN_ADDRESS, demo.url)]))
    assert "error" not in answer
    assert "code" not in answer


def test_the_commands_of_the_quickstart_work_one_after_the_other(demo: Product) -> None:
    (liked,) = json.loads(demo.command("traces", "ls", "--limit", "1", "--json").stdout)
    demo.command("traces", "rate", liked["trace_id"], "--up")
    demo.wait_for(lambda: demo.get("/api/traces?feedback=up")["items"], 5.0, "the rating")
    typed = [
        line.removeprefix(".venv/bin/")
        for block in blocks("docs/quickstart.md", "sh")
        for line in block.splitlines()
        if line.startswith(".venv/bin/loopwright")
    ]
    assert len(typed) >= 3
    folder = str(Path(sys.executable).parent)
    printed = [run(demo, ["sh", "-c", f'PATH="{folder}:$PATH"; {line}']) for line in typed]
    assert all(printed), list(zip(typed, printed, strict=True))
    assert json.loads(printed[-1])["trace_id"] == liked["trace_id"]


def test_the_examples_run(demo: Product) -> None:
    assert run(demo, [sys.executable, str(ROOT / "examples/chat.py")]).strip()
    with_key = ["env", "OPENAI_UPSTREAM_KEY=sk-of-the-newcomer", str(Path(sys.executable).with_name("loopwright"))]
    for spec in sorted((ROOT / "examples").glob("*.yaml")):
        planned = run(demo, [*with_key, "apply", "-f", str(spec), "--dry-run"])
        assert "would be created" in planned
        assert "sk-of-the-newcomer" not in planned
