"""What a call costs: a team's own prices first, then the public price list of genai-prices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

NANO = 1_000_000_000
_MILLION = 1_000_000
FREE_PROVIDERS = frozenset({"builtin"})


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. Cached and reasoning tokens are parts of input and output, never added to them."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Price:
    """Nano-dollars for one million tokens."""

    input: int
    output: int
    cached: int | None = None

    def cost(self, usage: Usage) -> int:
        """Nano-dollars of `usage`, rounded half up once at the end."""
        cached = min(usage.cached_tokens, usage.input_tokens)
        cached_price = self.input if self.cached is None else self.cached
        total = (usage.input_tokens - cached) * self.input + cached * cached_price + usage.output_tokens * self.output
        return (total + _MILLION // 2) // _MILLION


PublicPrices = Callable[[str, str, Usage], int | None]
"""(provider, model, usage) -> nano-dollars, or None when the public list does not know the model."""


class PriceBook:
    """Prices of every team. `own` is keyed by (team, provider/model)."""

    def __init__(self, own: Mapping[tuple[str, str], Price], public: PublicPrices | None = None) -> None:
        self._own = own
        self._public = public

    def cost(self, team_id: str, provider: str, model: str, usage: Usage) -> int | None:
        """Nano-dollars of a call, or None when nobody knows the price."""
        own = self._own.get((team_id, f"{provider}/{model}")) or self._own.get((team_id, f"{provider}/*"))
        if own is not None:
            return own.cost(usage)
        if provider in FREE_PROVIDERS:
            return 0
        return self._public(provider, model, usage) if self._public else None


class PublicPriceList:
    """The genai-prices data. Plain per-token prices are read once a model; those that vary are left to the library."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Price | None] = {}
        self._varying: set[tuple[str, str]] = set()

    def warm(self) -> None:
        """Loads the data, half a second of work, so that the first priced answer need not wait for it."""
        self("openai", "gpt-4o", Usage())

    def __call__(self, provider: str, model: str, usage: Usage) -> int | None:
        """Nano-dollars, or None for a model the list does not know."""
        key = (provider, model)
        if key not in self._known:
            self._known[key] = self._read(key)
        if key in self._varying:
            return _library_cost(provider, model, usage)
        price = self._known[key]
        return price.cost(usage) if price else None

    def _read(self, key: tuple[str, str]) -> Price | None:
        found = _calculate(*key, Usage(input_tokens=_MILLION))
        if found is None:
            return None
        unit = [
            _library_cost(*key, Usage(input_tokens=1000)),
            _library_cost(*key, Usage(output_tokens=1000)),
            _library_cost(*key, Usage(input_tokens=1000, cached_tokens=1000)),
        ]
        # A list holds prices by date and hour; and a price that does not grow evenly has tiers, or a fee per call.
        if isinstance(found.model.prices, list) or _nano(found) != (unit[0] or 0) * 1000:
            self._varying.add(key)
        return Price(input=(unit[0] or 0) * 1000, output=(unit[1] or 0) * 1000, cached=(unit[2] or 0) * 1000)


def _library_cost(provider: str, model: str, usage: Usage) -> int | None:
    found = _calculate(provider, model, usage)
    return None if found is None else _nano(found)


def _nano(calculation: Any) -> int:
    return int((Decimal(calculation.total_price) * NANO).to_integral_value(ROUND_HALF_UP))


def _calculate(provider: str, model: str, usage: Usage) -> Any:
    # Loading the price data takes half a second, so it waits for the first call that needs it.
    from genai_prices import Usage as LibraryUsage
    from genai_prices import calc_price

    counted = LibraryUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=min(usage.cached_tokens, usage.input_tokens),
    )
    for provider_id in (provider, None):
        with suppress(LookupError):
            return calc_price(counted, model_ref=model, provider_id=provider_id)
    return None
