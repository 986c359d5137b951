"""A database that MI uses at the same time."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, column, select, text

from mi_ldap.errors import (
    AdminRoleUnclear,
    AmbiguousName,
    Conflict,
    IdUnreadable,
    LoginRefused,
    UserExists,
)
from mi_ldap.sql import SqlStore
from mi_ldap.sql.database_errors import Duplicate
from mi_ldap.sql.name_lists import fetch_names
from mi_ldap.store import (
    AssignRole,
    CreateAdminRole,
    DeleteUser,
    MarkFirstAdmin,
    RenewEpoch,
    RevokeRole,
    SetCustodian,
    Unchanged,
)
from tests.contract.words import PASSWORD, admin_role_of, make_user, reread, role_now
from tests.sql.mi import Mi
from tests.sql.stores import Place

ANONYMOUS = "wso2.anonymous.user"


@pytest.fixture
def mi(place: Place) -> Mi:
    return Mi(place)


@pytest.mark.parametrize("salted", [True, False])
def test_a_user_of_mi_logs_in_here_and_the_reverse(store: SqlStore, mi: Mi, salted: bool) -> None:
    user_id = mi.add_user("bob", "of mi", salted=salted)
    bob = store.find_user("BOB")
    assert bob is not None
    assert (bob.id, bob.custodian_id, bob.appointment) == (user_id, None, "")
    store.authenticate(bob, "of mi")
    with pytest.raises(LoginRefused):
        store.authenticate(bob, "of us")
    make_user(store, "alice")
    assert mi.can_log_in("alice", PASSWORD)
    store.reset_password(bob, "of us")
    assert mi.can_log_in("bob", "of us")
    assert not mi.can_log_in("bob", "of mi")


def test_mi_lets_no_user_log_in_that_is_being_created(store: SqlStore, mi: Mi) -> None:
    user = store.create_user("alice")
    store.reset_password(user, PASSWORD)
    assert not mi.can_log_in("alice", PASSWORD)
    store.apply(RenewEpoch(user))
    assert mi.can_log_in("alice", PASSWORD)
    assert store.authenticate(reread(store, user), PASSWORD).must_change is False


def test_a_password_that_mi_sets_ends_the_tokens(store: SqlStore, mi: Mi) -> None:
    user = make_user(store)
    mi.set_password("alice", "of mi")
    changed = reread(store, user)
    assert changed.epoch != user.epoch
    assert changed.revision == user.revision
    store.apply(Unchanged(user))


def test_an_epoch_holds_nothing_of_the_password(store: SqlStore, place: Place) -> None:
    user = make_user(store)
    ((value, salt),) = place.query("SELECT UM_USER_PASSWORD, UM_SALT_VALUE FROM UM_USER")
    for secret in (value, salt):
        assert secret not in user.epoch + user.revision + user.locator


@pytest.mark.parametrize(
    ("age_h", "require_change", "must_change"),
    [(25, True, True), (23, True, False), (25, False, False)],
)
def test_a_password_for_one_day_must_be_changed_after_it(
    store: SqlStore, mi: Mi, age_h: float, require_change: bool, must_change: bool
) -> None:
    user = make_user(store)
    mi.set_password("alice", "for a day", require_change=require_change, age_h=age_h)
    assert store.authenticate(user, "for a day").must_change is must_change
    store.change_password(user, "for a day", PASSWORD)
    assert store.authenticate(user, PASSWORD).must_change is False


def test_the_anonymous_user_is_not_there(store: SqlStore, mi: Mi) -> None:
    user_id = mi.add_user(ANONYMOUS, "guess")
    role = store.create_role("dev")
    mi.assign("dev", ANONYMOUS)
    assert store.find_user(ANONYMOUS) is store.find_user(ANONYMOUS.upper()) is None
    assert store.user(user_id) is None
    assert store.user_names().names == store.member_names(role).names == ()
    with pytest.raises(UserExists):
        store.create_user(ANONYMOUS)


def test_two_users_of_one_name_are_ambiguous(store: SqlStore, mi: Mi) -> None:
    mi.add_user("bob", "one")
    mi.add_user("Bob", "two")
    with pytest.raises(AmbiguousName):
        store.find_user("bob")
    with pytest.raises(UserExists):
        store.create_user("BOB")
    assert sorted(store.user_names().names) == ["Bob", "bob"]


def test_names_can_be_case_sensitive(place: Place, mi: Mi) -> None:
    store = place.open(case_insensitive_names=False)
    mi.add_user("bob", "one")
    mi.add_user("Bob", "two")
    lower, upper = store.find_user("bob"), store.find_user("Bob")
    assert lower is not None
    assert upper is not None
    assert lower.id != upper.id
    assert store.find_user("BOB") is None
    make_user(store, "BOB")
    with pytest.raises(UserExists):
        store.create_user("bob")


@pytest.mark.parametrize("other", ["jose", "José ", "jose ", "JOSE\u0301"])
def test_names_that_a_collation_confuses_are_different(store: SqlStore, other: str) -> None:
    user, role = make_user(store, "José"), store.create_role("José")
    assert store.find_user(other) is None
    assert store.find_role(other) is None
    assert store.find_user("JOSÉ") == user
    assert store.find_role("josÉ") == role
    assert make_user(store, other).name == other


def test_a_user_that_mi_deletes_takes_everything_along(
    store: SqlStore, mi: Mi, place: Place
) -> None:
    boss, alice = make_user(store, "boss"), make_user(store)
    store.apply(CreateAdminRole(boss))
    store.apply(SetCustodian(alice, boss.id))
    mi.delete_user("boss")
    alice = reread(store, alice)
    assert store.details(alice).custodian is None
    assert admin_role_of(store).holders == frozenset()
    with pytest.raises(Conflict):
        store.apply(Unchanged(boss), RenewEpoch(boss))
    with pytest.raises(LoginRefused):
        store.authenticate(boss, PASSWORD)
    mi.delete_user("alice")
    assert place.query("SELECT COUNT(*) FROM UM_USER_ATTRIBUTE") == [(0,)]


def test_an_admin_that_mi_makes_or_removes_changes_the_revision(store: SqlStore, mi: Mi) -> None:
    boss, alice = make_user(store, "boss"), make_user(store)
    store.apply(CreateAdminRole(boss))
    before = admin_role_of(store).role
    mi.assign("admin", "alice")
    with pytest.raises(Conflict):
        store.apply(Unchanged(before), RevokeRole(before, boss))
    between = admin_role_of(store).role
    mi.revoke("admin", "alice")
    with pytest.raises(Conflict):
        store.apply(Unchanged(between), RevokeRole(between, boss))
    mi.assign("admin", "alice")
    mi.revoke("admin", "boss")
    with pytest.raises(Conflict):
        store.apply(Unchanged(between), AssignRole(between, boss))
    assert [user.id for user in store.holder_users(admin_role_of(store))] == [alice.id]


def test_the_mark_of_the_first_admin_outlives_the_first_admin(store: SqlStore, mi: Mi) -> None:
    boss, alice = make_user(store, "boss"), make_user(store)
    store.apply(CreateAdminRole(boss))
    role = admin_role_of(store).role
    store.apply(AssignRole(role, alice))
    mi.delete_user("boss")
    assert admin_role_of(store).first_admin_id == boss.id
    store.apply(AssignRole(role_now(store, role), carol := make_user(store, "carol")))
    store.apply(RevokeRole(role, alice), DeleteUser(alice))
    assert admin_role_of(store).first_admin_id == boss.id
    mi.revoke("admin", "carol")
    assert admin_role_of(store).holders == frozenset()
    assert admin_role_of(store).first_admin_id == boss.id
    mi.delete_user(carol.name)
    assert admin_role_of(store).first_admin_id is None


def test_the_admin_role_of_mi_is_marked(store: SqlStore, mi: Mi) -> None:
    alice, bob = make_user(store), make_user(store, "bob")
    mi.add_role("admin")
    mi.assign("admin", "bob")
    admin_role = admin_role_of(store)
    assert admin_role.first_admin_id is None
    assert store.is_holder(admin_role, bob)
    store.apply(AssignRole(admin_role.role, alice), MarkFirstAdmin(admin_role.role, alice))
    mi.delete_user("alice")
    assert admin_role_of(store).first_admin_id == alice.id


def test_two_admin_roles_are_unclear(store: SqlStore, mi: Mi, place: Place) -> None:
    mi.add_role("admin")
    if place.config.dialect == "mysql":  # the unique index ignores case, too
        with pytest.raises(Duplicate):
            mi.add_role("ADMIN")
        return
    mi.add_role("ADMIN")
    with pytest.raises(AdminRoleUnclear):
        store.admin_role()
    user = make_user(store)
    with pytest.raises(Conflict):
        store.apply(CreateAdminRole(user))


def test_rows_of_other_tenants_are_others(store: SqlStore, place: Place) -> None:
    other = place.open(tenant_id=7)
    theirs, role = make_user(other, "alice"), other.create_role("dev")
    assert (store.find_user("alice"), store.user(theirs.id)) == (None, None)
    assert store.find_role("dev") is None
    assert store.user_names().names == store.role_names().names == ()
    ours = make_user(store)
    store.apply(AssignRole(store.create_role("dev"), ours))
    assert other.member_names(role).names == ()
    with pytest.raises(Conflict):
        store.apply(DeleteUser(theirs))
    assert other.find_user("alice") == theirs


@pytest.mark.parametrize("stored_id", ["", " "])
def test_a_user_without_an_id_is_an_error_and_nobody_else(
    store: SqlStore, mi: Mi, place: Place, stored_id: str
) -> None:
    mi.add_user("bob", PASSWORD)
    alice = make_user(store)
    place.execute("UPDATE UM_USER SET UM_USER_ID = :id WHERE UM_USER_NAME = 'bob'", id=stored_id)
    with pytest.raises(IdUnreadable):
        store.find_user("bob")
    assert sorted(store.user_names().names) == ["alice", "bob"]
    assert store.find_user("alice") == alice


@pytest.mark.parametrize("name", ["two\x1fparts", "line\nbreak", "\x1f", "x" * 255, "😀" * 60])
def test_a_list_has_each_name_as_it_is(store: SqlStore, mi: Mi, name: str) -> None:
    for each in ("alice", name, "bob"):
        mi.add_user(each, PASSWORD)
    assert sorted(store.user_names().names) == sorted(["alice", name, "bob"])
    mi.add_role(name)
    mi.assign(name, name)
    assert store.role_names().names == (name,)
    role = store.find_role(name)
    assert role is not None
    assert store.member_names(role).names == (name,)


def test_a_list_that_the_database_cuts_is_read_by_rows(place: Place) -> None:
    """MySQL cuts what is longer than group_concat_max_len or max_allowed_packet."""
    if place.config.dialect != "mysql":
        return
    names = [f"user{number:03d}" for number in range(40)]

    def read(connection: Connection) -> tuple[str, ...]:
        connection.exec_driver_sql("SET SESSION group_concat_max_len = 64")
        return fetch_names(connection, select(column("n")).select_from(table))

    mi = Mi(place)
    for name in names:
        mi.add_role(name)
    table = text("(SELECT UM_ROLE_NAME AS n FROM UM_ROLE) AS names")
    assert sorted(place.tools.read(read)) == names
