from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loopwright.access import MasterSecret
from loopwright.foundation.errors import Unavailable


@pytest.fixture
def secret() -> MasterSecret:
    return MasterSecret(b"m" * 32)


def test_what_was_sealed_opens_again(secret: MasterSecret) -> None:
    sealed = secret.seal("sk-é", "team_1", "openai")
    assert secret.open(sealed, "team_1", "openai") == "sk-é"
    assert "sk-" not in sealed


def test_the_same_secret_is_sealed_differently_each_time(secret: MasterSecret) -> None:
    assert len({secret.seal("sk", "t", "n") for _ in range(100)}) == 100


@pytest.mark.parametrize(
    ("team", "name"),
    [("team_2", "openai"), ("team_1", "other"), ("team_1\0openai", ""), ("", "team_1\0openai"), ("team_1", "")],
)
def test_a_seal_is_bound_to_its_team_and_name(secret: MasterSecret, team: str, name: str) -> None:
    sealed = secret.seal("sk", "team_1", "openai")
    with pytest.raises(Unavailable, match="cannot be opened"):
        secret.open(sealed, team, name)


def test_another_master_secret_opens_nothing(secret: MasterSecret) -> None:
    with pytest.raises(Unavailable) as caught:
        MasterSecret(b"n" * 32).open(secret.seal("sk", "t", "n"), "t", "n")
    assert "LOOPWRIGHT_SECRET_KEY" in caught.value.hint


@pytest.mark.parametrize("sealed", ["v1:", "v1:AAAA", "v1:not base64!", "", "v1:é", "v1:A"])
def test_a_damaged_seal_is_unavailable(secret: MasterSecret, sealed: str) -> None:
    with pytest.raises(Unavailable, match="cannot be opened"):
        secret.open(sealed, "t", "n")


def test_every_purpose_has_a_key_of_its_own(secret: MasterSecret) -> None:
    assert len(secret.derive("session")) == 32
    assert len({secret.derive(purpose) for purpose in ("session", "seal", "operator", "")}) == 4
    assert secret.derive("session") == MasterSecret(b"m" * 32).derive("session")


def test_the_first_load_makes_a_file_only_its_owner_reads(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    made = MasterSecret.load("", folder)
    path = folder / "secret.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert len(path.read_bytes()) == 32
    assert [entry.name for entry in folder.iterdir()] == ["secret.key"]
    assert MasterSecret.load("", folder).derive("x") == made.derive("x")


def test_two_installations_have_two_secrets(tmp_path: Path) -> None:
    assert MasterSecret.load("", tmp_path / "a").derive("x") != MasterSecret.load("", tmp_path / "b").derive("x")


def test_loads_at_the_same_time_agree_on_one_secret(tmp_path: Path) -> None:
    for attempt in range(20):
        folder = tmp_path / str(attempt)
        with ThreadPoolExecutor(8) as pool:
            keys = list(pool.map(lambda _, folder=folder: MasterSecret.load("", folder).derive("x"), range(8)))
        assert len(set(keys)) == 1
        assert [entry.name for entry in folder.iterdir()] == ["secret.key"]


def test_a_configured_secret_needs_no_file(tmp_path: Path) -> None:
    made = MasterSecret.load("correct horse", tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert made.derive("x") == MasterSecret.load("correct horse", tmp_path).derive("x")
    assert made.derive("x") != MasterSecret.load("other", tmp_path).derive("x")


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_damaged_file_is_never_used_as_a_secret(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret.key").write_bytes(content)
    with pytest.raises(Unavailable, match=f"has {len(content)} bytes"):
        MasterSecret.load("", tmp_path)
    assert (tmp_path / "secret.key").read_bytes() == content
