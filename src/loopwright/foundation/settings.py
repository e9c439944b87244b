"""How a process runs: read once from the environment, checked as a whole, passed on as arguments."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from loopwright.foundation.errors import Invalid

MEBIBYTE = 1024 * 1024


class Settings(BaseSettings):
    """Every setting, each as `LOOPWRIGHT_<NAME>` in the environment."""

    model_config = SettingsConfigDict(env_prefix="LOOPWRIGHT_", extra="ignore", frozen=True)

    home: Path = Field(
        default_factory=lambda: Path.home() / ".loopwright",
        description="Data folder: catalogue, lake, blobs, spool, logs.",
    )
    host: str = Field(default="127.0.0.1", description="Address the gateway listens on.")
    port: int = Field(default=8700, ge=0, le=65535, description="Port the gateway listens on; 0 takes a free one.")
    public_url: str = Field(
        default="", description="URL users reach Loopwright by, when a proxy stands in front; empty: http://host:port."
    )
    database_url: str = Field(
        default="",
        description="Catalogue: empty for SQLite in the data folder, or postgresql://user:password@host/database.",
    )
    store_url: str = Field(
        default="", description="Lake and blobs: empty for the data folder, or file:///path, or s3://bucket/prefix."
    )
    durability: Literal["group", "strict"] = Field(
        default="group",
        description="When a trace is fsynced: 'group' within 50 ms in groups, 'strict' before the answer ends.",
    )
    record_content: bool = Field(
        default=True, description="Whether traces keep prompts and answers; off keeps only names, counts and times."
    )
    max_request_mb: int = Field(default=8, ge=1, le=512, description="Largest request body of /v1, in MiB.")
    max_upload_mb: int = Field(default=256, ge=1, le=4096, description="Largest upload of documents, in MiB a request.")
    upstream_connect_timeout_s: float = Field(default=10.0, gt=0, description="Seconds to connect to a provider.")
    upstream_read_timeout_s: float = Field(
        default=300.0, gt=0, description="Seconds a provider may stay silent, before the first byte or between two."
    )
    embedder: str = Field(
        default="auto",
        description="Built-in embedder: 'minilm', 'hashing', or 'auto' for MiniLM where its weights are installed.",
    )
    allow_private_upstreams: str = Field(
        default="127.0.0.1,localhost,::1",
        description="Comma-separated hosts in private ranges that providers may use, such as a local Ollama.",
    )
    allowed_hosts: str = Field(
        default="", description="Comma-separated Host names the browser may use besides the listening address."
    )
    secret_key: SecretStr = Field(
        default=SecretStr(""),
        description="Master secret that seals provider keys and sessions; empty: a random one in the data folder.",
    )
    url: str = Field(
        default="",
        description="Where commands find Loopwright; empty: the one of this data folder, by its local socket.",
    )
    api_key: SecretStr = Field(default=SecretStr(""), description="API key that commands use with LOOPWRIGHT_URL.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(default="info", description="Least level logged.")

    @field_validator("home", mode="after")
    @classmethod
    def _absolute_home(cls, value: Path) -> Path:
        # In the URL of a database a ? ends the path, so the catalogue would lie outside of the folder.
        if "?" in str(value) or "\0" in str(value):
            raise ValueError("must not contain a question mark")
        return value.expanduser().absolute()

    @field_validator("database_url", mode="after")
    @classmethod
    def _known_database(cls, value: str) -> str:
        if value and not value.startswith(("postgresql://", "postgres://", "sqlite:///")):
            raise ValueError("must start with postgresql:// or sqlite:///")
        return value

    @field_validator("store_url", mode="after")
    @classmethod
    def _known_store(cls, value: str) -> str:
        if value and not value.startswith(("file:///", "s3://")):
            raise ValueError("must start with file:/// or s3://")
        return value.rstrip("/")

    @property
    def catalogue_url(self) -> str:
        """SQLAlchemy URL of the catalogue."""
        if not self.database_url:
            return f"sqlite:///{self.home / 'catalogue.db'}"
        scheme, _, rest = self.database_url.partition("://")
        return f"postgresql+psycopg://{rest}" if scheme in {"postgresql", "postgres"} else self.database_url

    @property
    def lake_url(self) -> str:
        """Where the lake's tables lie: a local path or an s3:// URL."""
        return self._under_store("lake")

    @property
    def blobs_url(self) -> str:
        """Where blobs lie: a local path or an s3:// URL."""
        return self._under_store("blobs")

    @property
    def run_dir(self) -> Path:
        """Sockets, locks and secrets of the running processes."""
        return self.home / "run"

    @property
    def spool_dir(self) -> Path:
        """Traces on their way to the lake."""
        return self.home / "spool"

    @property
    def log_dir(self) -> Path:
        """Log files."""
        return self.home / "logs"

    def _under_store(self, name: str) -> str:
        if not self.store_url:
            return str(self.home / name)
        return f"{self.store_url.removeprefix('file://')}/{name}"


def load_settings() -> Settings:
    """The settings of this process. Raises Invalid that names every faulty variable at once."""
    try:
        return Settings()
    except ValidationError as error:
        faults = "; ".join(
            f"LOOPWRIGHT_{'_'.join(str(part) for part in fault['loc']).upper()}={fault['input']!r}: {fault['msg']}"
            for fault in error.errors()
        )
        raise Invalid(f"settings are wrong: {faults}", hint="see docs/settings.md") from error


def environment_variable(name: str) -> str | None:
    """A variable that a spec names as `${NAME}`, read where the spec is applied; None when it is not set."""
    return os.environ.get(name)
