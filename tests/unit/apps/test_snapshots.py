from __future__ import annotations

import threading
from typing import Any

import pytest

from loopwright.apps import snapshots
from loopwright.apps.snapshots import SnapshotKeeper
from loopwright.foundation.errors import Unavailable


class Watch:
    """Says at once that something changed."""

    def __init__(self) -> None:
        self.closed = 0

    def wait(self, _timeout_s: float) -> bool:
        return True

    def close(self) -> None:
        self.closed += 1


class Catalogue:
    """A database whose every reading is the next of a script, and the last one for ever."""

    def __init__(self, *script: Any) -> None:
        self._script = list(script)
        self.read_all = threading.Event()
        self.watched = Watch()

    def watch(self) -> Watch:
        return self.watched

    def load(self) -> Any:
        if len(self._script) == 1:
            self.read_all.set()
            return self._script[0]
        found = self._script.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


@pytest.mark.parametrize("fault", [Unavailable("locked"), ValueError("a row nobody can read"), KeyError("spec")])
def test_whatever_goes_wrong_the_keeper_goes_on(fault: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "_RETRY_S", 0.0)
    catalogue = Catalogue("first", fault, fault, "last")
    keeper = SnapshotKeeper(catalogue, catalogue.load)  # type: ignore[arg-type]
    keeper.start(1.0)
    assert catalogue.read_all.wait(5)
    keeper.stop()
    assert keeper.current() == "last"
    assert catalogue.watched.closed >= 2


def test_a_first_snapshot_that_never_comes_is_an_error() -> None:
    catalogue = Catalogue(Unavailable("no such table"), "never read")
    keeper = SnapshotKeeper(catalogue, catalogue.load)  # type: ignore[arg-type]
    with pytest.raises(Unavailable, match="no such table"):
        keeper.start(-1.0)
