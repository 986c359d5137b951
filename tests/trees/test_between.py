"""What another admin does between two operations of a change, at the worst moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from mi_ldap import account_state
from mi_ldap.directory.writes import execution
from mi_ldap.directory.writes.plans import GuardedOperation
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.ldap.operations import Delete
from mi_ldap.web import create_app
from tests.api.client import PASSWORD, Api
from tests.kinds import ACTIVE_DIRECTORY, DS389, PLAIN_OPENLDAP
from tests.machines import MakeApi
from tests.soundness import EPOCH
from tests.subtree import Subtree

SHORT, LONG = {"SERVER__REQUEST_DEADLINE_S": "2"}, {"SERVER__REQUEST_DEADLINE_S": "20"}
BORROWED = {
    "USER_STORE__CUSTODIAN_ATTRIBUTE": "employeeNumber",
    "USER_STORE__EPOCH_ATTRIBUTE": "preferredLanguage",
}
STRANGERS = {"newPassword": "strangers pw", "confirmPassword": "strangers pw"}

on_each_way = pytest.mark.parametrize(
    "place", [PLAIN_OPENLDAP, DS389, ACTIVE_DIRECTORY], indirect=True, ids=lambda kind: kind.name
)
on_openldap = pytest.mark.parametrize("place", [PLAIN_OPENLDAP], indirect=True)

Before = Callable[[Callable[[GuardedOperation], bool], Callable[[], object]], None]


@pytest.fixture
def before(monkeypatch: pytest.MonkeyPatch) -> Before:
    """Has somebody act once, right before this thread's first operation that is such a one."""

    def arrange(is_it: Callable[[GuardedOperation], bool], act: Callable[[], object]) -> None:
        real, mine, done = execution._do, threading.get_ident(), threading.Event()

        def do(session: object, profile: object, guarded: GuardedOperation) -> None:
            if threading.get_ident() == mine and not done.is_set() and is_it(guarded):
                done.set()
                acting = threading.Thread(target=act)
                acting.start()
                acting.join()
            real(session, profile, guarded)  # type: ignore[arg-type]

        monkeypatch.setattr(execution, "_do", do)

    return arrange


def changes_members(guarded: GuardedOperation) -> bool:
    return guarded.changes_members


def after_members() -> Callable[[GuardedOperation], bool]:
    """The first operation after one that changes members."""
    seen: list[GuardedOperation] = []

    def is_it(guarded: GuardedOperation) -> bool:
        if guarded.changes_members:
            seen.append(guarded)
            return False
        return bool(seen)

    return is_it


def own(api: Api) -> Api:
    """The same person with a client of its own, for another thread."""
    return replace(api, client=create_app(api.services).test_client(use_cookies=False))


def change_own(api: Api, name: str, new: str) -> int:
    body = {"oldPassword": PASSWORD, "newPassword": new, "confirmPassword": new}
    return own(api).logged_in(name)("PATCH", f"/users/{name}", body).status_code


@on_each_way
def test_who_is_made_an_admin_while_a_stranger_removes_it_stays(
    api_of: MakeApi, before: Before
) -> None:
    root, two = api_of(**LONG).logged_in("root"), api_of(**LONG)
    root.add_user("stranger", isAdmin=True)
    root.add_user("alice")
    stranger, also_root, said = two.logged_in("stranger"), own(two).logged_in("root"), []

    def meanwhile() -> None:
        change_own(two, "alice", "hers alone")
        body = {"userId": "alice", "addedRoles": ["admin"]}
        promoting = threading.Thread(target=lambda: said.append(also_root("PUT", "/roles", body)))
        promoting.start()
        promoting.join(1)

    before(lambda guarded: isinstance(guarded.operation, Delete), meanwhile)
    answer = stranger("DELETE", "/users/alice")
    deadline = time.monotonic() + 20
    while not said and time.monotonic() < deadline:
        time.sleep(0.05)
    promoted = said[0].status_code == 200
    assert promoted is (root.exists("alice") and root.user("alice")["isAdmin"])
    assert promoted is (answer.status_code != 200)


@on_each_way
def test_a_role_that_is_given_back_goes_to_nobody_whose_password_a_stranger_set(
    api_of: MakeApi, before: Before
) -> None:
    root, two = api_of(**SHORT).logged_in("root"), api_of(**LONG)
    root.add_user("stranger", isAdmin=True)
    root.add_user("alice", isAdmin=True)
    stranger = two.logged_in("stranger")
    assert stranger("PATCH", "/users/alice", STRANGERS).status_code == 403

    def meanwhile() -> None:
        stranger("PATCH", "/users/alice", STRANGERS)
        time.sleep(2.1)  # root's request runs out of time

    before(after_members(), meanwhile)
    root("PUT", "/roles", {"userId": "alice", "removedRoles": ["admin"]})
    knows_it = own(two).login("alice", "strangers pw").status_code == 200
    assert not (knows_it and two.logged_in("root").user("alice")["isAdmin"])


