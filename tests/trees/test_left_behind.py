"""What a machine that died has left in a directory is no lasting harm."""

from __future__ import annotations

import time

import pytest

from mi_ldap.directory.store import DirectoryStore
from mi_ldap.directory.writes import execution
from mi_ldap.directory.writes.plans import GuardedOperation
from mi_ldap.errors import DirectoryUnavailable
from tests.api.client import PASSWORD, Api
from tests.kinds import ACTIVE_DIRECTORY, DS389
from tests.machines import MakeApi
from tests.subtree import Subtree
from tests.trees.kinds import on

pytestmark = on(DS389, ACTIVE_DIRECTORY)

NEW = {"newPassword": "another one", "confirmPassword": "another one"}


def mark(place: Subtree, name: str, kind: str, age_s: float) -> None:
    """As a machine left the entry that long ago."""
    epoch = "adminDisplayName" if place.kind is ACTIVE_DIRECTORY else "miLdapEpoch"
    stored = f"{kind}:{time.time() - age_s:.0f}:0123456789abcdef"
    place.tool.replace(place.user_dn(name), **{epoch: stored})


@pytest.fixture
def brief(api_of: MakeApi) -> Api:
    """An admin where requests that could not be decided give up soon; `bob` is a user."""
    admin = api_of(SERVER__REQUEST_DEADLINE_S="2").logged_in("admin")
    admin.add_user("bob")
    return admin


@pytest.mark.parametrize("kind", ["leaving", "resetting"])
def test_a_user_that_was_left_long_ago_is_like_any_other(
    brief: Api, place: Subtree, kind: str
) -> None:
    mark(place, "bob", kind, 90)
    assert brief.user("bob")["roles"] == ["Internal/everyone"]
    bob = brief.logged_in("bob")
    assert bob("GET", "/server").status_code == 200
    brief.give("bob", "admin")
    mark(place, "bob", kind, 90)
    brief.do("PATCH", "/users/bob", NEW)
    mark(place, "bob", kind, 90)
    brief.do("DELETE", "/users/bob")
    assert not brief.exists("bob")


def test_a_user_that_is_leaving_is_promoted_by_nobody(brief: Api, place: Subtree) -> None:
    mark(place, "bob", "leaving", 5)
    for method, path, body in [
        ("PUT", "/roles", {"userId": "bob", "addedRoles": ["admin"]}),
        ("PATCH", "/users/bob", NEW),
    ]:
        answer = brief(method, path, body)
        assert answer.status_code == 409, answer.text
        assert "Try again" in answer.text
    assert brief.user("bob")["isAdmin"] is False
    # Whoever began is dead, or will find it gone.
    brief.do("DELETE", "/users/bob")
    brief.add_user("bob")
    assert brief.logged_in("bob")("GET", "/server").status_code == 200


def test_the_mark_of_leaving_ends_all_tokens(brief: Api, place: Subtree) -> None:
    bob = brief.logged_in("bob")
    mark(place, "bob", "leaving", 5)
    assert bob("GET", "/server").status_code == 401
    assert brief.login("bob", PASSWORD).status_code == 200


def test_a_removal_that_is_cut_off_leaves_a_user_that_can_be_removed(
    api_of: MakeApi, place: Subtree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cut off between the mark and the deletion, and undoing is not possible either."""
    admin = api_of(SERVER__REQUEST_DEADLINE_S="3").logged_in("admin")
    admin.add_user("bob")
    admin.add_role("dev", "bob")
    done: list[str] = []
    whole = execution._do

    def cut_off(session: object, profile: object, guarded: GuardedOperation) -> None:
        if type(guarded.operation).__name__ == "Delete":
            raise DirectoryUnavailable
        done.append(type(guarded.operation).__name__)
        whole(session, profile, guarded)  # type: ignore[arg-type]

    monkeypatch.setattr(execution, "_do", cut_off)
    monkeypatch.setattr(execution, "_undo", lambda *_: None)
    assert admin("DELETE", "/users/bob").status_code == 503
    assert done
    monkeypatch.undo()
    assert isinstance(admin.services.store, DirectoryStore)
    assert admin.user("bob") == {
        "userId": "bob",
        "isAdmin": False,
        "roles": ["Internal/everyone"],
    }
    assert admin("PUT", "/roles", {"userId": "bob", "addedRoles": ["admin"]}).status_code == 409
    admin.do("DELETE", "/users/bob")
    assert not admin.exists("bob")


def test_a_removal_that_is_refused_is_undone(
    api_of: MakeApi, place: Subtree, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = api_of(SERVER__REQUEST_DEADLINE_S="1").logged_in("admin")
    admin.add_user("boss", isAdmin=True)
    admin.add_role("dev", "boss")
    boss = admin.logged_in("boss")
    whole = execution._do

    def cut_off(session: object, profile: object, guarded: GuardedOperation) -> None:
        if type(guarded.operation).__name__ == "Delete":
            raise DirectoryUnavailable
        whole(session, profile, guarded)  # type: ignore[arg-type]

    monkeypatch.setattr(execution, "_do", cut_off)
    assert admin("DELETE", "/users/boss").status_code == 503
    monkeypatch.undo()
    assert admin.user("boss") == {
        "userId": "boss",
        "isAdmin": True,
        "roles": ["Internal/everyone", "admin", "dev"],
        "createdBy": "admin",
    }
    assert boss("GET", "/users").status_code == 200
    admin.do("DELETE", "/users/boss")
