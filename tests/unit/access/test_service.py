from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from loopwright.access import AccessService, AccessStore, SessionSigner, hash_secret
from loopwright.access.service import FirstStart
from loopwright.foundation.clock import FixedClock
from loopwright.foundation.database import Database
from loopwright.foundation.errors import Denied, NotFound, Unauthenticated
from loopwright.foundation.identity import ROLES, Principal, Role


@pytest.fixture
def store(database: Database) -> AccessStore:
    return AccessStore(database)


@pytest.fixture
def access(store: AccessStore, clock: FixedClock) -> AccessService:
    return AccessService(store, SessionSigner(b"k" * 32), clock)


@pytest.fixture
def first(access: AccessService) -> FirstStart:
    made = access.first_start()
    assert made is not None
    return made


@pytest.fixture
def admin(access: AccessService, first: FirstStart) -> Principal:
    return access.authenticate(first.key)


def stored_bytes(home: Path) -> bytes:
    return b"".join(path.read_bytes() for path in home.iterdir() if path.name.startswith("catalogue.db"))


def test_the_first_start_makes_a_team_an_admin_and_a_key(access: AccessService, first: FirstStart) -> None:
    principal = access.authenticate(first.key)
    assert (principal.team_id, principal.role) == (first.team_id, "admin")
    assert principal.key_id == principal.subject
    assert access.operator() == Principal(first.team_id, first.user_id, "admin")
    assert [key.name for key in access.keys(principal)] == ["first key"]


def test_the_first_start_happens_once(access: AccessService, admin: Principal) -> None:
    assert access.first_start() is None
    assert len(access.keys(admin)) == 1


def test_first_starts_at_the_same_time_make_one_team(access: AccessService) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = [found for found in pool.map(lambda _: access.first_start(), range(8)) if found]
    assert len(made) == 1
    assert access.authenticate(made[0].key).team_id == made[0].team_id


def test_before_the_first_start_there_is_no_operator(access: AccessService) -> None:
    with pytest.raises(NotFound, match="no team yet"):
        access.operator()


def test_no_secret_is_stored_as_it_is(access: AccessService, admin: Principal, first: FirstStart, home: Path) -> None:
    issued = access.create_key(admin, "laptop", "member")
    token = access.login_token(admin)
    kept = stored_bytes(home)
    for secret in (first.key, issued.key, token):
        assert secret.encode() not in kept
        assert secret[9:].encode() not in kept
        assert hash_secret(secret).encode() in kept


def test_a_key_is_shown_once_and_known_by_its_first_characters(access: AccessService, admin: Principal) -> None:
    issued = access.create_key(admin, "laptop", "member")
    assert issued.key.startswith(issued.prefix)
    assert len(issued.prefix) == 9
    listed = access.keys(admin)[0]
    assert (listed.id, listed.name, listed.role) == (issued.id, "laptop", "member")
    assert issued.key not in listed.model_dump_json()
    assert access.authenticate(issued.key) == Principal(admin.team_id, issued.id, "member", issued.id)


def test_a_revoked_key_is_refused_at_once_and_only_it(access: AccessService, admin: Principal) -> None:
    one, two = access.create_key(admin, "one", "member"), access.create_key(admin, "two", "member")
    access.revoke_key(admin, one.id)
    with pytest.raises(Unauthenticated, match="was revoked"):
        access.authenticate(one.key)
    assert access.authenticate(two.key).key_id == two.id
    assert {key.name: key.revoked_at is not None for key in access.keys(admin)}["one"]
    with pytest.raises(NotFound, match="no active key"):
        access.revoke_key(admin, one.id)


@pytest.mark.parametrize("key", ["", "lw-unknown", "lw-", "é"])
def test_an_unknown_key_is_refused(access: AccessService, admin: Principal, key: str) -> None:
    with pytest.raises(Unauthenticated, match="not known here"):
        access.authenticate(key)


def test_another_team_neither_sees_nor_ends_a_key(access: AccessService, admin: Principal) -> None:
    issued = access.create_key(admin, "mine", "member")
    stranger = Principal("team_other", "user_other", "admin")
    assert access.keys(stranger) == []
    with pytest.raises(NotFound):
        access.revoke_key(stranger, issued.id)
    assert access.authenticate(issued.key)


@pytest.mark.parametrize("holder", ROLES)
@pytest.mark.parametrize("wanted", ROLES)
def test_nobody_makes_a_key_worth_more_than_themselves(
    access: AccessService, admin: Principal, holder: Role, wanted: Role
) -> None:
    caller = Principal(admin.team_id, "user_x", holder)
    if ROLES.index(wanted) >= ROLES.index(holder):
        assert access.create_key(caller, "k", wanted).role == wanted
    else:
        with pytest.raises(Denied, match=f"a {holder} cannot make a key with the role {wanted}"):
            access.create_key(caller, "k", wanted)
        assert len(access.keys(admin)) == 1


