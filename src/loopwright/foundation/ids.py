"""Identifiers: time-ordered, prefixed by their noun, safe in URLs and file names."""

from __future__ import annotations

import os
import re
import time

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_IDENTIFIER = re.compile(r"[a-z0-9_-]{1,64}")


def new_id(prefix: str) -> str:
    """`prefix_` and 26 Crockford base32 characters: 48 bits of milliseconds, then 80 random bits (the ULID layout)."""
    value = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    digits = [_ALPHABET[(value >> shift) & 31] for shift in range(125, -1, -5)]
    return f"{prefix}_{''.join(digits)}"


def new_trace_id() -> str:
    """32 hexadecimal characters, as OpenTelemetry writes them."""
    return os.urandom(16).hex()


def new_span_id() -> str:
    """16 hexadecimal characters, as OpenTelemetry writes them."""
    return os.urandom(8).hex()


def is_name(text: str) -> bool:
    """Whether users may name a thing so: `[a-z0-9_-]`, at most 63 characters, the first a letter or digit."""
    return _NAME.fullmatch(text) is not None


def is_identifier(text: str) -> bool:
    """Whether this could be an id of ours: `[a-z0-9_-]{1,64}`."""
    return _IDENTIFIER.fullmatch(text) is not None