@on_each_way
def test_a_change_that_is_cut_off_takes_nothing_that_another_admin_gave(
    api_of: MakeApi, before: Before
) -> None:
    root, two = api_of(**SHORT).logged_in("root"), api_of(**LONG)
    root.add_user("stranger", isAdmin=True)
    root.add_user("alice")
    stranger, said = two.logged_in("stranger"), []

    def meanwhile() -> None:
        body = {"userId": "alice", "addedRoles": ["admin"]}
        said.append(stranger("PUT", "/roles", body).status_code)
        time.sleep(2.1)

    before(changes_members, meanwhile)
    root("PUT", "/roles", {"userId": "alice", "addedRoles": ["admin"]})
    shown = two.logged_in("stranger").user("alice")
    assert said != [200] or (shown["isAdmin"], shown["createdBy"]) == (True, "stranger")


@pytest.mark.parametrize(
    "place", [PLAIN_OPENLDAP, DS389], indirect=True, ids=lambda kind: kind.name
)
def test_a_role_is_given_back_although_another_admin_has_changed_the_custody(
    api_of: MakeApi, place: Subtree, before: Before
) -> None:
    root = api_of(**LONG).logged_in("root")
    root.add_user("heir", isAdmin=True)
    heir, dn = own(root).logged_in("heir"), place.user_dn("heir")

    def change_custody() -> None:
        """What an attempt that was undone leaves: the same epoch, with another end."""
        (stored,) = place.tool.read(dn, EPOCH)[EPOCH]
        place.tool.replace(dn, **{EPOCH: account_state.swapped(stored)})

    before(after_members(), change_custody)
    resigning = {"userId": "heir", "removedRoles": ["admin"]}
    assert heir("PUT", "/roles", resigning).status_code == 200
    shown = root.user("heir")
    assert shown["isAdmin"] is False
    assert "createdBy" not in shown


@on_each_way
def test_a_password_change_that_is_cut_off_revives_no_token(
    api_of: MakeApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = api_of().logged_in("root")
    root.add_user("alice")
    stolen, lost, real = root.logged_in("alice"), threading.Event(), execution._do

    def do(session: object, profile: object, guarded: GuardedOperation) -> None:
        real(session, profile, guarded)  # type: ignore[arg-type]
        if not lost.is_set():
            lost.set()
            raise DirectoryUnavailable  # done, and the answer is lost

    monkeypatch.setattr(execution, "_do", do)
    assert change_own(root, "alice", "new secret") == 503
    assert root.login("alice", "new secret").status_code == 200
    assert stolen("GET", "/server").status_code == 401


@on_openldap
def test_without_our_schema_one_of_the_last_two_admins_stays(
    api_of: MakeApi, before: Before
) -> None:
    root, two = api_of(**BORROWED, **LONG).logged_in("root"), api_of(**BORROWED, **LONG)
    root.add_user("heir", isAdmin=True)
    heir = two.logged_in("heir")
    resigning = {"userId": "heir", "removedRoles": ["admin"]}
    before(changes_members, lambda: heir("PUT", "/roles", resigning))
    root("PUT", "/roles", {"userId": "root", "removedRoles": ["admin"]})
    admin_role = root.services.store.admin_role()
    assert admin_role is not None
    assert len(root.services.store.holder_users(admin_role)) == 1


@on_openldap
def test_without_our_schema_an_empty_role_gets_one_first_admin(
    api_of: MakeApi, place: Subtree, before: Before
) -> None:
    place.add_group("admin")
    for name in ("one", "two"):
        place.add_user(name, PASSWORD)
    here, there = api_of(**BORROWED, **LONG), api_of(**BORROWED, **LONG)
    before(changes_members, lambda: own(there).login("two"))
    here.login("one")
    admin_role = here.services.store.admin_role()
    assert admin_role is not None
    assert len(here.services.store.holder_users(admin_role)) == 1


@on_openldap
def test_an_admin_role_that_is_not_listed_makes_nobody_an_admin(
    api_of: MakeApi, place: Subtree
) -> None:
    root = api_of().logged_in("root")
    gone_dn = place.add_user("bob", PASSWORD)
    place.add_member("admin", gone_dn)
    place.tool.delete(gone_dn)
    hidden = "(&(objectClass=groupOfNames)(!(cn=admin)))"
    blind = api_of(USER_STORE__GROUP_NAME_LIST_FILTER=hidden, **SHORT)
    assert blind.login("root").status_code == 503
    root = root.logged_in("root")  # what was tried has ended its tokens
    root.add_user("bob")
    assert root.user("bob")["isAdmin"] is False
