"""The catalogue as the gateway sees it: immutable, in memory, replaced whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from loopwright.catalog.prices import PriceBook
from loopwright.foundation.errors import Invalid, NotFound, Unavailable
from loopwright.foundation.identity import Principal

BUILTIN = "builtin"
DEFAULT_ALIAS = "prod"
_MAX_DIGITS = 9
_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Provider:
    """A source of models. `api_key` is in clear only here, in memory, and leaves for `base_url` alone."""

    name: str
    dialect: str
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    models: tuple[str, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    fault: str = ""
    """Why it cannot be called, if it cannot."""


@dataclass(frozen=True, slots=True)
class EndpointRelease:
    """One immutable version of an endpoint: which model answers, with which steps before it."""

    endpoint: str
    version: int
    spec: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """Who answers a request: the provider, its own name of the model, and the endpoint the caller named, if any."""

    provider: Provider
    model: str
    endpoint: str = ""
    version: int = 0
    spec: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Endpoint:
    """A name callers use; `aliases` (stages) and version numbers lead to releases."""

    name: str
    description: str
    created_us: int
    releases: Mapping[int, EndpointRelease]
    aliases: Mapping[str, int]

    def release(self, selector: str) -> EndpointRelease:
        """The release behind `@selector`: empty for the default stage, else the newest; a number; or an alias."""
        if not selector:
            return self.releases[self.aliases.get(DEFAULT_ALIAS, max(self.releases))]
        numbered = selector.isdecimal() and len(selector) <= _MAX_DIGITS
        version = int(selector) if numbered else self.aliases.get(selector)
        release = self.releases.get(version) if version is not None else None
        if release is None:
            known = [*(str(number) for number in sorted(self.releases)), *sorted(self.aliases)]
            raise NotFound(
                f"the endpoint {self.name!r} has no version or stage {_shown(selector)!r}; it has {', '.join(known)}",
                hint=f"call it as {self.name!r}, or one of the above after an @",
                param="model",
            )
        return release


@dataclass(frozen=True)
class Snapshot:
    """Everything a request needs to know. Keys are by SHA-256 of the secret, the rest by (team, name)."""

    epoch: int
    keys: Mapping[str, Principal]
    providers: Mapping[tuple[str, str], Provider]
    endpoints: Mapping[tuple[str, str], Endpoint]
    prices: PriceBook
    builtin_models: tuple[str, ...] = ()

    def resolve(self, team_id: str, model: str) -> Target:
        """The target of `model`: `endpoint`, `endpoint@stage`, `endpoint@7` or `provider/model`.

        Raises NotFound that names the nearest known models, Unavailable when the provider's key cannot be opened.
        """
        name, _, selector = model.partition("@")
        endpoint = self.endpoints.get((team_id, name))
        if endpoint is not None:
            release = endpoint.release(selector)
            provider, inner = self._provider_of(team_id, str(release.spec["model"]))
            return Target(provider, inner, name, release.version, release.spec)
        if "/" in model:
            provider, inner = self._provider_of(team_id, model)
            return Target(provider, inner)
        raise self._unknown(team_id, model)

    def models(self, team_id: str) -> list[tuple[str, str, int]]:
        """(id, owner, created in Unix seconds) of everything the team can call."""
        listed = [
            (endpoint.name, "loopwright", endpoint.created_us // 1_000_000)
            for (team, _), endpoint in self.endpoints.items()
            if team == team_id
        ]
        listed += [(f"{BUILTIN}/{name}", BUILTIN, 0) for name in self.builtin_models]
        for (team, _), provider in self.providers.items():
            if team == team_id:
                listed += [(f"{provider.name}/{name}", provider.name, 0) for name in provider.models]
        return listed

    def _provider_of(self, team_id: str, model: str) -> tuple[Provider, str]:
        name, _, inner = model.partition("/")
        if name == BUILTIN:
            if inner not in self.builtin_models:
                raise self._unknown(team_id, model)
            return Provider(BUILTIN, BUILTIN), inner
        provider = self.providers.get((team_id, name))
        if provider is None or not inner:
            raise self._unknown(team_id, model)
        if provider.fault:
            raise Unavailable(
                f"the provider {name!r} cannot be called: {provider.fault}",
                hint=f"an admin gives {name!r} its api_key again, with: loopwright apply",
            )
        return provider, inner

    def _unknown(self, team_id: str, model: str) -> NotFound:
        if not isinstance(model, str) or not model:
            raise Invalid("the request names no model", hint="list models with: loopwright models", param="model")
        known = [name for name, _, _ in self.models(team_id)]
        # Comparing takes time by the length of the name, and a caller may send megabytes.
        near: Sequence[str] = get_close_matches(model[:_SHOWN], known, n=3, cutoff=0.5)
        nearest = f"; did you mean {' or '.join(near)}?" if near else ""
        return NotFound(
            f"there is no model {_shown(model)!r} for this key{nearest}",
            hint="list what this key can call with GET /v1/models, or: loopwright models",
            param="model",
        )


def _shown(name: str) -> str:
    return name if len(name) <= _SHOWN else name[:_SHOWN] + "…"
