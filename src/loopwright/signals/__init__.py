"""What one text shows: its embedding, and the sentences in it that answer a question.

Texts come in; vectors, passages and picked sentences go out. Retrieval indexes with it, the gateway reads
passages back out of a prompt with it, evaluation compares texts with it. numpy loads when an embedder is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from loopwright.signals.extraction import NOTHING_FITS, Extraction, extract_answer, extract_answer_async
from loopwright.signals.passages import (
    Citation,
    Passage,
    PassageBlock,
    build_context,
    estimate_tokens,
    parse_context,
)

if TYPE_CHECKING:
    from loopwright.signals.embedding import Embedder, Embedders, HashingEmbedder, MiniLM, find_weights, load_embedder

__all__ = [
    "NOTHING_FITS",
    "Citation",
    "Embedder",
    "Embedders",
    "Extraction",
    "HashingEmbedder",
    "MiniLM",
    "Passage",
    "PassageBlock",
    "build_context",
    "estimate_tokens",
    "extract_answer",
    "extract_answer_async",
    "find_weights",
    "load_embedder",
    "parse_context",
]

_LAZY = {"Embedder", "Embedders", "HashingEmbedder", "MiniLM", "find_weights", "load_embedder"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module("loopwright.signals.embedding"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
