"""The lake: versioned columnar tables (Lance) in a local folder or an object store, and the lease their upkeep holds.

Lance is not fork-safe: a process that has opened a table starts children by spawn only.
"""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import lance
import pyarrow as pa
from lance.commit import CommitConflictError
from lance.lance import _Session as Session

from loopwright.foundation.blobs import safe_path
from loopwright.foundation.errors import Conflict, DiskFull, Invalid, NotFound, Unavailable
from loopwright.foundation.ids import is_identifier, new_id
from loopwright.foundation.tables import table_leases

if TYPE_CHECKING:
    from loopwright.foundation.clock import Clock
    from loopwright.foundation.database import Database

DATA_STORAGE_VERSION: Final = "2.2"
"""The file format of every new table; another Lance release must not change it behind our back."""

_LEASE_S: Final = 60.0
_COMMIT_TRIES: Final = 12
_CREATE_WAIT_S: Final = 10.0
_MEBIBYTE: Final = 1024 * 1024

T = TypeVar("T")


class Lake:
    """Opens tables by name under a local path or an `s3://bucket/prefix`.

    For S3 the Lance library itself reads `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`,
    `AWS_ENDPOINT_URL` and, for an endpoint without TLS, `AWS_ALLOW_HTTP=true`. Without `leases` upkeep is
    only exclusive inside this process: right for one process that owns its lake, wrong for two that share it.
    """

    def __init__(
        self, url: str, leases: TableLeases | None = None, *, index_cache_mb: int = 512, metadata_cache_mb: int = 128
    ) -> None:
        self.url = url.removeprefix("file://").rstrip("/")
        self._leases = leases
        self._local_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        # Lance's own defaults keep up to 7 GiB; one bounded session is shared by all tables.
        self._session = Session(
            index_cache_size_bytes=index_cache_mb * _MEBIBYTE, metadata_cache_size_bytes=metadata_cache_mb * _MEBIBYTE
        )

    @property
    def is_local(self) -> bool:
        """Whether tables lie in a folder of this machine."""
        return "://" not in self.url

    def table(self, *parts: str) -> LakeTable:
        """The table of that name path, `lake.table("spans", team_id)`; it need not exist. Raises Invalid."""
        if not parts or not all(is_identifier(part) for part in parts):
            raise Invalid(f"{'/'.join(parts)!r} cannot name a table", hint="use 1 to 64 of [a-z0-9_-] in each part")
        folders, last = parts[:-1], f"{parts[-1]}.lance"
        uri = str(safe_path(Path(self.url), *folders, last)) if self.is_local else "/".join((self.url, *folders, last))
        return LakeTable(self, "/".join(parts), uri, self._session)

    @contextmanager
    def lease(self, name: str, wait_s: float = 0.0) -> Iterator[TableLease | None]:
        """Holds table `name` for upkeep. Raises Conflict when another holder does not let go within `wait_s`."""
        if self._leases is not None:
            with self._leases.hold(name, wait_s=wait_s) as lease:
                yield lease
            return
        lock = self._local_locks[name]
        if not lock.acquire(timeout=wait_s):
            raise _held(name)
        try:
            yield None
        finally:
            lock.release()


@dataclass(frozen=True)
class Upkeep:
    """What one `maintain` did."""

    fragments_removed: int
    fragments_added: int
    versions_removed: int
    bytes_removed: int


