"""Model providers: each turns an exchange into a reply in the OpenAI shape."""

from __future__ import annotations

from dataclasses import dataclass

from loopwright.foundation.registry import Registry
from loopwright.gateway.providers.builtin import BUILTIN_MODELS, Builtin, Embedded, EmbedTexts
from loopwright.gateway.providers.openai import OpenAICompatible
from loopwright.gateway.providers.protocol import ModelProvider
from loopwright.gateway.upstream import UpstreamClient

__all__ = [
    "BUILTIN_MODELS",
    "Builtin",
    "EmbedTexts",
    "Embedded",
    "ModelProvider",
    "OpenAICompatible",
    "Surroundings",
    "provider_registry",
]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a provider may use: the checked way out, and the embedder of this machine."""

    upstream: UpstreamClient
    embed_texts: EmbedTexts


def provider_registry() -> Registry[ModelProvider]:
    """Providers by dialect; each factory takes the `Surroundings`. Packages add theirs as `loopwright.provider`."""
    registry: Registry[ModelProvider] = Registry("provider")
    registry.register("builtin", lambda around: Builtin(around.embed_texts))
    registry.register("openai", lambda around: OpenAICompatible(around.upstream))
    return registry
