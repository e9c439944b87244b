"""kill -9 in the middle of a build: it goes on where it was, does no finished batch again, and doubles nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.integration.retrieval.build_worker import BATCH, DOCUMENTS, TEAM, text_of, wire

REPOSITORY = Path(__file__).parents[3]


def run(home: Path, pause_after: int, broken: bool) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.integration.retrieval.build_worker", str(home), str(pause_after)]
    return subprocess.Popen([*command, "1" if broken else "0"], cwd=REPOSITORY, env={"PYTHONPATH": "src:."})


def kill_when_paused(worker: subprocess.Popen[bytes], home: Path) -> None:
    deadline = time.monotonic() + 90
    while not (home / "paused").exists():
        assert worker.poll() is None, "the worker ended before it paused"
        assert time.monotonic() < deadline, "the worker never paused"
        time.sleep(0.05)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    (home / "paused").unlink()


def faults(home: Path, redone_at_most: int) -> list[str]:
    """What is wrong with the knowledge base after its build."""
    service, _ = wire(home)
    base = service.get(TEAM, "kb")
    if base.status != "ready":
        return [f"the base is {base.status}"]
    found = []
    if (base.document_count, base.passage_count) != (DOCUMENTS, DOCUMENTS):
        found.append(f"{base.document_count} documents, {base.passage_count} passages")
    times = Counter((home / "embedded").read_text().splitlines())
    if set(times) != {text_of(number) for number in range(DOCUMENTS)}:
        found.append(f"{len(times)} texts were embedded")
    again = sum(count - 1 for count in times.values())
    if again > redone_at_most:
        found.append(f"{again} texts were embedded again")
    for number in range(DOCUMENTS):
        hits = service.search(TEAM, "kb", f"subject{number}", mode="text").items
        if [hit.source for hit in hits] != [f"d{number:02}.txt"]:
            found.append(f"subject{number} is found in {[hit.source for hit in hits]}")
    return found


@pytest.mark.backend("local")
def test_a_killed_build_goes_on_and_redoes_one_batch_at_most(tmp_path: Path) -> None:
    for pause_after in (1, 2, 1):
        kill_when_paused(run(tmp_path, pause_after, broken=False), tmp_path)
    assert run(tmp_path, 0, broken=False).wait(120) == 0
    assert faults(tmp_path, redone_at_most=3 * BATCH) == []


@pytest.mark.backend("local")
def test_the_harness_sees_a_batch_that_is_doubled(tmp_path: Path) -> None:
    kill_when_paused(run(tmp_path, 2, broken=True), tmp_path)
    run(tmp_path, 0, broken=True).wait(120)
    assert faults(tmp_path, redone_at_most=BATCH) != []
