from __future__ import annotations

from contextlib import nullcontext
from io import BytesIO
from typing import Any

import pytest

from loopwright.apps import demo
from loopwright.foundation.errors import LoopwrightError, Unavailable


class Control:
    """Answers what the demonstration asks; `away` calls of each kind fail first, as while control restarts."""

    def __init__(self, away: int = 0) -> None:
        self.away = away
        self.done: list[str] = []
        self._failed: dict[str, int] = {}
        self.base: dict[str, Any] | None = None
        self.endpoints: list[dict[str, Any]] = []

    def get(self, path: str) -> Any:
        self._maybe_away(path)
        if path.startswith("/api/jobs/"):
            assert self.base is not None
            self.base.update(status="ready", active_version=1)
            return {"status": "succeeded"}
        if path == "/api/endpoints":
            return {"items": self.endpoints}
        return {"items": [self.base] if self.base else []}

    def post(self, path: str, body: object = None) -> Any:
        self._maybe_away(path)
        self.done.append(path)
        if path == "/api/knowledge-bases":
            self.base = {"name": "handbook", "status": "empty", "active_version": None}
        elif path.endswith("/build"):
            assert self.base is not None
            self.base.update(status="building", job_id="job_1")
            return {"id": "job_1"}
        elif path == "/api/apply":
            self.endpoints.append({"name": "handbook"})
        return {}

    def upload(self, path: str, files: list[tuple[str, bytes]]) -> Any:
        self._maybe_away(path)
        self.done.append(path)

    def response(self, path: str, body: object) -> Any:
        self.done.append(path)
        return nullcontext(BytesIO(b"{}"))

    def _maybe_away(self, what: str) -> None:
        self._failed[what] = self._failed.get(what, 0) + 1
        if self._failed[what] <= self.away:
            raise Unavailable("control is not running")


@pytest.mark.parametrize("away", [0, 1, 3])
def test_the_demonstration_is_made_once_however_often_control_is_away(
    away: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "_PAUSE_S", 0.0)
    control = Control(away)
    said = list(demo.seed(control))  # type: ignore[arg-type]
    assert "is ready" in said[-1]
    assert control.done.count("/api/knowledge-bases") == 1
    assert control.done.count("/api/knowledge-bases/handbook/build") == 1
    assert control.done.count("/api/apply") == 1
    assert control.done.count("/v1/chat/completions") == 2


def test_what_is_there_is_left_as_it_is() -> None:
    control = Control()
    control.base = {"name": "handbook", "status": "ready", "active_version": 1}
    control.endpoints = [{"name": "handbook"}]
    assert len(list(demo.seed(control))) == 1  # type: ignore[arg-type]
    assert control.done == []


def test_control_that_stays_away_is_an_error() -> None:
    with pytest.raises(LoopwrightError, match="not running"):
        list(demo.seed(Control(10**9), patience_s=-1.0))  # type: ignore[arg-type]
