"""Several stores as one: routing, merged lists, a store that is down, changes of two stores."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_ldap.deadline import deadline, remaining_s
from mi_ldap.domains import Domains
from mi_ldap.domains.merged_names import MergedNames
from mi_ldap.errors import (
    BadRequest,
    Conflict,
    DirectoryUnavailable,
    Forbidden,
    RoleExists,
    UserExists,
)
from mi_ldap.model import EntryId, Names, User, in_order, sorted_names
from mi_ldap.services.queries import Query
from mi_ldap.store import (
    AssignRole,
    CreateAdminRole,
    DeleteRole,
    DeleteUser,
    MarkFirstAdmin,
    NotMember,
    RenewEpoch,
    RenewRevision,
    RevokeRole,
    SetCustodian,
    Step,
    Unchanged,
)
from tests.memory_store import MemoryStore, role_locator, user_locator
from tests.store_contract import PASSWORD, admin_role_of, make_user


class Stores(NamedTuple):
    """A primary store with an admin `boss`, and two secondary stores; `bob` is in each of them."""

    all: Domains
    primary: MemoryStore
    wso2: MemoryStore
    other: MemoryStore


@pytest.fixture
def stores() -> Stores:
    primary, wso2, other = MemoryStore(), MemoryStore(), MemoryStore()
    found = Stores(Domains(primary, {"WSO2.COM": wso2, "OTHER": other}), primary, wso2, other)
    for store in found[1:]:
        make_user(store, "bob", PASSWORD)
    primary.apply(CreateAdminRole(make_user(primary, "boss")))
    return found


def _found(store: MemoryStore, name: str) -> User:
    found = store.find_user(name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", ["WSO2.COM/bob", "wso2.com/bob", "Wso2.Com/BOB"])
def test_a_domain_in_any_case_leads_to_its_store(stores: Stores, name: str) -> None:
    found = stores.all.find_user(name)
    assert found is not None
    assert (found.name, found.domain) == ("WSO2.COM/bob", "WSO2.COM")
    assert found.id.startswith("WSO2.COM/")
    assert stores.all.user(found.id) == found


def test_users_of_one_name_are_different_users(stores: Stores) -> None:
    names = ["bob", "WSO2.COM/bob", "OTHER/bob"]
    found = [stores.all.find_user(name) for name in names]
    assert [user.name for user in found if user] == names
    assert len({user.id for user in found if user}) == 3
    assert len({user.locator for user in found if user}) == 3


@pytest.mark.parametrize("name", ["NOWHERE/bob", "/bob", "wſo2.com/bob", "WSO2.COM", ""])
def test_another_prefix_is_part_of_a_name_of_the_primary_store(stores: Stores, name: str) -> None:
    assert stores.all.find_user(name) is None
    made = make_user(stores.primary, "NOWHERE/carl")
    assert stores.all.find_user("NOWHERE/carl") == made


def test_an_id_of_the_primary_store_never_passes_as_one_of_another(stores: Stores) -> None:
    theirs = stores.all.find_user("WSO2.COM/bob")
    assert theirs is not None
    stores.primary.account("bob").id = EntryId(theirs.id)
    assert stores.all.find_user("bob") is None
    assert stores.all.user(theirs.id) == theirs


def test_lists_are_merged_and_complete(stores: Stores) -> None:
    stores.wso2.create_role("dev")
    names = stores.all.view().user_names()
    assert sorted(names.names) == ["OTHER/bob", "WSO2.COM/bob", "bob", "boss"]
    assert names.complete
    assert sorted(stores.all.role_names().names) == ["WSO2.COM/dev", "admin"]


def test_a_merged_list_is_kept_until_a_store_changes(stores: Stores) -> None:
    first = stores.all.view().user_names()
    assert stores.all.user_names() is first
    make_user(stores.other, "carl")
    second = stores.all.user_names()
    assert {*second.names} - {*first.names} == {"OTHER/carl"}
    for number in range(10):
        stores.all.user_names(f"*{number}*")
    assert stores.all.user_names() == second
    stores.wso2.complete = False
    assert not stores.all.user_names().complete


def test_a_pattern_with_a_domain_asks_that_store_alone(stores: Stores) -> None:
    stores.primary.is_down = stores.other.is_down = True
    names = stores.all.user_names("wso2.com/*bo*")
    assert (names.names, names.complete) == (("WSO2.COM/bob",), True)


@pytest.mark.parametrize("pattern", ["PRIMARY/*", "primary/*bo*"])
def test_a_pattern_of_the_primary_store_asks_it_alone(stores: Stores, pattern: str) -> None:
    stores.wso2.is_down = stores.other.is_down = True
    query = Query(pattern=pattern, domains=("WSO2.COM", "OTHER"))
    found = query.select(stores.all.user_names(query.like))
    assert (found.names, found.complete) == (("bob", "boss"), True)


def test_a_store_that_is_down_makes_lists_incomplete_and_its_users_unavailable(
    stores: Stores,
) -> None:
    user = stores.all.find_user("WSO2.COM/bob")
    assert user is not None
    stores.wso2.is_down = True
    for names in (stores.all.user_names(), stores.all.authority(changes=False).user_names()):
        assert sorted(names.names) == ["OTHER/bob", "bob", "boss"]
        assert not names.complete
    assert not stores.all.role_names().complete
    stores.all.check()
    assert stores.all.find_user("OTHER/bob") is not None
    with pytest.raises(DirectoryUnavailable):
        stores.all.find_user("wso2.com/bob")
    with pytest.raises(DirectoryUnavailable):
        stores.all.user(user.id)
    with pytest.raises(DirectoryUnavailable):
        stores.all.apply(RenewEpoch(user))
    with pytest.raises(DirectoryUnavailable):
        stores.all.authenticate(user, PASSWORD)
    stores.all.clean_up()


def test_a_primary_store_that_is_down_fails_lists(stores: Stores) -> None:
    stores.primary.is_down = True
    for ask in (stores.all.user_names, stores.all.role_names, stores.all.check):
        with pytest.raises(DirectoryUnavailable):
            ask()


def test_a_role_named_like_the_admin_role_grants_nothing(stores: Stores) -> None:
    user, role = stores.all.find_user("WSO2.COM/bob"), stores.all.create_role("wso2.com/admin")
    assert user is not None
    stores.all.apply(AssignRole(role, user))
    assert stores.all.member_names(role).names == ("WSO2.COM/bob",)
    admin_role = admin_role_of(stores.all)
    assert admin_role.role.id != role.id
    assert not stores.all.is_holder(admin_role, user)
    assert [holder.name for holder in stores.all.holder_users(admin_role)] == ["boss"]


def test_a_primary_and_a_secondary_locator_are_not_compared(stores: Stores) -> None:
    """`boss` has the same locator in both stores."""
    other = make_user(stores.other, "boss")
    assert other.locator == user_locator("boss")
    found = stores.all.find_user("OTHER/boss")
    assert found is not None
    assert not stores.all.is_holder(admin_role_of(stores.all), found)


def test_a_secondary_user_is_no_admin_whatever_the_primary_store_says(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids and locators of another store may be equal to those of an admin."""
    boss = stores.primary.find_user("boss")
    assert boss is not None
    for name in ("is_holder", "holds_through_others"):
        monkeypatch.setattr(stores.primary, name, lambda _role, _user: True)
    monkeypatch.setattr(stores.primary, "dependents_of", lambda _user: (boss,))
    custodian = make_user(stores.wso2, "carl")
    stores.wso2.apply(SetCustodian(_found(stores.wso2, "bob"), custodian.id))
    between = stores.wso2.create_role("between")
    monkeypatch.setattr(stores.wso2, "membership_path", lambda _user, _role: (between,))
    for reads in (stores.all, stores.all.view(), stores.all.authority(changes=True)):
        found, admin_role = reads.find_user("WSO2.COM/bob"), reads.admin_role()
        assert found is not None
        assert admin_role is not None
        assert not reads.is_holder(admin_role, found)
        assert not reads.holds_through_others(admin_role, found)
        assert reads.dependents_of(found) == ()
        assert reads.details(found).custodian is None
        assert reads.membership_path(found, admin_role.role) == ()


