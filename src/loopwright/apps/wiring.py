"""Which implementation stands behind which protocol, for every process."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from loopwright.access import MasterSecret
from loopwright.catalog import CatalogService, CatalogStore, Target
from loopwright.foundation.clock import Clock
from loopwright.foundation.database import Database
from loopwright.foundation.settings import Settings
from loopwright.gateway import Step, instructions
from loopwright.retrieval import PassageSearch, RetrievalStep
from loopwright.traces import SpoolWriter


def catalog_service(database: Database, secret: MasterSecret, clock: Clock) -> CatalogService:
    """The catalog over a database."""
    return CatalogService(CatalogStore(database), secret, clock)


def spool_writer(settings: Settings) -> SpoolWriter:
    """This process's own writer of the spool."""
    return SpoolWriter(settings.spool_dir, strict=settings.durability == "strict")


def steps_of(search: PassageSearch) -> Callable[[Target], Sequence[Step]]:
    """The steps of a target: none for a plain model; instructions and retrieval for an endpoint."""

    def steps(target: Target) -> Sequence[Step]:
        if not target.endpoint:
            return ()
        chosen: list[Step] = [instructions]
        knowledge = target.spec.get("knowledge_base")
        if knowledge:
            chosen.append(RetrievalStep(search, knowledge["name"], knowledge["top_k"], knowledge["context_tokens"]))
        return chosen

    return steps
