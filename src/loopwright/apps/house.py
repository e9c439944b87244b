"""Control's services, wired once: who stores where, who runs whose jobs, in which order they start and stop."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Sequence
from typing import Any

from loopwright.access import AccessService, AccessStore, FirstStart, MasterSecret, SessionSigner
from loopwright.apps.local import known_url
from loopwright.apps.migrate import migrate
from loopwright.apps.wiring import catalog_service, spool_writer
from loopwright.catalog import Snapshot, Specs
from loopwright.datasets import DatasetService, DatasetStore
from loopwright.foundation.blobs import Blobs
from loopwright.foundation.clock import SystemClock
from loopwright.foundation.cluster import Executor
from loopwright.foundation.database import Database
from loopwright.foundation.errors import Conflict
from loopwright.foundation.identity import Principal
from loopwright.foundation.jobs import Jobs
from loopwright.foundation.lake import Lake, TableLeases
from loopwright.foundation.settings import Settings
from loopwright.gateway import BUILTIN_MODELS
from loopwright.retrieval import (
    READER,
    READER_LIMITS,
    KnowledgeBaseService,
    KnowledgeStore,
    PassageTables,
    knowledge_base_kinds,
)
from loopwright.retrieval.jobs import build_jobs as knowledge_jobs
from loopwright.signals import Embedders, Passage
from loopwright.traces import Drainer, TraceService, TraceStore


class House:
    """Every service control offers."""

    def __init__(self, settings: Settings, operator_token: str) -> None:
        self.settings = settings
        self.operator_token = operator_token
        clock = SystemClock()
        self.database = Database(settings.catalogue_url)
        secret = MasterSecret.load(settings.secret_key.get_secret_value(), settings.home)
        self._access_store = AccessStore(self.database)
        self.access = AccessService(self._access_store, SessionSigner(secret.derive("session")), clock)
        self.catalog = catalog_service(self.database, secret, clock)
        lake = Lake(settings.lake_url, TableLeases(self.database, clock))
        self._spool = spool_writer(settings)
        self._trace_store = TraceStore(lake)
        self._drainer = Drainer(settings.spool_dir, self._trace_store, clock=clock)
        self.traces = TraceService(self._trace_store, self._drainer, self._spool, clock=clock)
        self.datasets = DatasetService(DatasetStore(self.database, lake), self.traces, clock=clock)
        self.jobs = Jobs(self.database, clock)
        self.embedder = Embedders(settings.embedder)
        self._children = Executor(READER_LIMITS)
        self.knowledge = KnowledgeBaseService(
            KnowledgeStore(self.database),
            PassageTables(lake),
            Blobs(settings.blobs_url),
            self.embedder,
            lambda payload: self._children.run(READER, payload),
            self.jobs,
            clock,
        )
        self.jobs.register(knowledge_jobs(self.knowledge))
        self.specs = Specs(self.database, {**self.catalog.spec_kinds(), **knowledge_base_kinds(self.knowledge)})

    def prepare(self) -> FirstStart | None:
        """Brings the catalogue to this release and makes the first team when there is none.

        Raises Conflict when the catalogue was lost and its lake is still there: nobody could see those traces.
        """
        self.database.claim_writer()
        migrate(self.database)
        self.jobs.migrate()
        if self._access_store.first_team() is None and self._trace_store.holds_traces():
            raise Conflict(
                f"the catalogue {self.database.shown} is empty, but the lake in {self.settings.lake_url} holds traces",
                hint="put the catalogue of these traces back, or set another LOOPWRIGHT_HOME or LOOPWRIGHT_STORE_URL",
            )
        return self.access.first_start()

    def start(self) -> None:
        """Starts the drainer and the jobs, and loads the embedder beside them."""
        self._drainer.start()
        self.jobs.start(self._worker_id(), "control")
        threading.Thread(target=self._settle, name="settle", daemon=True).start()

    def stop(self) -> None:
        """Stops what `start` started; what was acknowledged is in the spool or the catalogue."""
        self.jobs.stop()
        self._spool.close()
        self._drainer.close()
        self._children.close()
        self.database.close()

    def _settle(self) -> None:
        """What the first request need not wait for: the embedder, and data that a crash left without an owner."""
        self.embedder()
        self.datasets.sweep()

    def _worker_id(self) -> str:
        """The same after a restart on this data folder, and no one else's on a shared catalogue."""
        folder = hashlib.sha256(str(self.settings.home).encode()).hexdigest()[:12]
        return f"control-{socket.gethostname().lower()[:32]}-{folder}"

    def passages(self, team_id: str, knowledge_base: str, query: str, top_k: int) -> Sequence[Passage]:
        """Passages for a gateway step."""
        principal = Principal(team_id=team_id, subject="gateway", role="viewer")
        found = self.knowledge.search(principal, knowledge_base, query[:2000], top_k=top_k)
        return [
            Passage(
                text=hit.text,
                title=hit.title,
                source=hit.source,
                heading=hit.heading,
                page=hit.page,
                knowledge_base=knowledge_base,
                document_id=hit.document_id,
                passage_id=hit.passage_id,
            )
            for hit in found.items
        ]

    def snapshot(self) -> Snapshot:
        """The catalogue as the gateway sees it."""
        return self.catalog.snapshot(self._access_store, BUILTIN_MODELS, None)

    def base_url(self) -> str:
        """Where users reach the gateway."""
        return self.settings.public_url or known_url(self.settings)

    def counts(self, principal: Principal) -> dict[str, int]:
        """How much the caller's team has of everything."""
        return {
            "traces": self.traces.count(principal.team_id),
            "datasets": len(self.datasets.list_datasets(principal.team_id)),
            "knowledge_bases": len(self.knowledge.bases(principal)),
            "keys": len(self.access.keys(principal)),
        }

    def drainer_health(self) -> dict[str, Any]:
        """Whether traces reach the lake, and how many bytes wait."""
        health = self._drainer.health
        return {"fault": health.reason, "backlog": health.waiting_bytes}