class LakeTable:
    """One table. Appends and merges may run side by side from many processes; upkeep holds the table's lease."""

    def __init__(self, lake: Lake, name: str, uri: str, session: Any) -> None:
        self.name = name
        self.uri = uri
        self._lake = lake
        self._session = session

    def exists(self) -> bool:
        """Whether the table was created."""
        try:
            self.open()
        except NotFound:
            return False
        return True

    def open(self, version: int | None = None) -> lance.LanceDataset:
        """The newest state, or that of `version`; others' writes do not change it. Raises NotFound, Unavailable."""
        with lake_errors(self.name):
            return lance.dataset(self.uri, version=version, session=self._session)

    def create(self, schema: pa.Schema, data: pa.Table | None = None) -> lance.LanceDataset:
        """A new table, holding `data` when given, under its lease. Raises Conflict when it exists, DiskFull."""
        rows = schema.empty_table() if data is None else data.select(schema.names).cast(schema)
        if self._lake.is_local:
            Path(self.uri).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Of two creations at once Lance turns the later into an overwrite of the earlier: the lease keeps them apart.
        with self._lake.lease(self.name, wait_s=_CREATE_WAIT_S), lake_errors(self.name):
            return lance.write_dataset(
                rows, self.uri, mode="create", data_storage_version=DATA_STORAGE_VERSION, session=self._session
            )

    def append(self, rows: pa.Table) -> int:
        """Adds `rows` in one commit, creating the table with their schema; the new version number.

        Raises DiskFull, Unavailable; then nothing was added.
        """

        def attempt() -> lance.LanceDataset:
            try:
                dataset = self.open()
            except NotFound:
                return self._create_or_conflict(rows)
            return lance.write_dataset(rows, dataset, mode="append")

        return int(self._commit(attempt).version)

    def merge_insert(self, on: str | Sequence[str], rows: pa.Table, *, update: bool = True) -> int:
        """Writes `rows` by key `on`: absent keys are added, present ones replaced, or left alone without `update`.

        Creates the table when absent. Keys must be unique within `rows`. The number of rows added.
        """
        keys = [on] if isinstance(on, str) else list(on)

        def attempt() -> int:
            try:
                dataset = self.open()
            except NotFound:
                self._create_or_conflict(rows)
                return rows.num_rows
            builder = dataset.merge_insert(keys).when_not_matched_insert_all()
            if update:
                builder = builder.when_matched_update_all()
            return int(builder.execute(rows)["num_inserted_rows"])

        return self._commit(attempt)

    def delete(self, where: str) -> int:
        """Deletes what the SQL filter matches; their bytes go with `maintain(erase=True)`. The number of rows."""

        def attempt() -> int:
            return int(self.open().delete(where)["num_deleted_rows"])

        return self._commit(attempt)

    def add_missing_columns(self, schema: pa.Schema) -> list[str]:
        """Adds the nullable columns of `schema` that the table lacks, under its lease; their names.

        Raises Conflict when a column is there with another type.
        """
        if not _missing(self.open(), schema, self.name):
            return []

        def attempt() -> list[str]:
            dataset = self.open()
            missing = _missing(dataset, schema, self.name)
            if missing:
                dataset.add_columns([item.with_nullable(True) for item in missing])
            return [item.name for item in missing]

        with self._lake.lease(self.name, wait_s=10.0):
            return self._commit(attempt)

    def maintain(self, older_than: timedelta = timedelta(days=1), *, erase: bool = False) -> Upkeep:
        """Compacts files, brings indexes up to date and removes versions older than `older_than`, under the lease.

        `erase` also rewrites every file with a deleted row and keeps no old version, so that the bytes are gone;
        a tag or branch still keeps what it points at. Raises Conflict when another process holds the table.
        """
        with self._lake.lease(self.name) as lease:
            # A threshold of zero rewrites even the file that has one deleted row; the default leaves up to 10 %.
            threshold = 0.0 if erase else None
            compacted = self._commit(
                lambda: self.open().optimize.compact_files(materialize_deletions_threshold=threshold)
            )
            _still_ours(lease)
            self._commit(lambda: self.open().optimize.optimize_indices())
            _still_ours(lease)
            # Never delete_unverified: beside a live writer it destroys the table.
            keep = timedelta(0) if erase else older_than
            cleaned = self._commit(
                lambda: self.open().cleanup_old_versions(older_than=keep, error_if_tagged_old_versions=False)
            )
        return Upkeep(
            fragments_removed=compacted.fragments_removed,
            fragments_added=compacted.fragments_added,
            versions_removed=cleaned.old_versions,
            bytes_removed=cleaned.bytes_removed,
        )

    def drop(self) -> None:
        """Removes the table with all its versions; nothing happens when it is absent."""
        with lake_errors(self.name):
            try:
                lance.LanceDataset.drop(self.uri, ignore_not_found=True)
            except ValueError:
                # Its writer died before the first commit: Lance drops only what it can read as a table, so make it one.
                lance.write_dataset(pa.table({"none": pa.array([], pa.int8())}), self.uri, mode="overwrite")
                lance.LanceDataset.drop(self.uri, ignore_not_found=True)

    @staticmethod
    def literal(value: str | int | float | bool | None) -> str:
        """`value` as a literal of a SQL filter; text is quoted so that it cannot end its own quotes."""
        if value is None:
            return "NULL"
        if isinstance(value, str):
            return "'" + value.replace("'", "''") + "'"
        return repr(value).lower() if isinstance(value, bool) else repr(value)

    def _create_or_conflict(self, rows: pa.Table) -> lance.LanceDataset:
        try:
            return self.create(rows.schema, rows)
        except Conflict as error:
            if not self.exists():
                raise
            # Another process created it between our look and our try: take the ordinary way.
            raise CommitConflictError(error.message) from error

    def _commit(self, attempt: Callable[[], T]) -> T:
        """`attempt` again, on a fresh state, while Lance says that another commit came first."""
        for number in range(_COMMIT_TRIES):
            try:
                with lake_errors(self.name):
                    return attempt()
            except Conflict as error:
                if number == _COMMIT_TRIES - 1 or not _lost_race(error.__cause__):
                    raise
                time.sleep(random.uniform(0.005, 0.02) * 1.6**number)
        raise AssertionError("unreachable: the last try raises")


@dataclass
class TableLease:
    """A table held for upkeep until it is released or not renewed in time."""

    name: str
    holder: str
    lost: threading.Event = field(default_factory=threading.Event)


