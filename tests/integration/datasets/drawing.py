"""A process that draws dataset versions until it is killed and says what was acknowledged.

Usage: python -m tests.integration.datasets.drawing CATALOGUE_URL LAKE.
"""

from __future__ import annotations

import os
import sys

from loopwright.datasets import DatasetService, DatasetStore
from loopwright.foundation.database import Database
from loopwright.foundation.lake import Lake
from tests.unit.datasets.details import FakeTraces, detail

ROWS = 40


def main() -> None:
    traces = FakeTraces(*(detail(number) for number in range(ROWS)))
    service = DatasetService(DatasetStore(Database(sys.argv[1]), Lake(sys.argv[2])), traces)
    os.write(1, b"ready\n")
    while True:
        drawn = service.draw_version("team_a", "support", {}, author="ann")
        os.write(1, b"%d\n" % drawn.version.version)


if __name__ == "__main__":
    main()
