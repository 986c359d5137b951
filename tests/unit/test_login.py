"""Proving a password: one bind, the throttle before it, a time that tells nothing after it."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from functools import partial

import pytest

from mi_ldap.deadline import deadline
from mi_ldap.errors import AuditUnavailable, DirectoryUnavailable, LoginRefused, TooManyFailures
from mi_ldap.model import AuthenticationResult, User
from mi_ldap.services.response_time_floor import ResponseTimeFloor
from mi_ldap.state import throttle
from mi_ldap.state.tokens import SCOPE_ADMIN, SCOPE_CHANGE_PASSWORD, SCOPE_DEFAULT
from tests.stopwatch import seconds
from tests.unit.conftest import MakeWorld
from tests.world import ELSEWHERE, PASSWORD, World


@pytest.fixture
def staffed(world_of: MakeWorld) -> World:
    """`admin` is one, `bob` is not; three failures of a name and six of an address a minute."""
    world = world_of(
        MANAGEMENT_API__THROTTLE__FAILURES_PER_NAME="3",
        MANAGEMENT_API__THROTTLE__FAILURES_PER_ADDRESS="6",
    )
    world.add_first_admin()
    world.add("bob")
    return world


@pytest.fixture
def binds(staffed: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the users whose passwords the store was asked to prove."""
    asked: list[str] = []
    prove = staffed.store.authenticate

    def noted(user: User, password: str) -> AuthenticationResult:
        asked.append(user.name)
        return prove(user, password)

    monkeypatch.setattr(staffed.store, "authenticate", noted)
    return asked


def fail(world: World, name: str, times: int, client: str = ELSEWHERE) -> None:
    for _ in range(times):
        with pytest.raises(LoginRefused):
            world.login(name, "wrong", client)


def test_a_login_tells_the_scope_of_the_moment(staffed: World) -> None:
    assert staffed.login("admin").scope == SCOPE_ADMIN
    assert staffed.login("bob").scope == SCOPE_DEFAULT


@pytest.mark.parametrize("typed", ["BOB", " bob ", "PRIMARY/bob", "ｂob"])
def test_any_spelling_is_the_same_user(staffed: World, typed: str) -> None:
    assert staffed.login(typed).user == staffed.user("bob")


def test_a_login_is_one_bind(staffed: World, binds: list[str]) -> None:
    staffed.login("bob")
    assert binds == ["bob"]


@pytest.mark.parametrize(
    ("name", "password"), [("bob", ""), ("nobody", PASSWORD), ("", PASSWORD), ("ldap2/bob", "x")]
)
def test_impossible_passwords_cause_no_bind(
    staffed: World, binds: list[str], name: str, password: str
) -> None:
    with pytest.raises(LoginRefused) as caught:
        staffed.login(name, password)
    assert str(caught.value) == "Invalid credentials."
    assert binds == []


def test_a_password_that_must_be_changed_allows_only_that(staffed: World) -> None:
    staffed.store.account("admin").must_change = True
    assert staffed.login("admin").scope == SCOPE_CHANGE_PASSWORD


@pytest.mark.parametrize("reason", ["locked", "expired"])
def test_a_locked_account_is_reported(staffed: World, reason: str) -> None:
    staffed.store.account("bob").closed = reason
    with pytest.raises(LoginRefused, match=reason):
        staffed.login("bob")
    assert staffed.told("action", "outcome", "reason") == [("login", "refused", reason)]


def test_a_disabled_account_is_reported_after_its_correct_password(staffed: World) -> None:
    staffed.store.account("bob").enabled = False
    with pytest.raises(LoginRefused, match="disabled"):
        staffed.login("bob")
    with pytest.raises(LoginRefused, match="Invalid credentials"):
        staffed.login("bob", "wrong")


def test_an_outage_does_not_count_as_a_wrong_password(staffed: World) -> None:
    staffed.store.is_down = True
    for _ in range(10):
        with pytest.raises(DirectoryUnavailable):
            staffed.login("bob")
    staffed.store.is_down = False
    assert staffed.login("bob").scope == SCOPE_DEFAULT


# The throttle


def test_too_many_failures_block_the_name_from_that_address(
    staffed: World, binds: list[str]
) -> None:
    fail(staffed, "bob", 3)
    with pytest.raises(TooManyFailures):
        staffed.login("bob", PASSWORD, ELSEWHERE)
    assert len(binds) == 3
    assert staffed.login("bob").scope == SCOPE_DEFAULT
    assert staffed.login("admin", PASSWORD, ELSEWHERE).scope == SCOPE_ADMIN


def test_spellings_of_one_user_are_counted_together(staffed: World) -> None:
    for typed in ("bob", "BOB", "PRIMARY/ｂob"):
        fail(staffed, typed, 1)
    with pytest.raises(TooManyFailures):
        staffed.login("bob", PASSWORD, ELSEWHERE)


def test_unknown_names_are_counted_alike(staffed: World) -> None:
    for typed in ("ghost", "GHOST", " ghost"):
        fail(staffed, typed, 1)
    with pytest.raises(TooManyFailures):
        staffed.login("ghost", "wrong", ELSEWHERE)


def test_empty_passwords_are_counted(staffed: World) -> None:
    for _ in range(3):
        with pytest.raises(LoginRefused):
            staffed.login("bob", "", ELSEWHERE)
    with pytest.raises(TooManyFailures):
        staffed.login("bob", PASSWORD, ELSEWHERE)