class TableLeases:
    """Leases on tables of the lake, kept in the catalogue: one holder per table over all processes and machines."""

    def __init__(self, database: Database, clock: Clock, lease_s: float = _LEASE_S) -> None:
        self._database = database
        self._clock = clock
        self._lease_s = lease_s

    def acquire(self, name: str) -> TableLease:
        """The lease, taken over when its holder let it lapse. Raises Conflict when someone holds it."""
        lease = TableLease(name, new_id("lease"))
        now = self._clock.now_us()
        values = {"holder": lease.holder, "expires_us": self._expiry()}
        statement = self._database.insert(table_leases).values(name=name, **values)
        statement = statement.on_conflict_do_update(
            index_elements=[table_leases.c.name], set_=values, where=table_leases.c.expires_us <= now
        ).returning(table_leases.c.holder)
        with self._database.write() as connection:
            # Not rowcount: on PostgreSQL the driver does not give one for this statement.
            if connection.execute(statement).first() is None:
                raise _held(name)
        return lease

    def renew(self, lease: TableLease) -> bool:
        """Whether the lease is still ours, and then for another term."""
        statement = (
            table_leases.update()
            .where(table_leases.c.name == lease.name, table_leases.c.holder == lease.holder)
            .values(expires_us=self._expiry())
        )
        with self._database.write() as connection:
            renewed = connection.execute(statement).rowcount == 1
        if not renewed:
            lease.lost.set()
        return renewed

    def release(self, lease: TableLease) -> None:
        """Lets the table go; nothing happens when another holder took it over."""
        statement = table_leases.delete().where(
            table_leases.c.name == lease.name, table_leases.c.holder == lease.holder
        )
        with self._database.write() as connection:
            connection.execute(statement)

    @contextmanager
    def hold(self, name: str, *, wait_s: float = 0.0) -> Iterator[TableLease]:
        """The lease for the block, renewed by a thread. Raises Conflict when others hold it for `wait_s`."""
        deadline = time.monotonic() + wait_s
        while True:
            try:
                lease = self.acquire(name)
                break
            except Conflict:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.05)
        done = threading.Event()
        renewer = threading.Thread(target=self._keep, args=(lease, done), name=f"lease-{name}", daemon=True)
        renewer.start()
        try:
            yield lease
        finally:
            done.set()
            renewer.join()
            self.release(lease)

    def _keep(self, lease: TableLease, done: threading.Event) -> None:
        lapses = time.monotonic() + self._lease_s
        while not done.wait(self._lease_s / 3):
            asked = time.monotonic()
            try:
                if not self.renew(lease):
                    return
                lapses = asked + self._lease_s
            except Unavailable:
                # A catalogue that is away for a moment costs nothing; one that stays away costs the lease.
                if time.monotonic() >= lapses - self._lease_s / 3:
                    lease.lost.set()
                    return

    def _expiry(self) -> int:
        return self._clock.now_us() + int(self._lease_s * 1_000_000)


@contextmanager
def lake_errors(name: str) -> Iterator[None]:
    """Gives Lance's errors inside the block our types: NotFound, Conflict, DiskFull, Unavailable."""
    try:
        yield
    except (CommitConflictError, OSError, ValueError) as error:
        text = str(error)
        if _lost_race(error):
            raise Conflict(
                f"table {name!r} was changed by another commit: {_first_line(error)}",
                hint="try again when the table is less busy",
            ) from error
        if "Dataset at path" in text:
            raise NotFound(f"table {name!r} is not there: {_first_line(error)}") from error
        if "already exists" in text:
            raise Conflict(f"table {name!r} exists already") from error
        if "os error 28" in text or "os error 122" in text:
            raise DiskFull(f"table {name!r} could not be written: no space left", hint="free some space") from error
        if isinstance(error, OSError):
            plain_http = "builder error" in text
            hint = "for an http:// endpoint set AWS_ALLOW_HTTP=true" if plain_http else "check the store's URL"
            raise Unavailable(f"the lake does not answer for {name!r}: {_first_line(error)}", hint=hint) from error
        raise


def _lost_race(error: BaseException | None) -> bool:
    """Whether another commit came first, so that the same change may succeed on the new state."""
    return isinstance(error, CommitConflictError) or "Incompatible transaction" in str(error)


def _missing(dataset: lance.LanceDataset, schema: pa.Schema, name: str) -> list[pa.Field[Any]]:
    present: pa.Schema = dataset.schema
    for item in schema:
        if item.name in present.names and present.field(item.name).type != item.type:
            was = present.field(item.name).type
            raise Conflict(f"column {item.name!r} of table {name!r} is {was}, not {item.type}", hint="use another name")
    return [item for item in schema if item.name not in present.names]


def _still_ours(lease: TableLease | None) -> None:
    if lease is not None and lease.lost.is_set():
        raise Conflict(f"the lease on table {lease.name!r} was lost in the middle of upkeep", hint="run it again")


def _held(name: str) -> Conflict:
    return Conflict(f"table {name!r} is held by other upkeep", hint="try again in a minute")


def _first_line(error: Exception) -> str:
    return str(error).split(", /home/runner", 1)[0].splitlines()[0][:300] if str(error) else type(error).__name__
