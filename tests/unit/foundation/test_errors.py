from __future__ import annotations

import pytest

from loopwright.foundation import errors
from loopwright.foundation.errors import Invalid, LoopwrightError, TooLarge, Unauthenticated

FAMILIES = {
    "LoopwrightError": ("internal", 500, False),
    "Invalid": ("invalid", 400, False),
    "Unprocessable": ("unprocessable", 422, False),
    "Unauthenticated": ("unauthenticated", 401, False),
    "Denied": ("denied", 403, False),
    "NotFound": ("not_found", 404, False),
    "Conflict": ("conflict", 409, False),
    "LimitExceeded": ("limit_exceeded", 429, True),
    "TooLarge": ("too_large", 413, False),
    "UpstreamFailed": ("upstream_failed", 502, True),
    "UpstreamTimeout": ("upstream_timeout", 504, True),
    "Unavailable": ("unavailable", 503, True),
    "DiskFull": ("disk_full", 507, True),
    "Corrupt": ("corrupt", 503, False),
}


def test_codes_statuses_and_retries_are_the_published_ones() -> None:
    found = {
        name: (value.code, value.status, value.retryable)
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, LoopwrightError)
    }
    assert found == FAMILIES


def test_no_two_families_share_a_code() -> None:
    codes = [code for code, _, _ in FAMILIES.values()]
    assert len(codes) == len(set(codes))


def test_a_problem_says_everything_that_is_known() -> None:
    error = Invalid("limit is 0, at least 1 is needed", hint="pass limit=1", param="limit")
    assert error.problem("req_1") == {
        "type": "urn:loopwright:error:invalid",
        "title": "Invalid",
        "status": 400,
        "detail": "limit is 0, at least 1 is needed",
        "code": "invalid",
        "hint": "pass limit=1",
        "param": "limit",
        "request_id": "req_1",
    }
    assert str(error) == error.message


def test_a_problem_leaves_out_what_is_empty() -> None:
    assert set(Unauthenticated("who?").problem()) == {"type", "title", "status", "detail", "code"}


def test_a_family_is_caught_by_its_root() -> None:
    with pytest.raises(LoopwrightError) as caught:
        raise TooLarge("9 MiB")
    assert isinstance(caught.value, errors.LimitExceeded)
