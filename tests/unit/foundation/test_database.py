from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, select, text
from sqlalchemy.exc import OperationalError

from loopwright.foundation.database import Database, metadata, sqlite_version
from loopwright.foundation.errors import Conflict, Corrupt, DiskFull, Unavailable

# Not of the catalogue's metadata: other tests make that one's tables.
counters = Table("counters", MetaData(), Column("name", String(20), primary_key=True), Column("value", Integer))


@pytest.fixture
def counted(database: Database) -> Database:
    counters.metadata.create_all(database.engine)
    with database.write() as c:
        c.execute(counters.insert().values(name="a", value=0))
    return database


def value_of(database: Database) -> int:
    with database.read() as c:
        return int(c.execute(select(counters.c.value)).scalar_one())


def increment(database: Database) -> None:
    with database.write() as c:
        value = c.execute(select(counters.c.value)).scalar_one()
        c.execute(counters.update().values(value=value + 1))


def together(*works: Callable[[], None]) -> None:
    with ThreadPoolExecutor(len(works)) as pool:
        for done in [pool.submit(work) for work in works]:
            done.result()


def test_no_increment_of_two_threads_is_lost(counted: Database) -> None:
    def hundred() -> None:
        for _ in range(100):
            increment(counted)

    together(hundred, hundred)
    assert value_of(counted) == 200


def test_a_failed_transaction_leaves_nothing(counted: Database) -> None:
    def fail() -> None:
        with counted.write() as c:
            c.execute(counters.update().values(value=7))
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        fail()
    assert value_of(counted) == 0


def test_a_reader_sees_one_state_while_a_writer_commits(counted: Database) -> None:
    with counted.read() as c:
        assert c.execute(select(counters.c.value)).scalar_one() == 0
        increment(counted)
        assert c.execute(select(counters.c.value)).scalar_one() == 0
    assert value_of(counted) == 1


def test_commits_survive_a_power_cut_and_foreign_keys_hold(database: Database) -> None:
    with database.write() as c:
        found = {name: c.execute(text(f"PRAGMA {name}")).scalar() for name in ("synchronous", "journal_mode")}
        assert found == {"synchronous": 2, "journal_mode": "wal"}
        assert c.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_an_insert_can_replace_what_is_there(counted: Database) -> None:
    with counted.write() as c:
        row = counted.insert(counters).values(name="a", value=5)
        c.execute(row.on_conflict_do_update(index_elements=["name"], set_={"value": 5}))
    assert value_of(counted) == 5


def test_the_epoch_counts_announced_changes_that_were_committed(database: Database) -> None:
    assert database.epoch() == 0
    for _ in range(2):
        with database.write() as c:
            database.announce(c)
    assert database.epoch() == 2

    def broken() -> None:
        with database.write() as c:
            database.announce(c)
            raise ValueError("half way")

    with pytest.raises(ValueError, match="half way"):
        broken()
    assert database.epoch() == 2


def test_a_watch_notices_an_announced_change_and_only_then(counted: Database) -> None:
    watch = counted.watch()
    assert watch.wait(0)
    assert not watch.wait(0)
    increment(counted)
    assert not watch.wait(0), "a commit that announces nothing is no change"
    with counted.write() as c:
        counted.announce(c)
        assert not watch.wait(0), "a change is one once it is committed"
    assert watch.wait(0)
    assert not watch.wait(0)
    watch.close()


def test_each_watch_notices_a_change_for_itself(database: Database) -> None:
    one, two = database.watch(), database.watch()
    assert one.wait(0)
    assert two.wait(0)
    with database.write() as c:
        database.announce(c)
    assert one.wait(0)
    assert two.wait(0)
    one.close()
    two.close()


