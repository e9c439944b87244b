"""Lake tables in a folder and on an S3 server keep the same contract."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from loopwright.foundation.database import Database
from loopwright.foundation.errors import Conflict, DiskFull, LoopwrightError, NotFound
from loopwright.foundation.lake import DATA_STORAGE_VERSION, Lake

ROWS = pa.table({"id": ["a", "b"], "n": [1, 2]})


def test_life_of_a_table(lake: Lake) -> None:
    table = lake.table("spans", "team_1")
    assert not table.exists()
    with pytest.raises(NotFound, match="spans/team_1"):
        table.open()
    assert table.append(ROWS) == 1
    assert table.append(ROWS) == 2
    assert table.open().data_storage_version == DATA_STORAGE_VERSION
    assert table.open(1).count_rows() == 2
    with pytest.raises(NotFound):
        table.open(99)
    assert table.delete("n = 2") == 2
    assert table.open().to_table()["id"].to_pylist() == ["a", "a"]
    table.drop()
    table.drop()
    assert not table.exists()
    table.append(pa.table({"other": [1]}))
    assert table.open().schema.names == ["other"]


def test_create_pins_the_schema_and_refuses_a_second(lake: Lake) -> None:
    table = lake.table("docs")
    schema = pa.schema([("id", pa.string()), ("n", pa.int32())])
    table.create(schema)
    assert table.open().schema == schema
    with pytest.raises(Conflict, match="exists already"):
        table.create(schema, ROWS)
    assert table.open().count_rows() == 0


def test_merge_replaces_or_leaves_alone(lake: Lake) -> None:
    table = lake.table("docs")
    assert table.merge_insert("id", ROWS) == 2
    change = pa.table({"id": ["b", "c"], "n": [20, 30]})
    assert table.merge_insert("id", change, update=False) == 1
    assert _by_id(table.open()) == {"a": 1, "b": 2, "c": 30}
    assert table.merge_insert(["id"], change) == 0
    assert _by_id(table.open()) == {"a": 1, "b": 20, "c": 30}


def test_columns_are_added_once_and_never_retyped(lake: Lake) -> None:
    table = lake.table("docs")
    table.append(ROWS)
    wider = pa.schema([("id", pa.string()), ("tag", pa.string()), ("vector", pa.list_(pa.float32(), 4))])
    assert table.add_missing_columns(wider) == ["tag", "vector"]
    assert table.add_missing_columns(wider) == []
    assert table.open().to_table()["tag"].to_pylist() == [None, None]
    with pytest.raises(Conflict, match="column 'n' of table 'docs' is int64, not string"):
        table.add_missing_columns(pa.schema([("n", pa.string())]))


def test_erase_removes_the_bytes(lake: Lake, home: Path) -> None:
    table = lake.table("docs")
    table.append(pa.table({"id": ["a", "b"], "text": ["sentinel-of-a-person", "kept"]}))
    table.open().create_scalar_index("text", "INVERTED")
    table.delete("id = 'a'")
    table.maintain(timedelta(days=1))
    if lake.is_local:
        # The negative control: ordinary upkeep keeps the old version and its bytes.
        assert _bytes_under(home / "lake", b"sentinel") > 0
    upkeep = table.maintain(erase=True)
    assert upkeep.versions_removed > 0
    assert table.open().to_table()["id"].to_pylist() == ["b"]
    with pytest.raises(NotFound):
        table.open(1)
    if lake.is_local:
        assert _bytes_under(home / "lake", b"sentinel") == 0


def test_appends_merges_and_upkeep_side_by_side_lose_nothing(lake: Lake) -> None:
    table = lake.table("busy")
    failures: list[LoopwrightError] = []

    def append(writer: int) -> None:
        for number in range(10):
            table.append(pa.table({"id": [f"w{writer}-{number}"], "n": [number]}))

    def upkeep() -> None:
        for _ in range(6):
            try:
                table.maintain(timedelta(0))
            except (NotFound, Conflict):
                continue

    def merge() -> None:
        for number in range(10):
            table.merge_insert("id", pa.table({"id": [f"m-{number}"], "n": [number]}))

    def guarded(work: object, *args: object) -> None:
        try:
            work(*args)  # type: ignore[operator]
        except LoopwrightError as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(append, number)) for number in range(3)]
    threads += [threading.Thread(target=guarded, args=(upkeep,)), threading.Thread(target=guarded, args=(merge,))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert table.open().count_rows() == 40


_CREATOR = """
import sys
import pyarrow as pa
from loopwright.foundation.clock import SystemClock
from loopwright.foundation.database import Database
from loopwright.foundation.lake import Lake, TableLeases
url, lake_url = sys.argv[1:]
lake = Lake(lake_url, TableLeases(Database(url), SystemClock()))
print("ready", flush=True)
sys.stdin.readline()
for number in range(8):
    lake.table(f"race{number}").append(pa.table({"n": [1]}))
    lake.table(f"race{number}").append(pa.table({"n": [2]}))
"""


def test_processes_that_create_the_same_tables_keep_all_rows(lake: Lake, database: Database) -> None:
    command = [sys.executable, "-c", _CREATOR, database.url, lake.url]
    pipe = subprocess.PIPE
    children = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(3)]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        child.communicate(timeout=60)
        assert child.returncode == 0
    assert [lake.table(f"race{number}").open().count_rows() for number in range(8)] == [6] * 8


@pytest.mark.backend("local")
def test_a_full_disk_is_said_and_keeps_what_was_there(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(small)], check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system needs root")
    try:
        table = Lake(str(small)).table("spans")
        kept = pa.table({"blob": [os.urandom(600_000)]})
        table.append(kept)
        with pytest.raises(DiskFull, match="no space left"):
            table.append(pa.table({"blob": [os.urandom(2_000_000)]}))
        assert table.open().to_table() == kept
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def _by_id(dataset: object) -> dict[str, int]:
    return {row["id"]: row["n"] for row in dataset.to_table().to_pylist()}  # type: ignore[attr-defined]


def _bytes_under(folder: Path, needle: bytes) -> int:
    return sum(path.read_bytes().count(needle) for path in folder.rglob("*") if path.is_file())
