"""Journeys through the screens in a real browser, against the running product."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.product import Product

WEB = Path(__file__).parents[2] / "web"
STATIC = Path(__file__).parents[2] / "src/loopwright/apps/static"
CHROMIUM = os.environ.get("CHROMIUM_BIN", "/usr/bin/chromium")
JOURNEY_LIMIT_S = 180

pytestmark = [
    pytest.mark.skipif(not Path(CHROMIUM).exists(), reason=f"no browser at {CHROMIUM}: apt-get install chromium"),
    pytest.mark.skipif(
        shutil.which("node") is None or not (WEB / "node_modules").is_dir(), reason="no node_modules: npm ci in web"
    ),
    pytest.mark.skipif(not (STATIC / "index.html").is_file(), reason="the screens are not built: npm run build in web"),
]


def walk(journey: str, product: Product, login: str = "") -> None:
    """Runs one journey of web/scripts/journeys.mjs; its own words say what was missing."""
    environment = {
        **os.environ,
        "BASE_URL": product.url,
        "KEY": product.key,
        "LOGIN_TOKEN": login,
        "CHROMIUM_BIN": CHROMIUM,
    }
    done = subprocess.run(
        ["node", "scripts/journeys.mjs", journey],
        cwd=WEB,
        env=environment,
        capture_output=True,
        text=True,
        timeout=JOURNEY_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, f"{journey}: {done.stdout}{done.stderr}"


@pytest.mark.parametrize(
    "journey",
    [
        "sign-in-by-key",
        "live-traces-wait",
        "peek-by-keyboard",
        "feedback-to-dataset",
        "cited-answer",
        "replay-in-playground",
        "hostile-text-stays-text",
        "keyboard-and-names",
        "narrow-window",
        "spanish",
    ],
)
def test_a_person_gets_through(journey: str, product: Product) -> None:
    walk(journey, product)


def test_the_printed_link_signs_in_once(product: Product) -> None:
    status, body, _ = product.request("POST", "/api/login-tokens")
    assert status == 201
    walk("sign-in-by-link", product, body["login_token"])
    status, _, _ = product.request("POST", "/api/session", {"login_token": body["login_token"]}, key="")
    assert status == 401, "the link worked twice"


def test_an_empty_home_turns_into_data(fresh: Product) -> None:
    fresh.start()
    walk("first-trace-arrives", fresh)


def test_every_journey_is_walked_here() -> None:
    listed = subprocess.run(
        ["node", "scripts/journeys.mjs", "--list"], cwd=WEB, capture_output=True, text=True, timeout=30, check=True
    ).stdout.split()
    source = Path(__file__).read_text(encoding="utf-8")
    assert [journey for journey in listed if f'"{journey}"' not in source] == []
