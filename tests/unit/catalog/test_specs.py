from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from loopwright.access import AccessStore, MasterSecret
from loopwright.catalog import CatalogService, CatalogStore, Price, Snapshot, Specs, Usage
from loopwright.catalog.schemas import Applied
from loopwright.catalog.specs import differences
from loopwright.catalog.store import TABLES
from loopwright.foundation.clock import FixedClock
from loopwright.foundation.database import Database
from loopwright.foundation.errors import Invalid, Unavailable
from loopwright.foundation.identity import Principal

ADMIN = Principal("team_1", "user_1", "admin")
STRANGER = Principal("team_2", "user_2", "admin")

PROVIDER = """
kind: Provider
name: acme
base_url: https://api.acme.test/v1
api_key: sk-very-secret-key
models: [large]
headers: {x-org: o1}
"""
KEYLESS = PROVIDER.replace("api_key: sk-very-secret-key\n", "")
ENDPOINT = """
kind: Endpoint
name: support
description: Answers customers.
model: builtin/echo
system: Be kind.
parameters: {temperature: 0.2}
knowledge_base: handbook
aliases: [prod]
"""
PRICE = """
kind: Price
name: acme/*
input_per_million: 2.5
output_per_million: 10
cached_per_million: 1.25
"""


class Catalogue:
    """The catalogue of one database, and what a test wants to know of it."""

    def __init__(self, database: Database, clock: FixedClock, master: bytes = b"m" * 32) -> None:
        self.database = database
        self.service = CatalogService(CatalogStore(database), MasterSecret(master), clock)
        self.specs = Specs(database, self.service.spec_kinds())

    def apply(self, *texts: str, by: Principal = ADMIN, dry_run: bool = False) -> list[Applied]:
        return self.specs.apply(by, "\n---\n".join(textwrap.dedent(text) for text in texts), dry_run=dry_run)

    def action(self, text: str, by: Principal = ADMIN) -> str:
        return self.apply(text, by=by)[0].action

    def snapshot(self) -> Snapshot:
        return self.service.snapshot(AccessStore(self.database), ("echo",), None)

    def rows(self) -> int:
        with self.database.read() as c:
            return sum(c.execute(select(func.count()).select_from(table)).scalar_one() for table in TABLES.values())

    def key(self) -> str:
        return self.snapshot().providers["team_1", "acme"].api_key


@pytest.fixture
def catalogue(database: Database, clock: FixedClock) -> Catalogue:
    return Catalogue(database, clock)


def faults(catalogue: Catalogue, *texts: str) -> str:
    with pytest.raises(Invalid) as caught:
        catalogue.apply(*texts)
    assert catalogue.rows() == 0
    return caught.value.message


