from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import genai_prices
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.catalog import Price, PriceBook, Usage
from loopwright.catalog.prices import PublicPriceList

PUBLIC = PublicPriceList()


def public_42(provider: str, model: str, usage: Usage) -> int | None:
    return 42 if model == "known" else None


@pytest.mark.parametrize(
    ("usage", "nano"),
    [
        (Usage(), 0),
        (Usage(1_000_000, 0), 3),
        (Usage(1_000_000, 1_000_000), 13),
        # 3 nano-dollars a million: 166_666 tokens are 0.499998, 166_667 are 0.500001.
        (Usage(166_666, 0), 0),
        (Usage(166_667, 0), 1),
        # Rounded once: 0.3 + 0.3 are 1, not 0 + 0.
        (Usage(100_000, 30_000), 1),
    ],
)
def test_a_cost_is_rounded_half_up_once(usage: Usage, nano: int) -> None:
    assert Price(input=3, output=10).cost(usage) == nano


def test_cached_tokens_are_a_part_of_the_input_at_their_own_price() -> None:
    price = Price(input=1_000_000, output=0, cached=100_000)
    assert price.cost(Usage(10, 0, cached_tokens=4)) == 6 + 0
    assert price.cost(Usage(100, 0, cached_tokens=40)) == 60 + 4
    assert price.cost(Usage(100, 0, cached_tokens=100)) == 10


def test_more_cached_tokens_than_input_are_not_paid_back() -> None:
    assert Price(input=1_000_000, output=0, cached=100_000).cost(Usage(10, 0, cached_tokens=1000)) == 1


def test_without_a_cached_price_cached_tokens_cost_the_same() -> None:
    assert Price(input=1_000_000, output=0).cost(Usage(100, 0, cached_tokens=40)) == 100


def test_a_cached_price_of_nothing_is_a_price() -> None:
    assert Price(input=1_000_000, output=0, cached=0).cost(Usage(100, 0, cached_tokens=40)) == 60


def test_reasoning_tokens_are_a_part_of_the_output() -> None:
    price = Price(input=0, output=1_000_000)
    assert price.cost(Usage(0, 10, reasoning_tokens=8)) == price.cost(Usage(0, 10)) == 10


@given(st.integers(0, 10**12), st.integers(0, 10**12), *[st.integers(0, 10**9)] * 3)
def test_a_cost_is_never_negative_and_never_above_the_uncached_one(
    input_price: int, output_price: int, read: int, written: int, cached: int
) -> None:
    usage = Usage(read, written, cached)
    cost = Price(input_price, output_price, cached=input_price // 2).cost(usage)
    assert 0 <= cost <= Price(input_price, output_price).cost(usage)


def test_a_teams_own_price_goes_before_the_public_one() -> None:
    book = PriceBook({("team_1", "openai/known"): Price(1_000_000, 0)}, public_42)
    assert book.cost("team_1", "openai", "known", Usage(7)) == 7
    assert book.cost("team_2", "openai", "known", Usage(7)) == 42


def test_the_price_of_a_model_goes_before_that_of_its_provider() -> None:
    own = {("t", "acme/*"): Price(1_000_000, 0), ("t", "acme/large"): Price(5_000_000, 0)}
    book = PriceBook(own, public_42)
    assert book.cost("t", "acme", "large", Usage(1)) == 5
    assert book.cost("t", "acme", "known", Usage(1)) == 1
    assert book.cost("t", "other", "large", Usage(1)) is None


def test_builtin_is_free_unless_a_team_prices_it() -> None:
    assert PriceBook({}, public_42).cost("t", "builtin", "echo", Usage(10**6, 10**6)) == 0
    assert PriceBook({("t", "builtin/*"): Price(1_000_000, 0)}).cost("t", "builtin", "echo", Usage(3)) == 3


def test_a_price_of_zero_is_known_and_one_nobody_knows_is_none() -> None:
    book = PriceBook({("t", "acme/free"): Price(0, 0)}, public_42)
    assert book.cost("t", "acme", "free", Usage(10)) == 0
    assert book.cost("t", "acme", "unheard-of", Usage(10)) is None
    assert PriceBook({}).cost("t", "openai", "gpt-4o", Usage(10)) is None


def by_the_library(provider: str | None, model: str, usage: Usage) -> int:
    counted = genai_prices.Usage(
        input_tokens=usage.input_tokens, output_tokens=usage.output_tokens, cache_read_tokens=usage.cached_tokens
    )
    price = genai_prices.calc_price(counted, model_ref=model, provider_id=provider).total_price
    return int((Decimal(price) * 10**9).to_integral_value(ROUND_HALF_UP))


SIZES = [
    Usage(1, 1),
    Usage(1000, 7),
    Usage(12_345, 678, cached_tokens=999),
    Usage(199_999, 10, cached_tokens=5),
    Usage(200_000, 10),
    Usage(200_001, 10),
    Usage(950_000, 60_000, cached_tokens=300_000),
    Usage(),
]


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("openai", "gpt-4o"),
        ("openai", "gpt-4o-mini"),
        ("anthropic", "claude-sonnet-4-5"),
        ("google", "gemini-2.5-pro"),
        ("google", "gemini-1.5-pro"),
        ("perplexity", "sonar"),
    ],
)
@pytest.mark.parametrize("usage", SIZES, ids=lambda usage: f"{usage.input_tokens}-{usage.output_tokens}")
def test_the_public_list_agrees_with_genai_prices(provider: str, model: str, usage: Usage) -> None:
    assert PUBLIC(provider, model, usage) == by_the_library(provider, model, usage)


def test_a_tier_changes_the_price_of_a_token() -> None:
    under, over = PUBLIC("google", "gemini-2.5-pro", Usage(200_000)), PUBLIC("google", "gemini-2.5-pro", Usage(400_000))
    assert under is not None
    assert over is not None
    assert over > 2 * under


def test_a_price_by_the_hour_is_asked_for_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    prices = PublicPriceList()
    prices("deepseek", "deepseek-chat", Usage(1000))
    asked = []
    calculate = genai_prices.calc_price
    monkeypatch.setattr(genai_prices, "calc_price", lambda *a, **k: asked.append(k) or calculate(*a, **k))
    prices("deepseek", "deepseek-chat", Usage(1000))
    assert len(asked) == 1


def test_a_plain_price_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    prices = PublicPriceList()
    prices.warm()
    monkeypatch.setattr(genai_prices, "calc_price", None)
    assert prices("openai", "gpt-4o", Usage(1000)) == 2_500_000


def test_a_model_of_a_provider_named_by_the_user_is_found_by_its_model() -> None:
    assert PUBLIC("my-proxy", "gpt-4o", Usage(1000)) == PUBLIC("openai", "gpt-4o", Usage(1000))


def test_an_unknown_model_has_no_public_price() -> None:
    assert PUBLIC("my-proxy", "no-such-model-at-all", Usage(1000)) is None
    assert PUBLIC("openai", "no-such-model-at-all", Usage(1000)) is None
