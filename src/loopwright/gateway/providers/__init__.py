"""Model providers: each turns an exchange into a reply in the OpenAI shape."""

from loopwright.gateway.providers.builtin import BUILTIN_MODELS, Builtin, Embedded, EmbedTexts
from loopwright.gateway.providers.openai import OpenAICompatible
from loopwright.gateway.providers.protocol import ModelProvider

__all__ = ["BUILTIN_MODELS", "Builtin", "EmbedTexts", "Embedded", "ModelProvider", "OpenAICompatible"]
