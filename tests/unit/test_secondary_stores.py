"""The rules of users, roles and logins over a primary and two secondary stores."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from mi_ldap.errors import (
    BadRequest,
    DirectoryUnavailable,
    LoginRefused,
    MiLdapError,
    ReadOnlyStore,
    RoleNotFound,
    SelfDeletion,
    TooManyFailures,
    UserExists,
    UserNotFound,
)
from mi_ldap.model import Performer
from mi_ldap.services.queries import Query
from mi_ldap.services.role_changes import RoleChange
from mi_ldap.services.users import NewPassword, NewUser
from mi_ldap.state.tokens import SCOPE_ADMIN, SCOPE_DEFAULT
from tests.memory_store import MemoryStore
from tests.store_contract import make_user
from tests.world import ELSEWHERE, PASSWORD, World, make_world

OTHERS = "another horse"


class Stores(NamedTuple):
    """`admin` and `bob` are in the primary store; `bob` and `carl` in both of the others."""

    world: World
    wso2: MemoryStore
    other: MemoryStore


def open_stores(state_dir: Path) -> Stores:
    wso2, other = MemoryStore(), MemoryStore()
    settings = [
        ("BOOTSTRAP__MODE", "first_login"),
        ("MANAGEMENT_API__THROTTLE__FAILURES_PER_NAME", "3"),
    ]
    world = make_world(state_dir, settings, {"WSO2.COM": wso2, "OTHER": other})
    return Stores(world, wso2, other)


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    found = open_stores(tmp_path)
    found.world.add_first_admin()
    found.world.add("bob")
    for store, password in ((found.wso2, OTHERS), (found.other, PASSWORD)):
        make_user(store, "bob", password)
        make_user(store, "carl", password)
    return found


def admin(stores: Stores) -> Performer:
    return stores.world.performer("admin")


def listed(stores: Stores, pattern: str = "", search_key: str = "", role: str = "") -> list[str]:
    query = Query(pattern=pattern, search_key=search_key, role=role)
    return [*stores.world.services.users.select(query).names]


def change(stores: Stores, user: str, *roles: str, revoked: tuple[str, ...] = ()) -> None:
    stores.world.services.role_changes.change(admin(stores), RoleChange(user, roles, revoked))


def test_lists_are_merged_and_sorted_by_the_shown_name(stores: Stores) -> None:
    assert listed(stores) == [
        *("admin", "bob", "OTHER/bob", "OTHER/carl", "WSO2.COM/bob", "WSO2.COM/carl")
    ]


@pytest.mark.parametrize(
    ("conditions", "names"),
    [
        ({"pattern": "b*"}, ["bob", "OTHER/bob", "WSO2.COM/bob"]),
        ({"pattern": "?OB"}, ["bob", "OTHER/bob", "WSO2.COM/bob"]),
        ({"pattern": "carl"}, ["OTHER/carl", "WSO2.COM/carl"]),
        ({"pattern": "wso2*"}, []),
        ({"pattern": "wso2.com/*"}, ["WSO2.COM/bob", "WSO2.COM/carl"]),
        ({"pattern": "WSO2.COM/*ob*"}, ["WSO2.COM/bob"]),
        ({"pattern": "primary/*b*"}, ["bob"]),
        ({"pattern": "*/bob"}, []),
        ({"search_key": "wso2"}, ["WSO2.COM/bob", "WSO2.COM/carl"]),
        ({"search_key": "com/b"}, ["WSO2.COM/bob"]),
        ({"search_key": "o"}, ["bob", "OTHER/bob", "OTHER/carl", "WSO2.COM/bob", "WSO2.COM/carl"]),
        ({"search_key": "the", "pattern": "c*"}, ["OTHER/carl"]),
        ({"search_key": "wso2", "pattern": "wso2.com/b*"}, ["WSO2.COM/bob"]),
    ],
)
def test_a_pattern_ignores_the_domain_unless_it_has_one(
    stores: Stores, conditions: dict[str, str], names: list[str]
) -> None:
    assert listed(stores, **conditions) == names


def test_a_store_that_is_down_makes_a_list_incomplete(stores: Stores) -> None:
    stores.wso2.is_down = True
    users, roles = stores.world.services.users, stores.world.services.roles
    assert users.select(Query()).complete is roles.select(Query()).complete is False
    assert users.select(Query(pattern="other/*")).complete
    assert listed(stores, pattern="b*") == ["bob", "OTHER/bob"]


def test_users_and_roles_are_created_changed_and_deleted_in_their_store(stores: Stores) -> None:
    users, roles = stores.world.services.users, stores.world.services.roles
    created = users.create(admin(stores), NewUser("wso2.com/dora", PASSWORD))
    assert created == "WSO2.COM/dora"
    assert stores.wso2.find_user("dora") is not None
    assert roles.create(admin(stores), "wso2.com/dev") == "WSO2.COM/dev"
    change(stores, "WSO2.COM/dora", "wso2.com/DEV")
    assert users.show("wso2.com/dora").roles == ("Internal/everyone", "WSO2.COM/dev")
    assert roles.show("WSO2.COM/dev").users == ("WSO2.COM/dora",)
    assert listed(stores, role="wso2.com/dev") == ["WSO2.COM/dora"]
    users.set_password(admin(stores), "WSO2.COM/dora", NewPassword(OTHERS, None))
    assert stores.wso2.account("dora").password == OTHERS
    change(stores, "WSO2.COM/dora", revoked=("WSO2.COM/dev", "admin"))
    assert roles.show("WSO2.COM/dev").users == ()
    users.delete(admin(stores), "WSO2.COM/dora")
    roles.delete(admin(stores), "WSO2.COM/dev")
    assert stores.wso2.find_user("dora") is None
    assert stores.wso2.find_role("dev") is None
    lines = stores.world.told("action", "type", "outcome")
    assert ("deleted", "user", "done") in lines
    assert {"userId": "WSO2.COM/dora"} in [line["info"] for line in stores.world.lines]


def test_a_secondary_store_changes_while_the_primary_is_read_only(stores: Stores) -> None:
    performer = admin(stores)
    users, roles = stores.world.services.users, stores.world.services.roles
    stores.world.store.writable = False
    users.create(performer, NewUser("OTHER/dora", PASSWORD))
    roles.create(performer, "OTHER/dev")
    change(stores, "OTHER/dora", "OTHER/dev")
    roles.delete(performer, "OTHER/dev")
    users.delete(performer, "OTHER/dora")
    with pytest.raises(ReadOnlyStore):
        users.create(performer, NewUser("dora", PASSWORD))


def test_a_secondary_store_has_no_admins(stores: Stores) -> None:
    users, roles = stores.world.services.users, stores.world.services.roles
    with pytest.raises(BadRequest, match="primary user store"):
        users.create(admin(stores), NewUser("OTHER/dora", PASSWORD, is_admin=True))
    assert stores.other.find_user("dora") is None
    with pytest.raises(BadRequest, match="primary user store"):
        change(stores, "WSO2.COM/bob", "admin")
    roles.create(admin(stores), "WSO2.COM/admin")
    change(stores, "WSO2.COM/bob", "WSO2.COM/admin")
    assert not users.show("WSO2.COM/bob").is_admin
    assert stores.world.login("WSO2.COM/bob", OTHERS).scope == SCOPE_DEFAULT
    roles.delete(admin(stores), "WSO2.COM/admin")


@pytest.mark.parametrize(
    ("user", "role"), [("bob", "OTHER/dev"), ("WSO2.COM/bob", "OTHER/dev"), ("OTHER/bob", "ops")]
)
def test_roles_of_a_store_have_users_of_that_store_only(
    stores: Stores, user: str, role: str
) -> None:
    stores.other.create_role("dev")
    stores.world.store.create_role("ops")
    with pytest.raises(BadRequest, match="users of that store only"):
        change(stores, user, role)
    assert stores.world.services.roles.show(role).users == ()
    change(stores, user, revoked=(role,))


def test_an_unknown_domain_is_not_the_primary_store(stores: Stores) -> None:
    with pytest.raises(UserNotFound):
        stores.world.services.users.show("NOWHERE/bob")
    with pytest.raises(RoleNotFound):
        stores.world.services.roles.show("NOWHERE/admin")
    with pytest.raises(BadRequest):
        stores.world.services.users.create(admin(stores), NewUser("NOWHERE/x", PASSWORD))
    with pytest.raises(UserExists):
        stores.world.services.users.create(admin(stores), NewUser("other/BOB", PASSWORD))


@pytest.mark.parametrize(
    ("typed", "password", "name"),
    [
        ("bob", PASSWORD, "bob"),
        ("carl", OTHERS, "WSO2.COM/carl"),
        (" CARL ", OTHERS, "WSO2.COM/carl"),
        ("wso2.com/bob", OTHERS, "WSO2.COM/bob"),
        ("OTHER/carl", PASSWORD, "OTHER/carl"),
        ("PRIMARY/admin", PASSWORD, "admin"),
    ],
)
def test_a_login_ends_at_the_first_store_that_knows_the_name(
    stores: Stores, typed: str, password: str, name: str
) -> None:
    assert stores.world.login(typed, password).user.name == name


@pytest.mark.parametrize(
    ("typed", "password"),
    [("bob", OTHERS), ("carl", PASSWORD), ("PRIMARY/carl", OTHERS), ("NOWHERE/bob", PASSWORD)],
)
def test_no_store_behind_the_first_one_is_asked(stores: Stores, typed: str, password: str) -> None:
    with pytest.raises(LoginRefused):
        stores.world.login(typed, password)


def test_a_store_that_is_down_never_refuses_a_login(stores: Stores) -> None:
    stores.wso2.is_down = True
    assert stores.world.login("bob").user.name == "bob"
    assert stores.world.login("OTHER/carl").user.name == "OTHER/carl"
    for typed in ("carl", "nobody", "WSO2.COM/bob"):
        with pytest.raises(DirectoryUnavailable):
            stores.world.login(typed, OTHERS)
    stores.wso2.is_down, stores.other.is_down = False, True
    assert stores.world.login("carl", OTHERS).user.name == "WSO2.COM/carl"


def test_users_of_one_name_are_never_confused(stores: Stores) -> None:
    users = stores.world.services.users
    stores.world.add_admin("carl", "admin")
    theirs = stores.world.services.store.find_user("WSO2.COM/bob")
    assert theirs is not None
    with pytest.raises(MiLdapError):  # it is no admin
        users.delete(Performer(theirs, client=ELSEWHERE), "bob")
    with pytest.raises(SelfDeletion):
        users.delete(stores.world.performer("carl"), "carl")
    users.delete(stores.world.performer("carl"), "OTHER/carl")
    assert stores.world.login("carl").scope == SCOPE_ADMIN
    epoch = stores.world.user("bob").epoch
    users.set_password(admin(stores), "WSO2.COM/bob", NewPassword("new horse", None))
    assert stores.world.user("bob").epoch == epoch
    users.set_password(
        Performer(theirs, client=ELSEWHERE), "WSO2.COM/bob", NewPassword(OTHERS, "new horse")
    )
    assert stores.world.login("bob", PASSWORD).user.name == "bob"


def test_failures_of_one_user_do_not_throttle_another_of_its_name(stores: Stores) -> None:
    for _ in range(3):
        with pytest.raises(LoginRefused):
            stores.world.login("WSO2.COM/bob", "wrong", ELSEWHERE)
    with pytest.raises(TooManyFailures):
        stores.world.login("wso2.com/BOB", OTHERS, ELSEWHERE)
    assert stores.world.login("bob", PASSWORD, ELSEWHERE).user.name == "bob"
    refused = [line for line in stores.world.lines if line["outcome"] == "refused"]
    assert {line["performedBy"] for line in refused} == {"WSO2.COM/bob"}


@pytest.mark.parametrize("typed", ["carl", "WSO2.COM/carl", "WSO2.COM/nobody"])
def test_no_user_of_a_secondary_store_becomes_the_first_admin(tmp_path: Path, typed: str) -> None:
    stores = open_stores(tmp_path)
    make_user(stores.wso2, "carl", PASSWORD)
    if typed.endswith("carl"):
        assert stores.world.login(typed).scope == SCOPE_DEFAULT
    else:
        with pytest.raises(LoginRefused):
            stores.world.login(typed)
    assert stores.world.services.store.admin_role() is None
    assert stores.wso2.user_names().names == ("carl",)
    assert stores.world.login("admin").scope == SCOPE_ADMIN
    assert stores.world.store.find_user("admin") is not None
