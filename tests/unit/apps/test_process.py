from __future__ import annotations

import subprocess
import sys

_LIMITED = """
import resource
from loopwright.apps.process import allow_open_files
resource.setrlimit(resource.RLIMIT_NOFILE, (256, {hard}))
allow_open_files()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_the_soft_limit_of_open_files_rises_to_the_hard_one_and_no_further() -> None:
    command = [sys.executable, "-c", _LIMITED.format(hard=4096)]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == ["4096", "4096"]
