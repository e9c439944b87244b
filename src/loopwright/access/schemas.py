"""What goes over the wire about teams, keys and sessions."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from loopwright.foundation.identity import Role


class Key(BaseModel):
    """An API key without its secret."""

    id: str
    name: str
    prefix: str = Field(description="First characters of the key, to tell keys apart.")
    role: Role
    created_at: str
    last_used_at: str | None = None
    revoked_at: str | None = None


class NewKey(BaseModel):
    """A wish for a key."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    role: Role = "member"


class IssuedKey(Key):
    """A key at the one moment its secret is shown."""

    key: str


class SignIn(BaseModel):
    """How a browser signs in: a key, or the one-time token printed by `loopwright up`."""

    model_config = ConfigDict(extra="forbid")

    key: str = ""
    login_token: str = ""


class Session(BaseModel):
    """A signed-in browser."""

    user: str
    team: dict[str, Any]
    role: Role
    csrf: str
    expires_at: str
