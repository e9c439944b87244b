"""The catalogue's database: SQLite with one writer, or PostgreSQL; the same transactions on both."""

from __future__ import annotations

import fcntl
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

from sqlalchemy import BigInteger, Column, Engine, Integer, MetaData, Table, create_engine, event, select, text
from sqlalchemy import Connection as Connection  # the door through which services name it
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, DBAPIError, OperationalError, ProgrammingError

from loopwright.foundation.errors import Conflict, Corrupt, DiskFull, Unavailable

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every table of the catalogue, whichever package owns it."""

BUSY_TIMEOUT_MS = 10_000
WAL_RESET_FAULT: Final = ((3, 7, 0), (3, 51, 2))

catalogue_epochs = Table(
    "catalogue_epochs",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
)
"""One row that rises with every change the gateway must notice."""

_CHANNEL = "loopwright_catalogue"

# Writers wait for one another: one that is frozen in mid-transaction must not hold up the others for ever.
_POSTGRES_OPTIONS: Final = {"options": "-c idle_in_transaction_session_timeout=15000", "keepalives_idle": 10}
_MISSING_TABLE = "42P01"
_WRITE_LOCK = 0x6C6F6F70
"""Any number that other users of the same PostgreSQL database do not lock."""


class Database:
    """Transactions on the catalogue.

    SQLite runs in WAL mode with `BEGIN IMMEDIATE` for writers: its deferred default silently loses
    read-modify-write updates. `synchronous=FULL`: what a commit acknowledged survives a power cut.
    PostgreSQL's default loses them too, so there writers take turns by an advisory lock.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._claim: IO[str] | None = None
        self.is_sqlite = make_url(url).get_backend_name() == "sqlite"
        if self.is_sqlite:
            path = make_url(url).database
            if path:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            self._reader = _sqlite_engine(url, "BEGIN")
            self._writer = _sqlite_engine(url, "BEGIN IMMEDIATE")
        else:
            self._writer = create_engine(
                url, pool_size=8, max_overflow=8, pool_pre_ping=True, connect_args=_POSTGRES_OPTIONS
            )
            self._reader = self._writer.execution_options(isolation_level="REPEATABLE READ")

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return make_url(self.url).render_as_string(hide_password=True)

    @property
    def engine(self) -> Engine:
        """The engine that writes, for migrations."""
        return self._writer

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one consistent state. Raises Unavailable when the database is away."""
        with _translated(), self._reader.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that commits at the end, or leaves nothing. Raises Unavailable, DiskFull."""
        with _translated(), self._writer.begin() as connection:
            if not self.is_sqlite:
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_WRITE_LOCK})"))
            yield connection

    def claim_writer(self, wait_s: float = 10.0) -> None:
        """Makes this the one process that writes to a SQLite file, until `close` or its end.

        SQLite 3.7.0 to 3.51.2 may corrupt a database in WAL mode that two processes write to (the WAL-reset fault), so
        a second one is refused. Raises Conflict when another holds the claim for longer than `wait_s`.
        """
        path = make_url(self.url).database
        faulty = WAL_RESET_FAULT[0] <= sqlite3.sqlite_version_info <= WAL_RESET_FAULT[1]
        if not self.is_sqlite or not path or not faulty:
            return
        claim = open(f"{path}.writer", "a")  # noqa: SIM115 - held for the life of the process
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    claim.close()
                    raise Conflict(
                        f"another process writes to {path}; SQLite {sqlite_version()} may corrupt what two write",
                        hint="stop the other one, or use PostgreSQL with LOOPWRIGHT_DATABASE_URL",
                    ) from error
                time.sleep(0.05)
        self._claim = claim

    def insert(self, table: Table) -> Any:
        """An INSERT of the dialect that knows `on_conflict_do_update` and `on_conflict_do_nothing`."""
        return sqlite_insert(table) if self.is_sqlite else postgres_insert(table)

    def announce(self, connection: Connection) -> None:
        """Tells every gateway, once this transaction commits, that its snapshot is old."""
        table = catalogue_epochs
        statement = self.insert(table).values(id=1, epoch=1)
        connection.execute(
            statement.on_conflict_do_update(index_elements=[table.c.id], set_={"epoch": table.c.epoch + 1})
        )
        if not self.is_sqlite:
            connection.execute(text(f"NOTIFY {_CHANNEL}"))

    def epoch(self) -> int:
        """How many changes were announced so far."""
        with self.read() as connection:
            found = connection.execute(select(catalogue_epochs.c.epoch)).scalar()
        return int(found or 0)

    def watch(self) -> CatalogueWatch:
        """A watch for announced changes, to be used from one thread."""
        return CatalogueWatch(self)

    def close(self) -> None:
        """Closes every pooled connection and gives up the claim to write."""
        if self._claim is not None:
            self._claim.close()
            self._claim = None
        self._reader.dispose()
        self._writer.dispose()