def stored_bytes(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in home.iterdir() if path.name.startswith("catalogue.db"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ENDPOINT + "temprature: 1\n", "document 1 (Endpoint): temprature: Extra inputs are not permitted"),
        (
            ENDPOINT.replace("handbook", "{name: handbook, topk: 3}"),
            "document 1 (Endpoint): knowledge_base.topk: Extra",
        ),
        (ENDPOINT.replace("handbook", "{name: handbook, top_k: 0}"), "knowledge_base.top_k: Input should be greater"),
        (ENDPOINT.replace("builtin/echo", "echo"), "model: Value error, must be provider/model"),
        (ENDPOINT.replace("name: support", "name: Support Bot"), "document 1 (Endpoint): name: Value error, use lower"),
        (ENDPOINT.replace("[prod]", "[a/b]"), "aliases.0: Value error"),
        ("kind: Sandwich\nname: x\n", "document 1: kind 'Sandwich' is not known; known: Endpoint, Price, Provider"),
        ("name: x\n", "document 1: kind None is not known"),
        ("kind: [Price]\n", "document 1: kind ['Price'] is not known"),
        ("- 1\n", "document 1: must be a mapping with a kind, not list"),
        ("just text", "must be a mapping with a kind, not str"),
        ("", "there is no spec in it"),
        ("---\n---\n", "there is no spec in it"),
        ("a: [1", "this is not YAML"),
        ("a: !!python/object/apply:os.system ['true']", "this is not YAML"),
        ("\x00", "this is not YAML"),
        ("[" * 1000, "nested too deeply"),
        (PROVIDER.replace("https://api.acme.test/v1", "ftp://acme"), "base_url: Value error, must be an http or https"),
        (PROVIDER.replace("https://api", "https://user:pw@api"), "base_url: Value error"),
        (PROVIDER.replace("https://api.acme.test/v1", "'http://[::1'"), "base_url: Value error"),
        (PROVIDER.replace("name: acme", "name: builtin"), "the name 'builtin' is taken"),
        (PROVIDER.replace("sk-very-secret-key", '"sk\\nX-Evil: 1"'), "api_key: Value error, must be printable ASCII"),
        (PROVIDER.replace("o1", '"a\\r\\nb"'), "headers: Value error, must be printable ASCII"),
        (PROVIDER.replace("x-org", '"x org"'), "headers: Value error, 'x org' cannot be the name"),
        (PRICE.replace("acme/*", "acme"), "document 1 (Price): name: String should match pattern"),
        (PRICE.replace("2.5", "-1"), "input_per_million: Input should be greater"),
        (PRICE.replace("2.5", ".nan"), "input_per_million: Input should be"),
        (PRICE.replace("2.5", ".inf"), "input_per_million: Input should be"),
    ],
)
def test_a_faulty_spec_is_refused_with_its_document_and_key(catalogue: Catalogue, text: str, said: str) -> None:
    assert said in faults(catalogue, text)


def test_every_fault_of_every_document_is_told_at_once_and_nothing_is_stored(catalogue: Catalogue) -> None:
    message = faults(catalogue, PRICE, "kind: Nothing", ENDPOINT + "a: 1\nb: 2\n", "- x")
    assert message == "; ".join(
        (
            "document 2: kind 'Nothing' is not known; known: Endpoint, Price, Provider",
            "document 3 (Endpoint): a: Extra inputs are not permitted",
            "document 3 (Endpoint): b: Extra inputs are not permitted",
            "document 4: must be a mapping with a kind, not list",
        )
    )


def test_a_fault_never_shows_the_secret(catalogue: Catalogue) -> None:
    text = PROVIDER.replace("sk-very-secret-key", '"sk-very-secret-key\\n"').replace("name: acme", "name: A!")
    assert "sk-very" not in faults(catalogue, text)


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x]\nb: &b [*a, *a]\n",
        "kind: Endpoint\nname: x\nmodel: a/b\nparameters: &p {again: *p}\n",
        "a: &a {b: 1}\nc: {<<: *a}\n",
    ],
)
def test_yaml_that_unfolds_is_refused(catalogue: Catalogue, text: str) -> None:
    assert "YAML aliases" in faults(catalogue, text)


def test_too_many_documents_are_refused(catalogue: Catalogue) -> None:
    assert "501 documents are more than 500" in faults(catalogue, *["kind: Price"] * 501)


def test_a_dry_run_shows_everything_and_writes_nothing(catalogue: Catalogue) -> None:
    epoch = catalogue.database.epoch()
    done = catalogue.apply(PROVIDER, ENDPOINT, PRICE, dry_run=True)
    assert [result.action for result in done] == ["created"] * 3
    assert done[1].resolved["knowledge_base"] == {"name": "handbook", "top_k": 5, "context_tokens": 2000}
    assert catalogue.rows() == 0
    assert catalogue.database.epoch() == epoch


def test_applying_twice_changes_nothing(catalogue: Catalogue) -> None:
    assert [done.action for done in catalogue.apply(PROVIDER, ENDPOINT, PRICE)] == ["created"] * 3
    rows, epoch = catalogue.rows(), catalogue.database.epoch()
    again = catalogue.apply(PROVIDER, ENDPOINT, PRICE)
    assert [(done.action, done.diff) for done in again] == [("unchanged", [])] * 3
    assert (catalogue.rows(), catalogue.database.epoch()) == (rows, epoch)


