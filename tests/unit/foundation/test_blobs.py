"""Names that become paths, and blobs in a local folder."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.foundation.blobs import Blobs, safe_path
from loopwright.foundation.errors import Corrupt, Invalid, NotFound

ROOT = Path("/srv/store")
HOSTILE = st.one_of(
    st.text(),
    st.text(alphabet="./\\\0~:%\u2024\uff0e\u2025\u3002ab", min_size=1),
    st.sampled_from([".", "..", "...", "a/..", "a/b", "/etc", "a\\b", "a\0", "\uff0e\uff0e", "a\n", "a" * 129, ""]),
)


@given(st.lists(HOSTILE, min_size=1, max_size=4))
def test_whatever_passes_stays_strictly_inside(parts: list[str]) -> None:
    try:
        path = safe_path(ROOT, *parts)
    except Invalid:
        return
    assert path.is_relative_to(ROOT)
    assert len(path.relative_to(ROOT).parts) == len(parts)
    assert ".." not in path.parts


@given(st.from_regex(r"[a-z0-9_-]{1,64}", fullmatch=True))
def test_every_identifier_passes(name: str) -> None:
    assert safe_path(ROOT, name, f"{name}.lance") == ROOT / name / f"{name}.lance"


@pytest.mark.parametrize("part", ["..", ".hidden", "end.", "a/b", "a\\b", "nul\0", "\u2025", "x" * 129, "", "new\n"])
def test_hostile_names_are_refused(part: str) -> None:
    with pytest.raises(Invalid, match="cannot be part of a path"):
        safe_path(ROOT, part)


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "link").symlink_to(outside)
    (root / "inner").symlink_to(root)
    with pytest.raises(Invalid, match="through a link"):
        safe_path(root, "link", "file")
    assert safe_path(root, "inner", "file").name == "file"


def test_content_is_stored_privately_and_only_whole(blobs: Blobs, home: Path) -> None:
    digest = blobs.put(b"weights")
    (file,) = [path for path in (home / "blobs").rglob("*") if path.is_file()]
    assert file.name == digest
    assert stat.S_IMODE((home / "blobs").stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_changed_blob_is_never_returned(blobs: Blobs, home: Path) -> None:
    digest = blobs.put(b"weights")
    (home / "blobs" / digest[:2] / digest).write_bytes(b"weightz")
    with pytest.raises(Corrupt, match="holds other bytes"):
        blobs.get(digest)
    assert blobs.put(b"weights") == digest
    assert blobs.get(digest) == b"weights"


def test_a_failed_source_leaves_nothing_behind(blobs: Blobs, home: Path) -> None:
    class Broken:
        def read(self, _size: int) -> bytes:
            raise RuntimeError("the client went away")

    with pytest.raises(RuntimeError):
        blobs.put(Broken())  # type: ignore[arg-type]
    assert [path for path in (home / "blobs").rglob("*") if path.is_file()] == []


def test_a_digest_is_not_a_path(blobs: Blobs) -> None:
    with pytest.raises(Invalid, match="not a sha256 digest"):
        blobs.get("../../etc/passwd")
    with pytest.raises(NotFound):
        blobs.get("0" * 64)
