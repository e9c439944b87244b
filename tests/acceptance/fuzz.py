"""Requests that no honest client sends, made from the live description of the API by a seeded generator."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
DEEP_LIST = b"[" * 100_000 + b"]" * 100_000
LONG = "x" * 100_000
TEXTS = [
    "", " ", "\0", "a\0b", "\ud800", "a\udfffb", "\u202e\u0000", "../../etc/passwd", "..\\..\\x", "/etc/passwd",
    "%2e%2e%2f", "a/b", "//", "C:\\x", "." * 300, "é" * 200, "\U0001f600" * 50, "x" * 300, "x" * 5_000, "' OR 1=1 --",
    '"; DROP TABLE teams; --', "%", "_", "NaN", "null", "-1", "0", "1e309", "9" * 30, "9" * 5_000, "\r\nx: y", "\t",
    "<script>alert(1)</script>", "${jndi:ldap://x}", "{{7*7}}", "ＡＢＣ", "١٢٣", "２", "a" * 64, "f" * 32, "0" * 32,
    "AAAA",     "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OjA", "2026-11-20T10:00:00Z", "0000-00-00", "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+14:00", "true",
]  # fmt: skip
NUMBERS = [0, -1, 1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**30, 10**400, 0.5, -0.0, 1e308, float("nan"),
           float("inf"), float("-inf")]  # fmt: skip
VALUES: list[Any] = [
    *TEXTS, *NUMBERS, None, True, False, [], {}, [[]], {"": ""}, {"\ud800": 1}, {"a\0": {"b": []}}, [None] * 1_000,
    LONG, {"$ref": "#"}, {"__proto__": 1}, [{}], {"x" * 5_000: 1},
]  # fmt: skip
RAW_BODIES = [
    b"", b"null", b"[]", b"1", b'"x"', b"{", b"\xff\xfe", b"\0" * 100, DEEP, DEEP_LIST, b'{"a":' + b"9" * 6_000 + b"}",
    b'{"key":NaN}', b"\xef\xbb\xbf{}", b"a: 1", b"--x\r\n\r\n", b'{"text":"' + b"x" * 300_000 + b'"}', b"{}" * 50,
]  # fmt: skip
CONTENT_TYPES = [
    "application/json", "application/json", "application/json; charset=utf-16", "text/plain", "", "*/*", "x", "\xff",
    "multipart/form-data", "multipart/form-data; boundary=x", "multipart/form-data; boundary=" + "b" * 200,
    "application/x-www-form-urlencoded", "application/xml", "application/msgpack",
]  # fmt: skip
HEADERS = [
    ("accept", "\xff"), ("cookie", "loopwright_session=a.b"), ("cookie", "=;;\xff=\xfe;" * 50),
    ("last-event-id", "\xff"), ("last-event-id", "9" * 5_000), ("x-request-id", "<x>"), ("x-forwarded-proto", "https"),
    ("range", "bytes=0-0,-1"),
    ("range", "bytes=" + "0-1," * 500), ("if-none-match", "*"), ("x-loopwright-csrf", "\xff"),
    ("content-encoding", "gzip"), ("x-http-method-override", "DELETE"), ("x-loopwright-operator", "x"),
    ("accept-language", "x" * 4_000),
]  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One request."""

    method: str
    path: str
    body: bytes | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)


def cases(description: dict[str, Any], known: dict[str, str], seed: int, number: int) -> Iterator[Case]:
    """`number` requests over every operation in turn; `known` are ids that exist, by path parameter."""
    chance = random.Random(seed)
    operations = [
        (method.upper(), path, operation)
        for path, methods in sorted(description["paths"].items())
        for method, operation in sorted(methods.items())
    ]
    for count in range(number):
        method, path, operation = operations[count % len(operations)]
        yield _case(chance, description, method, path, operation, known)


