"""The provider that needs nothing: echo, extraction from passages, and embeddings on this machine."""

from __future__ import annotations

import base64
import sys
import time
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from loopwright.foundation.errors import Invalid
from loopwright.foundation.ids import new_id
from loopwright.gateway.exchange import Exchange, Reply, encode
from loopwright.gateway.providers.echo import EchoAnswer, echo
from loopwright.gateway.stream import count_tokens, message_text
from loopwright.signals import extract_answer_async, parse_context

BUILTIN_MODELS = ("echo", "extract", "embed")
MAX_TEXTS = 2048


@dataclass(frozen=True, slots=True)
class Embedded:
    """Vectors of texts: `data` holds count x dimensions little-endian float32."""

    model: str
    dimensions: int
    data: bytes


EmbedTexts = Callable[[Sequence[str]], Awaitable[Embedded]]


class Builtin:
    """Models inside Loopwright. `embed_texts` reaches the embedder, which lives outside the gateway process."""

    def __init__(self, embed_texts: EmbedTexts) -> None:
        self._embed_texts = embed_texts

    async def chat(self, exchange: Exchange) -> Reply:
        """Answers with `echo` or `extract`, whichever was asked for."""
        model = exchange.target.model
        if model == "embed":
            raise Invalid(
                "builtin/embed makes embeddings and cannot chat", hint="POST it to /v1/embeddings", param="model"
            )
        answer = echo(exchange) if model == "echo" else await self._extract(exchange)
        count = 1 if (asked := exchange.value("n")) is None else asked
        if not isinstance(count, int) or not 1 <= count <= 128:
            raise Invalid(f"n must be a whole number from 1 to 128, not {count!r}", param="n")
        head: dict[str, Any] = {
            "id": new_id("chatcmpl"),
            "created": int(time.time()),
            "model": f"builtin/{model}",
            "system_fingerprint": "builtin",
        }
        usage = _usage(exchange, answer, count)
        if exchange.stream:
            return Reply(events=_events(head, answer, count, usage), served_model=head["model"])
        body = {**head, "object": "chat.completion", "choices": _choices(answer, count), "usage": usage}
        return Reply(body=encode(body), served_model=head["model"])

    async def embed(self, exchange: Exchange) -> Reply:
        """Embeddings of one text or many, as numbers or base64 of little-endian float32."""
        if exchange.target.model != "embed":
            raise Invalid(
                f"builtin/{exchange.target.model} makes no embeddings", hint="use builtin/embed", param="model"
            )
        given = exchange.value("input")
        texts = [given] if isinstance(given, str) else given
        if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
            raise Invalid("input must be a text or a list of texts, none of them empty", param="input")
        if len(texts) > MAX_TEXTS:
            raise Invalid(
                f"{len(texts)} texts are more than {MAX_TEXTS} at once", hint="send them in parts", param="input"
            )
        wanted = exchange.value("encoding_format") or "float"
        if wanted not in ("float", "base64"):
            raise Invalid(f"encoding_format must be float or base64, not {wanted!r}", param="encoding_format")
        made = await self._embed_texts(texts)
        dimensions = exchange.value("dimensions")
        if dimensions not in (None, made.dimensions):
            raise Invalid(f"builtin/embed has {made.dimensions} dimensions, not {dimensions!r}", param="dimensions")
        tokens = sum(count_tokens(text) for text in texts)
        body = {
            "object": "list",
            "data": [
                {"object": "embedding", "index": index, "embedding": _vector(made, index, wanted)}
                for index in range(len(texts))
            ],
            "model": made.model,
            "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
        }
        return Reply(body=encode(body), served_model=made.model)

    async def _extract(self, exchange: Exchange) -> EchoAnswer:
        messages = exchange.messages()
        question = next((message_text(m.get("content")) for m in reversed(messages) if m.get("role") == "user"), "")
        # Passages count only where the retrieval step or the application put them: a user cannot forge a source.
        trusted = [m for m in messages if m.get("role") in ("system", "developer")]
        context = "\n".join(message_text(m.get("content")) for m in trusted)
        passages = parse_context(context)

        async def embed(texts: Sequence[str]) -> list[list[float]]:
            made = await self._embed_texts(texts)
            numbers = _floats(made.data)
            return [numbers[i * made.dimensions : (i + 1) * made.dimensions].tolist() for i in range(len(texts))]

        found = await extract_answer_async(question, passages, embed)
        text = found.text
        pieces = [word + " " for word in text.split(" ")]
        pieces[-1] = pieces[-1][:-1]
        return EchoAnswer(pieces)


def _choices(answer: EchoAnswer, count: int) -> list[dict[str, Any]]:
    message: dict[str, Any] = {"role": "assistant", "content": "".join(answer.pieces), "refusal": None}
    if answer.tool_calls:
        message |= {"content": None, "tool_calls": answer.tool_calls}
    return [
        {"index": i, "message": message, "logprobs": None, "finish_reason": answer.finish_reason} for i in range(count)
    ]


def _usage(exchange: Exchange, answer: EchoAnswer, count: int) -> dict[str, Any]:
    read = sum(count_tokens(message_text(m.get("content"))) + 3 for m in exchange.messages())
    written = "".join(answer.pieces) + "".join(call["function"]["arguments"] for call in answer.tool_calls)
    answered = count * count_tokens(written)
    return {
        "prompt_tokens": read,
        "completion_tokens": answered,
        "total_tokens": read + answered,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


async def _events(head: dict[str, Any], answer: EchoAnswer, count: int, usage: dict[str, Any]) -> AsyncIterator[bytes]:
    head = {**head, "object": "chat.completion.chunk"}

    def chunk(index: int, delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        return encode({**head, "choices": [choice], "usage": None})

    for index in range(count):
        yield chunk(index, {"role": "assistant", "content": None if answer.tool_calls else ""})
        for piece in answer.pieces:
            yield chunk(index, {"content": piece})
        for number, call in enumerate(answer.tool_calls):
            opening = {**call, "index": number, "function": {**call["function"], "arguments": ""}}
            yield chunk(index, {"tool_calls": [opening]})
            yield chunk(
                index,
                {"tool_calls": [{"index": number, "function": {"arguments": call["function"]["arguments"]}}]},
            )
        yield chunk(index, {}, answer.finish_reason)
    yield encode({**head, "choices": [], "usage": usage})


def _vector(made: Embedded, index: int, wanted: str) -> str | list[float]:
    size = made.dimensions * 4
    part = made.data[index * size : (index + 1) * size]
    return base64.b64encode(part).decode() if wanted == "base64" else _floats(part).tolist()


def _floats(data: bytes) -> array[float]:
    numbers = array("f", data)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
