"""What one sees first: the state of this Loopwright and what it can be asked."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, FastAPI, Request

from loopwright import __version__
from loopwright.apps.house import House
from loopwright.foundation.identity import Principal, action


def build_router(house: House, app: FastAPI) -> APIRouter:
    """Routes of the overview, the list of models, and the description of the API."""
    router = APIRouter(tags=["overview"])

    @router.get("/api/info")
    @action("info.read")
    def info(request: Request) -> Any:
        principal: Principal = request.state.principal
        embedder = house.embedder()
        base_url = house.base_url()
        return {
            "version": __version__,
            "base_url": base_url,
            "openai_base_url": f"{base_url}/v1",
            "embedder": {"name": embedder.name, "real": embedder.real, "dimensions": embedder.dimensions},
            "store": house.settings.store_url or "local folder",
            "database": "SQLite" if house.database.is_sqlite else "PostgreSQL",
            "counts": house.counts(principal),
            "drainer": house.drainer_health(),
        }

    @router.get("/api/models")
    @action("catalog.read")
    def models(request: Request) -> Any:
        listed = house.snapshot().models(request.state.principal.team_id)
        return {"items": [{"id": name, "owned_by": owner} for name, owner, _ in listed], "next_cursor": None}

    @router.get("/api/openapi.json")
    @action("info.read")
    def openapi() -> Any:
        return app.openapi()

    return router
