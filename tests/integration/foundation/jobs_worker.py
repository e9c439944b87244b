"""A worker process of its own for crash tests: `jobs_worker.py DATABASE_URL FOLDER WORKER_ID`."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from loopwright.foundation.clock import SystemClock
from loopwright.foundation.database import Database
from loopwright.foundation.jobs import JobContext, Jobs


def main(url: str, folder: str, worker_id: str) -> None:
    def count(context: JobContext, spec: dict[str, Any]) -> dict[str, Any]:
        def work(number: int) -> int:
            time.sleep(spec["seconds"])
            with (Path(folder) / context.job_id).open("a") as notes:
                notes.write(f"{worker_id} {number}\n")
            return number

        total = 0
        for number in range(spec["steps"]):
            total += context.step(f"count {number}", work, number)
            context.progress(number + 1, spec["steps"], "steps")
        return {"sum": total}

    def forgetful(context: JobContext, spec: dict[str, Any]) -> dict[str, Any]:
        """The broken variant: the same work without steps, so that a second start repeats it all."""
        context.step = lambda _name, work, *args: work(*args)  # type: ignore[method-assign]
        return count(context, spec)

    def silent(context: JobContext, spec: dict[str, Any]) -> dict[str, Any]:
        """A worker that lives and works, but whose heartbeat nobody hears."""
        if worker_id == spec["silent"]:
            jobs._store.heartbeat = lambda *_: None  # type: ignore[method-assign]
        return {**count(context, spec), "worker": worker_id}

    handlers = {"count": count, "forgetful": forgetful, "silent": silent}
    jobs = Jobs(Database(url), SystemClock(), handlers, concurrency=1, heartbeat_s=0.2, lease_s=3.0)
    jobs.start(worker_id)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