def test_a_watch_wakes_a_thread_that_waits(database: Database) -> None:
    noticed = []
    ready = threading.Event()

    def follow() -> None:
        watch = database.watch()
        watch.wait(0)
        ready.set()
        noticed.append(watch.wait(30))
        watch.close()

    def change() -> None:
        assert ready.wait(30)
        with database.write() as c:
            database.announce(c)

    together(follow, change)
    assert noticed == [True]


def test_a_watch_that_was_closed_after_a_failure_reports_the_change_it_may_have_missed(database: Database) -> None:
    watch = database.watch()
    assert watch.wait(0)
    # Its user failed to load the change and closes the watch: without a report it would wait for the change after it.
    watch.close()
    assert watch.wait(0)
    assert not watch.wait(0)
    watch.close()


def test_a_watch_without_a_database_is_unavailable_and_recovers(home: Path) -> None:
    folder = home / "later"
    database = Database(f"sqlite:///{folder}/catalogue.db")
    folder.rmdir()
    watch = database.watch()
    with pytest.raises(Unavailable):
        watch.wait(0)
    watch.close()
    folder.mkdir()
    metadata.create_all(database.engine)
    assert watch.wait(0)
    watch.close()
    database.close()


def test_a_database_that_cannot_be_opened_is_unavailable_with_a_way_out(home: Path) -> None:
    (home / "folder.db").mkdir()
    with pytest.raises(Unavailable, match="does not answer: unable to open") as caught:
        Database(f"sqlite:///{home}/folder.db").epoch()
    assert "doctor" in caught.value.hint


def test_a_full_disk_is_told_apart(counted: Database) -> None:
    def fill() -> None:
        with counted.write() as c:
            pages = c.execute(text("PRAGMA page_count")).scalar_one()
            c.execute(text(f"PRAGMA max_page_count={pages}"))
            for number in range(1000):
                c.execute(counters.insert().values(name=f"{number:>20}", value=number))

    with pytest.raises(DiskFull, match="could not be written"):
        fill()
    assert value_of(counted) == 0


def test_a_fault_of_ours_is_not_blamed_on_the_database(database: Database) -> None:
    def ask() -> None:
        with database.read():
            raise KeyError("ours")

    with pytest.raises(KeyError):
        ask()


def test_a_cause_is_kept(home: Path) -> None:
    (home / "folder.db").mkdir()
    with pytest.raises(Unavailable) as caught:
        Database(f"sqlite:///{home}/folder.db").epoch()
    assert isinstance(caught.value.__cause__, OperationalError)


def test_the_sqlite_library_has_a_version() -> None:
    assert tuple(map(int, sqlite_version().split("."))) > (3, 35)


def test_a_second_writing_process_is_refused_on_a_faulty_sqlite(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 40, 1))
    first, second = (Database(f"sqlite:///{home / 'catalogue.db'}") for _ in range(2))
    first.claim_writer()
    with pytest.raises(Conflict, match="may corrupt what two write"):
        second.claim_writer(wait_s=0)
    first.close()
    second.claim_writer(wait_s=0)
    second.close()


def test_a_mended_sqlite_needs_no_claim(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 51, 3))
    first, second = (Database(f"sqlite:///{home / 'catalogue.db'}") for _ in range(2))
    first.claim_writer()
    second.claim_writer(wait_s=0)
    assert not (home / "catalogue.db.writer").exists()


@pytest.mark.parametrize("kept", [0.5, 100])
def test_a_damaged_file_is_told_with_the_way_back(home: Path, kept: float) -> None:
    path = home / "damaged.db"
    url = f"sqlite:///{path}"
    whole = Database(url)
    metadata.create_all(whole.engine)
    whole.close()
    size = path.stat().st_size
    path.write_bytes(b"no header" + path.read_bytes()[9 : int(size * kept) if kept < 1 else int(kept)])
    with pytest.raises(Corrupt, match="the catalogue is damaged") as caught, Database(url).read() as connection:
        connection.execute(text("select count(*) from sqlite_master"))
    assert "backup" in caught.value.hint