def _case(
    chance: random.Random,
    description: dict[str, Any],
    method: str,
    path: str,
    operation: dict[str, Any],
    known: dict[str, str],
) -> Case:
    query = []
    for parameter in operation.get("parameters", ()):
        name = parameter["name"]
        if parameter["in"] == "path":
            # An id that exists lets the mutation reach further in.
            value = known[name] if name in known and chance.random() < 0.6 else str(chance.choice(TEXTS + NUMBERS))
            path = path.replace("{" + name + "}", _quoted(value) or "%20")
        elif parameter["in"] == "query" and chance.random() < 0.4:
            query.append(f"{name}={_quoted(str(chance.choice(TEXTS + NUMBERS)))}")
    if chance.random() < 0.1:
        query.append(chance.choice(["&&&=", "a" * 8_000, "limit=1&limit=x", "%", "%zz=%ff", "cursor[]=1"]))
    headers = [chance.choice(HEADERS)] if chance.random() < 0.3 else []
    body = None
    if "requestBody" in operation or chance.random() < 0.1:
        body, content_type = _body(chance, description, operation)
        if content_type:
            headers.append(("content-type", content_type))
    return Case(method, f"{path}?{'&'.join(query)}" if query else path, body, headers)


def _body(chance: random.Random, description: dict[str, Any], operation: dict[str, Any]) -> tuple[bytes, str]:
    content = operation.get("requestBody", {}).get("content", {})
    roll = chance.random()
    if roll < 0.15:
        return chance.choice(RAW_BODIES), chance.choice(CONTENT_TYPES)
    if "multipart/form-data" in content:
        return _form(chance), "multipart/form-data; boundary=x"
    made = _made(chance, description, content.get("application/json", {}).get("schema", {}))
    if isinstance(made, dict) and roll < 0.85:
        names = [*made, "unknown", "\ud800"]
        # A copy, because what was made may be one of VALUES itself.
        made = {**made, chance.choice(names): chance.choice(VALUES)}
    return json.dumps(made).encode(), "application/json" if roll < 0.95 else chance.choice(CONTENT_TYPES)


def _form(chance: random.Random) -> bytes:
    parts = []
    for _ in range(chance.choice([0, 1, 1, 2, 30])):
        name = chance.choice(TEXTS).encode(errors="surrogatepass").replace(b"\r", b"").replace(b"\n", b"")
        if chance.random() < 0.7:
            name += chance.choice([b".md", b".pdf", b".html", b".json", b".csv", b".docx", b".zip"])
        content = chance.choice(
            [b"", b"# Hello\n\nSome text.", b"\0" * 500, b"%PDF-1.4 x", b"PK\3\4", DEEP_LIST, b"\xff" * 300]
        )
        field_name = chance.choice([b"files", b"files", b"files", b"other", b""])
        parts.append(
            b'--x\r\nContent-Disposition: form-data; name="%b"; filename="%b"\r\n\r\n%b\r\n'
            % (field_name, name, content)
        )
    return b"".join(parts) + chance.choice([b"--x--\r\n", b"--x--\r\n", b"", b"--x"])


def _made(chance: random.Random, description: dict[str, Any], schema: dict[str, Any]) -> Any:
    """A value near the schema."""
    if "$ref" in schema:
        return _made(chance, description, description["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return _made(chance, description, chance.choice(schema["anyOf"]))
    if schema.get("type") == "object":
        return {
            name: _made(chance, description, inner)
            for name, inner in schema.get("properties", {}).items()
            if name in schema.get("required", ()) or chance.random() < 0.5
        }
    if "enum" in schema:
        return chance.choice(schema["enum"])
    choices = {
        "string": TEXTS,
        "integer": [1, 5, *NUMBERS],
        "number": NUMBERS,
        "boolean": [True, False],
        "array": [[], ["x"]],
    }
    return chance.choice(choices.get(str(schema.get("type")), VALUES))


def _quoted(value: str) -> str:
    return quote(value.encode(errors="surrogatepass"), safe="")
