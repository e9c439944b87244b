"""Fixtures every test may use: `home, clock, settings, database, lake, blobs`.

Unit tests run on SQLite and a local folder. Integration tests that ask for one of these (but `home` and `clock`) run
twice: `local` is SQLite with a local folder, `scaled-out` is PostgreSQL with an S3 server. `--backend=local` or
`--backend=scaled-out` picks one. A test for one backend only carries `@pytest.mark.backend("scaled-out")`.
PostgreSQL is started once a session from the installed binaries (`apt-get install postgresql`), moto's S3 server too;
each test gets a database and a bucket of its own.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from loopwright.foundation.blobs import Blobs
from loopwright.foundation.clock import FixedClock
from loopwright.foundation.database import Database, metadata
from loopwright.foundation.lake import Lake, TableLeases
from loopwright.foundation.settings import Settings
from tests.servers import PostgresServer, S3Server, postgres_binaries

BACKENDS = ("local", "scaled-out")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--backend", choices=(*BACKENDS, "both"), default="both", help="where integration tests keep state"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "backend(name): run on this backend only, 'local' or 'scaled-out'")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "backend" in metafunc.fixturenames:
        metafunc.parametrize("backend", _backends(metafunc), indirect=True)


def _backends(metafunc: pytest.Metafunc) -> list[str]:
    if "integration" not in Path(metafunc.definition.path).parts:
        return ["local"]
    chosen = metafunc.config.getoption("--backend")
    marker = metafunc.definition.get_closest_marker("backend")
    wanted = marker.args if marker else BACKENDS
    return [name for name in wanted if chosen in (name, "both")]


@pytest.fixture(autouse=True, scope="session")
def eager_jobs() -> Iterator[None]:
    """Workers of the tests look for jobs ten times a second, not once: the tests wait for them all day."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("loopwright.foundation.jobs.runner._POLL_S", 0.1)
        yield


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> str:
    """`local` or `scaled-out`."""
    return str(request.param)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data folder, also set as LOOPWRIGHT_HOME."""
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("LOOPWRIGHT_HOME", str(folder))
    return folder


@pytest.fixture
def clock() -> FixedClock:
    """A clock that moves only when told to."""
    return FixedClock()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this session, on a free port of 127.0.0.1."""
    if postgres_binaries() is None:
        pytest.skip("no PostgreSQL server binaries: apt-get install postgresql, or run with --backend=local")
    server = PostgresServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    """An S3 server of this session, on a free port of 127.0.0.1."""
    server = S3Server()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def database_url(backend: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """What LOOPWRIGHT_DATABASE_URL would say: empty for SQLite in `home`, or a fresh PostgreSQL database."""
    if backend == "local":
        yield ""
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"t{uuid.uuid4().hex}"
    server.create(name)
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def store_url(backend: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """What LOOPWRIGHT_STORE_URL would say: empty for `home`, or a fresh S3 bucket with a prefix."""
    if backend == "local":
        return ""
    server: S3Server = request.getfixturevalue("s3_server")
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    return f"s3://{server.create_bucket()}/prefix"


@pytest.fixture
def settings(home: Path, database_url: str, store_url: str) -> Settings:
    """Settings of the backend; nothing else of the environment counts but AWS_*."""
    return Settings(home=home, database_url=database_url, store_url=store_url)


@pytest.fixture
def database(home: Path, database_url: str) -> Iterator[Database]:
    """The catalogue with every table of the packages imported so far."""
    catalogue = Database(Settings(home=home, database_url=database_url).catalogue_url)
    metadata.create_all(catalogue.engine)
    yield catalogue
    catalogue.close()


@pytest.fixture
def lake(home: Path, store_url: str, database: Database, clock: FixedClock) -> Lake:
    """An empty lake whose leases lie in `database`."""
    return Lake(Settings(home=home, store_url=store_url).lake_url, TableLeases(database, clock))


@pytest.fixture
def blobs(home: Path, store_url: str) -> Blobs:
    """An empty blob store."""
    return Blobs(Settings(home=home, store_url=store_url).blobs_url)
