"""What people read in a span's raw JSON: the text of messages, answers and tool calls."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

PREVIEW_CHARS = 200
SEARCH_CHARS = 32_768

_decode = msgspec.json.Decoder().decode


def parse_json(raw: bytes | str) -> Any:
    """Decoded JSON; None for nothing, the text itself when it is not JSON."""
    if not raw:
        return None
    try:
        return _decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return raw if isinstance(raw, str) else raw.decode("utf-8", "replace")


def messages_of(value: Any) -> list[Any]:
    """The messages in a recorded input: a request body, a list of messages, or none."""
    if isinstance(value, dict):
        value = value.get("messages")
    return value if isinstance(value, list) else []


def answer_of(value: Any) -> Any:
    """The message in a recorded output: of a whole response its first choice, else the output itself."""
    if isinstance(value, dict):
        choices = value.get("choices")
        if isinstance(choices, list) and choices and isinstance(choices[0], dict):
            return choices[0].get("message", choices[0])
    return value


def previews(input_raw: bytes, output_raw: bytes) -> tuple[str, str, str]:
    """`(first user message, answer, text to search in)`; the first two at most `PREVIEW_CHARS`, the last lower case."""
    given, answer = parse_json(input_raw), answer_of(parse_json(output_raw))
    messages = messages_of(given)
    asked = next((m for m in messages if isinstance(m, dict) and m.get("role") == "user"), None)
    first = _joined(asked) if asked is not None else _joined(given)
    answered = _joined(answer)
    search = f"{_joined(messages) if messages else first}\n{answered}"[:SEARCH_CHARS].lower()
    return _short(first), _short(answered), search


def _joined(value: Any) -> str:
    return "\n".join(part for part in _texts(value) if part)


def _texts(value: Any) -> Iterator[str]:
    """Every text a person would read, in order; keys and roles are left out."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for key in ("content", "text", "input", "query", "refusal", "reasoning_content", "output", "error"):
            yield from _texts(value.get(key))
        for call in value.get("tool_calls") or ():
            if isinstance(call, dict) and isinstance(function := call.get("function"), dict):
                yield f"{function.get('name', '')}({function.get('arguments', '')})"
        if "messages" in value:
            yield from _texts(value["messages"])


def _short(text: str) -> str:
    flat = " ".join(text[: PREVIEW_CHARS * 4].split())
    return flat if len(flat) <= PREVIEW_CHARS else flat[: PREVIEW_CHARS - 1] + "…"
