"""Bodies of requests to control: JSON is limited in size and sound before any handler sees it."""

from __future__ import annotations

import msgspec
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

from loopwright.foundation.errors import Invalid, TooLarge
from loopwright.foundation.settings import MEBIBYTE

MAX_JSON_MB = 16
_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")


async def sound_body(scope: Scope, receive: Receive) -> Receive:
    """A `receive` that gives the body again after it was read and checked; forms are left to their parser.

    Raises Invalid for JSON that another part would stumble over: lone surrogates, NaN, numbers without end, nesting
    without end. Raises TooLarge above MAX_JSON_MB.
    """
    headers = Headers(scope=scope)
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in _FORMS or not ("content-length" in headers or "transfer-encoding" in headers):
        return receive
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            return _replay([message], receive)
        more = message.get("more_body", False)
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MAX_JSON_MB * MEBIBYTE:
            raise TooLarge(
                f"the request body has more than {MAX_JSON_MB} MiB, the most that control reads as JSON",
                hint="send it in smaller pieces; documents go up as multipart/form-data",
            )
    body = b"".join(parts)
    if body and kind.endswith("json"):
        _check(body)
    return _replay([{"type": "http.request", "body": body, "more_body": False}], receive)


def _check(body: bytes) -> None:
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(
            f"the body is not sound JSON: {error}", hint="send one JSON value in UTF-8, its numbers finite"
        ) from error


def _replay(messages: list[Message], receive: Receive) -> Receive:
    async def again() -> Message:
        return messages.pop(0) if messages else await receive()

    return again
