"""The error tree: one root, eight families, each with a stable code and an HTTP status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class LoopwrightError(Exception):
    """Root of every error a user may meet.

    `message` says what happened with the actual value and why; `hint` is the next command or step;
    `param` names the faulty field. `code` is stable and documented, `status` is the HTTP status.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "", param: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.param = param

    def problem(self, request_id: str = "") -> dict[str, object]:
        """The RFC 9457 body; empty members are left out."""
        body: dict[str, object] = {
            "type": f"urn:loopwright:error:{self.code}",
            "title": type(self).__name__,
            "status": self.status,
            "detail": self.message,
            "code": self.code,
            "hint": self.hint,
            "param": self.param,
            "request_id": request_id,
        }
        return {key: value for key, value in body.items() if value != ""}


class Invalid(LoopwrightError):
    """The caller sent something that can never work as it is."""

    code = "invalid"
    status = 400


class Unprocessable(Invalid):
    """Working on it failed, crashed, or needed more than it may; `reason` is memory, cpu, time, crash or error."""

    code = "unprocessable"
    status = 422
    reason = "error"

    def __init__(self, message: str, *, hint: str = "", param: str = "", reason: str = "error") -> None:
        super().__init__(message, hint=hint, param=param)
        self.reason = reason


class Unauthenticated(LoopwrightError):
    """Nobody, or nobody we know, is asking."""

    code = "unauthenticated"
    status = 401


class Denied(LoopwrightError):
    """We know who is asking, and they may not."""

    code = "denied"
    status = 403


class NotFound(LoopwrightError):
    """No such thing in the caller's team."""

    code = "not_found"
    status = 404


class Conflict(LoopwrightError):
    """It collides with what is already there."""

    code = "conflict"
    status = 409


class LimitExceeded(LoopwrightError):
    """A size, rate or budget limit was reached."""

    code = "limit_exceeded"
    status = 429
    retryable = True


class TooLarge(LimitExceeded):
    """One item is larger than the limit; trying again cannot help."""

    code = "too_large"
    status = 413
    retryable = False


class UpstreamFailed(LoopwrightError):
    """A model provider failed or answered nonsense."""

    code = "upstream_failed"
    status = 502
    retryable = True


class UpstreamTimeout(UpstreamFailed):
    """A model provider did not answer within its limit."""

    code = "upstream_timeout"
    status = 504


class Unavailable(LoopwrightError):
    """A part of ours is not there right now; nothing was lost."""

    code = "unavailable"
    status = 503
    retryable = True


class DiskFull(Unavailable):
    """There is no room to keep what we would have to acknowledge."""

    code = "disk_full"
    status = 507


class Corrupt(Unavailable):
    """Stored bytes are not those that were put: a broken disk, or someone wrote into the store."""

    code = "corrupt"
    retryable = False


def error_from(problem: Mapping[str, object]) -> LoopwrightError:
    """The error whose `problem()` this was; of the root's class when its own does not exist any more."""
    family: type[LoopwrightError] = LoopwrightError
    waiting = [family]
    while waiting:
        candidate = waiting.pop()
        if candidate.code == problem.get("code"):
            family = candidate
            break
        waiting.extend(candidate.__subclasses__())
    # Not by calling it: an error may take arguments of its own.
    error = family.__new__(family)
    LoopwrightError.__init__(
        error,
        str(problem.get("detail", "")),
        hint=str(problem.get("hint", "")),
        param=str(problem.get("param", "")),
    )
    return error
