"""Keeps the gateway's snapshot of the catalogue fresh, from a thread, and goes on with the last good one."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from loopwright.catalog import Snapshot
from loopwright.foundation.database import Database
from loopwright.foundation.errors import LoopwrightError

_log = logging.getLogger(__name__)
_RETRY_S = 1.0


class SnapshotKeeper:
    """`current()` is the newest snapshot; `load` builds one from the database."""

    def __init__(self, database: Database, load: Callable[[], Snapshot]) -> None:
        self._database = database
        self._load = load
        self._snapshot: Snapshot | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="snapshots", daemon=True)

    def start(self, wait_s: float) -> None:
        """Loads the first snapshot, waiting up to `wait_s` for a catalogue that is being made. Raises Unavailable."""
        deadline = time.monotonic() + wait_s
        while True:
            try:
                self._snapshot = self._load()
                break
            except LoopwrightError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        self._thread.start()

    def current(self) -> Snapshot:
        """The newest snapshot."""
        assert self._snapshot is not None, "start() comes first"
        return self._snapshot

    def stop(self) -> None:
        """Ends the thread."""
        self._stop.set()

    def _follow(self) -> None:
        watch = self._database.watch()
        while not self._stop.is_set():
            try:
                if watch.wait(1.0):
                    self._snapshot = self._load()
            except Exception as error:  # noqa: BLE001 - without this thread no key is ever revoked again
                # A database that is down stops changes, never traffic; nor does a row that nobody can read.
                known = isinstance(error, LoopwrightError)
                _log.warning("the catalogue cannot be read, the last snapshot stays: %s", error, exc_info=not known)
                watch.close()
                self._stop.wait(_RETRY_S)
        watch.close()