def test_a_change_of_an_endpoint_is_a_new_release_and_moves_its_stage(catalogue: Catalogue) -> None:
    catalogue.apply(ENDPOINT)
    done = catalogue.apply(ENDPOINT.replace("Be kind.", "Be brief."))[0]
    assert (done.action, done.diff) == ("updated", ["system: 'Be kind.' -> 'Be brief.'"])
    shown = catalogue.service.endpoints(ADMIN)[0]
    assert [release["version"] for release in shown["releases"]] == [1, 2]
    assert shown["releases"][0]["spec"]["system"] == "Be kind."
    assert shown["aliases"] == {"prod": 2}


def test_a_stage_stays_where_it_is_when_a_release_does_not_name_it(catalogue: Catalogue) -> None:
    catalogue.apply(ENDPOINT)
    catalogue.apply(ENDPOINT.replace("[prod]", "[canary]").replace("Be kind.", "Be brief."))
    assert catalogue.service.endpoints(ADMIN)[0]["aliases"] == {"prod": 1, "canary": 2}
    resolved = catalogue.snapshot().resolve("team_1", "support")
    assert (resolved.version, resolved.spec["system"]) == (1, "Be kind.")
    assert catalogue.snapshot().resolve("team_1", "support@canary").version == 2


def test_two_releases_in_one_text_are_two_versions(catalogue: Catalogue) -> None:
    done = catalogue.apply(ENDPOINT, ENDPOINT.replace("Be kind.", "Be brief."))
    assert [result.action for result in done] == ["created", "updated"]
    assert catalogue.snapshot().resolve("team_1", "support").version == 2


def test_the_key_of_a_provider_is_sealed_in_the_database_and_masked_everywhere_else(
    catalogue: Catalogue, home: Path
) -> None:
    done = catalogue.apply(PROVIDER)[0]
    assert done.resolved["api_key"] == "**********"
    assert "sk-very" not in done.model_dump_json()
    shown = catalogue.service.providers(ADMIN)[0]
    assert (shown["api_key"], shown["has_key"]) == ("**********", True)
    assert "sk-very" not in str(shown)
    assert b"acme" in stored_bytes(home)
    assert b"sk-very-secret-key" not in stored_bytes(home)
    assert catalogue.key() == "sk-very-secret-key"


def test_a_key_that_is_left_out_stays_for_the_same_host(catalogue: Catalogue) -> None:
    catalogue.apply(PROVIDER)
    assert catalogue.action(KEYLESS) == "unchanged"
    done = catalogue.apply(KEYLESS.replace("[large]", "[large, small]"))[0]
    assert (done.action, done.diff) == ("updated", ["models: ['large'] -> ['large', 'small']"])
    assert catalogue.action(KEYLESS.replace("/v1", "/v2")) == "updated"
    assert catalogue.key() == "sk-very-secret-key"


@pytest.mark.parametrize("other", ["https://evil.test/v1", "http://api.acme.test/v1", "https://api.acme.test:8443/v1"])
def test_a_key_is_dropped_when_its_host_changes(catalogue: Catalogue, other: str) -> None:
    catalogue.apply(PROVIDER)
    done = catalogue.apply(KEYLESS.replace("https://api.acme.test/v1", other))[0]
    assert "api_key: '**********' -> ''" in done.diff
    assert catalogue.key() == ""
    assert not catalogue.service.providers(ADMIN)[0]["has_key"]
    assert catalogue.action(KEYLESS) == "updated"
    assert catalogue.key() == "", "going back does not bring the key back"


def test_another_key_is_an_update_that_shows_neither(catalogue: Catalogue) -> None:
    catalogue.apply(PROVIDER)
    done = catalogue.apply(PROVIDER.replace("very-secret", "other"))[0]
    assert (done.action, done.diff) == ("updated", ["api_key: 'another key' -> '**********'"])
    assert catalogue.key() == "sk-other-key"


