"""The gateway with a spool that is written 200 ms after the answer."""

from __future__ import annotations

from typing import cast

from loopwright.apps import gateway
from loopwright.foundation.settings import Settings
from loopwright.traces import SpoolWriter
from loopwright.traces.testing import LateSpoolWriter


def late(settings: Settings) -> SpoolWriter:
    return cast("SpoolWriter", LateSpoolWriter(settings.spool_dir))


if __name__ == "__main__":
    gateway.spool_writer = late
    gateway.main()
