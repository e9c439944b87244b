from __future__ import annotations

import time
from dataclasses import replace

import pytest

from loopwright.catalog import EndpointRelease, PriceBook, Provider, Snapshot
from loopwright.catalog.snapshot import Endpoint
from loopwright.foundation.errors import Invalid, NotFound, Unavailable

ONE, TWO = "team_1", "team_2"


def endpoint(name: str, releases: int, aliases: dict[str, int], model: str = "acme/large") -> Endpoint:
    made = {n: EndpointRelease(name, n, {"model": model, "system": f"v{n}"}) for n in range(1, releases + 1)}
    return Endpoint(name, "", 1_700_000_000_000_000, made, aliases)


@pytest.fixture
def snapshot() -> Snapshot:
    return Snapshot(
        epoch=1,
        keys={},
        providers={
            (ONE, "acme"): Provider("acme", "openai", "http://acme.test/v1", models=("large", "small")),
            (TWO, "secret-lab"): Provider("secret-lab", "openai", "http://lab.test/v1", models=("moon",)),
        },
        endpoints={
            (ONE, "support"): endpoint("support", 3, {"prod": 2, "canary": 3}),
            (ONE, "draft"): endpoint("draft", 2, {}, "builtin/echo"),
            (ONE, "broken"): endpoint("broken", 1, {}, "gone/model"),
            (TWO, "moonshot"): endpoint("moonshot", 1, {}, "secret-lab/moon"),
        },
        prices=PriceBook({}),
        builtin_models=("echo", "extract"),
    )


@pytest.mark.parametrize(
    ("model", "version"),
    [
        ("support", 2),
        ("support@prod", 2),
        ("support@canary", 3),
        ("support@1", 1),
        ("support@3", 3),
        ("support@01", 1),
        ("draft", 2),
        ("draft@1", 1),
    ],
)
def test_an_endpoint_by_stage_number_or_neither(snapshot: Snapshot, model: str, version: int) -> None:
    target = snapshot.resolve(ONE, model)
    assert (target.endpoint, target.version, target.spec["system"]) == (model.partition("@")[0], version, f"v{version}")


def test_an_endpoint_leads_to_its_provider(snapshot: Snapshot) -> None:
    target = snapshot.resolve(ONE, "support")
    assert (target.provider.base_url, target.model) == ("http://acme.test/v1", "large")


@pytest.mark.parametrize("model", ["acme/large", "acme/not-listed", "acme/a/b", "acme/x@y"])
def test_a_provider_takes_any_of_its_models(snapshot: Snapshot, model: str) -> None:
    target = snapshot.resolve(ONE, model)
    assert (target.provider.name, target.model, target.endpoint, target.version) == ("acme", model[5:], "", 0)


def test_builtin_models_belong_to_every_team(snapshot: Snapshot) -> None:
    for team in (ONE, TWO, "team_3"):
        assert snapshot.resolve(team, "builtin/echo").provider.dialect == "builtin"


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("suport", "did you mean support"),
        ("builtin/ecko", "did you mean builtin/echo"),
        ("acm/large", "did you mean acme/large"),
        ("zzzzzz", "there is no model 'zzzzzz' for this key"),
        ("acme/", "there is no model 'acme/'"),
        ("/large", "there is no model"),
        ("builtin/", "there is no model"),
        ("broken", "there is no model 'gone/model'"),
        ("support@9", "no version or stage '9'; it has 1, 2, 3, canary, prod"),
        ("support@beta", "no version or stage 'beta'"),
        ("support@-1", "no version or stage '-1'"),
        ("support@0", "no version or stage '0'"),
        ("draft@prod", "it has 1, 2"),
    ],
)
def test_what_is_not_there_names_what_is_near(snapshot: Snapshot, model: str, said: str) -> None:
    with pytest.raises(NotFound) as caught:
        snapshot.resolve(ONE, model)
    assert said in caught.value.message
    assert caught.value.param == "model"


@pytest.mark.parametrize("model", ["moonshot", "moonshot@1", "secret-lab/moon", "moonsho", "secret-lab/moom"])
def test_another_teams_models_are_neither_called_nor_named(snapshot: Snapshot, model: str) -> None:
    assert snapshot.resolve(TWO, "moonshot").endpoint == "moonshot"
    with pytest.raises(NotFound) as caught:
        snapshot.resolve(ONE, model)
    assert "did you mean" not in caught.value.message


def test_a_name_of_megabytes_is_refused_quickly_and_shown_in_part(snapshot: Snapshot) -> None:
    for model in ("x" * 5_000_000, "support@" + "9" * 5_000_000, "support@" + "a" * 5_000_000):
        started = time.process_time()
        with pytest.raises(NotFound) as caught:
            snapshot.resolve(ONE, model)
        assert len(caught.value.message) < 300
        assert time.process_time() - started < 0.5


def test_no_name_is_invalid(snapshot: Snapshot) -> None:
    with pytest.raises(Invalid, match="names no model"):
        snapshot.resolve(ONE, "")


def test_a_team_lists_what_it_can_call(snapshot: Snapshot) -> None:
    assert snapshot.models(TWO) == [
        ("moonshot", "loopwright", 1_700_000_000),
        ("builtin/echo", "builtin", 0),
        ("builtin/extract", "builtin", 0),
        ("secret-lab/moon", "secret-lab", 0),
    ]
    assert {name for name, _, _ in snapshot.models(ONE)} == {
        *("support", "draft", "broken", "builtin/echo", "builtin/extract", "acme/large", "acme/small")
    }


def test_a_key_does_not_show_when_a_provider_is_printed() -> None:
    assert "sk-1" not in repr(Provider("acme", "openai", api_key="sk-1"))


def test_a_provider_that_cannot_be_called_says_why_and_the_rest_goes_on(snapshot: Snapshot) -> None:
    faulty = Provider("acme", "openai", "http://acme.test/v1", fault="its key cannot be opened")
    snapshot = replace(snapshot, providers={**snapshot.providers, (ONE, "acme"): faulty})
    for model in ("acme/large", "support"):
        with pytest.raises(Unavailable, match="'acme' cannot be called: its key cannot be opened"):
            snapshot.resolve(ONE, model)
    assert snapshot.resolve(TWO, "moonshot").model == "moon"
    assert snapshot.resolve(ONE, "draft").model == "echo"
