"""The master secret of an installation, and what it seals: provider keys at rest, session signatures."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from loopwright.foundation.errors import Unavailable

_VERSION = "v1"


class MasterSecret:
    """One secret from which every other is derived by purpose; never stored in the catalogue."""

    def __init__(self, material: bytes) -> None:
        self._material = material

    @classmethod
    def load(cls, configured: str, folder: Path) -> MasterSecret:
        """The configured secret, or the one in `folder/secret.key`, made with mode 0600 on first use."""
        if configured:
            return cls(hashlib.sha256(configured.encode()).digest())
        path = folder / "secret.key"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = os.urandom(32)
        temporary = folder / f".secret.{os.urandom(8).hex()}"
        descriptor = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, fresh)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        try:
            # A link fails when another process was first, so two starts at once agree on one secret.
            os.link(temporary, path)
        except FileExistsError:
            fresh = path.read_bytes()
        finally:
            temporary.unlink()
        if len(fresh) != 32:
            raise Unavailable(
                f"{path} has {len(fresh)} bytes, a master secret has 32; what it sealed cannot be opened",
                hint="put the file back from a backup; or remove it, sign in again and apply the providers again",
            )
        return cls(fresh)

    def derive(self, purpose: str) -> bytes:
        """A 256-bit key for one purpose, HMAC-SHA256 of its name."""
        return hmac.new(self._material, purpose.encode(), hashlib.sha256).digest()

    def seal(self, secret: str, team_id: str, name: str) -> str:
        """AES-256-GCM ciphertext, bound to the team and the name it was sealed for."""
        nonce = os.urandom(12)
        sealed = AESGCM(self.derive("seal")).encrypt(nonce, secret.encode(), _bound_to(team_id, name))
        return f"{_VERSION}:{base64.b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, team_id: str, name: str) -> str:
        """The secret again. Raises Unavailable when it was sealed by another master secret or for another name."""
        _, _, body = sealed.partition(":")
        try:
            raw = base64.b64decode(body, validate=True)
            opened = AESGCM(self.derive("seal")).decrypt(raw[:12], raw[12:], _bound_to(team_id, name))
        except (InvalidTag, ValueError) as error:
            raise Unavailable(
                f"the secret of {name!r} cannot be opened with this installation's master secret",
                hint="set LOOPWRIGHT_SECRET_KEY to the value it was sealed with, or apply the provider again",
            ) from error
        return opened.decode()


def _bound_to(team_id: str, name: str) -> bytes:
    return f"{team_id}\0{name}".encode()
