"""An act on an admin, interrupted before each of its LDAP operations by another act on it.

Two services on one directory. Whatever comes between, and whatever an undo has brought back: every
admin's custodian is an admin or none, and only those have new dependents who may.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest

from mi_ldap import account_state
from mi_ldap.directory.store import DirectoryStore
from mi_ldap.errors import (
    AdminsOnly,
    Conflict,
    CustodyRefused,
    Forbidden,
    MiLdapError,
    RoleNotFound,
    UserNotFound,
)
from mi_ldap.model import AdminRole, Performer, User
from mi_ldap.services.container import Services
from mi_ldap.services.role_changes import RoleChange
from mi_ldap.store import (
    CreateAdminRole,
    RenewEpoch,
    RevokeRole,
    Unchanged,
    UserStore,
)
from tests.api.client import PASSWORD
from tests.kinds import ACTIVE_DIRECTORY, DS389, PLAIN_OPENLDAP
from tests.machines import MakeApi
from tests.subtree import Subtree
from tests.trees.kinds import on

pytestmark = on(PLAIN_OPENLDAP, DS389, ACTIVE_DIRECTORY)

MOST_CHANGES = 40
ANSWERS = (AdminsOnly, CustodyRefused, Forbidden, RoleNotFound, UserNotFound)
"""What the one who comes too late may be told; never an outage, nor that it was in vain."""

BUSY = (*ANSWERS, Conflict)
"""The same for who interrupts: it may have to wait for the one that waits for it."""

CHANGES = frozenset({"add", "modify", "delete", "assert"})
"""What is interrupted; a guard that only looks is one, too."""

FAMILY = {"p": "root", "a": "p", "d": "a", "e": "a"}
"""Admins and their custodians; `u` is nobody's."""

Act = Callable[[Services], object]


def delete(by: str, name: str) -> Act:
    return lambda made: made.users.delete(performer(made, by), name)


def demote(by: str, name: str) -> Act:
    change = RoleChange(name, revoked=("admin",))
    return lambda made: made.role_changes.change(performer(made, by), change)


def demote_and_more(by: str, name: str) -> Act:
    change = RoleChange(name, assigned=("dev",), revoked=("admin", "ops"))
    return lambda made: made.role_changes.change(performer(made, by), change)


def promote(by: str, name: str) -> Act:
    change = RoleChange(name, assigned=("admin",))
    return lambda made: made.role_changes.change(performer(made, by), change)


def another_tool_takes(name: str) -> Act:
    def take(made: Services) -> None:
        role, user = admin_role(made.store), made.store.find_user(name)
        assert user is not None
        with suppress(Conflict):
            made.store.apply(RevokeRole(role.role, user))

    return take


def drop_role(made: Services) -> None:
    """What `demote_and_more` gives goes away: it fails late."""
    made.roles.delete(performer(made, "root"), "dev")


def then(*acts: Act) -> Act:
    def do(made: Services) -> None:
        for act in acts:
            act(made)

    return do


def no_act(made: Services) -> None:
    pass


PAIRS: dict[str, tuple[Act, ...]] = {
    "resign, delete": (demote("a", "a"), delete("p", "a")),
    "demote, resign": (demote("p", "a"), demote("a", "a")),
    "demote, demote": (demote("p", "a"), demote("p", "a")),
    "delete, delete": (delete("p", "a"), delete("p", "a")),
    "demote, custodian demoted": (demote("p", "a"), demote("root", "p")),
    "delete, custodian demoted": (delete("p", "a"), demote("root", "p")),
    "resign, custodian resigns": (demote("a", "a"), demote("p", "p")),
    "promote, delete the promoter": (promote("a", "u"), delete("p", "a")),
    "delete, promote by it": (delete("p", "a"), promote("a", "u")),
    "promote the former, promote it": (
        promote("root", "a"),
        promote("d", "a"),
        another_tool_takes("a"),
    ),
    "delete the former, promote it": (
        delete("root", "a"),
        promote("root", "a"),
        another_tool_takes("a"),
    ),
    "demote, taken by another tool": (demote("p", "a"), another_tool_takes("a")),
    "demote, demote and promote by another": (
        demote("p", "a"),
        then(demote("p", "a"), promote("root", "a")),
    ),
    "demote and more, and its custodian": (
        demote_and_more("p", "a"),
        then(drop_role, demote("root", "p")),
    ),
}


