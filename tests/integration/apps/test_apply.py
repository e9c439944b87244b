"""Specs of every package applied to a wired control."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from loopwright.apps.house import House
from loopwright.foundation.identity import Principal
from loopwright.foundation.settings import Settings

ASSISTANT = Path(__file__).parents[3] / "examples" / "assistant.yaml"


@pytest.fixture
def house(settings: Settings) -> Iterator[House]:
    made = House(settings, "token")
    made.prepare()
    yield made
    made.stop()


def test_an_assistant_is_created_once_and_then_unchanged(house: House) -> None:
    admin, text = house.access.operator(), ASSISTANT.read_text()
    dry = house.specs.apply(admin, text, dry_run=True)
    assert [(found.kind, found.action) for found in dry] == [("KnowledgeBase", "created"), ("Endpoint", "created")]
    assert house.knowledge.bases(admin) == []
    assert [found.action for found in house.specs.apply(admin, text, dry_run=False)] == ["created", "created"]
    assert [base.name for base in house.knowledge.bases(admin)] == ["product-docs"]
    assert [found.action for found in house.specs.apply(admin, text, dry_run=False)] == ["unchanged", "unchanged"]
    assert house.snapshot().resolve(admin.team_id, "support@prod").spec["knowledge_base"]["top_k"] == 5


def test_a_change_names_what_changed_and_makes_a_release(house: House) -> None:
    admin, text = house.access.operator(), ASSISTANT.read_text()
    house.specs.apply(admin, text, dry_run=False)
    changed = text.replace("top_k: 5", "top_k: 7").replace("Everything we tell", "All we tell")
    base, endpoint = house.specs.apply(admin, changed, dry_run=False)
    assert base.diff == ["description: 'Everything we tell customers.' -> 'All we tell customers.'"]
    assert endpoint.diff == ["knowledge_base.top_k: 5 -> 7"]
    assert house.snapshot().resolve(admin.team_id, "support").version == 2
    assert house.snapshot().resolve(admin.team_id, "support@1").spec["knowledge_base"]["top_k"] == 5


def test_one_faulty_document_stops_them_all(house: House) -> None:
    admin = house.access.operator()
    with pytest.raises(Exception, match="embedder") as raised:
        house.specs.apply(
            admin,
            ASSISTANT.read_text() + "---\nkind: KnowledgeBase\nname: x\nrecipe: {embedder: none-such}\n",
            dry_run=False,
        )
    assert type(raised.value).__name__ == "Invalid"
    assert house.knowledge.bases(admin) == []


def test_another_team_has_its_own(house: House) -> None:
    admin = house.access.operator()
    house.specs.apply(admin, ASSISTANT.read_text(), dry_run=False)
    stranger = Principal(team_id="team_other", subject="x", role="admin")
    assert house.specs.apply(stranger, ASSISTANT.read_text(), dry_run=True)[0].action == "created"