def test_a_guard_within_a_secondary_store_is_checked(stores: Stores) -> None:
    user, role = stores.all.find_user("OTHER/bob"), stores.all.create_role("OTHER/dev")
    assert user is not None
    stores.all.apply(NotMember(role, user), AssignRole(role, user))
    with pytest.raises(Conflict):
        stores.all.apply(NotMember(role, user), RenewEpoch(user))


def test_a_change_concerns_one_store_only(stores: Stores) -> None:
    theirs, ours = stores.all.find_user("WSO2.COM/bob"), stores.all.find_user("bob")
    admin = admin_role_of(stores.all).role
    assert theirs is not None
    assert ours is not None
    dev = stores.all.create_role("OTHER/dev")
    for steps in (
        [AssignRole(admin, theirs)],
        [AssignRole(dev, theirs)],
        [Unchanged(admin), SetCustodian(theirs, None), AssignRole(admin, theirs)],
        [RenewEpoch(ours), RenewEpoch(theirs)],
        [SetCustodian(theirs, ours.id)],
        [SetCustodian(ours, theirs.id)],
        [CreateAdminRole(theirs)],
        [MarkFirstAdmin(admin, theirs)],
    ):
        with pytest.raises(BadRequest):
            stores.all.apply(*steps)
    assert stores.all.find_user("bob") == ours
    assert stores.all.find_user("WSO2.COM/bob") == theirs


def test_the_user_of_a_secondary_store_is_no_member_of_the_admin_role(stores: Stores) -> None:
    user = stores.all.find_user("WSO2.COM/bob")
    assert user is not None
    stores.primary.writable = False
    stores.all.apply(
        Unchanged(user), NotMember(admin_role_of(stores.all).role, user), DeleteUser(user)
    )
    assert stores.wso2.find_user("bob") is None
    assert stores.primary.find_user("bob") is not None


