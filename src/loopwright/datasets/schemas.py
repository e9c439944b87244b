"""Datasets, their versions and their rows as the API shows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import msgspec

from loopwright.traces import TraceDetail, TraceFilter


class TraceSource(Protocol):
    """Where rows are drawn from; the traces service is one."""

    def select_traces(self, team_id: str, given: TraceFilter, limit: int) -> Iterator[TraceDetail]:
        """The newest `limit` traces that match, newest first, each with its root span and scores."""
        ...


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """A judgement that travels with its row."""

    name: str
    kind: str
    value: float | int | str
    comment: str
    author: str


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One conversation and its answer. `messages`, `tools` and `output` are as they were sent and received."""

    id: str
    trace_id: str
    span_id: str
    messages: list[Any]
    tools: list[Any]
    output: Any
    labels: list[Label]
    comments: list[str]
    metadata: dict[str, Any]


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """A name with numbered versions; `row_count` is that of the latest."""

    id: str
    name: str
    description: str
    latest_version: int
    version_count: int
    row_count: int
    created_at: str
    updated_at: str


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """An immutable state. `digest` is `sha256:` of the exported JSON lines."""

    version: int
    row_count: int
    digest: str
    source: dict[str, Any]
    created_at: str
    created_by: str
    note: str


class DatasetDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A dataset with its versions, latest first."""

    dataset: Dataset
    versions: list[Version]


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the selected traces: `selected` = `rows` + `duplicates` + `skipped` (no messages or no answer)."""

    selected: int
    rows: int
    duplicates: int
    skipped: int


class Drawn(msgspec.Struct, frozen=True, kw_only=True):
    """The result of drawing a version; under `dry_run` nothing of it was written."""

    dataset: Dataset
    version: Version
    counts: Counts
    sample: list[Row]
    dry_run: bool
