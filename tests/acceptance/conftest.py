"""Fixtures of the acceptance tests: the product as it is started by `loopwright up`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.product import Product
from tests.acceptance.upstream import Upstream


@pytest.fixture(scope="session")
def product(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A running product that tests share; what they make in it they name after themselves."""
    running = Product(tmp_path_factory.mktemp("home")).start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A running product that was started with `--demo` and has said that the assistant `handbook` is ready."""
    running = Product(tmp_path_factory.mktemp("demo"), arguments=("--demo",))
    try:
        running.start()
        assert running.process is not None
        assert running.process.stdout is not None
        assert any("'handbook' is ready" in line for line in running.process.stdout), "it ended without saying so"
        yield running
    finally:
        running.stop()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Product]:
    """A product of one's own, not started yet."""
    own = Product(tmp_path / "home")
    yield own
    own.stop()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A provider that counts."""
    server = Upstream().start()
    yield server
    server.stop()
