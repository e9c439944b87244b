"""Versions of datasets: numbered, immutable, consistent, of one team."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec
import pytest

from loopwright.datasets import DatasetService, DatasetStore, Row
from loopwright.datasets.service import DRAFT_AGE_US
from loopwright.datasets.tables import dataset_drafts, dataset_versions
from loopwright.foundation.clock import FixedClock
from loopwright.foundation.database import Database
from loopwright.foundation.errors import Conflict, DiskFull, Invalid, NotFound
from loopwright.foundation.lake import Lake
from tests.unit.datasets.details import FakeTraces, detail, score

TEAM = "team_a"


@pytest.fixture
def source() -> FakeTraces:
    return FakeTraces(*(detail(number) for number in range(1, 8)))


@pytest.fixture
def store(database: Database, lake: Lake) -> DatasetStore:
    return DatasetStore(database, lake)


@pytest.fixture
def service(store: DatasetStore, source: FakeTraces, clock: FixedClock) -> DatasetService:
    return DatasetService(store, source, clock=clock)


def draw(service: DatasetService, name: str = "support", team: str = TEAM, **changes: Any) -> Any:
    given = changes.pop("given", {})
    return service.draw_version(team, name, given, author="ann", **changes)


def tables(lake: Lake) -> list[str]:
    from pathlib import Path

    return (
        sorted(path.stem for path in Path(lake.url, "datasets").glob("*.lance"))
        if Path(lake.url, "datasets").exists()
        else []
    )


def drafts(database: Database) -> int:
    with database.read() as connection:
        return len(connection.execute(dataset_drafts.select()).all())


def test_a_version_holds_what_the_filter_selected(service: DatasetService, source: FakeTraces) -> None:
    drawn = draw(service, given={"feedback": "up", "min_cost_usd": 0.1}, limit=5, note="first", description="tickets")
    team, asked, limit = source.asked[0]
    assert (team, asked.feedback, asked.min_cost_usd, limit) == (TEAM, "up", 0.1, 5)
    assert msgspec.to_builtins(drawn.counts) == {"selected": 5, "rows": 5, "duplicates": 0, "skipped": 0}
    assert (drawn.version.version, drawn.version.row_count, drawn.version.note) == (1, 5, "first")
    assert drawn.version.source == {"kind": "traces", "filter": {"feedback": "up", "min_cost_usd": 0.1}, "limit": 5}
    assert (drawn.dataset.name, drawn.dataset.description, drawn.dataset.row_count) == ("support", "tickets", 5)
    rows = service.rows(TEAM, "support", 1)
    assert [row.trace_id for row in rows] == [detail(number).trace.trace_id for number in range(1, 6)]
    assert rows[:5] == drawn.sample


def test_versions_count_up_and_older_ones_stay_as_they_were(service: DatasetService, source: FakeTraces) -> None:
    first = draw(service, limit=2)
    before = list(service.export(TEAM, "support", 1))
    source.details.insert(0, detail(99, scores=(score("thumbs", 1),)))
    second = draw(service)
    assert [first.version.version, second.version.version] == [1, 2]
    assert list(service.export(TEAM, "support", 1)) == before
    assert len(service.rows(TEAM, "support", 2)) == 8
    shown = service.get_dataset(TEAM, "support")
    assert [version.version for version in shown.versions] == [2, 1]
    assert shown.versions[1] == first.version
    assert (shown.dataset.latest_version, shown.dataset.version_count, shown.dataset.row_count) == (2, 2, 8)


def test_the_digest_is_that_of_the_export_and_detects_a_change(
    service: DatasetService, database: Database, lake: Lake
) -> None:
    drawn = draw(service)
    exported = b"".join(service.export(TEAM, "support", 1))
    assert drawn.version.digest == "sha256:" + hashlib.sha256(exported).hexdigest()
    assert [msgspec.json.decode(line, type=Row) for line in exported.splitlines()] == service.rows(TEAM, "support", 1)
    assert service.is_sound(TEAM, "support", 1)
    with database.read() as connection:
        table_id = connection.execute(dataset_versions.select()).one().id
    lake.table("datasets", table_id).delete(f"id = '{drawn.sample[0].id}'")
    assert not service.is_sound(TEAM, "support", 1)


def test_the_same_traces_give_the_same_digest(service: DatasetService) -> None:
    assert draw(service).version.digest == draw(service, "other").version.digest


def test_pages_of_rows_cover_a_version_once(service: DatasetService, source: FakeTraces) -> None:
    source.details = [detail(number) for number in range(1_234)]
    draw(service)
    seen = [
        row.trace_id
        for offset in range(0, 1_400, 200)
        for row in service.rows(TEAM, "support", 1, limit=200, offset=offset)
    ]
    assert seen == [detail(number).trace.trace_id for number in range(1_234)]
    assert len(list(service.export(TEAM, "support", 1))) == 1_234


def test_a_dry_run_counts_and_samples_and_writes_nothing(
    service: DatasetService, database: Database, lake: Lake
) -> None:
    planned = draw(service, dry_run=True)
    assert (planned.dry_run, planned.version.version, planned.counts.rows, len(planned.sample)) == (True, 1, 7, 5)
    assert service.list_datasets(TEAM) == []
    assert (tables(lake), drafts(database)) == ([], 0)
    real = draw(service)
    assert real.version.digest == planned.version.digest
    assert draw(service, dry_run=True).version.version == 2


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"name": "No Spaces"}, "name"),
        ({"name": "../x"}, "name"),
        ({"limit": 0}, "limit"),
        ({"limit": 100_001}, "limit"),
        ({"note": "n" * 2_001}, "note"),
        ({"given": {"modell": "m"}}, "filter"),
        ({"given": {"min_cost_usd": "much"}}, "filter"),
    ],
)
def test_faulty_wishes_are_refused_by_name(service: DatasetService, changes: dict[str, Any], param: str) -> None:
    with pytest.raises(Invalid) as refused:
        draw(service, **changes)
    assert refused.value.param == param


def test_an_empty_version_is_refused(service: DatasetService, source: FakeTraces, lake: Lake) -> None:
    source.details = [detail(1, given="no conversation")]
    with pytest.raises(Invalid, match="none of the 1 selected traces"):
        draw(service)
    assert service.list_datasets(TEAM) == []
    assert tables(lake) == []


def test_unknown_names_and_versions_are_not_found(service: DatasetService) -> None:
    draw(service)
    with pytest.raises(NotFound, match="no dataset 'other'"):
        service.get_dataset(TEAM, "other")
    with pytest.raises(NotFound, match="no version 2; the latest is 1"):
        service.rows(TEAM, "support", 2)
    with pytest.raises(NotFound):
        service.export(TEAM, "support", 2)
    with pytest.raises(NotFound):
        service.delete_dataset(TEAM, "other")


@pytest.mark.parametrize("page", [{"limit": 0}, {"limit": 201}, {"offset": -1}])
def test_pages_out_of_bounds_are_refused(service: DatasetService, page: dict[str, int]) -> None:
    draw(service)
    with pytest.raises(Invalid):
        service.rows(TEAM, "support", 1, **page)


def test_teams_do_not_see_each_other(
    service: DatasetService, source: FakeTraces, store: DatasetStore, clock: FixedClock
) -> None:
    draw(service)
    canary = detail(50, given={"messages": [{"role": "user", "content": "canary-91"}]}, model="canary-91")
    other = DatasetService(store, FakeTraces(canary, team_id="team_b"), clock=clock)
    draw(other, team="team_b", description="canary-91")
    draw(other, "only-theirs", team="team_b")
    assert [dataset.name for dataset in service.list_datasets(TEAM)] == ["support"]
    answers: list[Any] = [
        service.list_datasets(TEAM),
        service.get_dataset(TEAM, "support"),
        service.rows(TEAM, "support", 1),
        b"".join(service.export(TEAM, "support", 1)).decode(),
    ]
    assert "canary-91" not in msgspec.json.encode(answers).decode()
    for attempt in (service.get_dataset, service.delete_dataset):
        with pytest.raises(NotFound):
            attempt(TEAM, "only-theirs")
    service.delete_dataset(TEAM, "support")
    assert len(other.rows("team_b", "support", 1)) == 1


def test_deleting_takes_the_rows_along_and_a_new_start_counts_from_one(
    service: DatasetService, lake: Lake, database: Database
) -> None:
    draw(service)
    draw(service)
    assert len(tables(lake)) == 2
    service.delete_dataset(TEAM, "support")
    assert service.list_datasets(TEAM) == []
    assert (tables(lake), drafts(database)) == ([], 0)
    assert draw(service).version.version == 1


def test_rows_of_a_writer_that_died_are_swept_and_younger_ones_left(
    service: DatasetService, store: DatasetStore, lake: Lake, clock: FixedClock, database: Database
) -> None:
    kept = draw(service)
    draft = store.begin_draft(TEAM, clock.now_us())
    store.write_rows(draft, [(kept.sample[0], b"{}")])
    assert service.sweep() == 0
    assert draft in tables(lake)
    clock.advance(DRAFT_AGE_US / 1_000_000 + 1)
    assert service.sweep() == 1
    assert draft not in tables(lake)
    assert drafts(database) == 0
    assert service.is_sound(TEAM, "support", 1)


def test_a_swept_draft_cannot_be_published(service: DatasetService, store: DatasetStore, clock: FixedClock) -> None:
    draft = store.begin_draft(TEAM, clock.now_us())
    store.discard(draft)
    with pytest.raises(Conflict, match="swept"):
        store.publish(
            draft,
            team_id=TEAM,
            name="support",
            description="",
            row_count=0,
            digest="",
            source={},
            note="",
            created_by="ann",
            now_us=clock.now_us(),
        )
    assert service.list_datasets(TEAM) == []


def test_a_failed_write_leaves_nothing(
    service: DatasetService, store: DatasetStore, lake: Lake, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise DiskFull("no space left")

    monkeypatch.setattr(store, "publish", full)
    with pytest.raises(DiskFull):
        draw(service)
    monkeypatch.undo()
    assert (service.list_datasets(TEAM), tables(lake), drafts(database)) == ([], [], 0)


def test_a_version_whose_publication_only_seemed_to_fail_keeps_its_rows(
    service: DatasetService, store: DatasetStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = store.publish

    def lost_answer(*args: Any, **kwargs: Any) -> None:
        real(*args, **kwargs)
        raise Conflict("the answer to the commit was lost")

    monkeypatch.setattr(store, "publish", lost_answer)
    with pytest.raises(Conflict):
        draw(service)
    monkeypatch.undo()
    assert service.is_sound(TEAM, "support", 1)
