"""Guards, layouts and schemas of the LDAP store."""

from __future__ import annotations

import pytest

from mi_ldap.directory.store import DirectoryStore
from mi_ldap.errors import (
    BadRequest,
    Conflict,
    ReadOnlyStore,
)
from mi_ldap.store import (
    AssignRole,
    CreateAdminRole,
    DeleteUser,
    NotMember,
    RevokeRole,
    SetCustodian,
    Unchanged,
)
from tests.api.client import PASSWORD
from tests.directory.stores import Stores
from tests.store_contract import admin_role_of, make_user, remove, reread, role_now
from tests.subtree import Subtree

# Guards


def test_non_member_guard_without_member_of_reads_the_group(stores: Stores) -> None:
    store = stores.open(USER_STORE__MEMBER_OF_ATTRIBUTE="")
    user, role = make_user(store), store.create_role("dev")
    store.apply(AssignRole(role, user))
    with pytest.raises(Conflict):
        store.apply(NotMember(role, user), DeleteUser(user))
    assert store.find_user("alice") == user
    store.apply(RevokeRole(role_now(store, role), user))
    store.apply(NotMember(role, user), DeleteUser(user))
    assert store.find_user("alice") is None


def test_member_of_is_correct_after_guarded_changes(
    store: DirectoryStore, subtree: Subtree
) -> None:
    user, role = make_user(store), store.create_role("dev")

    def member_of() -> list[str]:
        return subtree.tool.read(user.locator, "memberOf").get("memberOf", [])

    for _ in range(3):
        role = role_now(store, role)
        store.apply(Unchanged(role), Unchanged(user), AssignRole(role, user))
        assert member_of() == [role.locator]
        with pytest.raises(Conflict):
            store.apply(Unchanged(role), RevokeRole(role, user))
        assert member_of() == [role.locator]
        role = role_now(store, role)
        store.apply(Unchanged(role), RevokeRole(role, user))
        assert member_of() == []


def test_guard_on_a_user_writes_nothing(stores: Stores, subtree: Subtree) -> None:
    store = stores.open()
    user, role = make_user(store), store.create_role("dev")

    def stamp() -> list[str]:
        return subtree.tool.read(user.locator, "entryCSN")["entryCSN"]

    before = stamp()
    store.apply(Unchanged(user), AssignRole(role, user))
    assert stamp() == before
    subtree.tool.delete(user.locator)
    with pytest.raises(Conflict):
        store.apply(Unchanged(user))


def test_concurrent_change_of_a_user_by_another_tool_is_a_conflict(
    store: DirectoryStore, subtree: Subtree
) -> None:
    user = make_user(store)
    subtree.tool.replace(user.locator, miLdapCustodian="somebody")
    with pytest.raises(Conflict):
        store.apply(Unchanged(user), DeleteUser(user))


def test_concurrent_change_of_a_group_by_another_tool_is_a_conflict(
    store: DirectoryStore, subtree: Subtree
) -> None:
    alice, bob, role = make_user(store), make_user(store, "bob"), store.create_role("dev")
    subtree.tool.add_values(role.locator, member=bob.locator)
    with pytest.raises(Conflict):
        store.apply(Unchanged(role), AssignRole(role, alice))


def test_only_user_of_a_container_can_be_deleted(store: DirectoryStore) -> None:
    user, roles = make_user(store), [store.create_role(name) for name in ("a", "b")]
    store.apply(*(AssignRole(role, user) for role in roles))
    other = make_user(store, "bob")
    remove(store, other)
    store.apply(Unchanged(user), *(RevokeRole(role, user) for role in roles), DeleteUser(user))
    assert store.user_names().names == ()
    assert store.member_names(roles[0]).names == ()


# A schema that may not grow


