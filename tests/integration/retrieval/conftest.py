"""A service over the real catalogue, lake and blobs, with jobs that run."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from loopwright.foundation.blobs import Blobs
from loopwright.foundation.clock import SystemClock
from loopwright.foundation.database import Database
from loopwright.foundation.identity import Principal
from loopwright.foundation.jobs import Job, Jobs
from loopwright.foundation.jobs.testing import wait_for
from loopwright.foundation.lake import Lake
from loopwright.retrieval import KnowledgeBaseService, KnowledgeStore, PassageTables
from loopwright.retrieval.jobs import build_jobs
from loopwright.retrieval.reading import read_child
from loopwright.retrieval.schemas import Document
from loopwright.signals import Embedder, HashingEmbedder


@dataclass
class Rig:
    """Knowledge bases of team `alpha`, unless told otherwise; `embedder` may be swapped."""

    service: KnowledgeBaseService
    store: KnowledgeStore
    tables: PassageTables
    blobs: Blobs
    jobs: Jobs
    lake: Lake
    embedders: dict[str, Embedder] = field(default_factory=dict)
    before_read: list[Callable[[bytes], None]] = field(default_factory=list)
    alpha: Principal = field(default_factory=lambda: Principal("team_alpha", "key_a", "admin"))
    beta: Principal = field(default_factory=lambda: Principal("team_beta", "key_b", "admin"))

    def add(self, name: str, files: dict[str, bytes], principal: Principal | None = None) -> list[Document]:
        given = [(source, io.BytesIO(content)) for source, content in files.items()]
        return list(self.service.add_documents(principal or self.alpha, name, given))

    def build(self, name: str, principal: Principal | None = None) -> Job:
        caller = principal or self.alpha
        return wait_for(self.jobs, caller.team_id, self.service.build(caller, name).id, timeout_s=60)

    def make(self, name: str, files: dict[str, bytes], principal: Principal | None = None) -> Job:
        self.service.create(principal or self.alpha, name)
        self.add(name, files, principal)
        return self.build(name, principal)

    def found(self, name: str, query: str, principal: Principal | None = None, **wanted: object) -> list[str]:
        result = self.service.search(principal or self.alpha, name, query, **wanted)  # type: ignore[arg-type]
        return [hit.source for hit in result.items]


@pytest.fixture
def rig(database: Database, lake: Lake, blobs: Blobs) -> Iterator[Rig]:
    """Everything wired as control wires it, with the hashing embedder and no child processes."""
    clock = SystemClock()
    jobs = Jobs(database, clock)
    embedders: dict[str, Embedder] = {"": HashingEmbedder()}
    before: list[Callable[[bytes], None]] = []

    def run(payload: bytes) -> bytes:
        for check in before:
            check(payload)
        return read_child(payload)

    store, tables = KnowledgeStore(database), PassageTables(lake)
    service = KnowledgeBaseService(
        store, tables, blobs, lambda choice: embedders.get(choice) or HashingEmbedder(), run, jobs, clock
    )
    jobs.register(build_jobs(service))
    jobs.migrate()
    jobs.start("worker_test")
    yield Rig(service, store, tables, blobs, jobs, lake, embedders, before)
    jobs.stop()
