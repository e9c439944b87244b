from __future__ import annotations

import threading

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table, select, text

from loopwright.foundation.database import Database
from loopwright.foundation.errors import Unavailable
from loopwright.foundation.settings import Settings

counters = Table("counters", MetaData(), Column("name", String(20), primary_key=True), Column("value", Integer))


@pytest.fixture
def counted(database: Database) -> Database:
    counters.metadata.create_all(database.engine)
    with database.write() as c:
        c.execute(counters.insert().values(name="a", value=0))
    return database


def increment(database: Database) -> None:
    with database.write() as c:
        value = c.execute(select(counters.c.value)).scalar_one()
        c.execute(counters.update().values(value=value + 1))


def test_no_increment_of_two_threads_is_lost(counted: Database) -> None:
    def hundred() -> None:
        for _ in range(100):
            increment(counted)

    threads = [threading.Thread(target=hundred) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with counted.read() as c:
        assert c.execute(select(counters.c.value)).scalar_one() == 200


def test_a_reader_sees_one_state_while_a_writer_commits(counted: Database) -> None:
    with counted.read() as c:
        assert c.execute(select(counters.c.value)).scalar_one() == 0
        increment(counted)
        assert c.execute(select(counters.c.value)).scalar_one() == 0


def test_a_watch_notices_an_announced_change_and_only_then(counted: Database) -> None:
    watch = counted.watch()
    assert watch.wait(5)
    increment(counted)
    assert not watch.wait(0.3)
    with counted.write() as c:
        counted.announce(c)
    assert watch.wait(5)
    assert not watch.wait(0.3)
    watch.close()


@pytest.mark.backend("scaled-out")
def test_a_watch_whose_server_ended_the_connection_says_so_and_comes_back(database: Database) -> None:
    watch = database.watch()
    assert watch.wait(5)
    with database.write() as c:
        others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        c.execute(text(f"SELECT pg_terminate_backend(pid) {others}"))
        database.announce(c)
    with pytest.raises(Unavailable, match="does not answer"):
        watch.wait(5)
    watch.close()
    assert watch.wait(5)
    watch.close()


def test_a_catalogue_that_is_not_made_yet_is_unavailable(settings: Settings) -> None:
    empty = Database(settings.catalogue_url)
    with pytest.raises(Unavailable):
        empty.epoch()
    with pytest.raises(Unavailable):
        empty.watch().wait(1.0)
    empty.close()
