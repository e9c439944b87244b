"""Names of uploaded files name documents and nothing else."""

from __future__ import annotations

import pytest

from loopwright.foundation.errors import Invalid
from loopwright.retrieval.uploads import LONGEST_NAME, clean_source


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("a.md", "a.md"),
        ("guide/start here.md", "guide/start here.md"),
        ("./guide/a.md", "guide/a.md"),
        ("guide\\win.md", "guide/win.md"),
        ("größe/日本.txt", "größe/日本.txt"),
        ("..hidden.md", "..hidden.md"),
        ("100%.md", "100%.md"),
    ],
)
def test_a_relative_name_is_kept(name: str, source: str) -> None:
    assert clean_source(name) == source


@pytest.mark.parametrize(
    "name",
    ["", "  ", "/etc/passwd", "../a.md", "a/../../b.md", "a\\..\\b.md", "a\x00.md", "a\nb.md", "C:\\a.md", "c:a.md",
     "a//b.md", "a/", "\\\\host\\share", "a" * (LONGEST_NAME + 1), "x\x9f.md", ".."],
)  # fmt: skip
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(Invalid):
        clean_source(name)
