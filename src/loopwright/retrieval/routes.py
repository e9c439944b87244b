"""The HTTP face of knowledge bases."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, File, Request, UploadFile
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict, Field

from loopwright.foundation.identity import Principal, action
from loopwright.foundation.jobs.schemas import JobView
from loopwright.retrieval.service import KnowledgeBaseService


class NewKnowledgeBase(BaseModel):
    """A knowledge base to make."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(description="Lower case letters, digits, - and _.")
    description: str = Field(default="", max_length=4000, description="What is in it.")
    recipe: dict[str, Any] = Field(
        default_factory=dict, description="chunk_tokens, chunk_overlap_tokens, embedder; all optional."
    )


class Search(BaseModel):
    """A question to a knowledge base."""

    model_config = ConfigDict(extra="forbid")

    query: str = Field(description="What to look for.")
    top_k: int = Field(default=5, description="How many results, at most 100.")
    mode: str = Field(default="hybrid", description="hybrid, dense (by meaning) or text (by words).")
    group_by: str = Field(default="passage", description="passage, or document for the best passage of each.")


def build_router(service: KnowledgeBaseService) -> APIRouter:
    """Routes under `/api/knowledge-bases`."""
    router = APIRouter(prefix="/api/knowledge-bases", tags=["knowledge bases"])

    @router.get("")
    @action("knowledge.read")
    def bases(request: Request) -> Response:
        return _json({"items": service.bases(_caller(request)), "next_cursor": None})

    @router.post("", status_code=201)
    @action("knowledge.write")
    def create(request: Request, body: NewKnowledgeBase) -> Response:
        return _json(service.create(_caller(request), body.name, body.description, body.recipe), 201)

    @router.get("/{name}")
    @action("knowledge.read")
    def base(request: Request, name: str) -> Response:
        return _json(service.get(_caller(request), name))

    @router.delete("/{name}", status_code=204)
    @action("knowledge.admin")
    def delete(request: Request, name: str) -> None:
        service.delete(_caller(request), name)

    @router.post("/{name}/documents")
    @action("knowledge.write")
    def upload(request: Request, name: str, files: Annotated[list[UploadFile], File()]) -> Response:
        given = [(file.filename or "", file.file) for file in files]
        return _json({"items": service.add_documents(_caller(request), name, given)})

    @router.get("/{name}/documents")
    @action("knowledge.read")
    def documents(request: Request, name: str) -> Response:
        return _json({"items": service.documents(_caller(request), name), "next_cursor": None})

    @router.get("/{name}/documents/{document_id}")
    @action("knowledge.read")
    def document(request: Request, name: str, document_id: str) -> Response:
        return _json(service.document(_caller(request), name, document_id))

    @router.delete("/{name}/documents/{document_id}", status_code=204)
    @action("knowledge.write")
    def delete_document(request: Request, name: str, document_id: str) -> None:
        service.delete_document(_caller(request), name, document_id)

    @router.post("/{name}/build", status_code=202)
    @action("knowledge.write")
    def build(request: Request, name: str) -> JobView:
        return JobView.of(service.build(_caller(request), name))

    @router.post("/{name}/search")
    @action("knowledge.read")
    def search(request: Request, name: str, body: Search) -> Response:
        found = service.search(
            _caller(request), name, body.query, top_k=body.top_k, mode=body.mode, group_by=body.group_by
        )
        return _json(found)

    return router


def _caller(request: Request) -> Principal:
    principal: Principal = request.state.principal
    return principal


def _json(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")
