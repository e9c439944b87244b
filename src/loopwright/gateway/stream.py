"""Reading answers on their way: server-sent events of chat completions, usage, and what the trace keeps of them."""

from __future__ import annotations

import re
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

import msgspec

from loopwright.catalog import Usage
from loopwright.foundation.errors import UpstreamFailed
from loopwright.gateway.exchange import encode

MAX_EVENT_BYTES = 8 * 1024 * 1024
MAX_STREAM_BYTES = 64 * 1024 * 1024
MAX_TEXT = 8 * 1024 * 1024
MAX_CHOICES = 128
MAX_TOOL_CALLS = 1_024
MAX_TOKENS = 100_000_000
DONE = b"[DONE]"
_SAMPLE = 256 * 1024
_SLICE = 6 * 65_536
_TOKEN = re.compile(r"\w{1,6}|[^\w\s]")


class _Details(msgspec.Struct):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None

    def counted(self) -> Usage | None:
        """What the provider counted; None when no request can have so many tokens, and ours are to be counted."""
        cached = self.prompt_tokens_details.cached_tokens if self.prompt_tokens_details else 0
        reasoning = self.completion_tokens_details.reasoning_tokens if self.completion_tokens_details else 0
        numbers = (self.prompt_tokens or 0, self.completion_tokens or 0, cached or 0, reasoning or 0)
        # Negative tokens would refund money, and 10**30 cost more than there is: the ledger takes no nonsense.
        return Usage(*numbers) if all(0 <= number <= MAX_TOKENS for number in numbers) else None


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct):
    index: int = 0
    id: str | None = None
    function: _Function | None = None


class _Message(msgspec.Struct):
    role: str | None = None
    content: Any = None
    refusal: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(msgspec.Struct):
    index: int = 0
    delta: _Message | None = None
    message: _Message | None = None
    finish_reason: str | None = None


class _Answer(msgspec.Struct):
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    # Not `Raw | None`, which msgspec reads as None alone: every error would be one of decoding.
    error: msgspec.Raw = msgspec.Raw(b"null")


_decode = msgspec.json.Decoder(_Answer).decode


def read_answer(body: bytes) -> _Answer:
    """The parts of a JSON answer or of one chunk that matter here. Raises UpstreamFailed when it is not one."""
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamFailed(f"the provider's answer cannot be read: {error}", hint="try again") from error


