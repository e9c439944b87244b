"""The rules of datasets: how versions are drawn, numbered, read and removed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from loopwright.datasets.rows import Digest, Gathered, encode_all, gather
from loopwright.datasets.schemas import Counts, Dataset, DatasetDetail, Drawn, Row, TraceSource, Version
from loopwright.datasets.store import DatasetStore, VersionEntry
from loopwright.foundation.clock import Clock, SystemClock, iso
from loopwright.foundation.errors import Invalid, LoopwrightError, NotFound
from loopwright.foundation.ids import is_name
from loopwright.traces import TraceFilter

MAX_ROWS = 100_000
MAX_PAGE = 200
MAX_NOTE = 2_000
SAMPLE_ROWS = 5
DRAFT_AGE_US = 3_600 * 1_000_000

_row_decoder = msgspec.json.Decoder(Row)

_NO_COLUMN_HOLDS = 2**31


class DatasetService:
    """Draws versions from traces; a version never changes once it has its number."""

    def __init__(self, store: DatasetStore, traces: TraceSource, *, clock: Clock | None = None) -> None:
        self._store = store
        self._traces = traces
        self._clock = clock or SystemClock()

    def list_datasets(self, team_id: str) -> list[Dataset]:
        """The team's datasets by name."""
        return self._store.list_datasets(team_id)

    def get_dataset(self, team_id: str, name: str) -> DatasetDetail:
        """A dataset with its versions, latest first. Raises NotFound."""
        dataset = self._dataset(team_id, name)
        entries = self._store.versions(team_id, dataset.id)
        return DatasetDetail(dataset=dataset, versions=[entry.version for entry in entries])

    def draw_version(
        self,
        team_id: str,
        name: str,
        given: Mapping[str, Any],
        *,
        author: str,
        limit: int = 10_000,
        note: str = "",
        description: str = "",
        dry_run: bool = False,
    ) -> Drawn:
        """The next version out of the newest `limit` traces that a filter holds; makes the dataset when it is new.

        Raises Invalid for a faulty name, filter or limit, or when no trace has both messages and an answer.
        """
        if not is_name(name):
            raise Invalid(
                f"{name[:80]!r} cannot name a dataset",
                param="name",
                hint="use lower case letters, digits, - and _, at most 63, starting with a letter or digit",
            )
        if not 1 <= limit <= MAX_ROWS:
            raise Invalid(f"limit is {limit}, it must be 1 to {MAX_ROWS}", param="limit")
        if len(note) > MAX_NOTE:
            raise Invalid(f"note has {len(note)} characters, at most {MAX_NOTE}", param="note")
        chosen = as_filter(given)
        self.sweep()
        gathered = gather(self._traces.select_traces(team_id, chosen, limit))
        source = {"kind": "traces", "filter": msgspec.to_builtins(chosen), "limit": limit}
        if dry_run:
            return self._previewed(team_id, name, description, gathered, source, note, author)
        if not gathered.rows:
            raise Invalid(
                f"none of the {gathered.selected} selected traces has both messages and an answer",
                param="filter",
                hint="look at the selection with: loopwright traces ls",
            )
        digest = Digest()
        draft_id = self._store.begin_draft(team_id, self._clock.now_us())
        try:
            count = self._store.write_rows(draft_id, encode_all(gathered.rows, digest))
            dataset, version = self._store.publish(
                draft_id,
                team_id=team_id,
                name=name,
                description=description,
                row_count=count,
                digest=digest.text,
                source=source,
                note=note,
                created_by=author,
                now_us=self._clock.now_us(),
            )
        except LoopwrightError:
            # Best effort: what cannot be dropped now is swept later.
            with contextlib.suppress(LoopwrightError):
                self._store.discard(draft_id)
            raise
        return _drawn(dataset, version, gathered, dry_run=False)

    def rows(self, team_id: str, name: str, version: int, *, limit: int = 50, offset: int = 0) -> list[Row]:
        """Rows of a version in their order. Raises NotFound, Invalid."""
        if not 1 <= limit <= MAX_PAGE:
            raise Invalid(f"limit is {limit}, it must be 1 to {MAX_PAGE}", param="limit")
        if not 0 <= offset < _NO_COLUMN_HOLDS:
            raise Invalid(f"offset is {str(offset)[:40]}, it must be 0 to {_NO_COLUMN_HOLDS - 1}", param="offset")
        entry = self._version(team_id, name, version)
        return [_row_decoder.decode(line) for line in self._store.read_lines(entry.table_id, offset, limit)]

    def export(self, team_id: str, name: str, version: int) -> Iterator[bytes]:
        """Every row as one line of JSON; the sha256 of all bytes is the version's digest. Raises NotFound at once."""
        entry = self._version(team_id, name, version)
        return (line + b"\n" for line in self._store.read_lines(entry.table_id))

    def is_sound(self, team_id: str, name: str, version: int) -> bool:
        """Whether the rows in the lake still have the digest of the version. Raises NotFound."""
        entry = self._version(team_id, name, version)
        digest = Digest()
        for line in self._store.read_lines(entry.table_id):
            digest.add(line)
        return digest.text == entry.version.digest

    def delete_dataset(self, team_id: str, name: str) -> None:
        """Removes a dataset with all its versions and rows. Raises NotFound."""
        if not self._store.delete_dataset(team_id, name):
            raise _unknown(name)
        self.sweep()

    def sweep(self) -> int:
        """Removes rows in the lake that no version refers to: of deleted datasets, and of writers that died."""
        return self._store.sweep(self._clock.now_us() - DRAFT_AGE_US)

    def _previewed(
        self,
        team_id: str,
        name: str,
        description: str,
        gathered: Gathered,
        source: dict[str, Any],
        note: str,
        author: str,
    ) -> Drawn:
        digest, now = Digest(), iso(self._clock.now_us())
        count = sum(1 for _ in encode_all(gathered.rows, digest))
        dataset = self._store.dataset(team_id, name) or Dataset(
            id="",
            name=name,
            description=description,
            latest_version=0,
            version_count=0,
            row_count=0,
            created_at=now,
            updated_at=now,
        )
        version = Version(
            version=dataset.latest_version + 1,
            row_count=count,
            digest=digest.text,
            source=source,
            created_at=now,
            created_by=author,
            note=note,
        )
        return _drawn(dataset, version, gathered, dry_run=True)

    def _dataset(self, team_id: str, name: str) -> Dataset:
        found = self._store.dataset(team_id, name)
        if found is None:
            raise _unknown(name)
        return found

    def _version(self, team_id: str, name: str, version: int) -> VersionEntry:
        dataset = self._dataset(team_id, name)
        found = self._store.versions(team_id, dataset.id, version) if 0 < version < _NO_COLUMN_HOLDS else []
        if not found:
            raise NotFound(
                f"dataset {name!r} has no version {version}; the latest is {dataset.latest_version}",
                hint=f"see: loopwright dataset show {name}",
            )
        return found[0]


def as_filter(given: Mapping[str, Any]) -> TraceFilter:
    """A filter from loose JSON. Raises Invalid for unknown keys and wrong types."""
    try:
        return msgspec.convert({key: value for key, value in given.items() if value is not None}, TraceFilter)
    except msgspec.ValidationError as error:
        known = ", ".join(TraceFilter.__struct_fields__)
        raise Invalid(f"the filter is wrong: {error}", param="filter", hint=f"known keys: {known}") from error


def _drawn(dataset: Dataset, version: Version, gathered: Gathered, *, dry_run: bool) -> Drawn:
    counts = Counts(
        selected=gathered.selected,
        rows=len(gathered.rows),
        duplicates=gathered.duplicates,
        skipped=gathered.skipped,
    )
    return Drawn(dataset=dataset, version=version, counts=counts, sample=gathered.rows[:SAMPLE_ROWS], dry_run=dry_run)


def _unknown(name: str) -> NotFound:
    return NotFound(f"no dataset {name[:80]!r} in this team", hint="see all with: loopwright dataset ls")