def test_errors_name_the_domain(stores: Stores) -> None:
    with pytest.raises(UserExists, match=r"WSO2\.COM/bob"):
        stores.all.create_user("WSO2.COM/bob")
    stores.all.create_role("OTHER/dev")
    with pytest.raises(RoleExists, match="OTHER/dev"):
        stores.all.create_role("OTHER/dev")


short_names = st.lists(st.text("abAB.-", min_size=1, max_size=4), max_size=6)


def matches(pattern: str, name: str) -> bool:
    """By the letter of the contract: without a domain, the name without its domain."""
    domain, slash, bare = name.rpartition("/")
    wanted, text = pattern.lower(), name.lower() if "/" in pattern else bare.lower()
    if wanted.startswith("primary/"):
        wanted, text = wanted.removeprefix("primary/"), "" if domain else bare.lower()
    parts = [{"*": ".*", "?": "."}.get(char, re.escape(char)) for char in wanted]
    is_elsewhere = pattern.lower().startswith("primary/") and slash
    return not is_elsewhere and re.fullmatch("".join(parts), text, re.DOTALL) is not None


@given(
    primary=short_names,
    others=short_names,
    more=short_names,
    prefix=st.sampled_from(["", "", "B/", "a.b/", "primary/"]),
    pattern=st.text("ab*?.-", min_size=1, max_size=4) | st.just("primary"),
)
def test_a_pattern_selects_by_the_contract(
    primary: Sequence[str], others: Sequence[str], more: Sequence[str], prefix: str, pattern: str
) -> None:
    lists = {"": Names(tuple(primary)), "A.B": in_order(others), "B": Names(tuple(more))}
    merged = MergedNames().merge("users", lists)
    shown = sorted_names(
        [*primary, *(f"A.B/{name}" for name in others), *(f"B/{name}" for name in more)]
    )
    assert merged.names == shown
    found = Query(pattern=prefix + pattern, domains=("A.B", "B")).select(merged)
    assert [*found.names] == [name for name in shown if matches(prefix + pattern, name)]


@pytest.mark.parametrize("are_unique", [True, False])
def test_no_entry_of_the_primary_store_is_changed_through_another(
    stores: Stores, *, are_unique: bool
) -> None:
    if not are_unique:  # as numbers of rows, or with another `user_id_attribute`
        for name in ("boss", "bob"):
            stores.primary.account(name).id = EntryId(name)
    same = Domains(stores.primary, {"SAME": stores.primary})
    boss, role = same.find_user("SAME/boss"), same.find_role("SAME/admin")
    bob = same.find_user("SAME/bob")
    assert boss is not None
    assert bob is not None
    assert role is not None
    stores.primary.create_role("ops")
    stores.primary.content.roles[role_locator("admin")].members.add(role_locator("ops"))
    nested = same.find_role("SAME/ops")
    assert nested is not None
    before = stores.primary.admin_role()
    changes: list[Step] = [
        *(DeleteRole(nested), AssignRole(nested, bob)),
        *(DeleteUser(boss), RenewEpoch(boss), SetCustodian(boss, bob.id), DeleteRole(role)),
        *(RevokeRole(role, boss), AssignRole(role, bob), RenewRevision(role)),
    ]
    for step in changes:
        with pytest.raises(Forbidden, match=r"SAME/\w+ is in the primary user store, too"):
            same.apply(step)
    with pytest.raises(Forbidden):
        same.reset_password(boss, "known to another")
    with pytest.raises(Forbidden):
        same.change_password(bob, PASSWORD, "another horse")
    assert stores.primary.admin_role() == before
    assert same.authenticate(bob, PASSWORD)


def test_users_of_two_stores_may_have_equal_ids_that_are_not_unique(stores: Stores) -> None:
    for store in (stores.primary, stores.wso2):
        store.account("bob").id = EntryId("1")
    found = stores.all.find_user("WSO2.COM/bob")
    assert found is not None
    stores.all.reset_password(found, "another horse")
    present = stores.all.user(found.id)
    assert present is not None
    stores.all.apply(DeleteUser(present))
    assert stores.all.find_user("bob") is not None


class HangingStore(MemoryStore):
    """A store that answers no list before the deadline."""

    def user_names(self, like: str | None = None) -> Names:
        time.sleep(remaining_s())
        raise DirectoryUnavailable


def test_a_store_that_hangs_leaves_time_for_the_others(stores: Stores) -> None:
    class NeedsTime(MemoryStore):
        def user_names(self, like: str | None = None) -> Names:
            if remaining_s() <= 0:
                raise DirectoryUnavailable
            return super().user_names(like)

    last = NeedsTime()
    make_user(last, "carl")
    both = Domains(stores.primary, {"HANGS": HangingStore(), "LAST": last})
    with deadline(0.4):
        found = both.user_names()
    assert found.names == ("bob", "boss", "LAST/carl")
    assert not found.complete
