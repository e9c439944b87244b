"""One way to extend anything: a name, a factory, and a helpful error when the name is unknown."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Generic, TypeVar, cast

from loopwright.foundation.errors import Conflict, NotFound

T = TypeVar("T")


class Registry(Generic[T]):
    """Factories of `T` by name. Built-ins and outside packages (entry points `loopwright.<point>`) register alike."""

    def __init__(self, point: str) -> None:
        self.point = point
        self._factories: dict[str, Callable[..., T] | str] = {}
        self._entry_points_read = False

    def register(self, name: str, factory: Callable[..., T] | str) -> None:
        """`factory` makes a `T`, or is a lazy `package.module:attribute`. Raises Conflict when the name is taken."""
        if name in self._factories:
            raise Conflict(f"{self.point} {name!r} is registered already", hint="choose another name")
        self._factories[name] = factory

    def create(self, name: str, *args: object, **kwargs: object) -> T:
        """A new `T`. Raises NotFound that lists the known names."""
        self._read_entry_points()
        factory = self._factories.get(name)
        if factory is None:
            raise NotFound(f"unknown {self.point} {name!r}; known: {', '.join(self.names()) or 'none'}")
        if isinstance(factory, str):
            module, _, attribute = factory.partition(":")
            factory = cast("Callable[..., T]", getattr(import_module(module), attribute))
            self._factories[name] = factory
        return factory(*args, **kwargs)

    def names(self) -> list[str]:
        """Every known name, sorted."""
        self._read_entry_points()
        return sorted(self._factories)

    def _read_entry_points(self) -> None:
        if not self._entry_points_read:
            self._entry_points_read = True
            for entry in entry_points(group=f"loopwright.{self.point}"):
                self._factories.setdefault(entry.name, entry.value)
