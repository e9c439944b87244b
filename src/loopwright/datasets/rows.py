"""How a trace becomes a row, which rows are the same, and what a version's digest covers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import msgspec

from loopwright.datasets.schemas import Label, Row
from loopwright.traces import TraceDetail, answer_of, messages_of

_encode = msgspec.json.Encoder(order="sorted").encode
# JSON allows these inside text, but readers that split at every Unicode line end would break the row there.
_LINE_ENDS = tuple((chr(code).encode(), b"\\u%04x" % code) for code in (0x85, 0x2028, 0x2029))
_OWN_KEYS = {"messages", "tools", "model", "stream", "stream_options"}


def encode_row(row: Row) -> bytes:
    """The row's one line of JSON without its end: keys sorted, so that equal rows are equal bytes."""
    line = _encode(row)
    for sign, escape in _LINE_ENDS:
        line = line.replace(sign, escape)
    return line


class Digest:
    """sha256 over exported lines, as `sha256:<hex>`."""

    def __init__(self) -> None:
        self._hash = sha256()

    def add(self, line: bytes) -> None:
        """Takes one encoded row."""
        self._hash.update(line + b"\n")

    @property
    def text(self) -> str:
        """The digest so far."""
        return f"sha256:{self._hash.hexdigest()}"


@dataclass
class Gathered:
    """Distinct rows in the order their first trace came, and what was left out."""

    rows: list[Row] = field(default_factory=list)
    selected: int = 0
    duplicates: int = 0
    skipped: int = 0


def gather(details: Iterable[TraceDetail]) -> Gathered:
    """Rows of traces. Of equal conversations with equal answers the first stays and takes the others' judgements."""
    found = Gathered()
    places: dict[str, int] = {}
    for detail in details:
        found.selected += 1
        row = as_row(detail)
        if row is None:
            found.skipped += 1
        elif (place := places.get(row.id)) is None:
            places[row.id] = len(found.rows)
            found.rows.append(row)
        else:
            found.duplicates += 1
            kept = found.rows[place]
            found.rows[place] = msgspec.structs.replace(
                kept, labels=_joined(kept.labels, row.labels), comments=_joined(kept.comments, row.comments)
            )
    return found


def as_row(detail: TraceDetail) -> Row | None:
    """The row of one trace by its root span, None without messages or without an answer."""
    trace, root = detail.trace, detail.spans[0]
    messages, output = messages_of(root.input), answer_of(root.output)
    if not messages or output is None:
        return None
    request: dict[str, Any] = root.input if isinstance(root.input, dict) else {}
    tools = request.get("tools")
    return Row(
        # Equal conversations have equal ids, so that rows can be followed from version to version.
        id=f"row_{sha256(_encode([messages, output])).hexdigest()[:32]}",
        trace_id=trace.trace_id,
        span_id=root.span_id,
        messages=messages,
        tools=tools if isinstance(tools, list) else [],
        output=output if isinstance(output, dict) else {"role": "assistant", "content": output},
        labels=[
            Label(name=score.name, kind=score.kind, value=score.value, comment=score.comment, author=score.author)
            for score in detail.scores
            if score.kind != "comment"
        ],
        comments=[str(score.value) for score in detail.scores if score.kind == "comment"],
        metadata={
            "model": trace.model,
            "requested_model": trace.requested_model,
            "provider": trace.provider,
            "endpoint": trace.endpoint,
            "status": trace.status,
            "session_id": trace.session_id,
            "user_id": trace.user_id,
            "start_time": trace.start_time,
            "duration_ms": trace.duration_ms,
            "input_tokens": trace.input_tokens,
            "output_tokens": trace.output_tokens,
            "cost_usd": trace.cost_usd,
            "parameters": {key: value for key, value in request.items() if key not in _OWN_KEYS},
        },
    )


def _joined(kept: list[Any], more: list[Any]) -> list[Any]:
    return kept + [item for item in more if item not in kept]


def encode_all(rows: Iterable[Row], digest: Digest) -> Iterator[tuple[Row, bytes]]:
    """Rows with their lines, feeding the digest on the way."""
    for row in rows:
        line = encode_row(row)
        digest.add(line)
        yield row, line
