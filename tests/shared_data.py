"""Real data beside the checkout, in `../shared/data`: too large and too free-standing to be in the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "shared" / "data"


def shared_file(name: str) -> Path:
    """The file of that name; the calling test is skipped where it is absent."""
    path = FOLDER / name
    if not path.is_file():
        pytest.skip(f"no {name} in {FOLDER}: put the project's shared data folder beside the checkout")
    return path
