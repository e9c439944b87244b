"""HTTP face of the catalog: lists, and applying specs."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field

from loopwright.catalog.service import CatalogService
from loopwright.catalog.specs import Specs
from loopwright.foundation.identity import action


class Application(BaseModel):
    """A YAML text of specs to apply."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=4_000_000)
    dry_run: bool = False


def build_router(service: CatalogService, specs: Specs) -> APIRouter:
    """Routes of endpoints, providers, prices and specs."""
    router = APIRouter(tags=["catalog"])

    @router.get("/api/endpoints")
    @action("catalog.read")
    def endpoints(request: Request) -> Any:
        return {"items": service.endpoints(request.state.principal), "next_cursor": None}

    @router.get("/api/providers")
    @action("catalog.read")
    def providers(request: Request) -> Any:
        return {"items": service.providers(request.state.principal), "next_cursor": None}

    @router.get("/api/prices")
    @action("catalog.read")
    def prices(request: Request) -> Any:
        return {"items": service.prices(request.state.principal), "next_cursor": None}

    @router.post("/api/apply")
    @action("catalog.admin")
    def apply(request: Request, body: Application) -> Any:
        results = specs.apply(request.state.principal, body.text, dry_run=body.dry_run)
        return {"items": results, "dry_run": body.dry_run}

    return router
