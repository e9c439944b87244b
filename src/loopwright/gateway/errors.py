"""Errors of the gateway, and how an OpenAI client wants to hear of any error."""

from __future__ import annotations

from typing import Any

from loopwright.foundation.errors import LoopwrightError, UpstreamFailed

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
}
_CODES = {("not_found", "model"): "model_not_found", ("unauthenticated", ""): "invalid_api_key"}


class UpstreamRefused(UpstreamFailed):
    """The provider refused our request with a status that its caller should see as it is."""

    code = "upstream_refused"
    retryable = False

    def __init__(self, message: str, upstream_status: int, *, hint: str = "", param: str = "", kind: str = "") -> None:
        super().__init__(message, hint=hint, param=param)
        self.upstream_status = upstream_status
        self.kind = kind


def openai_error(error: LoopwrightError, request_id: str) -> tuple[int, dict[str, Any]]:
    """Status and body in the shape the OpenAI SDKs map to their exception classes."""
    status = error.upstream_status if isinstance(error, UpstreamRefused) else error.status
    message = f"{error.message} ({error.hint})" if error.hint else error.message
    return status, {
        "error": {
            "message": message,
            "type": _TYPES.get(status, "api_error"),
            "param": error.param or None,
            "code": _CODES.get((error.code, error.param), error.code),
            "hint": error.hint,
            "request_id": request_id,
        }
    }
