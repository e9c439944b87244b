"""Specs of the catalog: what a user wants a provider, an endpoint or a price to be."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, field_validator

from loopwright.foundation.ids import is_name


def _named(value: str) -> str:
    if not is_name(value):
        raise ValueError("use lower case letters, digits, '-' and '_', at most 63, starting with a letter or digit")
    return value


Name = Annotated[str, AfterValidator(_named)]


_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def _header_safe(value: str) -> None:
    if not value.isascii() or not value.isprintable():
        raise ValueError("must be printable ASCII in one line, because it is sent in an HTTP header")


class Spec(BaseModel):
    """What every spec shares. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")

    kind: str
    name: Name
    description: str = ""


class ProviderSpec(Spec):
    """A source of models that speaks the OpenAI API at a URL: OpenAI, Ollama, vLLM, LM Studio and the like."""

    kind: Literal["Provider"]
    dialect: Literal["openai"] = "openai"
    base_url: str = Field(description="URL of its API, with the version, such as https://api.openai.com/v1.")
    api_key: SecretStr = Field(
        default=SecretStr(""), description="Sent to base_url alone; ${NAME} is read where you apply."
    )
    models: list[str] = Field(default_factory=list, description="Models to list; others can be called all the same.")
    headers: dict[str, str] = Field(default_factory=dict, description="Further headers of every request.")

    @field_validator("name")
    @classmethod
    def _not_builtin(cls, value: str) -> str:
        if value == "builtin":
            raise ValueError("the name 'builtin' is taken by the models inside Loopwright")
        return value

    @field_validator("api_key")
    @classmethod
    def _one_line_key(cls, value: SecretStr) -> SecretStr:
        _header_safe(value.get_secret_value())
        return value

    @field_validator("headers")
    @classmethod
    def _one_line_headers(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if not _HEADER_NAME.fullmatch(name):
                raise ValueError(f"{name!r} cannot be the name of an HTTP header")
            _header_safe(text)
        return value

    @field_validator("base_url")
    @classmethod
    def _http_url(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query:
            raise ValueError("must be an http or https URL without user, password or query")
        return value.rstrip("/")


class KnowledgeUse(BaseModel):
    """How an endpoint uses a knowledge base."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    top_k: int = Field(default=5, ge=1, le=50, description="Passages put into the prompt.")
    context_tokens: int = Field(default=2000, ge=100, le=100_000, description="Most tokens the passages may take.")


class EndpointSpec(Spec):
    """A name applications call: a model with its instructions and the knowledge it answers from."""

    kind: Literal["Endpoint"]
    model: str = Field(description="provider/model that answers, such as builtin/extract or openai/gpt-4o.")
    system: str = Field(default="", description="Instructions put before the caller's messages.")
    parameters: dict[str, Any] = Field(
        default_factory=dict, description="Request fields used where the caller set none."
    )
    knowledge_base: KnowledgeUse | None = None
    aliases: list[Name] = Field(default_factory=list, description="Stages that move to this release, such as prod.")

    @field_validator("model")
    @classmethod
    def _provider_and_model(cls, value: str) -> str:
        provider, _, model = value.partition("/")
        if not provider or not model:
            raise ValueError("must be provider/model, such as builtin/extract")
        return value

    @field_validator("knowledge_base", mode="before")
    @classmethod
    def _by_name_alone(cls, value: object) -> object:
        return {"name": value} if isinstance(value, str) else value


class PriceSpec(BaseModel):
    """What a model costs this team, in US dollars for a million tokens; it goes before the public list."""

    model_config = ConfigDict(extra="forbid")

    kind: Literal["Price"]
    name: str = Field(description="provider/model, or provider/* for all of a provider.", pattern=r"^[^/\s]+/\S+$")
    input_per_million: float = Field(ge=0, le=1_000_000)
    output_per_million: float = Field(ge=0, le=1_000_000)
    cached_per_million: float | None = Field(default=None, ge=0, le=1_000_000)


Action = Literal["created", "updated", "unchanged"]


class Applied(BaseModel):
    """What applying one spec did, or would do."""

    kind: str
    name: str
    action: Action
    diff: list[str] = Field(description="Changed fields, as 'path: old -> new'.")
    resolved: dict[str, Any] = Field(description="The spec with every default filled in; secrets masked.")