def test_custodian_can_be_stored_in_an_existing_attribute(stores: Stores, subtree: Subtree) -> None:
    store = stores.open(
        USER_STORE__CUSTODIAN_ATTRIBUTE="employeeNumber",
        USER_STORE__EPOCH_ATTRIBUTE="displayName",
    )
    boss, user = make_user(store, "boss"), make_user(store)
    store.apply(Unchanged(boss), CreateAdminRole(boss))
    role = admin_role_of(store).role
    store.apply(Unchanged(user), SetCustodian(user, boss.id), AssignRole(role, user))
    promoted = reread(store, user)
    assert promoted.custodian_id == boss.id
    assert store.is_holder(admin_role_of(store), promoted)
    assert [charge.id for charge in store.dependents_of(boss)] == [user.id]
    dev = store.create_role("dev")
    store.apply(Unchanged(promoted), AssignRole(dev, promoted))
    assert [role.name for role in store.details(promoted).roles] == ["admin", "dev"]
    classes = subtree.tool.read(user.locator, "objectClass")["objectClass"]
    assert not [name for name in classes if name.startswith("miLdap")]


# Layouts


def test_new_entries_use_the_dn_pattern(stores: Stores, subtree: Subtree) -> None:
    folder = f"ou=new,{subtree.user_base}"
    subtree.tool.add(folder, ["organizationalUnit"], ou="new")
    store = stores.open(
        USER_STORE__USER_DN_PATTERN=f"uid={{0}},{folder}",
        USER_STORE__ROLE_DN_PATTERN=f"cn={{0}},{subtree.group_base}",
    )
    user = make_user(store, "Last, First")
    assert user.locator.endswith(folder)
    assert user.name == "Last, First"
    store.apply(AssignRole(store.create_role("a+b"), user))
    assert [role.name for role in store.details(user).roles] == ["a+b"]


def test_created_user_that_the_filters_miss_is_rejected_and_deleted(
    stores: Stores, subtree: Subtree
) -> None:
    store = stores.open(USER_STORE__USER_NAME_LIST_FILTER="(&(objectClass=inetOrgPerson)(mail=*))")
    with pytest.raises(BadRequest, match="filters do not find it"):
        store.create_user("alice")
    assert not subtree.tool.exists(subtree.user_dn("alice"))


def test_without_reading_groups_nobody_has_roles(stores: Stores, subtree: Subtree) -> None:
    dn = subtree.add_user("alice", PASSWORD)
    subtree.add_group("admin", dn)
    store = stores.open(USER_STORE__READ_GROUPS="false")
    user = store.find_user("alice")
    assert user is not None
    assert store.role_names().names == ()
    assert store.find_role("admin") is None
    assert store.admin_role() is None
    assert store.details(user).roles == ()


@pytest.mark.parametrize("settings", [{"TYPE": "read_only_ldap"}, {"WRITE_GROUPS": "false"}])
def test_read_only_store_rejects_changes(
    stores: Stores, subtree: Subtree, settings: dict[str, str]
) -> None:
    dn = subtree.add_user("alice", PASSWORD)
    subtree.add_group("dev", dn)
    store = stores.open(**{f"USER_STORE__{key}": value for key, value in settings.items()})
    user, role = store.find_user("alice"), store.find_role("dev")
    assert user is not None
    assert role is not None
    store.authenticate(user, PASSWORD)
    with pytest.raises(ReadOnlyStore):
        store.create_role("new")
    with pytest.raises(ReadOnlyStore):
        store.apply(RevokeRole(role, user))
    if "TYPE" in settings:
        with pytest.raises(ReadOnlyStore):
            store.create_user("bob")
        with pytest.raises(ReadOnlyStore):
            store.reset_password(user, "another one")


def test_large_group_is_complete(store: DirectoryStore, subtree: Subtree) -> None:
    members = [subtree.add_user(f"u, {number}") for number in range(450)]
    subtree.add_group("crowd", *members, subtree.user_dn("ghost"))
    role = store.find_role("crowd")
    assert role is not None
    assert len(store.member_names(role).names) == 450


def test_huge_group_is_resolved_by_listing_all_users(
    store: DirectoryStore, subtree: Subtree
) -> None:
    real = subtree.add_user("real, one")
    ghosts = [subtree.user_dn(f"ghost{number}") for number in range(2100)]
    subtree.add_group("crowd", real, *ghosts)
    role = store.find_role("crowd")
    assert role is not None
    assert store.member_names(role).names == ("real, one",)
