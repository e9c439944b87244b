"""Durable jobs on SQLite and PostgreSQL: crashes, cancels, resumes, and workers that take over."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from loopwright.foundation.clock import SystemClock
from loopwright.foundation.database import Database
from loopwright.foundation.errors import Conflict, Invalid, NotFound
from loopwright.foundation.identity import Principal
from loopwright.foundation.jobs import JobContext, JobHandler, Jobs
from loopwright.foundation.jobs.testing import wait_for

ALICE = Principal("team_a", "key_a", "admin")
WORKER = Path(__file__).with_name("jobs_worker.py")


@pytest.fixture
def make_jobs(database: Database) -> Iterator[Callable[..., Jobs]]:
    """Makes a `Jobs` with handlers, stopped at the end of the test."""
    made: list[Jobs] = []

    def make(**handlers: JobHandler) -> Jobs:
        jobs = Jobs(database, SystemClock(), handlers, heartbeat_s=0.2, lease_s=1.0)
        jobs.migrate()
        made.append(jobs)
        return jobs

    yield make
    for jobs in made:
        jobs.stop()


@contextmanager
def worker(database: Database, folder: Path, worker_id: str) -> Iterator[subprocess.Popen[str]]:
    """A process that runs jobs of kind `count` and notes every run of a step in `folder`."""
    command = [sys.executable, str(WORKER), database.url, str(folder), worker_id]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_job_runs_and_reports(make_jobs: Callable[..., Jobs]) -> None:
    def double(context: JobContext, spec: dict[str, Any]) -> dict[str, Any]:
        value = context.step("double", lambda n: n * 2, spec["n"])
        context.progress(1, 1, "numbers", "done")
        return {"value": value, "by": context.created_by}

    jobs = make_jobs(double=double)
    jobs.start("w1")
    job = wait_for(jobs, "team_a", jobs.submit(ALICE, "double", "thing", {"n": 21}).id)
    assert (job.status, job.result) == ("succeeded", {"value": 42, "by": "key_a"})
    assert job.progress["done"] == job.progress["total"] == 1
    assert job.started_us is not None
    assert job.finished_us is not None
    with pytest.raises(NotFound):
        jobs.get("team_b", job.id)
    with pytest.raises(NotFound, match="known: double"):
        jobs.submit(ALICE, "triple", "thing", {})


def test_row_and_job_commit_together(make_jobs: Callable[..., Jobs], database: Database) -> None:
    ran: list[str] = []

    def note(context: JobContext, _spec: dict[str, Any]) -> dict[str, Any]:
        ran.append(context.job_id)
        return {}

    jobs = make_jobs(note=note)

    def refuse() -> None:
        with database.write() as connection:
            jobs.submit(ALICE, "note", "lost", {}, connection)
            raise RuntimeError("the row that goes with it was refused")

    with pytest.raises(RuntimeError):
        refuse()
    with database.write() as connection:
        kept = jobs.submit(ALICE, "note", "kept", {}, connection)
    jobs.start("w1")
    wait_for(jobs, "team_a", kept.id)
    assert ran == [kept.id]
    assert [job.subject for job in jobs.page("team_a")[0]] == ["kept"]


def test_failures_are_told_and_resume_goes_on_after_the_finished_steps(make_jobs: Callable[..., Jobs]) -> None:
    runs: list[str] = []
    broken = [True]

    def load() -> int:
        runs.append("load")
        return 5

    def store(value: int) -> int:
        runs.append("store")
        if broken[0]:
            raise Invalid("the file is a picture", hint="send text", param="file")
        return value

    def tolerant(context: JobContext, _spec: dict[str, Any]) -> dict[str, Any]:
        try:
            context.step("bad", _raise_invalid)
        except Invalid as error:
            runs.append(f"caught {error.param}")
        return {"value": context.step("store", store, context.step("load", load))}

    jobs = make_jobs(tolerant=tolerant)
    jobs.start("w1")
    job = wait_for(jobs, "team_a", jobs.submit(ALICE, "tolerant", "x", {}).id)
    assert job.status == "failed"
    assert job.error is not None
    assert (job.error["code"], job.error["detail"], job.error["hint"]) == (
        "invalid",
        "the file is a picture",
        "send text",
    )
    broken[0] = False
    jobs.resume(ALICE, job.id)
    job = wait_for(jobs, "team_a", job.id)
    assert (job.status, job.result, job.error, job.attempts) == ("succeeded", {"value": 5}, None, 2)
    assert runs == ["caught page", "load", "store", "caught page", "store"]
    with pytest.raises(Conflict, match="is succeeded"):
        jobs.resume(ALICE, job.id)


def _raise_invalid() -> None:
    raise Invalid("no such page", param="page")


def test_a_fault_of_ours_shows_no_trace(make_jobs: Callable[..., Jobs]) -> None:
    def faulty(_context: JobContext, _spec: dict[str, Any]) -> dict[str, Any]:
        raise KeyError("secret-path")

    jobs = make_jobs(faulty=faulty)
    jobs.start("w1")
    job = wait_for(jobs, "team_a", jobs.submit(ALICE, "faulty", "x", {}).id)
    assert job.error is not None
    assert job.error["code"] == "internal"
    assert "secret-path" not in str(job.error)


def test_cancel_waits_for_the_next_report_and_resume_goes_on(make_jobs: Callable[..., Jobs]) -> None:
    steps: list[int] = []
    slow = [True]

    def work(number: int) -> int:
        steps.append(number)
        return number

    def many(context: JobContext, _spec: dict[str, Any]) -> dict[str, Any]:
        for number in range(100):
            context.step(f"step {number}", work, number)
            context.progress(number + 1, 100, "steps")
            if slow[0]:
                time.sleep(0.02)
        return {"steps": 100}

    jobs = make_jobs(many=many)
    jobs.start("w1")
    job = jobs.submit(ALICE, "many", "x", {})
    wait_for(jobs, "team_a", job.id, "running")
    time.sleep(0.3)
    with pytest.raises(NotFound):
        jobs.cancel(Principal("team_b", "key_b", "admin"), job.id)
    assert jobs.cancel(ALICE, job.id).cancel_requested
    cancelled = wait_for(jobs, "team_a", job.id)
    assert cancelled.status == "cancelled"
    done = len(steps)
    assert 0 < done < 100
    with pytest.raises(Conflict, match="cancelled already"):
        jobs.cancel(ALICE, job.id)
    slow[0] = False
    jobs.resume(ALICE, job.id)
    assert wait_for(jobs, "team_a", job.id).status == "succeeded"
    assert steps == list(range(100))


def test_a_waiting_job_is_cancelled_at_once_and_never_runs(make_jobs: Callable[..., Jobs]) -> None:
    ran: list[str] = []

    def note(context: JobContext, spec: dict[str, Any]) -> dict[str, Any]:
        ran.append(spec["name"])
        return {}

    jobs = make_jobs(note=note)
    first = jobs.submit(ALICE, "note", "x", {"name": "first"})
    second = jobs.submit(ALICE, "note", "x", {"name": "second"})
    assert jobs.cancel(ALICE, first.id).status == "cancelled"
    jobs.start("w1")
    wait_for(jobs, "team_a", second.id)
    assert ran == ["second"]
    jobs.resume(ALICE, first.id)
    assert wait_for(jobs, "team_a", first.id).status == "succeeded"
    assert ran == ["second", "first"]


def test_stop_and_start_goes_on_where_it_was(make_jobs: Callable[..., Jobs]) -> None:
    steps: list[int] = []

    def many(context: JobContext, _spec: dict[str, Any]) -> dict[str, Any]:
        for number in range(60):
            context.step(f"step {number}", steps.append, number)
            time.sleep(0.02)
        return {}

    jobs = make_jobs(many=many)
    jobs.start("w1")
    job = jobs.submit(ALICE, "many", "x", {})
    wait_for(jobs, "team_a", job.id, "running")
    time.sleep(0.3)
    jobs.stop()
    assert jobs.get("team_a", job.id).status == "running"
    done = len(steps)
    assert 0 < done < 60
    jobs.start("w1")
    job = wait_for(jobs, "team_a", job.id)
    assert (job.status, job.attempts) == ("succeeded", 2)
    assert steps == list(range(60))


def _runs_of_a_job_whose_worker_is_killed(jobs: Jobs, database: Database, folder: Path, kind: str) -> list[int]:
    """Numbers in the order they were counted, over both starts of a job of twelve counts."""
    job = jobs.submit(ALICE, kind, "x", {"steps": 12, "seconds": 0.1})
    with worker(database, folder, "w1") as process:
        _wait_for_lines(folder / job.id, 5)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert jobs.get("team_a", job.id).status == "running"
    with worker(database, folder, "w1"):
        ended = wait_for(jobs, "team_a", job.id)
    assert (ended.status, ended.attempts, ended.result) == ("succeeded", 2, {"sum": 66})
    return _finished(folder / job.id)


def test_killed_worker_goes_on_at_its_next_start(
    make_jobs: Callable[..., Jobs], database: Database, tmp_path: Path
) -> None:
    runs = _runs_of_a_job_whose_worker_is_killed(make_jobs(), database, tmp_path, "count")
    assert sorted(set(runs)) == list(range(12))
    # Only the step that was under way when it died may run twice.
    assert len(runs) <= 13


def test_the_crash_harness_sees_a_job_without_steps(
    make_jobs: Callable[..., Jobs], database: Database, tmp_path: Path
) -> None:
    runs = _runs_of_a_job_whose_worker_is_killed(make_jobs(), database, tmp_path, "forgetful")
    assert len(runs) >= 17


@pytest.mark.backend("scaled-out")
def test_another_worker_takes_over_from_one_that_died(
    make_jobs: Callable[..., Jobs], database: Database, tmp_path: Path
) -> None:
    jobs = make_jobs()
    with worker(database, tmp_path, "w1") as first, worker(database, tmp_path, "w2") as second:
        job = jobs.submit(ALICE, "count", "x", {"steps": 20, "seconds": 0.25})
        _wait_for_lines(tmp_path / job.id, 16)
        # The negative control: in 4 s, more than the lease, nobody takes a job from a worker that lives.
        begun = jobs.get("team_a", job.id)
        assert begun.attempts == 1
        (first if begun.worker_id == "w1" else second).send_signal(signal.SIGKILL)
        ended = wait_for(jobs, "team_a", job.id)
    assert (ended.status, ended.attempts) == ("succeeded", 2)
    assert {begun.worker_id, ended.worker_id} == {"w1", "w2"}
    assert sorted(set(_finished(tmp_path / job.id))) == list(range(20))
    assert len(_finished(tmp_path / job.id)) <= 21


@pytest.mark.backend("scaled-out")
def test_a_silent_worker_that_goes_on_writes_nothing_more(
    make_jobs: Callable[..., Jobs], database: Database, tmp_path: Path
) -> None:
    jobs = make_jobs()
    job = jobs.submit(ALICE, "silent", "x", {"steps": 50, "seconds": 0.25, "silent": "w1"})
    with worker(database, tmp_path, "w1"):
        _wait_for_lines(tmp_path / job.id, 2)
        with worker(database, tmp_path, "w2"):
            deadline = time.monotonic() + 20
            while jobs.get("team_a", job.id).worker_id != "w2":
                assert time.monotonic() < deadline, "nobody took over"
                time.sleep(0.02)
            at_takeover = len([line for line in _lines(tmp_path / job.id) if line[0] == "w1"])
            ended = wait_for(jobs, "team_a", job.id)
    assert at_takeover < 50
    assert (ended.status, ended.result) == ("succeeded", {"sum": 1225, "worker": "w2"})
    assert jobs.get("team_a", job.id) == ended
    # It may end the step it was in; then it sees that the job is no longer its own.
    assert len([line for line in _lines(tmp_path / job.id) if line[0] == "w1"]) <= at_takeover + 1
    # It also takes the job again and again, because it polls; each time it may lose one step more.
    assert sorted(set(_finished(tmp_path / job.id))) == list(range(50))
    assert len(_finished(tmp_path / job.id)) < 50 + ended.attempts


def _lines(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def _finished(path: Path) -> list[int]:
    return [int(line[1]) for line in _lines(path)]


def _wait_for_lines(path: Path, count: int) -> None:
    deadline = time.monotonic() + 30
    while len(_lines(path)) < count:
        assert time.monotonic() < deadline, f"{path} has {_lines(path)}"
        time.sleep(0.02)
