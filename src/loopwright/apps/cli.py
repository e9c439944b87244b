"""The `loopwright` command: finds the verb, loads only its module, shows errors in one form."""

from __future__ import annotations

import sys
import traceback
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperGroup

from loopwright import __version__
from loopwright.foundation.errors import Denied, LoopwrightError, Unauthenticated, Unavailable

# Verb: (module, one line of help). A module is imported when its verb is used, so that the command starts at once.
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "up": ("loopwright.apps.up", "Start Loopwright and print how to reach it."),
    "ask": ("loopwright.apps.ask", "Ask a model or an assistant one question."),
    "models": ("loopwright.apps.models", "List what you can call."),
    "traces": ("loopwright.traces.commands", "List, show, follow and rate traces."),
    "kb": ("loopwright.retrieval.commands", "Make, fill and search knowledge bases."),
    "dataset": ("loopwright.datasets.commands", "Make datasets from traces, list and export them."),
    "apply": ("loopwright.apps.apply", "Apply specs from a YAML file."),
    "jobs": ("loopwright.foundation.jobs.commands", "List, watch, cancel and resume jobs."),
    "keys": ("loopwright.access.commands", "List, create and revoke API keys."),
    "login": ("loopwright.apps.login", "Print a link that signs a browser in."),
    "doctor": ("loopwright.apps.doctor", "Check this machine and the running Loopwright."),
}
EXIT_FAILED, EXIT_USAGE, EXIT_AUTH, EXIT_UNREACHABLE = 1, 2, 4, 5


class _LazyGroup(TyperGroup):
    """A group that knows its verbs by name and imports them one at a time."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        command = typer.main.get_command(import_module(COMMANDS[cmd_name][0]).app)
        command.name = cmd_name
        return command

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        near = get_close_matches(args[0], COMMANDS, 1)
        if near and args[0] not in COMMANDS:
            ctx.fail(f"No such command '{args[0]}'. Did you mean '{near[0]}'?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_line) for name, (_, help_line) in COMMANDS.items()])


app = typer.Typer(
    cls=_LazyGroup,
    help="Loopwright: the whole life of an LLM application, on one machine or many.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"max_content_width": 120},
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"loopwright {__version__}")
        raise typer.Exit


@app.callback()
def options(
    ctx: typer.Context,
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Loopwright: the whole life of an LLM application, on one machine or many."""
    if ctx.invoked_subcommand not in ("up", None) and "--help" not in sys.argv:
        ctx.obj = connect(as_json)


def connect(as_json: bool) -> Any:
    """A client of the Loopwright that LOOPWRIGHT_URL names, else of this data folder's own by its socket."""
    # Only commands that speak to a server pay for the settings.
    from loopwright.apps.local import control_socket, known_url, read_operator_token
    from loopwright.foundation.client import Client
    from loopwright.foundation.settings import load_settings

    settings = load_settings()
    if settings.url:
        return Client(settings.url.rstrip("/"), key=settings.api_key.get_secret_value(), as_json=as_json)
    token = read_operator_token(settings)
    return Client(known_url(settings), socket=control_socket(settings), token=token, as_json=as_json)


def main() -> None:
    """Entry point. Exit codes: 0 done, 1 failed, 2 usage, 4 not allowed, 5 unreachable."""
    arguments = _options_first(sys.argv[1:])
    debug = "--debug" in arguments
    try:
        app([argument for argument in arguments if argument != "--debug"], standalone_mode=True, prog_name="loopwright")
    except LoopwrightError as error:
        if debug:
            traceback.print_exc()
        sys.stderr.write(f"error: {error.message}\n")
        if error.hint:
            sys.stderr.write(f"hint:  {error.hint}\n")
        raise SystemExit(_exit_code(error)) from None
    except (BrokenPipeError, KeyboardInterrupt):
        raise SystemExit(130) from None


def _options_first(arguments: list[str]) -> list[str]:
    """`--json` may stand anywhere: people add it at the end."""
    if "--" in arguments:
        end = arguments.index("--")
        return [*_options_first(arguments[:end]), *arguments[end:]]
    return ["--json", *(a for a in arguments if a != "--json")] if "--json" in arguments else arguments


def _exit_code(error: LoopwrightError) -> int:
    if isinstance(error, (Unauthenticated, Denied)):
        return EXIT_AUTH
    return EXIT_UNREACHABLE if isinstance(error, Unavailable) else EXIT_FAILED