def test_a_key_whose_master_secret_is_gone_can_be_applied_again(
    catalogue: Catalogue, database: Database, clock: FixedClock
) -> None:
    catalogue.apply(PROVIDER)
    moved = Catalogue(database, clock, b"n" * 32)
    with pytest.raises(Unavailable, match="cannot be opened"):
        moved.snapshot().resolve("team_1", "acme/large")
    assert moved.snapshot().resolve("team_1", "builtin/echo").model == "echo"
    assert moved.action(PROVIDER) == "updated"
    assert moved.key() == "sk-very-secret-key"


def test_a_sealed_key_moved_to_another_team_does_not_open(catalogue: Catalogue, database: Database) -> None:
    catalogue.apply(PROVIDER)
    table = TABLES["providers"]
    with database.write() as c:
        c.execute(table.update().values(team_id="team_2"))
    stolen = catalogue.snapshot().providers["team_2", "acme"]
    assert (stolen.api_key, "cannot be opened" in stolen.fault) == ("", True)
    with pytest.raises(Unavailable, match="cannot be opened"):
        catalogue.snapshot().resolve("team_2", "acme/large")


def test_teams_do_not_see_each_other(catalogue: Catalogue) -> None:
    catalogue.apply(PROVIDER, ENDPOINT, PRICE)
    assert catalogue.service.providers(STRANGER) == []
    assert catalogue.service.endpoints(STRANGER) == []
    assert catalogue.service.prices(STRANGER) == []
    assert catalogue.action(ENDPOINT.replace("Be kind.", "Other."), by=STRANGER) == "created"
    assert catalogue.snapshot().resolve("team_1", "support").spec["system"] == "Be kind."
    assert catalogue.snapshot().resolve("team_2", "support").spec["system"] == "Other."


def test_the_snapshot_is_what_was_applied(catalogue: Catalogue) -> None:
    catalogue.apply(PROVIDER, ENDPOINT, PRICE)
    snapshot = catalogue.snapshot()
    assert snapshot.epoch == catalogue.database.epoch() > 0
    provider = snapshot.resolve("team_1", "acme/large").provider
    assert (provider.name, provider.dialect, provider.base_url) == ("acme", "openai", "https://api.acme.test/v1")
    assert (provider.models, provider.headers) == (("large",), (("x-org", "o1"),))
    target = snapshot.resolve("team_1", "support@prod")
    assert target.spec["parameters"] == {"temperature": 0.2}
    assert target.spec["knowledge_base"]["name"] == "handbook"
    assert target.spec["description"] == "Answers customers."
    usage = Usage(1000, 10, cached_tokens=400)
    assert snapshot.prices.cost("team_1", "acme", "large", usage) == 600 * 2500 + 400 * 1250 + 10 * 10_000
    assert snapshot.prices.cost("team_2", "acme", "large", usage) is None


def test_a_price_is_kept_to_the_nano_dollar(catalogue: Catalogue) -> None:
    catalogue.apply("kind: Price\nname: a/b\ninput_per_million: 0.1\noutput_per_million: 0.000000001\n")
    assert catalogue.snapshot().prices._own["team_1", "a/b"] == Price(100_000_000, 1)


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({}, {}, []),
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, ["a: 1 -> 2"]),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, ["a.c: 2 -> 3"]),
        ({}, {"a": {"b": 1}}, ["a: None -> {'b': 1}"]),
        ({"a": 1}, {}, ["a: 1 -> None"]),
        ({"a": [1]}, {"a": [1, 2]}, ["a: [1] -> [1, 2]"]),
        ({"a": "x" * 200}, {"a": ""}, ["a: '" + "x" * 76 + "... -> ''"]),
    ],
)
def test_differences_name_the_leaves_that_changed(before: Any, after: Any, found: list[str]) -> None:
    assert differences(before, after) == found
