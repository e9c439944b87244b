from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata

import pytest

from loopwright.foundation import registry as module
from loopwright.foundation.errors import Conflict, NotFound
from loopwright.foundation.registry import Registry


@dataclass
class Tool:
    size: int = 1
    colour: str = "red"


@pytest.fixture
def tools() -> Registry[Tool]:
    return Registry("tools")


def test_a_factory_is_called_with_its_arguments(tools: Registry[Tool]) -> None:
    tools.register("hammer", Tool)
    assert tools.create("hammer", 3, colour="blue") == Tool(3, "blue")
    assert tools.create("hammer") is not tools.create("hammer")


def test_a_taken_name_is_a_conflict_and_the_first_stays(tools: Registry[Tool]) -> None:
    tools.register("hammer", Tool)
    with pytest.raises(Conflict, match="tools 'hammer' is registered already"):
        tools.register("hammer", lambda: Tool(9))
    assert tools.create("hammer").size == 1


def test_an_unknown_name_lists_the_known_ones(tools: Registry[Tool]) -> None:
    with pytest.raises(NotFound, match="known: none"):
        tools.create("saw")
    tools.register("pliers", Tool)
    tools.register("hammer", Tool)
    with pytest.raises(NotFound, match="unknown tools 'saw'; known: hammer, pliers"):
        tools.create("saw")


def test_a_lazy_factory_is_imported_when_it_is_needed() -> None:
    numbers: Registry[object] = Registry("numbers")
    numbers.register("fraction", "fractions:Fraction")
    numbers.register("nowhere", "no_such_module:X")
    assert numbers.names() == ["fraction", "nowhere"]
    assert str(numbers.create("fraction", 1, 3)) == "1/3"
    with pytest.raises(ModuleNotFoundError):
        numbers.create("nowhere")


def test_outside_packages_register_by_entry_point_and_cannot_replace_a_built_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def entry_points(group: str) -> list[metadata.EntryPoint]:
        asked.append(group)
        return [
            metadata.EntryPoint("fraction", "fractions:Fraction", group),
            metadata.EntryPoint("own", "decimal:Decimal", group),
        ]

    monkeypatch.setattr(module, "entry_points", entry_points)
    numbers: Registry[object] = Registry("numbers")
    numbers.register("own", lambda: "built-in")
    assert numbers.names() == ["fraction", "own"]
    assert numbers.create("own") == "built-in"
    assert str(numbers.create("fraction", 1, 2)) == "1/2"
    assert asked == ["loopwright.numbers"]
