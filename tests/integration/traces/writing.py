"""A process that appends until it is killed and says on standard output what was acknowledged.

Usage: python -m tests.integration.traces.writing DIRECTORY kind first_number; kind: group, strict or late.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from loopwright.traces import SpoolWriter
from loopwright.traces.testing import LateSpoolWriter
from tests.unit.traces.records import begin, span


def main() -> None:
    directory, kind, first = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    spool = LateSpoolWriter if kind == "late" else SpoolWriter
    writer = spool(directory, strict=kind == "strict", max_segment_bytes=64 * 1024)
    number = first
    while True:
        writer.begin(begin(number))
        # The outside world sees the request before its answer: from here on it must leave a trace.
        os.write(1, b"begun %d\n" % number)
        writer.append((span(number),))
        os.write(1, b"ended %d\n" % number)
        number += 1


if __name__ == "__main__":
    main()
