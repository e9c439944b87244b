"""What reaches the log, and what never does."""

from __future__ import annotations

import json
import logging
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from loopwright.foundation.telemetry import configure_logs, redact, request_context, request_id

KEY = "lw-4f9c2b7e8a1d4c6e"


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    for handler in before:
        root.removeHandler(handler)
    yield configure_logs("control", tmp_path / "logs", "info")
    for handler in list(root.handlers):
        root.removeHandler(handler)
        handler.close()
    for handler in before:
        root.addHandler(handler)
    root.setLevel(level)
    logging.raiseExceptions = True
    structlog.reset_defaults()


def _lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_both_kinds_of_loggers_write_json_lines(log: Path) -> None:
    with request_context("req_1", team="team_a"):
        assert request_id() == "req_1"
        structlog.get_logger("ours").info("key made", count=2)
        logging.getLogger("theirs").warning("slow %s", "disk")
    assert request_id() == ""
    structlog.get_logger("ours").debug("too fine")
    first, second = _lines(log)
    assert (first["event"], first["count"], first["request_id"], first["level"]) == ("key made", 2, "req_1", "info")
    assert (second["event"], second["logger"], second["team"]) == ("slow disk", "theirs", "team_a")
    assert str(first["timestamp"]).endswith("Z")
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700


def test_no_secret_reaches_the_file_or_the_console(capfd: pytest.CaptureFixture[str], log: Path) -> None:
    try:
        raise ValueError(f"provider refused {KEY}")
    except ValueError:
        logging.getLogger("x").exception("call with Authorization: Bearer abcdefgh12345678 failed")
    structlog.get_logger("x").warning(
        "upstream",
        headers={"Authorization": "Basic dXNlcjpwYXNzd29yZA==", "accept": "json"},
        body=b"sk-proj-0123456789abcdef",
        url="postgresql://user:hunter2hunter2@db/catalogue",
        api_key="plain",
    )
    shown = capfd.readouterr().err
    assert "upstream" in shown
    written = log.read_text() + shown
    for secret in (KEY, "abcdefgh12345678", "dXNlcjpwYXNzd29yZA", "0123456789abcdef", "hunter2", "plain"):
        assert secret not in written
    assert "provider refused lw-[redacted]" in written
    assert "ValueError" in written
    assert _lines(log)[1]["headers"] == {"Authorization": "[redacted]", "accept": "json"}


def test_a_handler_that_fails_spills_nothing(capfd: pytest.CaptureFixture[str], log: Path) -> None:
    ours = [one for one in logging.getLogger().handlers if type(one).__module__.startswith("loopwright")]
    assert len(ours) == 2
    for handler in ours:
        handler.setFormatter(_Broken())
    logging.getLogger("x").warning("refused %s", KEY)
    assert KEY not in capfd.readouterr().err + log.read_text()


class _Broken(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        raise RuntimeError("no such field")


def test_standard_error_gets_warnings_only(capfd: pytest.CaptureFixture[str], log: Path) -> None:
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    shown = capfd.readouterr().err
    assert "loud" in shown
    assert "quiet" not in shown


def test_files_rotate_by_size(log: Path) -> None:
    (handler,) = [item for item in logging.getLogger().handlers if isinstance(item, logging.FileHandler)]
    handler.maxBytes = 2000  # type: ignore[attr-defined]
    for number in range(100):
        logging.getLogger("x").info("line %d %s", number, "x" * 100)
    files = sorted(path.name for path in log.parent.iterdir())
    assert files == ["control.log", *[f"control.log.{n}" for n in range(1, 5)]]
    assert all(path.stat().st_size <= 2000 for path in log.parent.iterdir())


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("no secret in task-123456789012 here", "no secret in task-123456789012 here"),
        ("sk-1234567890", "sk-[redacted]"),
        (
            {"max_tokens": 5, "token": "abc", "nested": [{"password": "p"}]},
            {"max_tokens": 5, "token": "[redacted]", "nested": [{"password": "[redacted]"}]},
        ),
        ({"token": None, "n": 1.5, "ok": True}, {"token": None, "n": 1.5, "ok": True}),
        (Path("/home/x"), "/home/x"),
    ],
)
def test_redaction_takes_secrets_and_leaves_the_rest(value: object, expected: object) -> None:
    assert redact(value) == expected
