"""Steps, progress and rows of jobs, without the workflow engine."""

from __future__ import annotations

from typing import Any

import pytest

from loopwright.foundation.clock import FixedClock
from loopwright.foundation.database import Database
from loopwright.foundation.errors import Invalid, NotFound
from loopwright.foundation.jobs import Job, JobCancelled, JobContext
from loopwright.foundation.jobs.commands import describe
from loopwright.foundation.jobs.schemas import JobView
from loopwright.foundation.jobs.store import JobStore
from loopwright.foundation.jobs.testing import InlineLedger

NOW = 1_700_000_000_000_000


def _job(job_id: str = "job_1", **changes: Any) -> Job:
    values: dict[str, Any] = {
        "id": job_id,
        "team_id": "team_a",
        "kind": "build",
        "subject": "kb",
        "spec": {"n": 1},
        "status": "queued",
        "created_by": "key_a",
        "created_us": NOW,
    }
    return Job(**{**values, **changes})


@pytest.fixture
def store(database: Database) -> JobStore:
    """Four jobs, each handed out by the engine under the token `d1`."""
    made = JobStore(database)
    with database.write() as connection:
        connection.exec_driver_sql("CREATE TABLE workflow_status (workflow_uuid TEXT, owner_xid TEXT, status TEXT)")
        for number in range(1, 5):
            connection.exec_driver_sql(f"INSERT INTO workflow_status VALUES ('job_{number}', 'd1', 'PENDING')")
        for name in ("job_1", "job_2", "job_3"):
            made.insert(connection, _job(name, kind="import" if name == "job_2" else "build"))
        made.insert(connection, _job("job_4", team_id="team_b"))
    return made


def test_finished_steps_are_replayed_and_failed_ones_run_again() -> None:
    ledger, runs = InlineLedger(), []
    fails = [True]

    def fetch() -> int:
        runs.append("fetch")
        return 4

    def parse(value: int, *, by: int) -> int:
        runs.append("parse")
        if fails[0]:
            raise Invalid("not a table", hint="send CSV")
        return value * by

    def handler(context: JobContext) -> int:
        return context.step("parse", parse, context.step("fetch", fetch), by=2)

    with pytest.raises(Invalid, match="not a table") as caught:
        handler(ledger.context())
    assert caught.value.hint == "send CSV"
    fails[0] = False
    assert handler(ledger.context()) == 8
    assert runs == ["fetch", "parse", "parse"]


def test_progress_is_written_twice_a_second_with_rate_and_time_left() -> None:
    ledger, clock = InlineLedger(), FixedClock()
    context = ledger.context(clock=clock)
    for number in range(101):
        context.progress(number, 200, "files")
        clock.advance(0.1)
    assert len(ledger.progress) == 21
    last = ledger.progress[-1]
    assert last["done"] == 100
    assert last["rate"] == pytest.approx(10)
    assert last["eta_s"] == pytest.approx(10)
    context.progress(200, 200, "files")
    assert ledger.progress[-1]["done"] == 200
    assert ledger.progress[-1]["eta_s"] == 0


def test_a_resumed_job_counts_its_rate_from_the_resume() -> None:
    ledger, clock = InlineLedger(), FixedClock()
    context = ledger.context(clock=clock)
    context.progress(1000, 2000)
    clock.advance(1)
    context.progress(1010, 2000)
    assert ledger.progress[-1]["rate"] == pytest.approx(10)


def test_held_back_progress_is_written_at_the_end() -> None:
    ledger = InlineLedger()
    context = ledger.context(clock=FixedClock())
    context.progress(1)
    context.progress(2)
    assert [report["done"] for report in ledger.progress] == [1]
    context.flush()
    context.flush()
    assert [report["done"] for report in ledger.progress] == [1, 2]


def test_cancel_reaches_steps_reports_and_loops_and_no_handler_swallows_it() -> None:
    ledger, clock = InlineLedger(), FixedClock()
    context = ledger.context(clock=clock)
    ledger.cancelled = True
    for ask in (lambda: context.step("x", int), lambda: context.progress(1), context.raise_if_cancelled):
        clock.advance(1)
        with pytest.raises(JobCancelled):
            ask()
    assert not issubclass(JobCancelled, Exception)


