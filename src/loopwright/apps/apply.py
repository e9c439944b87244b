"""`loopwright apply`: specs from a file into the catalogue."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import typer

from loopwright.foundation.client import Client
from loopwright.foundation.errors import Invalid
from loopwright.foundation.settings import environment_variable

app = typer.Typer(add_completion=False, rich_markup_mode=None)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@app.command()
def apply(
    ctx: typer.Context,
    file: str = typer.Option(..., "-f", "--file", help="YAML file of specs, or - for standard input."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Show the resolved specs and what would change."),
) -> None:
    """Applies every spec of a file, or none. ${NAME} is replaced by the environment variable of that name."""
    client: Client = ctx.obj
    results = client.post("/api/apply", {"text": _read(file), "dry_run": dry_run})["items"]
    if client.as_json:
        client.emit(results)
        return
    for result in results:
        would = "would be " if dry_run and result["action"] != "unchanged" else ""
        client.say(f"{result['kind']} {result['name']}: {would}{result['action']}")
        for line in result["diff"]:
            client.say(f"  {line}")
        if dry_run:
            client.emit({f"  {key}": value for key, value in result["resolved"].items()})


def _read(file: str) -> str:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{file} cannot be read: {error}", hint="loopwright apply -f FILE", param="file") from error
    missing = sorted({name for name in _VARIABLE.findall(text) if environment_variable(name) is None})
    if missing:
        raise Invalid(
            f"{file} names variables that are not set: {', '.join(missing)}",
            hint=f"export {missing[0]}=... and apply again",
        )
    return _VARIABLE.sub(lambda found: environment_variable(found[1]) or "", text)