async def sse_data(chunks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The `data` of each server-sent event, ending before `[DONE]`. Raises UpstreamFailed above MAX_EVENT_BYTES."""
    buffer = bytearray()
    async for chunk in chunks:
        # What is left of earlier chunks holds no line end: a long line that drips is not searched again and again.
        start, searched = 0, len(buffer)
        buffer += chunk
        while (end := buffer.find(b"\n", max(start, searched))) >= 0:
            line = bytes(buffer[start:end])
            start = end + 1
            if line.startswith(b"data:"):
                data = line[5:].strip()
                if data == DONE:
                    return
                if data:
                    yield data
        del buffer[:start]
        if len(buffer) > MAX_EVENT_BYTES:
            raise UpstreamFailed(f"the provider sent a line of more than {MAX_EVENT_BYTES} bytes")
    if buffer.startswith(b"data:") and (rest := bytes(buffer[5:]).strip()) not in (b"", DONE):
        yield rest


class StreamTap:
    """Looks at each chunk of a stream, or at one whole answer, and keeps what the trace and the ledger need."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.model = ""
        self.finished = False
        self._seen_bytes = 0
        self._seen_text = 0
        self._messages: dict[int, dict[str, Any]] = {}
        self._finish: dict[int, str] = {}

    def see(self, data: bytes) -> _Answer:
        """Takes one chunk in. Raises UpstreamFailed for a chunk that is an error or not a chunk, or one too many.

        What was answered is kept until the trace is written, so an answer without end must end somewhere.
        """
        self._seen_bytes += len(data)
        if self._seen_bytes > MAX_STREAM_BYTES:
            raise UpstreamFailed(f"the provider's answer is larger than {MAX_STREAM_BYTES} bytes")
        answer = read_answer(data)
        if bytes(answer.error) != b"null":
            raise UpstreamFailed(f"the provider answered with an error: {_error_text(bytes(answer.error))}")
        if answer.model:
            self.model = answer.model
        if answer.usage is not None:
            self.usage = answer.usage.counted() or self.usage
        for choice in answer.choices or ():
            if (part := choice.delta or choice.message) is not None:
                self._take(choice.index, part)
            if choice.finish_reason:
                self._finish[choice.index] = choice.finish_reason
                self.finished = True
        return answer

    def output(self) -> bytes:
        """What was answered so far, as the JSON of `{"choices": [{index, message, finish_reason}]}`."""
        choices = [
            {"index": index, "message": _shown(message), "finish_reason": self._finish.get(index)}
            for index, message in sorted(self._messages.items())
        ]
        return encode({"choices": choices})

    def text(self) -> str:
        """All text and tool arguments that were sent, for counting."""
        parts: list[str] = []
        for message in self._messages.values():
            parts += message["content"] + message["reasoning_content"]
            for call in message["tool_calls"].values():
                parts += [call["name"], *call["arguments"]]
        return "".join(parts)

    def _take(self, index: int, delta: _Message) -> None:
        if index not in self._messages and len(self._messages) >= MAX_CHOICES:
            raise UpstreamFailed(f"the provider's answer has more than {MAX_CHOICES} choices")
        kept = self._messages.setdefault(
            index, {"role": "assistant", "content": [], "reasoning_content": [], "tool_calls": {}}
        )
        if isinstance(delta.content, str):
            self._seen_text += len(delta.content)
            if self._seen_text > MAX_TEXT:
                raise UpstreamFailed(f"the provider's answer has more than {MAX_TEXT} characters")
            kept["content"].append(delta.content)
        if delta.reasoning_content:
            kept["reasoning_content"].append(delta.reasoning_content)
        for call in delta.tool_calls or ():
            if call.index not in kept["tool_calls"] and len(kept["tool_calls"]) >= MAX_TOOL_CALLS:
                raise UpstreamFailed(f"the provider's answer has more than {MAX_TOOL_CALLS} tool calls")
            known = kept["tool_calls"].setdefault(call.index, {"id": call.id or "", "name": "", "arguments": []})
            if call.function is not None:
                known["name"] = known["name"] or call.function.name or ""
                known["arguments"].append(call.function.arguments or "")


def _error_text(raw: bytes) -> str:
    try:
        error = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        error = None
    message = error.get("message") if isinstance(error, dict) else error
    return message[:500] if isinstance(message, str) and message else raw[:500].decode(errors="replace")


def _shown(message: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {"role": message["role"], "content": "".join(message["content"])}
    if message["reasoning_content"]:
        shown["reasoning_content"] = "".join(message["reasoning_content"])
    if message["tool_calls"]:
        shown["tool_calls"] = [
            {
                "id": call["id"],
                "type": "function",
                "function": {"name": call["name"], "arguments": "".join(call["arguments"])},
            }
            for _, call in sorted(message["tool_calls"].items())
        ]
    return shown


def count_tokens(text: str) -> int:
    """Tokens of a text by our own rule: runs of up to six word characters, and every other sign.

    It stands in where a provider reports no usage; records made with it are marked as estimates.
    """
    # In slices, because a list of all the tokens of a long text is ten times its size.
    return sum(len(_TOKEN.findall(text, start, start + _SLICE)) for start in range(0, len(text), _SLICE))


def estimate_tokens(text: str) -> int:
    """`count_tokens`, by a sample above _SAMPLE characters: counting megabytes would hold up every other request."""
    if len(text) <= _SAMPLE:
        return count_tokens(text)
    return count_tokens(text[:_SAMPLE]) * len(text) // _SAMPLE


def message_text(content: object) -> str:
    """The text of a message's content, whether a string or a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(
            part["text"] for part in content if isinstance(part, dict) and isinstance(part.get("text"), str)
        )
    return ""
