"""Logs of a process: JSON lines in a rotated file, warnings on standard error, secrets never in either."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final

import structlog

_MAX_BYTES: Final = 20 * 1024 * 1024
_BACKUPS: Final = 4
_REDACTED: Final = "[redacted]"

# Keys of ours and of the providers, bearer and basic credentials, and passwords inside URLs.
_SECRETS: Final = re.compile(
    r"\b(?P<key>(?:lw|sk|pk|gsk|hf|xai)[-_])[A-Za-z0-9_-]{8,}"
    r"|\b(?P<scheme>(?i:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}"
    r"|(?P<user>://[^\s/:@]*:)[^\s/@]+(?=@)"
)
_SECRET_NAMES: Final = re.compile(
    r"(?i)(?:^|[_-])(?:authorization|cookie|password|passwd|secret|secret_key|token|api[_-]?key|operator|csrf)$"
)
_NOISY: Final = ("httpcore", "httpx", "urllib3", "asyncio", "multipart", "python_multipart")

Event = MutableMapping[str, Any]


def configure_logs(process: str, log_dir: Path, level: str = "info", *, console: bool = True) -> Path:
    """Sends every log of this process to `log_dir/<process>.log`, and warnings to standard error; the file's path.

    The file is rotated by size, 20 MiB five times, and readable by its owner only. Loggers of libraries are included.
    """
    log_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = log_dir / f"{process}.log"
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    file = _PrivateFile(path, maxBytes=_MAX_BYTES, backupCount=_BACKUPS, encoding="utf-8")
    file.setFormatter(_formatter(shared, structlog.processors.JSONRenderer(ensure_ascii=False, default=str)))
    handlers: list[logging.Handler] = [file]
    if console:
        stderr = _Console()
        stderr.setLevel(logging.WARNING)
        stderr.setFormatter(_formatter(shared, structlog.dev.ConsoleRenderer(colors=False)))
        handlers.append(stderr)
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
        old.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(level.upper())
    # A handler that fails would print the record as it is, with whatever secrets stand in it.
    logging.raiseExceptions = False
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            *shared,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        cache_logger_on_first_use=False,
    )
    return path


@contextmanager
def request_context(request_id: str, **values: str) -> Iterator[None]:
    """Every log inside the block, of this thread or task, carries the request's id and `values`."""
    with structlog.contextvars.bound_contextvars(request_id=request_id, **values):
        yield


def request_id() -> str:
    """The id of the request this thread or task works for, or an empty text."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def redact(value: Any, name: str = "") -> Any:
    """`value` without secrets: in texts by their form, in mappings also by the name they stand under."""
    if name and _SECRET_NAMES.search(name) and value not in (None, ""):
        return _REDACTED
    if isinstance(value, str):
        return _SECRETS.sub(_mask, value)
    if isinstance(value, Mapping):
        return {key: redact(item, str(key)) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact(item) for item in value]
    if isinstance(value, bytes):
        return redact(value.decode("utf-8", "replace"))
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return redact(str(value))


class _Console(logging.StreamHandler[Any]):
    """Standard error, whatever that is when a record comes."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


class _PrivateFile(RotatingFileHandler):
    """Rotates by size; only the owner may read what it writes."""

    def _open(self) -> Any:
        handle = os.open(self.baseFilename, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        return os.fdopen(handle, self.mode, encoding=self.encoding, errors=self.errors)


def _formatter(shared: list[Any], renderer: Any) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            # Traces become text first, because a secret may stand in one.
            structlog.processors.format_exc_info,
            _redact_event,
            renderer,
        ],
    )


def _redact_event(_logger: Any, _method: str, event: Event) -> Event:
    return {key: redact(value, key) for key, value in event.items()}


def _mask(found: re.Match[str]) -> str:
    kept = found["key"] or found["scheme"] or found["user"] or ""
    return f"{kept}{_REDACTED}"
