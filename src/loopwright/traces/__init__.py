"""Spans in, questions out.

Comes in: spans and scores of every request, through a spool that survives a crash. Goes out: traces by
filter, their facets and their scores. The gateway writes through `SpoolWriter` and loads nothing else;
control drains the spool into the lake and answers questions through `TraceService`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from loopwright.traces.content import answer_of, messages_of
from loopwright.traces.schemas import (
    BeginRecord,
    Score,
    ScoreRecord,
    Span,
    SpanRecord,
    Trace,
    TraceDetail,
    TraceFilter,
    TracePage,
)

if TYPE_CHECKING:
    from loopwright.traces.drainer import Drainer
    from loopwright.traces.service import TraceService
    from loopwright.traces.spool import SpoolWriter
    from loopwright.traces.store import TraceStore

_LAZY = {
    "Drainer": "loopwright.traces.drainer",
    "SpoolWriter": "loopwright.traces.spool",
    "TraceService": "loopwright.traces.service",
    "TraceStore": "loopwright.traces.store",
}

__all__ = [
    "BeginRecord",
    "Drainer",
    "Score",
    "ScoreRecord",
    "Span",
    "SpanRecord",
    "SpoolWriter",
    "Trace",
    "TraceDetail",
    "TraceFilter",
    "TracePage",
    "TraceService",
    "TraceStore",
    "answer_of",
    "messages_of",
]


def __getattr__(name: str) -> Any:
    """Loads what needs the lake only when it is asked for; the gateway never asks."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
