from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopwright.access import SessionSigner, hash_secret, new_key
from loopwright.access.credentials import SessionClaims
from loopwright.foundation.errors import Unauthenticated
from loopwright.foundation.identity import Principal

SIGNER = SessionSigner(b"k" * 32)


def claims(**changed: Any) -> SessionClaims:
    plain = {"team_id": "team_1", "subject": "user_1", "role": "member", "key_id": "", "csrf": "c", "expires": 1000}
    return SessionClaims(**{**plain, **changed})


def test_a_key_has_its_prefix_and_256_random_bits() -> None:
    keys = {new_key() for _ in range(1000)}
    assert len(keys) == 1000
    assert all(re.fullmatch(r"lw-[A-Za-z0-9_-]{43}", key) for key in keys)


def test_a_secret_is_known_by_its_sha256() -> None:
    assert hash_secret("lw-abc") == hashlib.sha256(b"lw-abc").hexdigest()


def test_a_session_comes_back_as_it_was_signed() -> None:
    made = claims(key_id="key_1", role="viewer")
    assert SIGNER.verify(SIGNER.sign(made), 999) == made
    assert made.principal() == Principal("team_1", "user_1", "viewer", "key_1")


@pytest.mark.parametrize(("now", "fresh"), [(999, True), (1000, False), (1001, False)])
def test_a_session_ends_at_its_second(now: int, fresh: bool) -> None:
    cookie = SIGNER.sign(claims())
    if fresh:
        assert SIGNER.verify(cookie, now).expires == 1000
    else:
        with pytest.raises(Unauthenticated, match="has expired"):
            SIGNER.verify(cookie, now)


def test_a_session_of_another_installation_is_forged() -> None:
    with pytest.raises(Unauthenticated, match="not one of ours"):
        SIGNER.verify(SessionSigner(b"x" * 32).sign(claims()), 1)


def test_another_payload_under_the_same_signature_is_forged() -> None:
    signature = SIGNER.sign(claims()).partition(".")[2]
    payload = base64.urlsafe_b64encode(msgspec.json.encode(claims(role="admin"))).decode()
    with pytest.raises(Unauthenticated, match="not one of ours"):
        SIGNER.verify(f"{payload}.{signature}", 1)


def test_every_single_change_of_a_cookie_is_noticed() -> None:
    cookie = SIGNER.sign(claims())
    for place, sign in enumerate(cookie):
        other = "A" if sign != "A" else "B"
        changed = cookie[:place] + other + cookie[place + 1 :]
        with pytest.raises(Unauthenticated):
            SIGNER.verify(changed, 1)


@pytest.mark.parametrize("cookie", ["", ".", "a.b", "é.é", "abc", "\x00", ".".join("abcd"), "€" * 5000])
def test_nonsense_is_no_session(cookie: str) -> None:
    with pytest.raises(Unauthenticated):
        SIGNER.verify(cookie, 1)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_is_refused_in_the_same_words(cookie: str) -> None:
    with pytest.raises(Unauthenticated, match="not one of ours"):
        SIGNER.verify(cookie, 1)


@pytest.mark.parametrize("payload", [b"{}", b"[]", b"\xff", b'{"team_id": 1}'])
def test_a_signed_payload_that_is_no_session_is_refused(payload: bytes) -> None:
    encoded = base64.urlsafe_b64encode(payload)
    with pytest.raises(Unauthenticated, match="cannot be read"):
        SIGNER.verify(f"{encoded.decode()}.{SIGNER._signature(encoded)}", 1)
