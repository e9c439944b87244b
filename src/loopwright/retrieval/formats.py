"""Which files can be read, by the suffix of their name."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final

MAX_BYTES: Final = 64 * 1024 * 1024
"""Of one file."""

MEDIA_TYPES: Final = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".mdx": "text/markdown",
    ".html": "text/html",
    ".htm": "text/html",
    ".xhtml": "text/html",
    ".txt": "text/plain",
    ".text": "text/plain",
    ".rst": "text/plain",
    ".adoc": "text/plain",
    ".log": "text/plain",
    ".csv": "text/plain",
    ".tsv": "text/plain",
    ".pdf": "application/pdf",
    ".json": "application/json",
}


def media_type_of(name: str) -> str | None:
    """The media type a file name stands for, None when such files cannot be read."""
    return MEDIA_TYPES.get(PurePosixPath(name).suffix.lower())
