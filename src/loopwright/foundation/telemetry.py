"""Logs of our own processes: JSON lines in the data folder, warnings on standard error, never a secret."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from logging.handlers import RotatingFileHandler
from typing import Any

import structlog

from loopwright.foundation.settings import Settings

MAX_LOG_BYTES = 16 * 1024 * 1024
KEPT_LOGS = 3
MASK = "[redacted]"

_SECRET = re.compile(r"(?i)\b(?:lw|sk|pk|rk)-[A-Za-z0-9_-]{8,}|\bbearer\s+[A-Za-z0-9._~+/-]{8,}=*|://[^/\s:@]+:[^/\s@]+@")
_request_id: ContextVar[str] = ContextVar("request_id", default="")
_QUIET = ("uvicorn", "httpx", "aiohttp", "alembic", "asyncio", "dbos", "sqlalchemy")


def configure(settings: Settings, process: str) -> None:
    """Sends the logs of this process to `logs/<process>.log` and its warnings to standard error."""
    settings.log_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    shared: list[Any] = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _with_request_id,
    ]
    finish: list[Any] = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        redact,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
    formatter = structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=finish)
    path = settings.log_dir / f"{process}.log"
    file = RotatingFileHandler(path, maxBytes=MAX_LOG_BYTES, backupCount=KEPT_LOGS)
    console = logging.StreamHandler(sys.stderr)
    console.setLevel(logging.WARNING)
    root = logging.getLogger()
    root.handlers = [file, console]
    for handler in root.handlers:
        handler.setFormatter(formatter)
    root.setLevel(settings.log_level.upper())
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def logger(name: str) -> logging.Logger:
    """The logger of a module."""
    return logging.getLogger(name)


def new_request_id() -> str:
    """Starts a request: its id is on every log line of this task from here on."""
    made = "req_" + os.urandom(12).hex()
    _request_id.set(made)
    return made


def request_id() -> str:
    """The id of the request this task works on; empty outside one."""
    return _request_id.get()


def redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Masks what looks like a key, a bearer token or a password in a URL, in every text of a log line."""
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = _SECRET.sub(MASK, value)
        elif not isinstance(value, (int, float, bool, type(None))):
            event[name] = _SECRET.sub(MASK, repr(value))
    return event


def _with_request_id(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    if found := _request_id.get():
        event.setdefault("request_id", found)
    return event