def test_many_names_block_the_address(staffed: World) -> None:
    for number in range(6):
        fail(staffed, f"ghost{number}", 1)
    with pytest.raises(TooManyFailures):
        staffed.login("bob", PASSWORD, ELSEWHERE)
    assert staffed.login("bob").scope == SCOPE_DEFAULT


def test_logins_that_succeed_are_not_counted(staffed: World) -> None:
    for _ in range(10):
        staffed.login("bob", PASSWORD, ELSEWHERE)
    fail(staffed, "bob", 2)
    assert staffed.login("bob", PASSWORD, ELSEWHERE).scope == SCOPE_DEFAULT


# The audit log


def test_logins_are_audited(staffed: World) -> None:
    staffed.login("BOB")
    fail(staffed, "BOB", 1)
    assert staffed.told("performedBy", "action", "type", "outcome", "reason") == [
        ("bob", "login", "session", "done", ""),
        ("bob", "login", "session", "refused", "credentials"),
    ]


@pytest.mark.parametrize("typed", ["my s3cret", "grün" * 300, "x" * 1_000_000, 'x"}\n{"a"', ""])
def test_an_unknown_name_is_audited_by_its_fingerprint(staffed: World, typed: str) -> None:
    fail(staffed, typed, 2)
    one, other = staffed.lines
    assert one["performedBy"] == other["performedBy"]
    assert re.fullmatch("unknown:[0-9a-f]{16}", one["performedBy"])
    assert {one["outcome"], one["reason"]} == {"refused", "credentials"}


@pytest.mark.parametrize(("typed", "told"), [("bob", "bob"), ("ghost", "unknown:")])
def test_throttled_logins_have_two_audit_lines(
    staffed: World, typed: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fail(staffed, typed, 3, ELSEWHERE)
    for _ in range(10):
        with pytest.raises(TooManyFailures):
            staffed.login(typed, PASSWORD, ELSEWHERE)
    staffed.services.failed_logins.close_windows(include_open=True)
    first, last = staffed.lines[3:]
    for line in (first, last):
        assert line["performedBy"].startswith(told)
        assert (line["action"], line["outcome"], line["reason"]) == (
            "login",
            "refused",
            "throttled",
        )
    assert (first["info"], last["info"]) == ({}, {"refusals": 10, "seconds": 60})
    assert last["client"] == ELSEWHERE
    assert "ghost" not in capsys.readouterr().out


def test_a_window_that_ends_without_a_request_is_audited(
    staffed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "WINDOW_S", 0.3)
    fail(staffed, "bob", 3, ELSEWHERE)
    with pytest.raises(TooManyFailures):
        staffed.login("bob", PASSWORD, ELSEWHERE)
    give_up_at = time.monotonic() + 5
    while len(staffed.lines) < 5 and time.monotonic() < give_up_at:
        time.sleep(0.02)
    assert staffed.lines[-1]["info"]["refusals"] == 1


@pytest.mark.parametrize("typed", ["my s3cret", "ambiguous"])
def test_a_refused_first_login_does_not_log_its_name(world_of: MakeWorld, typed: str) -> None:
    world = world_of(BOOTSTRAP__USERS="alice")
    with pytest.raises(LoginRefused):
        world.login(typed, "wrong")
    assert typed not in str(world.lines)


def test_a_login_that_cannot_be_audited_fails(staffed: World) -> None:
    (staffed.services.settings.state_dir / "audit.log").mkdir()
    with pytest.raises(AuditUnavailable):
        staffed.login("bob")


# Time


def least_refusal_s(world: World, name: str) -> float:
    """The least time of three refused logins with the name."""
    clients = (f"192.0.2.{name}{number}" for number in range(3))
    return min(seconds(partial(fail, world, name, 1, client=each)) for each in clients)


def test_an_unknown_name_takes_as_long_as_a_wrong_password(
    staffed: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    prove = staffed.store.authenticate

    def slowly(user: User, password: str) -> AuthenticationResult:
        time.sleep(0.04)
        return prove(user, password)

    monkeypatch.setattr(staffed.store, "authenticate", slowly)
    known, unknown = least_refusal_s(staffed, "bob"), least_refusal_s(staffed, "nobody")
    assert unknown >= 0.04
    assert abs(known - unknown) < 0.03


def test_the_floor_follows_the_slowest_recent_bind_up_to_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slept_s: list[float] = []
    monkeypatch.setattr(time, "sleep", slept_s.append)
    floor = ResponseTimeFloor()
    floor.record(0.03)
    began_s = time.monotonic()
    floor.wait(began_s)
    assert time.monotonic() - began_s + slept_s[0] >= 0.04
    assert slept_s[0] <= 0.05
    floor.record(1000)
    floor.wait(time.monotonic() - ResponseTimeFloor.MAX_S)
    assert slept_s[1:] == [0]


def test_a_login_that_waits_in_vain_for_the_first_admin_is_an_outage(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The password was not verified, so nothing may say that it is wrong."""
    world.add("bob")
    being_created = replace(world.user("bob"), busy=True)
    monkeypatch.setattr(world.store, "find_user", lambda name: being_created)
    with deadline(0.3), pytest.raises(DirectoryUnavailable, match="being created"):
        world.login("bob")
