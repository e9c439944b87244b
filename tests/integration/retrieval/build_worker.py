"""A process that builds a knowledge base and can be killed: `build_worker.py HOME PAUSE_AFTER BROKEN`.

It makes the base `kb` of DOCUMENTS documents when it is not there, goes on with a build that was left, and exits
when the build ended. Each embedded text is a line of HOME/embedded. After PAUSE_AFTER batches were written to the
lake, and before the catalogue knows of the last of them, it writes HOME/paused and waits to be killed; 0: never.
With BROKEN=1 a batch that is written again is not put in place of what was left of it.
"""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path
from typing import Any

from loopwright.foundation.blobs import Blobs
from loopwright.foundation.clock import SystemClock
from loopwright.foundation.database import Database, metadata
from loopwright.foundation.identity import Principal
from loopwright.foundation.jobs import Jobs
from loopwright.foundation.jobs.testing import wait_for
from loopwright.foundation.lake import Lake, LakeTable
from loopwright.foundation.settings import Settings
from loopwright.retrieval import KnowledgeBaseService, KnowledgeStore, PassageTables, building
from loopwright.retrieval.jobs import build_jobs
from loopwright.retrieval.reading import read_child
from loopwright.signals import HashingEmbedder

DOCUMENTS = 24
BATCH = 4
TEAM = Principal("team_alpha", "key_a", "admin")


def text_of(number: int) -> str:
    return f"Document {number} speaks of subject{number}."


class Recording(HashingEmbedder):
    """Notes what it embeds."""

    def __init__(self, log: Path) -> None:
        self._log = log

    def embed(self, texts: Any) -> Any:
        with self._log.open("a") as file:
            file.writelines(f"{text.splitlines()[-1]}\n" for text in texts)
        return super().embed(texts)


class Pausing(PassageTables):
    """Stops the world after so many batches."""

    def __init__(self, lake: Lake, home: Path, pause_after: int) -> None:
        super().__init__(lake)
        self._home = home
        self._left = pause_after

    def append(self, *arguments: Any) -> None:
        super().append(*arguments)
        self._left -= 1
        if self._left == 0:
            (self._home / "paused").write_text("")
            time.sleep(600)


def wire(home: Path, pause_after: int = 0) -> tuple[KnowledgeBaseService, Jobs]:
    settings, clock = Settings(home=home), SystemClock()
    database = Database(settings.catalogue_url)
    metadata.create_all(database.engine)
    jobs = Jobs(database, clock)
    service = KnowledgeBaseService(
        KnowledgeStore(database),
        Pausing(Lake(settings.lake_url), home, pause_after),
        Blobs(settings.blobs_url),
        lambda _choice: Recording(home / "embedded"),
        read_child,
        jobs,
        clock,
    )
    jobs.register(build_jobs(service))
    return service, jobs


def main() -> None:
    home, pause_after, broken = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] == "1"
    building.BATCH_DOCUMENTS = BATCH  # type: ignore[misc]
    if broken:
        LakeTable.delete = lambda _self, _where: 0  # type: ignore[method-assign]
    service, jobs = wire(home, pause_after)
    jobs.start("control")
    bases = service.bases(TEAM)
    if not bases:
        service.create(TEAM, "kb")
        files = [(f"d{number:02}.txt", io.BytesIO(text_of(number).encode())) for number in range(DOCUMENTS)]
        service.add_documents(TEAM, "kb", files)
        job_id = service.build(TEAM, "kb").id
    else:
        job_id = bases[0].job_id or ""
    wait_for(jobs, TEAM.team_id, job_id, timeout_s=120)
    jobs.stop()


if __name__ == "__main__":
    main()
