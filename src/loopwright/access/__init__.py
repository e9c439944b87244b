"""Who may do what: teams, keys, sessions, roles and sealed secrets.

Comes in: a bearer key, a session cookie or the local operator's token. Goes out: a `Principal` and the
decision whether it may act. The gateway and control ask before anything else happens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from loopwright.access.credentials import SessionSigner, hash_secret, new_key
from loopwright.access.policy import allowed
from loopwright.access.secrets import MasterSecret

if TYPE_CHECKING:
    from loopwright.access.service import AccessService
    from loopwright.access.store import AccessStore

__all__ = ["AccessService", "AccessStore", "MasterSecret", "SessionSigner", "allowed", "hash_secret", "new_key"]


def __getattr__(name: str) -> Any:
    # The store brings SQLAlchemy along, which a process that only checks keys does not need.
    if name == "AccessService":
        from loopwright.access.service import AccessService

        return AccessService
    if name == "AccessStore":
        from loopwright.access.store import AccessStore

        return AccessStore
    raise AttributeError(name)