class CatalogueWatch:
    """Waits for the catalogue to change.

    SQLite stirs it by `data_version`, PostgreSQL by LISTEN; on both the epoch has the last word.
    """

    POLL_S = 0.1

    def __init__(self, database: Database) -> None:
        self._database = database
        self._seen = -1
        self._version = -1
        self._connection: Any = None

    def wait(self, timeout_s: float) -> bool:
        """True as soon as a change since the last call is visible, False after `timeout_s`. Raises Unavailable."""
        deadline = time.monotonic() + timeout_s
        while True:
            if self._stirred(min(self.POLL_S, max(0.0, deadline - time.monotonic()))):
                epoch = self._database.epoch()
                if epoch != self._seen:
                    self._seen = epoch
                    return True
            if time.monotonic() >= deadline:
                return False

    def close(self) -> None:
        """Closes the connection that listens; the next `wait` opens another and reports a change."""
        self._seen = self._version = -1
        connection, self._connection = self._connection, None
        if connection is not None:
            # A server that is away must not keep its caller from trying again.
            with suppress(DBAPIError):
                connection.close()

    def _stirred(self, pause_s: float) -> bool:
        """Whether anything at all was committed since the last call; waits up to `pause_s`."""
        first = self._connection is None
        with _translated():
            if first:
                self._connection = self._database.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                if not self._database.is_sqlite:
                    self._connection.exec_driver_sql(f"LISTEN {_CHANNEL}")
            changed = self._asked_driver(pause_s)
        if self._database.is_sqlite and not changed and not first:
            time.sleep(pause_s)
        return changed or first

    def _asked_driver(self, pause_s: float) -> bool:
        # Past SQLAlchemy, which on SQLite would begin a transaction and hold the one write lock while waiting.
        driver = self._connection.connection.driver_connection
        try:
            if not self._database.is_sqlite:
                return any(True for _ in driver.notifies(timeout=pause_s, stop_after=1))
            version = driver.execute("PRAGMA data_version").fetchone()[0]
        except self._database.engine.dialect.loaded_dbapi.Error as error:
            raise OperationalError("watch", None, error) from error
        changed = version != self._version
        self._version = version
        return bool(changed)


def sqlite_version() -> str:
    """The SQLite library this process runs on; 3.7.0 to 3.51.2 have the WAL-reset fault with two writing processes."""
    return sqlite3.sqlite_version


def _sqlite_engine(url: str, begin: str) -> Engine:
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _record: object) -> None:
        # The driver's own BEGIN is deferred; with autocommit ours below is the only one.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ProgrammingError as error:
        # A gateway may be quicker than the first migration; SQLite counts this among the operational errors.
        if getattr(error.orig, "sqlstate", "") != _MISSING_TABLE:
            raise
        raise Unavailable(
            f"the catalogue is not made yet: {str(error.orig).splitlines()[0]}", hint="start it with: loopwright up"
        ) from error
    except OperationalError as error:
        text = str(error.orig)
        if "disk is full" in text or "No space left" in text:
            raise DiskFull(
                f"the catalogue could not be written: {text}", hint="free some space; nothing was changed"
            ) from error
        raise Unavailable(
            f"the catalogue does not answer: {text.strip()}",
            hint="check LOOPWRIGHT_DATABASE_URL with: loopwright doctor",
        ) from error
    except DatabaseError as error:
        text = str(error.orig)
        if "malformed" not in text and "not a database" not in text:
            raise
        raise Corrupt(
            f"the catalogue is damaged: {text}",
            hint="stop Loopwright and put catalogue.db back from a backup; traces in the lake are as they were",
        ) from error