def test_a_start_fences_off_the_one_before(store: JobStore) -> None:
    first = store.claim("job_1", "w1", "d1", NOW + 1)
    second = store.claim("job_1", "w2", "d1", NOW + 2)
    assert first is not None
    assert second is not None
    assert (first.attempts, second.attempts, second.started_us) == (1, 2, NOW + 1)
    assert store.report("job_1", 1, {"done": 9}) == (-1, False)
    assert not store.finish("job_1", 1, "succeeded", NOW + 3, result={"from": "w1"})
    assert store.report("job_1", 2, {"done": 5}) == (2, False)
    assert store.finish("job_1", 2, "succeeded", NOW + 3, result={"from": "w2"})
    assert not store.finish("job_1", 2, "failed", NOW + 4)
    job = store.get("team_a", "job_1")
    assert (job.status, job.result, job.progress) == ("succeeded", {"from": "w2"}, {"done": 5})
    assert store.claim("job_1", "w3", "d1", NOW + 5) is None


def test_who_was_handed_the_job_last_claims_it(store: JobStore, database: Database) -> None:
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE workflow_status SET owner_xid = 'd2' WHERE workflow_uuid = 'job_1'")
    assert store.claim("job_1", "w1", "d1", NOW) is None
    assert store.claim("job_1", "w2", "d2", NOW) is not None
    assert store.claim("job_1", "w1", "d1", NOW) is None
    assert store.state("job_1") == (1, False)
    with database.write() as connection:
        connection.exec_driver_sql("UPDATE workflow_status SET status = 'ENQUEUED' WHERE workflow_uuid = 'job_2'")
    assert store.claim("job_2", "w1", "d1", NOW) is None


def test_cancel_ends_what_waits_and_asks_what_runs(store: JobStore) -> None:
    assert store.cancel("team_a", "job_1", NOW)
    assert store.claim("job_1", "w1", "d1", NOW) is None
    store.claim("job_2", "w1", "d1", NOW)
    assert not store.cancel("team_b", "job_2", NOW)
    assert store.state("job_2") == (1, False)
    assert not store.cancel("team_a", "job_2", NOW)
    assert store.state("job_2") == (1, True)
    assert not store.requeue("team_a", "job_2")
    assert not store.requeue("team_b", "job_1")
    assert store.requeue("team_a", "job_1")
    assert store.waiting(10) == ["job_1", "job_3", "job_4"]


def test_pages_are_newest_first_and_of_one_team(store: JobStore) -> None:
    def ids(**filters: Any) -> list[str]:
        asked = {"kind": "", "subject": "", "status": "", "before": "", "limit": 10, **filters}
        return [job.id for job in store.page("team_a", **asked)]

    assert ids() == ["job_3", "job_2", "job_1"]
    assert ids(kind="import") == ["job_2"]
    assert ids(subject="other") == []
    assert ids(before="job_3", limit=1) == ["job_2"]
    with pytest.raises(NotFound):
        store.get("team_a", "job_4")


def test_silent_workers_are_found_and_forgotten_unless_they_speak(store: JobStore) -> None:
    store.heartbeat("w1", "worker", NOW)
    store.heartbeat("w2", "worker", NOW + 50)
    assert store.silent_workers(NOW + 10) == ["w1"]
    store.heartbeat("w1", "worker", NOW + 60)
    store.forget_workers(NOW + 10)
    assert store.silent_workers(NOW + 100) == ["w1", "w2"]
    store.forget_workers(NOW + 55)
    assert store.silent_workers(NOW + 100) == ["w1"]


def test_the_wire_form_has_iso_times() -> None:
    view = JobView.of(_job(started_us=NOW, progress={"done": 3, "total": 4, "unit": "files"}))
    assert view.created_at == view.started_at == "2023-11-14T22:13:20.000000Z"
    assert view.finished_at is None
    assert describe(view.progress.model_dump()) == "3/4 files"
    assert describe({**view.progress.model_dump(), "rate": 2.0, "eta_s": 0.5, "message": "parse"}) == (
        "3/4 files, 2/s, 0 s left, parse"
    )
