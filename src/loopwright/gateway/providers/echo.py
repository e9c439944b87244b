"""`builtin/echo`: a deterministic model that speaks the whole protocol and costs nothing.

It answers with the last user message, calls tools when it is given some, makes JSON when asked for JSON, and counts
tokens by `count_tokens`. Tests and demonstrations stand on it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from loopwright.foundation.errors import Invalid
from loopwright.gateway.exchange import Exchange, encode
from loopwright.gateway.stream import message_text

_PIECE = re.compile(r"\s*(?:\w{1,6}|[^\w\s])|\s+")
_MAX_SCHEMA_DEPTH = 20


@dataclass
class EchoAnswer:
    """One choice: text pieces (a token each) or tool calls, and why it ended."""

    pieces: list[str] = field(default_factory=list)
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    finish_reason: str = "stop"


def echo(exchange: Exchange) -> EchoAnswer:
    """The answer to a conversation. Raises Invalid for fields of the wrong type."""
    messages = exchange.messages()
    last = messages[-1]
    if last.get("role") == "tool":
        return _limited(exchange, f"The tool answered: {message_text(last.get('content'))}")
    said = next((message_text(m.get("content")) for m in reversed(messages) if m.get("role") == "user"), "")
    tools, choice = exchange.value("tools"), exchange.value("tool_choice")
    if tools and choice != "none":
        return EchoAnswer(tool_calls=[_call(tools, choice, said)], finish_reason="tool_calls")
    wanted = exchange.value("response_format")
    kind = wanted.get("type") if isinstance(wanted, dict) else None
    if kind == "json_object":
        return _limited(exchange, encode({"echo": said}).decode())
    if kind == "json_schema":
        return _limited(exchange, encode(_example(_member(wanted.get("json_schema"), "schema"), said)).decode())
    return _limited(exchange, said)


def _limited(exchange: Exchange, text: str) -> EchoAnswer:
    stop = exchange.value("stop")
    stops = [stop] if isinstance(stop, str) else stop or []
    if not isinstance(stops, list) or not all(isinstance(item, str) for item in stops):
        raise Invalid("stop must be a string or a list of strings", param="stop")
    ends = [found for item in stops if item and (found := text.find(item)) >= 0]
    if ends:
        text = text[: min(ends)]
    pieces = _PIECE.findall(text)
    limit = exchange.value("max_completion_tokens") or exchange.value("max_tokens")
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise Invalid(f"max_tokens must be a whole number above 0, not {limit!r}", param="max_tokens")
    if limit is not None and len(pieces) > limit:
        return EchoAnswer(pieces[:limit], finish_reason="length")
    return EchoAnswer(pieces)


def _call(tools: Any, choice: Any, said: str) -> dict[str, Any]:
    functions = [t.get("function") for t in tools if isinstance(t, dict)] if isinstance(tools, list) else []
    named = _member(_member(choice, "function"), "name")
    fitting = [f for f in functions if isinstance(f, dict) and f.get("name") and named in (None, f["name"])]
    if not fitting:
        raise Invalid(
            f"there is no tool {named!r} among the tools" if named else "tools holds no function", param="tools"
        )
    arguments = _example(fitting[0].get("parameters") or {}, said)
    return {
        "id": "call_0",
        "type": "function",
        "function": {"name": fitting[0]["name"], "arguments": encode(arguments).decode()},
    }


def _example(schema: Any, said: str, depth: int = 0) -> Any:
    """The plainest value a JSON schema allows; texts are what the user said, and so is what no schema describes."""
    if not isinstance(schema, dict) or depth > _MAX_SCHEMA_DEPTH:
        return said
    if (values := _items(schema.get("enum"))) or "const" in schema:
        return values[0] if values else schema["const"]
    for way in ("anyOf", "oneOf", "allOf"):
        if ways := _items(schema.get(way)):
            return _example(ways[0], said, depth + 1)
    kind = schema.get("type")
    kind = next(iter(_items(kind)), kind)
    if kind == "object" or "properties" in schema:
        properties = schema.get("properties") if isinstance(schema.get("properties"), dict) else {}
        wanted = [name for name in _items(schema.get("required")) if isinstance(name, str)] or list(properties or {})
        return {name: _example(_member(properties, name), said, depth + 1) for name in wanted}
    if kind == "array":
        return [_example(schema.get("items", {}), said, depth + 1)] if schema.get("minItems", 1) else []
    if kind in ("integer", "number"):
        return schema.get("minimum", 0)
    return {"null": None, "boolean": True}.get(kind, said) if isinstance(kind, str) else said


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _member(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None