def test_every_change_of_keys_is_announced(access: AccessService, admin: Principal, database: Database) -> None:
    before = database.epoch()
    issued = access.create_key(admin, "k", "member")
    made = database.epoch()
    access.revoke_key(admin, issued.id)
    assert before < made < database.epoch()


def test_the_last_use_is_kept_to_the_minute(
    access: AccessService, admin: Principal, first: FirstStart, clock: FixedClock
) -> None:
    start = access.keys(admin)[0].last_used_at
    clock.advance(59)
    access.authenticate(first.key)
    assert access.keys(admin)[0].last_used_at == start
    clock.advance(2)
    access.authenticate(first.key)
    assert access.keys(admin)[0].last_used_at == "2023-11-14T22:14:21.000000Z"


def test_a_login_token_signs_in_once(access: AccessService, first: FirstStart, clock: FixedClock) -> None:
    token = access.login_token(access.operator())
    cookie, session = access.sign_in("", token)
    assert (session.user, session.role, session.team["name"]) == ("admin", "admin", "default")
    assert access.session(cookie).subject == first.user_id
    with pytest.raises(Unauthenticated, match="used already or has expired"):
        access.sign_in("", token)


def test_two_browsers_with_one_token_are_one_session(access: AccessService, first: FirstStart) -> None:
    token = access.login_token(access.operator())

    def attempt(_: int) -> bool:
        try:
            access.sign_in("", token)
        except Unauthenticated:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1


@pytest.mark.parametrize(("minutes", "good"), [(29.9, True), (30, False), (31, False)])
def test_a_login_token_lasts_thirty_minutes(
    access: AccessService, first: FirstStart, clock: FixedClock, minutes: float, good: bool
) -> None:
    token = access.login_token(access.operator())
    clock.advance(minutes * 60)
    if good:
        assert access.sign_in("", token)
    else:
        with pytest.raises(Unauthenticated):
            access.sign_in("", token)


def test_a_link_made_with_a_key_signs_in_as_that_key_and_ends_with_it(access: AccessService, admin: Principal) -> None:
    issued = access.create_key(admin, "laptop", "admin")
    holder = access.authenticate(issued.key)
    used, unused = access.login_token(holder), access.login_token(holder)
    cookie, session = access.sign_in("", used)
    assert session.user == "laptop"
    assert access.session(cookie).principal() == holder
    access.revoke_key(admin, issued.id)
    with pytest.raises(Unauthenticated, match="was revoked"):
        access.session(cookie)
    with pytest.raises(Unauthenticated, match="was revoked"):
        access.sign_in("", unused)


def test_the_key_in_a_link_cannot_be_exchanged(access: AccessService, admin: Principal) -> None:
    token, _, _ = access.login_token(admin).partition(".")
    other = access.create_key(admin, "other", "admin")
    for forged in (token, f"{token}.", f"{token}.{other.id}"):
        with pytest.raises(Unauthenticated, match="used already or has expired"):
            access.sign_in("", forged)


@pytest.mark.parametrize("token", ["", "guess"])
def test_a_guess_signs_nobody_in(access: AccessService, admin: Principal, token: str) -> None:
    with pytest.raises(Unauthenticated):
        access.sign_in("", token)


def test_a_session_opened_with_a_key_has_its_role_and_ends_with_it(access: AccessService, admin: Principal) -> None:
    issued = access.create_key(admin, "k", "viewer")
    cookie, session = access.sign_in(issued.key, "")
    assert session.role == "viewer"
    assert access.session(cookie).principal() == Principal(admin.team_id, issued.id, "viewer", issued.id)
    access.revoke_key(admin, issued.id)
    with pytest.raises(Unauthenticated, match="was revoked"):
        access.session(cookie)


def test_a_session_ends_after_twelve_hours(access: AccessService, first: FirstStart, clock: FixedClock) -> None:
    cookie, session = access.sign_in(first.key, "")
    assert session.expires_at == "2023-11-15T10:13:20.000000Z"
    clock.advance(12 * 3600 - 1)
    assert access.session(cookie)
    clock.advance(1)
    with pytest.raises(Unauthenticated, match="expired"):
        access.session(cookie)


def test_a_forged_session_is_refused(access: AccessService, first: FirstStart, store: AccessStore) -> None:
    forger = AccessService(store, SessionSigner(b"f" * 32), FixedClock())
    cookie, _ = forger.sign_in(first.key, "")
    with pytest.raises(Unauthenticated, match="not one of ours"):
        access.session(cookie)


def test_each_session_has_a_csrf_of_its_own(access: AccessService, first: FirstStart) -> None:
    one, two = access.sign_in(first.key, "")[1], access.sign_in(first.key, "")[1]
    assert one.csrf != two.csrf
    assert len(one.csrf) >= 32
