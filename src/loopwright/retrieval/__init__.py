"""Documents in, passages out: knowledge bases, their indexes, and the step that answers from them.

Comes in: files and questions. Goes out: passages with their place in a document, and citations on answers.
Control runs the service, its jobs and routes; the gateway runs only the step, which loads no index.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from loopwright.retrieval.step import PassageSearch, RetrievalStep

if TYPE_CHECKING:
    from loopwright.retrieval.building import IndexBuilder
    from loopwright.retrieval.index.store import PassageTables
    from loopwright.retrieval.reading import READER, READER_LIMITS
    from loopwright.retrieval.service import KnowledgeBaseService
    from loopwright.retrieval.specs import knowledge_base_kinds
    from loopwright.retrieval.store import KnowledgeStore

__all__ = [
    "READER",
    "READER_LIMITS",
    "IndexBuilder",
    "KnowledgeBaseService",
    "KnowledgeStore",
    "PassageSearch",
    "PassageTables",
    "RetrievalStep",
    "knowledge_base_kinds",
]

_LAZY = {
    "IndexBuilder": "loopwright.retrieval.building",
    "KnowledgeBaseService": "loopwright.retrieval.service",
    "KnowledgeStore": "loopwright.retrieval.store",
    "PassageTables": "loopwright.retrieval.index.store",
    "READER": "loopwright.retrieval.reading",
    "READER_LIMITS": "loopwright.retrieval.reading",
    "knowledge_base_kinds": "loopwright.retrieval.specs",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
