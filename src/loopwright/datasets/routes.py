"""The HTTP face of datasets."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Body, Query, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from loopwright.datasets.service import DatasetService
from loopwright.foundation.identity import Principal, action


class NewVersion(BaseModel):
    """What to draw a version from."""

    model_config = ConfigDict(extra="forbid")

    filter: dict[str, Any] = Field(default_factory=dict, description="The keys of GET /api/traces, joined by and.")
    limit: int = Field(default=10_000, description="At most so many traces, the newest.")
    note: str = Field(default="", description="Why this version was drawn.")
    description: str = Field(default="", description="What the dataset is for; empty leaves it as it is.")
    dry_run: bool = Field(default=False, description="Count and sample, write nothing.")


def build_router(service: DatasetService) -> APIRouter:
    """Routes under `/api/datasets`."""
    router = APIRouter(prefix="/api/datasets", tags=["datasets"])

    @router.get("")
    @action("datasets.read")
    def list_datasets(request: Request) -> Response:
        """The team's datasets."""
        return _json({"items": service.list_datasets(_principal(request).team_id), "next_cursor": None})

    @router.get("/{name}")
    @action("datasets.read")
    def get_dataset(request: Request, name: str) -> Response:
        """A dataset with its versions."""
        return _json(service.get_dataset(_principal(request).team_id, name))

    @router.post("/{name}/versions", status_code=201)
    @action("datasets.write")
    def draw_version(request: Request, name: str, wanted: Annotated[NewVersion, Body()]) -> Response:
        """Draws the next version from traces."""
        principal = _principal(request)
        drawn = service.draw_version(
            principal.team_id,
            name,
            wanted.filter,
            author=principal.subject,
            limit=wanted.limit,
            note=wanted.note,
            description=wanted.description,
            dry_run=wanted.dry_run,
        )
        return _json(drawn, 200 if drawn.dry_run else 201)

    @router.get("/{name}/versions/{version}/rows")
    @action("datasets.read")
    def rows(
        request: Request,
        name: str,
        version: int,
        limit: Annotated[int, Query(description="Rows per page, 1 to 200.")] = 50,
        offset: Annotated[int, Query(description="Rows to leave out.")] = 0,
    ) -> Response:
        """Rows of a version in their order."""
        found = service.rows(_principal(request).team_id, name, version, limit=limit, offset=offset)
        return _json({"items": found, "next_cursor": None})

    @router.get("/{name}/versions/{version}/export")
    @action("datasets.read")
    def export(request: Request, name: str, version: int) -> StreamingResponse:
        """Every row as one line of JSON."""
        lines = service.export(_principal(request).team_id, name, version)
        headers = {"content-disposition": f'attachment; filename="{name}-{version}.jsonl"'}
        return StreamingResponse(lines, media_type="application/x-ndjson", headers=headers)

    @router.delete("/{name}", status_code=204)
    @action("datasets.admin")
    def delete_dataset(request: Request, name: str) -> Response:
        """Removes a dataset with all its versions."""
        service.delete_dataset(_principal(request).team_id, name)
        return Response(status_code=204)

    return router


def _principal(request: Request) -> Principal:
    principal: Principal = request.state.principal
    return principal


def _json(body: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
