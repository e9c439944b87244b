"""Who asks, for which team, and what a route declares that they must be allowed to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

Role = Literal["admin", "member", "viewer"]
ROLES: Final[tuple[Role, ...]] = ("admin", "member", "viewer")

PUBLIC: Final = "public"
"""The action of the few routes that answer without a principal."""


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller. `subject` is the id of a key, a user or the local operator."""

    team_id: str
    subject: str
    role: Role
    key_id: str = ""


Endpoint = TypeVar("Endpoint", bound=Callable[..., object])


def action(name: str) -> Callable[[Endpoint], Endpoint]:
    """Marks an HTTP handler with what its caller must be allowed to do, `noun.verb` or `PUBLIC`.

    A route whose handler carries no mark does not start: control refuses it.
    """

    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.__loopwright_action__ = name  # type: ignore[attr-defined]
        return endpoint

    return mark


def action_of(endpoint: Callable[..., object]) -> str | None:
    """The action a handler was marked with, or None."""
    found: str | None = getattr(endpoint, "__loopwright_action__", None)
    return found
