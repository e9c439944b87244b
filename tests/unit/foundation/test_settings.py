from __future__ import annotations

from pathlib import Path

import pytest

from loopwright.foundation.errors import Invalid
from loopwright.foundation.settings import Settings, environment_variable, load_settings


@pytest.fixture(autouse=True)
def _clean_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        if name != "home":
            monkeypatch.delenv(f"LOOPWRIGHT_{name.upper()}", raising=False)


def test_the_defaults_keep_everything_in_the_data_folder(home: Path) -> None:
    settings = load_settings()
    assert settings.home == home
    assert settings.catalogue_url == f"sqlite:///{home}/catalogue.db"
    assert (settings.lake_url, settings.blobs_url) == (f"{home}/lake", f"{home}/blobs")
    assert (settings.run_dir, settings.spool_dir, settings.log_dir) == (home / "run", home / "spool", home / "logs")
    assert (settings.host, settings.port) == ("127.0.0.1", 8700)


def test_every_faulty_variable_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOOPWRIGHT_PORT", "70000")
    monkeypatch.setenv("LOOPWRIGHT_DURABILITY", "sometimes")
    monkeypatch.setenv("LOOPWRIGHT_DATABASE_URL", "mysql://x")
    monkeypatch.setenv("LOOPWRIGHT_STORE_URL", "/tmp/lake")
    monkeypatch.setenv("LOOPWRIGHT_UPSTREAM_READ_TIMEOUT_S", "0")
    with pytest.raises(Invalid) as caught:
        load_settings()
    for named in (
        "LOOPWRIGHT_PORT='70000'",
        "LOOPWRIGHT_DURABILITY='sometimes'",
        "LOOPWRIGHT_DATABASE_URL='mysql://x'",
        "LOOPWRIGHT_STORE_URL='/tmp/lake'",
        "LOOPWRIGHT_UPSTREAM_READ_TIMEOUT_S='0'",
    ):
        assert named in caught.value.message


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("postgresql://u:p@h/d", "postgresql+psycopg://u:p@h/d"),
        ("postgres://u:p@h:5433/d?x=1", "postgresql+psycopg://u:p@h:5433/d?x=1"),
        ("sqlite:////data/catalogue.db", "sqlite:////data/catalogue.db"),
    ],
)
def test_the_catalogue_by_url(home: Path, given: str, url: str) -> None:
    assert Settings(home=home, database_url=given).catalogue_url == url


@pytest.mark.parametrize(
    ("given", "lake"),
    [
        ("s3://bucket/prefix", "s3://bucket/prefix/lake"),
        ("s3://bucket/prefix/", "s3://bucket/prefix/lake"),
        ("file:///data/store", "/data/store/lake"),
    ],
)
def test_the_lake_by_url(home: Path, given: str, lake: str) -> None:
    settings = Settings(home=home, store_url=given)
    assert settings.lake_url == lake
    assert settings.blobs_url == lake.removesuffix("lake") + "blobs"


def test_the_data_folder_becomes_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings(home=Path("~/data")).home == tmp_path / "data"
    monkeypatch.chdir(tmp_path)
    assert Settings(home=Path("here")).home == tmp_path / "here"


def test_secrets_are_not_shown(home: Path) -> None:
    settings = Settings.model_validate({"home": home, "secret_key": "s3cret", "api_key": "lw-abc"})
    assert "s3cret" not in repr(settings)
    assert "lw-abc" not in repr(settings)
    assert settings.secret_key.get_secret_value() == "s3cret"


def test_settings_do_not_change_once_read(home: Path) -> None:
    with pytest.raises(ValueError, match="frozen"):
        Settings(home=home).port = 1


def test_a_variable_of_a_spec_is_read_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_KEY", "")
    assert environment_variable("SOME_KEY") == ""
    monkeypatch.delenv("SOME_KEY")
    assert environment_variable("SOME_KEY") is None


def test_a_data_folder_that_would_cut_the_url_of_the_catalogue_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LOOPWRIGHT_HOME", str(tmp_path / "what?"))
    with pytest.raises(Invalid, match="LOOPWRIGHT_HOME=.*question mark"):
        load_settings()
