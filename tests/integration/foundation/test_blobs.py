"""Blobs in a folder and on an S3 server keep the same contract."""

from __future__ import annotations

import io

import pytest

from loopwright.foundation.blobs import Blobs
from loopwright.foundation.errors import Corrupt, NotFound, Unavailable


def test_put_get_open_delete(blobs: Blobs) -> None:
    content = b"adapter" * 300_000
    digest = blobs.put(io.BytesIO(content))
    assert blobs.put(content) == digest
    assert blobs.exists(digest)
    assert blobs.get(digest) == content
    with blobs.open(digest) as file:
        file.seek(7)
        assert file.read(7) == b"adapter"
    blobs.delete(digest)
    blobs.delete(digest)
    assert not blobs.exists(digest)
    with pytest.raises(NotFound):
        blobs.get(digest)


def test_empty_content(blobs: Blobs) -> None:
    assert blobs.get(blobs.put(b"")) == b""


@pytest.mark.backend("scaled-out")
def test_changed_object_is_corrupt(blobs: Blobs) -> None:
    import boto3

    digest = blobs.put(b"weights")
    bucket, _, prefix = blobs.url.removeprefix("s3://").partition("/")
    boto3.client("s3").put_object(Bucket=bucket, Key=f"{prefix}/{digest[:2]}/{digest}", Body=b"weightz")
    with pytest.raises(Corrupt):
        blobs.get(digest)


@pytest.mark.backend("scaled-out")
def test_missing_bucket_is_said(store_url: str) -> None:
    with pytest.raises(Unavailable, match=r"bucket of .* does not exist"):
        Blobs(f"{store_url.replace('lw-', 'no-')}/blobs").put(b"x")
