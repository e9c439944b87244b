"""What the parent makes of a child's answers, without a child."""

from __future__ import annotations

import pytest

from loopwright.foundation.cluster import Executor, Limits
from loopwright.foundation.errors import Invalid, LoopwrightError, NotFound, Unprocessable, error_from


def test_errors_come_back_as_they_were() -> None:
    error = error_from(NotFound("no such page", hint="count from 1", param="page").problem())
    assert type(error) is NotFound
    assert (error.message, error.hint, error.param) == ("no such page", "count from 1", "page")
    assert type(error_from({"code": "gone_with_an_upgrade", "detail": "x"})) is LoopwrightError
    revived = error_from(Unprocessable("boom", reason="crash").problem())
    assert isinstance(revived, Unprocessable)
    assert revived.reason == "error"


def test_a_reason_is_kept() -> None:
    error = Unprocessable("too slow", reason="time")
    assert isinstance(error, Invalid)
    assert (error.reason, error.status, error.code) == ("time", 422, "unprocessable")


def test_an_unused_executor_starts_nothing() -> None:
    executor = Executor(Limits(memory_mb=1))
    executor.close()


def test_limits_have_sane_defaults() -> None:
    with pytest.raises(AttributeError):
        Limits().memory_mb = 1  # type: ignore[misc]
