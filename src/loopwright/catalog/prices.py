"""What a call costs: a team's own prices first, then the public price list of genai-prices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

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
    """The genai-prices data. Plain per-token prices are read once a model; tiered ones are computed by the library."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Price | None] = {}
        self._tiered: set[tuple[str, str]] = set()

    def warm(self) -> None:
        """Loads the data, half a second of work, so that the first priced answer need not wait for it."""
        self("openai", "gpt-4o", Usage())

    def __call__(self, provider: str, model: str, usage: Usage) -> int | None:
        """Nano-dollars, or None for a model the list does not know."""
        key = (provider, model)
        if key not in self._known:
            self._known[key] = self._read(key)
        if key in self._tiered:
            return _library_cost(provider, model, usage)
        price = self._known[key]
        return price.cost(usage) if price else None

    def _read(self, key: tuple[str, str]) -> Price | None:
        probe = Usage(input_tokens=_MILLION, output_tokens=0)
        if _library_cost(*key, probe) is None:
            return None
        unit = [
            _library_cost(*key, Usage(input_tokens=1000)),
            _library_cost(*key, Usage(output_tokens=1000)),
            _library_cost(*key, Usage(input_tokens=1000, cached_tokens=1000)),
        ]
        # A price that changes with the size of the call is tiered: it is left to the library.
        if _library_cost(*key, probe) != (unit[0] or 0) * 1000:
            self._tiered.add(key)
        return Price(input=(unit[0] or 0) * 1000, output=(unit[1] or 0) * 1000, cached=(unit[2] or 0) * 1000)


def _library_cost(provider: str, model: str, usage: Usage) -> int | None:
    # Loading the price data takes half a second, so it waits for the first call that needs it.
    from genai_prices import Usage as LibraryUsage
    from genai_prices import calc_price

    counted = LibraryUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=min(usage.cached_tokens, usage.input_tokens),
    )
    for provider_id in (provider, None):
        try:
            price = calc_price(counted, model_ref=model, provider_id=provider_id)
        except LookupError:
            continue
        return int((Decimal(price.total_price) * NANO).to_integral_value(ROUND_HALF_UP))
    return None
