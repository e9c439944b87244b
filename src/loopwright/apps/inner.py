"""The routes of control that only the gateway calls, by the operator's token: embeddings and searches."""

from __future__ import annotations

import msgspec
from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from loopwright.apps.gatekeeper import OPERATOR
from loopwright.apps.house import House
from loopwright.foundation.identity import action


class Texts(BaseModel):
    """Texts to embed."""

    texts: list[str] = Field(max_length=4096)


class Search(BaseModel):
    """A search of a team's knowledge base; the gateway has checked the caller."""

    team_id: str
    knowledge_base: str
    query: str
    top_k: int = Field(ge=1, le=100)


def build_router(house: House) -> APIRouter:
    """Inner routes."""
    router = APIRouter(prefix="/internal")

    @router.post("/embed")
    @action(OPERATOR)
    def embed(body: Texts) -> Response:
        embedder = house.embedder()
        vectors = embedder.embed(body.texts)
        headers = {"x-model": embedder.name, "x-dimensions": str(embedder.dimensions)}
        return Response(vectors.astype("<f4").tobytes(), media_type="application/octet-stream", headers=headers)

    @router.post("/search")
    @action(OPERATOR)
    def search(body: Search) -> Response:
        found = house.passages(body.team_id, body.knowledge_base, body.query, body.top_k)
        return Response(msgspec.json.encode(found), media_type="application/json")

    return router
