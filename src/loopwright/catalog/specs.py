"""Applying specs: YAML documents, each of a registered kind, all checked before any takes effect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from loopwright.catalog.schemas import Action, Applied
from loopwright.foundation.database import Connection, Database
from loopwright.foundation.errors import Invalid
from loopwright.foundation.identity import Principal

MAX_DOCUMENTS = 500


@dataclass(frozen=True)
class SpecKind:
    """One kind of spec: its model, what is stored under its name now, and how it is stored.

    `current` gives the stored spec as JSON, with secrets masked as in the new one, so that equal means unchanged.
    """

    model: type[BaseModel]
    current: Callable[[Connection, Principal, Any], dict[str, Any] | None]
    store: Callable[[Connection, Principal, Any], None]


class _Loader(yaml.SafeLoader):
    """Safe YAML without aliases: a few lines of them unfold into gigabytes, or into a value that holds itself."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            parser: Any = self  # its stubs know no types
            alias = parser.get_event()
            line = alias.start_mark.line + 1
            raise Invalid(f"line {line}: YAML aliases (*{alias.anchor}) are not read", hint="write the value out")
        return super().compose_node(parent, index)


class Specs:
    """Every kind of spec by name. Packages register theirs where the process is wired."""

    def __init__(self, database: Database, kinds: dict[str, SpecKind]) -> None:
        self._database = database
        self._kinds = kinds

    def apply(self, principal: Principal, text: str, *, dry_run: bool) -> list[Applied]:
        """Stores all documents of a YAML text in one transaction, or none. Raises Invalid that lists every fault."""
        specs = self.parse(text)
        results = []
        with self._database.write() as connection:
            for spec in specs:
                results.append(self._apply_one(connection, principal, spec, dry_run))
        return results

    def parse(self, text: str) -> list[BaseModel]:
        """The documents of a YAML text, checked. Raises Invalid that lists every fault with its document and key."""
        try:
            documents = [document for document in yaml.load_all(text, _Loader) if document is not None]
        except yaml.YAMLError as error:
            raise Invalid(
                f"this is not YAML: {' '.join(str(error).split())}", hint="mend the line named above"
            ) from error
        except RecursionError as error:
            raise Invalid("the document is nested too deeply") from error
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            # YAML takes 0000-00-00 for a date and !!int '' for a number, and stumbles over both.
            raise Invalid(
                f"a value is not what it looks like to YAML: {error}", hint="put quotes around dates and numbers"
            ) from error
        if not documents:
            raise Invalid("there is no spec in it", hint="see docs/specs.md for one of each kind")
        if len(documents) > MAX_DOCUMENTS:
            raise Invalid(f"{len(documents)} documents are more than {MAX_DOCUMENTS} at once")
        faults: list[str] = []
        specs = [self._parse_one(number, document, faults) for number, document in enumerate(documents, 1)]
        if faults:
            raise Invalid("; ".join(faults), hint="try again with --dry-run; see docs/specs.md")
        return [spec for spec in specs if spec is not None]

    def _parse_one(self, number: int, document: object, faults: list[str]) -> BaseModel | None:
        if not isinstance(document, dict):
            faults.append(f"document {number}: must be a mapping with a kind, not {type(document).__name__}")
            return None
        kind = self._kinds.get(str(document.get("kind")))
        if kind is None:
            known = ", ".join(sorted(self._kinds))
            faults.append(f"document {number}: kind {document.get('kind')!r} is not known; known: {known}")
            return None
        try:
            return kind.model.model_validate(document)
        except ValidationError as error:
            for fault in error.errors():
                place = ".".join(str(part) for part in fault["loc"]) or "document"
                faults.append(f"document {number} ({document['kind']}): {place}: {fault['msg']}")
            return None

    def _apply_one(self, connection: Connection, principal: Principal, spec: Any, dry_run: bool) -> Applied:
        kind = self._kinds[spec.kind]
        resolved = spec.model_dump(mode="json")
        before = kind.current(connection, principal, spec)
        diff = differences(before or {}, resolved)
        action: Action = "created" if before is None else "updated" if diff else "unchanged"
        if not dry_run and action != "unchanged":
            kind.store(connection, principal, spec)
        return Applied(kind=spec.kind, name=spec.name, action=action, diff=diff, resolved=resolved)


def differences(before: Any, after: Any, path: str = "") -> list[str]:
    """Changed leaves of two JSON values as `path: old -> new`, in the order of the new one."""
    if isinstance(before, dict) and isinstance(after, dict):
        found: list[str] = []
        for key in [*after, *(key for key in before if key not in after)]:
            found += differences(before.get(key), after.get(key), f"{path}.{key}" if path else str(key))
        return found
    return [] if before == after else [f"{path}: {_short(before)} -> {_short(after)}"]


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
