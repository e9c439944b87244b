"""What has a name and a version: providers, endpoints, releases, prices.

Comes in: specs that users apply. Goes out: an immutable `Snapshot` that resolves `model` to a target
without a database, and the price of what was used. The gateway lives on the snapshot; control edits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loopwright.catalog.prices import Price, PriceBook, PublicPriceList, Usage
from loopwright.catalog.snapshot import EndpointRelease, Provider, Snapshot, Target

if TYPE_CHECKING:
    from loopwright.catalog.service import CatalogService
    from loopwright.catalog.specs import SpecKind, Specs
    from loopwright.catalog.store import CatalogStore

__all__ = [
    "CatalogService",
    "CatalogStore",
    "EndpointRelease",
    "Price",
    "PriceBook",
    "Provider",
    "PublicPriceList",
    "Snapshot",
    "SpecKind",
    "Specs",
    "Target",
    "Usage",
]

_LAZY = {
    "CatalogService": "loopwright.catalog.service",
    "CatalogStore": "loopwright.catalog.store",
    "SpecKind": "loopwright.catalog.specs",
    "Specs": "loopwright.catalog.specs",
}


def __getattr__(name: str) -> Any:
    # Only processes that edit or load the catalogue pay for SQLAlchemy and pydantic.
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(name)
