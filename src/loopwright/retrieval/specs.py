"""The spec of a knowledge base: what `loopwright apply` makes of `kind: KnowledgeBase`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from loopwright.catalog import SpecKind
from loopwright.foundation.database import Connection
from loopwright.foundation.identity import Principal
from loopwright.foundation.ids import is_name
from loopwright.retrieval.chunking import Recipe
from loopwright.retrieval.service import KnowledgeBaseService


class RecipeSpec(BaseModel):
    """How documents become passages; what is left out takes the default."""

    model_config = ConfigDict(extra="forbid")

    chunk_tokens: int = Field(default=Recipe().chunk_tokens, description="Most tokens of a passage.")
    chunk_overlap_tokens: int = Field(default=Recipe().chunk_overlap_tokens, description="Tokens two neighbours share.")
    embedder: str = Field(default=Recipe().embedder, description="minilm or hashing; empty: the one of the settings.")


class KnowledgeBaseSpec(BaseModel):
    """A knowledge base; its documents come by upload."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["KnowledgeBase"]
    name: str
    description: str = Field(default="", max_length=4000)
    recipe: RecipeSpec = Field(default_factory=RecipeSpec)

    @field_validator("name")
    @classmethod
    def _named(cls, value: str) -> str:
        if not is_name(value):
            raise ValueError("use lower case letters, digits, '-' and '_', at most 63")
        return value


def knowledge_base_kinds(service: KnowledgeBaseService) -> dict[str, SpecKind]:
    """The kinds of spec retrieval owns."""

    def current(connection: Connection, principal: Principal, spec: KnowledgeBaseSpec) -> dict[str, Any] | None:
        found = service.described(connection, principal, spec.name)
        return None if found is None else {"kind": "KnowledgeBase", "name": spec.name, **found}

    def store(connection: Connection, principal: Principal, spec: KnowledgeBaseSpec) -> None:
        service.describe(connection, principal, spec.name, spec.description, spec.recipe.model_dump())

    return {"KnowledgeBase": SpecKind(KnowledgeBaseSpec, current, store)}
