"""Who may do what: teams, keys, sessions, roles and sealed secrets.

Comes in: a bearer key, a session cookie or the local operator's token. Goes out: a `Principal` and the
decision whether it may act. The gateway and control ask before anything else happens.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from loopwright.access.credentials import (
    SessionSigner,
    bearer_key,
    check_csrf,
    hash_secret,
    new_key,
    session_cookie,
)
from loopwright.access.policy import allowed
from loopwright.access.secrets import MasterSecret

if TYPE_CHECKING:
    from loopwright.access.service import AccessService, FirstStart
    from loopwright.access.store import AccessStore

__all__ = [
    "AccessService",
    "AccessStore",
    "FirstStart",
    "MasterSecret",
    "SessionSigner",
    "allowed",
    "bearer_key",
    "check_csrf",
    "hash_secret",
    "new_key",
    "session_cookie",
]

_LAZY = {
    "AccessService": "loopwright.access.service",
    "AccessStore": "loopwright.access.store",
    "FirstStart": "loopwright.access.service",
}


def __getattr__(name: str) -> Any:
    # The store brings SQLAlchemy along, which a process that only checks keys does not need.
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(name)
