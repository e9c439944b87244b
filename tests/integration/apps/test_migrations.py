"""The catalogue's migrations on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from loopwright.apps.house import House
from loopwright.apps.migrate import DBOS_SCHEMA_PREFIXES, all_tables, migrate
from loopwright.foundation.database import Database
from loopwright.foundation.errors import Conflict
from loopwright.foundation.settings import Settings
from loopwright.traces import SpanRecord, SpoolWriter

VERSION_TABLE = "loopwright_schema"


@pytest.fixture
def empty(settings: Settings) -> Iterator[Database]:
    database = Database(settings.catalogue_url)
    yield database
    database.close()


def differences(database: Database) -> list[object]:
    def ours(_object: object, name: str | None, kind: str, _reflected: bool, _compare_to: object) -> bool:
        return kind != "table" or not str(name).startswith((*DBOS_SCHEMA_PREFIXES, VERSION_TABLE))

    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE, "include_object": ours})
        found: list[object] = compare_metadata(context, all_tables())
        return found


def test_the_migrations_make_exactly_the_tables_of_the_packages(empty: Database) -> None:
    assert len(differences(empty)) >= 15
    migrate(empty)
    assert differences(empty) == []


def test_migrating_again_changes_nothing_and_keeps_rows(empty: Database) -> None:
    first = migrate(empty)
    with empty.write() as connection:
        connection.execute(text("INSERT INTO teams (id, name, created_us) VALUES ('t', 'kept', 1)"))
    assert migrate(empty) == first
    with empty.read() as connection:
        assert connection.execute(text("SELECT name FROM teams")).scalar() == "kept"


def test_a_catalogue_of_a_newer_release_is_refused_and_left_alone(empty: Database) -> None:
    migrate(empty)
    with empty.write() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(Conflict, match="newer release"):
        migrate(empty)
    with empty.read() as connection:
        assert connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar() == "9999"


def test_a_migration_that_is_killed_leaves_nothing_half_done(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    # The last statement of a migration writes its number; ending there must undo the tables too.
    monkeypatch.setattr("alembic.runtime.migration.HeadMaintainer.update_to_step", killed)
    with pytest.raises(KeyboardInterrupt):
        migrate(empty)
    monkeypatch.undo()
    assert len(differences(empty)) >= 15
    migrate(empty)
    assert differences(empty) == []


def test_an_empty_catalogue_beside_a_full_lake_is_refused(settings: Settings) -> None:
    house = House(settings, "token")
    house.prepare()
    trace = {"team_id": "team_1", "trace_id": "a" * 32, "span_id": "b" * 16, "kind": "model", "name": "x"}
    spool = SpoolWriter(settings.spool_dir)
    spool.append([SpanRecord(**trace, start_us=1, duration_us=1)])
    spool.close()
    house.start()
    house.stop()
    with Database(settings.catalogue_url).write() as connection:
        for table in ("api_keys", "users", "teams"):
            connection.execute(text(f"DELETE FROM {table}"))
    lost = House(settings, "token")
    with pytest.raises(Conflict, match="is empty, but the lake"):
        lost.prepare()
    lost.stop()
