"""What the gateway asks of a provider."""

from __future__ import annotations

from typing import Protocol

from loopwright.gateway.exchange import Exchange, Reply


class ModelProvider(Protocol):
    """Speaks one dialect. Errors are raised as LoopwrightError before the first byte, and by the events after it."""

    async def chat(self, exchange: Exchange) -> Reply:
        """Answers a chat completion, streamed when the exchange is."""
        ...

    async def embed(self, exchange: Exchange) -> Reply:
        """Answers an embeddings request with a complete body."""
        ...
