"""Files by digest, and the one function through which a name may become a path."""

from __future__ import annotations

import re
from pathlib import Path

from loopwright.foundation.errors import Invalid

_SAFE_PART = re.compile(r"[A-Za-z0-9_-](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9_-])?")


def safe_path(root: Path, *parts: str) -> Path:
    """`root` joined with `parts`, each one plain name; the result lies inside `root` even when links are followed.

    A part is 1 to 128 of `[A-Za-z0-9._-]` and neither starts nor ends with a dot, so that no traversal, separator,
    NUL or look-alike character can pass. Raises Invalid.
    """
    for part in parts:
        if _SAFE_PART.fullmatch(part) is None:
            raise Invalid(f"{part[:80]!r} cannot be part of a path", hint="use letters, digits, - _ and inner dots")
    path = root.joinpath(*parts)
    if not path.resolve().is_relative_to(root.resolve()):
        raise Invalid(f"{'/'.join(parts)!r} leads out of {root} through a link", hint="remove the link")
    return path
