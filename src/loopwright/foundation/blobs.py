"""Files by digest, in a folder or an object store, and the one function through which a name may become a path."""

from __future__ import annotations

import hashlib
import io
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, Protocol
from urllib.parse import urlsplit

from loopwright.foundation.errors import Corrupt, DiskFull, Invalid, NotFound, Unavailable

_SAFE_PART = re.compile(r"[A-Za-z0-9_-](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9_-])?")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_CHUNK: Final = 1024 * 1024
_DISK_FULL: Final = (28, 122)  # ENOSPC, EDQUOT


def safe_path(root: Path, *parts: str) -> Path:
    """`root` joined with `parts`, each one plain name; the result lies inside `root` even when links are followed.

    A part is 1 to 128 of `[A-Za-z0-9._-]` and neither starts nor ends with a dot, so that no traversal, separator,
    NUL or look-alike character can pass. Raises Invalid.
    """
    for part in parts:
        if _SAFE_PART.fullmatch(part) is None:
            raise Invalid(f"{part[:80]!r} cannot be part of a path", hint="use letters, digits, - _ and inner dots")
    path = root.joinpath(*parts)
    if not path.resolve().is_relative_to(root.resolve()):
        raise Invalid(f"{'/'.join(parts)!r} leads out of {root} through a link", hint="remove the link")
    return path


class Blobs:
    """Content by its sha256: written once, never changed, checked on every read.

    `url` is a local path or `s3://bucket/prefix`; S3 reads the usual `AWS_*` variables and needs the extra `s3`.
    """

    def __init__(self, url: str) -> None:
        self.url = url.removeprefix("file://").rstrip("/")
        self._store: _Store = _S3(self.url) if self.url.startswith("s3://") else _Folder(Path(self.url))

    def put(self, content: bytes | IO[bytes]) -> str:
        """The digest, 64 hexadecimal characters, once the content is durable. Raises DiskFull, Unavailable."""
        return self._store.put(io.BytesIO(content) if isinstance(content, bytes) else content)

    def get(self, digest: str) -> bytes:
        """The whole content. Raises NotFound, Corrupt, Unavailable."""
        with self.open(digest) as file:
            return file.read()

    @contextmanager
    def open(self, digest: str) -> Iterator[IO[bytes]]:
        """A seekable file of the content, checked before the first byte is given. Raises NotFound, Corrupt."""
        with self._store.open(_checked(digest)) as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != digest:
                raise Corrupt(f"blob {digest} holds other bytes (sha256 {found})", hint="restore it from a backup")
            file.seek(0)
            yield file

    def exists(self, digest: str) -> bool:
        """Whether content of that digest was put."""
        return self._store.exists(_checked(digest))

    def delete(self, digest: str) -> None:
        """Removes the content; nothing happens when it is absent."""
        self._store.delete(_checked(digest))


class _Store(Protocol):
    def put(self, source: IO[bytes]) -> str: ...
    def open(self, digest: str) -> Any: ...
    def exists(self, digest: str) -> bool: ...
    def delete(self, digest: str) -> None: ...


class _Folder:
    """`ab/abcd...`: first two characters as folder, so that none grows too large."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, source: IO[bytes]) -> str:
        try:
            return self._put(source)
        except OSError as error:
            if error.errno in _DISK_FULL:
                raise DiskFull(f"no room for a blob in {self._root}", hint="free some space") from error
            raise Unavailable(f"a blob cannot be written in {self._root}: {error}", hint="check the folder") from error

    def _put(self, source: IO[bytes]) -> str:
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        hasher = hashlib.sha256()
        handle, name = tempfile.mkstemp(prefix=".put-", dir=self._root)
        try:
            with os.fdopen(handle, "wb") as file:
                while chunk := source.read(_CHUNK):
                    hasher.update(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            target = self._path(hasher.hexdigest())
            if not target.parent.is_dir():
                target.parent.mkdir(mode=0o700, exist_ok=True)
                _fsync_folder(self._root)
            Path(name).replace(target)
            _fsync_folder(target.parent)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return hasher.hexdigest()

    @contextmanager
    def open(self, digest: str) -> Iterator[IO[bytes]]:
        try:
            file = self._path(digest).open("rb")
        except FileNotFoundError as error:
            raise _absent(digest) from error
        with file:
            yield file

    def exists(self, digest: str) -> bool:
        return self._path(digest).is_file()

    def delete(self, digest: str) -> None:
        self._path(digest).unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        return safe_path(self._root, digest[:2], digest)


class _S3:
    """Objects `prefix/ab/abcd...`; content passes through a temporary file, never whole through memory."""

    def __init__(self, url: str) -> None:
        try:
            import obstore  # lazy: the extra `s3`, and 20 ms that a local store need not pay
            from obstore.store import S3Store
        except ImportError as error:
            raise Invalid(
                f"{url} needs the library for object stores, which is not installed",
                hint="pip install 'loopwright[s3]'",
                param="store_url",
            ) from error
        parts = urlsplit(url)
        self._api = obstore
        self._store = S3Store(parts.netloc, prefix=parts.path.strip("/") or None)
        self._url = url

    def put(self, source: IO[bytes]) -> str:
        with tempfile.TemporaryFile() as spooled:
            hasher = hashlib.sha256()
            while chunk := source.read(_CHUNK):
                hasher.update(chunk)
                spooled.write(chunk)
            spooled.seek(0)
            with self._translated(hasher.hexdigest()):
                self._api.put(self._store, _key(hasher.hexdigest()), spooled)
        return hasher.hexdigest()

    @contextmanager
    def open(self, digest: str) -> Iterator[IO[bytes]]:
        with tempfile.TemporaryFile() as spooled:
            with self._translated(digest):
                for chunk in self._api.get(self._store, _key(digest)).stream(min_chunk_size=_CHUNK):
                    spooled.write(chunk)
            spooled.seek(0)
            yield spooled

    def exists(self, digest: str) -> bool:
        try:
            with self._translated(digest):
                self._api.head(self._store, _key(digest))
        except NotFound:
            return False
        return True

    def delete(self, digest: str) -> None:
        try:
            with self._translated(digest):
                self._api.delete(self._store, _key(digest))
        except NotFound:
            return

    @contextmanager
    def _translated(self, digest: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                raise Unavailable(f"the bucket of {self._url} does not exist", hint="create it") from error
            raise _absent(digest) from error
        except (OSError, self._api.exceptions.BaseError) as error:
            if getattr(error, "errno", None) in _DISK_FULL:
                raise DiskFull("no room for the temporary copy of a blob", hint="free some space") from error
            reason = str(error).splitlines()[0][:300]
            raise Unavailable(
                f"{self._url} does not answer: {reason}", hint="check AWS_* and the store's URL"
            ) from error


def _checked(digest: str) -> str:
    if _DIGEST.fullmatch(digest) is None:
        raise Invalid(f"{digest[:80]!r} is not a sha256 digest", hint="use the 64 hexadecimal characters put() gave")
    return digest


def _key(digest: str) -> str:
    return f"{digest[:2]}/{digest}"


def _absent(digest: str) -> NotFound:
    return NotFound(f"there is no blob {digest}")


def _fsync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
