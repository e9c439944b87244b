"""What the processes of one installation share on this machine: the control socket and the operator's token."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from loopwright.foundation.settings import Settings

OPERATOR_HEADER = "x-loopwright-operator"


def control_socket(settings: Settings) -> Path:
    """Where control listens. Socket paths end at about 100 bytes, so a long home gets one in the temporary folder."""
    path = settings.run_dir / "control.sock"
    if len(str(path)) < 100:
        return path
    folder = Path(f"/tmp/loopwright-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid() or folder.is_symlink():
        raise PermissionError(f"{folder} belongs to somebody else")
    return folder / f"{hashlib.sha256(str(settings.home).encode()).hexdigest()[:16]}.sock"


def operator_token(settings: Settings) -> str:
    """The secret by which this machine's processes and commands speak to control, made with mode 0600 on first use.

    Whoever can read it can read the whole data folder anyway.
    """
    settings.run_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = settings.run_dir / "operator.token"
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        if token := path.read_text():
            return token
        # A crash between creating and writing leaves an empty file, which is nobody's token.
        path.unlink(missing_ok=True)
        return operator_token(settings)
    token = secrets.token_urlsafe(32)
    with os.fdopen(descriptor, "w") as file:
        file.write(token)
    return token


def read_operator_token(settings: Settings) -> str:
    """The token of a Loopwright that was started on this data folder; empty when none was."""
    path = settings.run_dir / "operator.token"
    return path.read_text() if path.exists() else ""


def remember_url(settings: Settings, url: str) -> None:
    """Notes where the gateway listens, for this machine's commands."""
    temporary = settings.run_dir / "url.new"
    temporary.write_text(url)
    temporary.rename(settings.run_dir / "url")


def known_url(settings: Settings) -> str:
    """Where the gateway of this data folder listens, or would by its settings."""
    path = settings.run_dir / "url"
    return path.read_text() if path.exists() else f"http://{settings.host}:{settings.port}"