@dataclass
class Interruption:
    """Does something once, before the nth change that the observed service sends.

    Attributes:
        changes: how many it has sent by then.
    """

    before: int = 0
    act: Callable[[], object] = lambda: None
    is_over: bool = True
    changes: int = 0
    errors: list[MiLdapError] = field(default_factory=list)

    def arm(self, before: int, act: Callable[[], object]) -> None:
        self.before, self.act, self.is_over, self.changes = before, act, False, 0
        self.errors.clear()

    def observe(self, operation: str) -> None:
        if self.is_over or operation not in CHANGES:
            return
        self.changes += 1
        if self.changes == self.before:
            self.is_over = True
            thread = threading.Thread(target=self._run)  # with a deadline of its own
            thread.start()
            thread.join()

    def _run(self) -> None:
        try:
            self.act()
        except MiLdapError as error:
            self.errors.append(error)


@pytest.fixture
def interruption() -> Interruption:
    return Interruption()


@pytest.fixture
def machines(api_of: MakeApi, interruption: Interruption) -> Iterator[tuple[Services, Services]]:
    """The one that is interrupted, and the other; `root` is the first admin."""
    settings = {"SERVER__REQUEST_DEADLINE_S": "30", "USER_STORE__INDEX_LIMIT": "0"}
    one, two = api_of(interruption.observe, **settings), api_of(**settings)
    root = add_user(two.services.store, "root")
    two.services.store.apply(Unchanged(root), CreateAdminRole(root))
    yield one.services, two.services
    two.services.state.close()


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS.keys())
def test_every_custodian_is_an_admin_whatever_comes_between(
    place: Subtree,
    machines: tuple[Services, Services],
    interruption: Interruption,
    pair: tuple[Act, ...],
) -> None:
    one, two = machines
    assert isinstance(two.store, DirectoryStore)
    first, second, before = (*pair, no_act)[:3]
    for number in range(1, MOST_CHANGES):
        make_family(place, two.store)
        before(two)
        interruption.arm(number, lambda: second(two))
        with suppress(*ANSWERS):
            first(one)
        is_interrupted = interruption.is_over
        interruption.is_over = True
        if not is_interrupted:
            assert number > 3, "there was hardly anything to interrupt"
            return
        assert all(isinstance(error, BUSY) for error in interruption.errors), interruption.errors
        assert_custody_is_sound(two.store, f"interrupted before change {number}")
    raise AssertionError("it never finishes")


def assert_custody_is_sound(store: UserStore, when: str) -> None:
    admins = {user.id: user for user in store.holder_users(admin_role(store))}
    names = {user.name: user for user in admins.values()}
    assert "root" in names
    for name, user in names.items():
        assert user.custodian_id in {None, *admins} - {user.id}, f"{name}, {when}"
    custodians = {
        name: admins[user.custodian_id].name for name, user in names.items() if user.custodian_id
    }
    is_made_anew = "p" in names and custodians.get("a") != "p"
    may_be = {"p", "root"} if is_made_anew else {"a", "p", "root"}
    for name in {"d", "e"} & {*custodians}:
        assert custodians[name] in may_be, f"{name}, {when}: {custodians}"


def make_family(place: Subtree, store: DirectoryStore) -> None:
    """As in `FAMILY`, and nobody else but `root`; `a` holds `ops`, `u` holds `dev`."""
    found = {name: find_or_add(store, name) for name in ("root", *FAMILY, "u")}
    for name in (*FAMILY, "u"):
        custodian_id = found[FAMILY[name]].id if name in FAMILY else None
        if found[name].busy or found[name].custodian_id != custodian_id:
            custodian = [custodian_id] if custodian_id else []
            marks: dict[str, list[str]] = {
                store.layout().epoch: [account_state.new_nonce()],
                store.layout().custodian: [*custodian],
            }
            place.tool.replace(found[name].locator, **marks)
    give_only(place, store, "admin", [found[name] for name in ("root", *FAMILY)])
    give_only(place, store, "dev", [found["u"]])
    give_only(place, store, "ops", [found["a"]])


def give_only(place: Subtree, store: DirectoryStore, role: str, users: list[User]) -> None:
    known = store.find_role(role) or store.create_role(role)
    if {*store.member_names(known).names} != {user.name for user in users}:
        place.tool.replace(place.group_dn(role), member=[user.locator for user in users])


def find_or_add(store: UserStore, name: str) -> User:
    return store.find_user(name) or add_user(store, name)


def add_user(store: UserStore, name: str) -> User:
    user = store.create_user(name)
    store.reset_password(user, PASSWORD)  # Active Directory keeps it closed until then
    store.apply(Unchanged(user), RenewEpoch(user))
    found = store.find_user(name)
    assert found is not None
    return found


def admin_role(store: UserStore) -> AdminRole:
    found = store.admin_role()
    assert found is not None
    return found


def performer(made: Services, name: str) -> Performer:
    """Whoever has logged in before: the entry may be gone by now."""
    user = made.store.find_user(name)
    if user is None:
        raise AdminsOnly
    return Performer(user)
