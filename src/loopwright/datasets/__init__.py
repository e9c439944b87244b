"""Rows in, immutable versions out.

Comes in: a filter over traces, which others ask through `TraceSource`. Goes out: numbered versions of rows with
their labels, each with a digest, as JSON lines or as iterators. The API, the command line and later evaluation
and training call `DatasetService`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from loopwright.datasets.schemas import Dataset, DatasetDetail, Drawn, Label, Row, TraceSource, Version

if TYPE_CHECKING:
    from loopwright.datasets.service import DatasetService
    from loopwright.datasets.store import DatasetStore

_LAZY = {"DatasetService": "loopwright.datasets.service", "DatasetStore": "loopwright.datasets.store"}

__all__ = [
    "Dataset",
    "DatasetDetail",
    "DatasetService",
    "DatasetStore",
    "Drawn",
    "Label",
    "Row",
    "TraceSource",
    "Version",
]


def __getattr__(name: str) -> Any:
    """Loads what needs the lake and the catalogue only when it is asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
