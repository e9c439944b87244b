"""A process that drains until it is killed.

Usage: python -m tests.integration.traces.draining SPOOL LAKE.
"""

from __future__ import annotations

import sys
from pathlib import Path

from loopwright.foundation.lake import Lake
from loopwright.traces import Drainer, TraceStore


def main() -> None:
    drainer = Drainer(Path(sys.argv[1]), TraceStore(Lake(sys.argv[2])), tick_seconds=0.001)
    while True:
        drainer.drain_now()
        sys.stdout.write("tick\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
