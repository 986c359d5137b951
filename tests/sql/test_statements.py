"""The statements of a database's store, in any use of it: of one tenant, and behind locks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.dialects import postgresql

from mi_ldap.domains import HybridStore
from mi_ldap.sql import SqlStore
from mi_ldap.store import (
    AssignRole,
    CreateAdminRole,
    DeleteRole,
    DeleteUser,
    FindRole,
    FindUser,
    MarkFirstAdmin,
    NotMember,
    ReadAdminRole,
    ReadUser,
    RenewEpoch,
    RenewRevision,
    RevokeRole,
    SetCustodian,
    Unchanged,
    UserStore,
)
from tests.contract.words import admin_role_of, make_user, reread, role_now
from tests.hybrid.stores import within
from tests.sql.stores import Place, sqlite_place

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_NAMED = re.compile(r"\b(?:from|join|update|into) ((?:um|mi_ldap)_\w+)(?: as (\w+))?")
_EQUAL_TENANTS = re.compile(r"(\w+)\.um_tenant_id = (?:(\w+)\.um_tenant_id|%)")
_TENANT = 7
_TABLES = (
    *("um_user", "um_user_attribute", "um_role", "um_user_role", "um_domain", "um_hybrid_role"),
    *("um_hybrid_user_role", "mi_ldap_user", "mi_ldap_hybrid_role"),
)
_ENDS = ("commit", "rollback")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with sqlite_place(tmp_path) as found:
        yield found


def recorded(store: SqlStore) -> list[str]:
    """The statements that the store sends from now on, in PostgreSQL's language."""
    statements: list[str] = []
    engine = store.database._opened_engine()

    def note_built(_connection: Any, built: Any, *_given: Any) -> None:
        text = str(built.compile(dialect=_DIALECT))
        statements.append(" ".join(text.lower().split()))

    def note_text(_connection: Any, _cursor: Any, statement: str, *_given: Any) -> None:
        if statement.lower().startswith(("begin", *_ENDS)):
            statements.append(statement.lower())

    event.listen(engine, "before_execute", note_built)
    event.listen(engine, "before_cursor_execute", note_text)
    return statements


def use(store: UserStore, role_name: str, admin_name: str) -> None:
    """Do all that a store can do."""
    alice, bob = make_user(store, "alice"), make_user(store, "bob")
    role = store.create_role(role_name)
    store.apply(CreateAdminRole(alice))
    store.apply(DeleteRole(store.create_role(f"{role_name} again")))
    store.apply(AssignRole(role, bob), SetCustodian(bob, alice.id))
    bob = reread(store, bob)
    admin_role = admin_role_of(store)
    store.apply(
        Unchanged(admin_role.role),
        Unchanged(bob),
        NotMember(admin_role.role, bob),
        RenewRevision(admin_role.role),
        SetCustodian(bob, alice.id, appoints=True),
        AssignRole(admin_role.role, bob),
    )
    store.apply(MarkFirstAdmin(admin_role_of(store).role, reread(store, alice)))
    read(store, role_name, admin_name)
    for reads in (store.view(), store.authority(changes=False), store.authority(changes=True)):
        read(reads, role_name, admin_name)
    bob = reread(store, bob)
    store.reset_password(bob, "another one")
    store.change_password(bob, "another one", "a third one")
    store.authenticate(bob, "a third one")
    unfinished = store.create_user("carol")
    assert store.is_still_unfinished(unfinished)
    store.reset_password(unfinished, "of an unfinished user")
    store.discard(unfinished)
    store.end_creation(unfinished)
    store.clean_up()
    bob = reread(store, bob)
    store.apply(RevokeRole(admin_role.role, bob), SetCustodian(bob, None), RenewEpoch(bob))
    store.apply(DeleteUser(reread(store, bob)))
    store.apply(DeleteRole(role_now(store, role)))
    store.apply(RevokeRole(admin_role.role, reread(store, alice)))
    assert admin_role_of(store).first_admin_id == alice.id  # by the mark that is left


def read(reads: Any, role_name: str, admin_name: str) -> None:
    alice, bob = reads.find_user("alice"), reads.find_user("bob")
    role, admin_role = reads.find_role(role_name), reads.admin_role()
    assert reads.find_role(admin_name)
    assert reads.user(bob.id) == bob
    assert reads.is_holder(admin_role, bob)
    assert {each.name for each in reads.holder_users(admin_role)} == {"alice", "bob"}
    assert reads.other_holder(admin_role, bob).name == "alice"
    assert [each.name for each in reads.dependents_of(alice)] == ["bob"]
    assert len(reads.roles_of(bob)) == len(reads.details(bob).roles) == 2
    assert set(reads.user_names().names) == {"alice", "bob"}
    assert set(reads.user_names("*li*").names) >= {"alice"}
    assert set(reads.role_names().names) == {role_name, admin_name}
    assert set(reads.member_names(role).names) == {"bob"}
    wanted = (FindUser("bob"), ReadUser(bob.id), FindRole(role_name), ReadAdminRole())
    fetched = reads.prefetch(*wanted)
    assert fetched.find_user("bob") == fetched.user(bob.id) == bob
    both = reads.prefetch(ReadUser(alice.id), ReadUser(bob.id))
    assert both.user(alice.id) == alice


def used(place: Place, *, is_hybrid: bool) -> list[str]:
    """The statements of one use of a store."""
    if is_hybrid:
        hybrid: HybridStore = within(place, tenant_id=_TENANT)
        statements = recorded(place.opened[-1])
        use(hybrid, "Internal/dev", "Internal/admin")
    else:
        store = place.open(tenant_id=_TENANT)
        statements = recorded(store)
        use(store, "dev", "admin")
    return statements


def tables_without_tenant(statement: str) -> set[str]:
    """The tables of a statement, under their names in it, whose rows may be of any tenant."""
    named = Counter(alias or table for table, alias in _NAMED.findall(statement))
    if statement.startswith("insert"):
        return set() if "um_tenant_id" in statement else {*named}
    pairs = [*_EQUAL_TENANTS.findall(statement)]
    counted = Counter(name for pair in pairs for name in pair)
    bound, size = {""}, 0
    while len(bound) > size:
        size = len(bound)
        bound |= {name for pair in pairs if bound & {*pair} for name in pair}
    return {name for name, count in named.items() if name not in bound or counted[name] < count}


@pytest.mark.parametrize("is_hybrid", [False, True], ids=["roles", "hybrid roles"])
def test_every_statement_is_about_one_tenant(place: Place, is_hybrid: bool) -> None:
    """Of other tenants, and of other profiles, are rows that say nothing here."""
    statements = [each for each in used(place, is_hybrid=is_hybrid) if _NAMED.search(each)]
    assert len(statements) > 100
    wrong = {each: missing for each in statements if (missing := tables_without_tenant(each))}
    assert not wrong
    reads_of_attributes = [
        each for each in statements if each.startswith("select") and "um_attr_name" in each
    ]
    assert all("um_profile_id = " in each for each in reads_of_attributes)
    for table in _TABLES:
        tenants = place.query(f"SELECT DISTINCT um_tenant_id FROM {table}")  # noqa: S608
        assert tenants in ([], [(_TENANT,)])


def transactions(statements: list[str]) -> Iterator[list[str]]:
    """The statements of each transaction."""
    present: list[str] | None = None
    for each in statements:
        if each.startswith("begin"):
            present = []
        elif each.startswith(_ENDS):
            assert present is not None
            yield present
            present = None
        elif present is not None:
            present.append(each)


def table_of(statement: str) -> str:
    found = _NAMED.search(statement)
    return found[1] if found else ""


def is_lock(statement: str) -> bool:
    return statement.endswith("for update")


def is_write(statement: str) -> bool:
    return statement.startswith(("insert", "update", "delete"))


def is_serialized(change: list[str]) -> bool:
    """Whether a change concerns names or roles, and so waits for all others that do."""
    begins = ("insert into um_user ", "insert into um_role ", "insert into um_user_role ")
    return any(each.startswith((*begins, "delete from um_role ")) for each in change)


def test_each_change_locks_in_one_order_and_then_reads_what_it_writes(place: Place) -> None:
    """Otherwise two changes wait for each other, or one decides by what the other replaces."""
    order = ["um_role", "um_user_role", "um_user"]
    changes = [each for each in transactions(used(place, is_hybrid=False)) if each]
    assert len(changes) > 15
    has_admin_role, locks_of_members = False, 0
    for change in changes:
        locks = [number for number, each in enumerate(change) if is_lock(each)]
        locked = [table_of(change[number]) for number in locks]
        assert locked == sorted(locked, key=order.index), change
        assert all("order by" in change[number] for number in locks), change
        first_write = next((at for at, each in enumerate(change) if is_write(each)), len(change))
        assert all(number < first_write for number in locks), change
        if has_admin_role and is_serialized(change):
            assert locked[0] == "um_role", change
        written = {table_of(each) for each in change if is_write(each)}
        is_creation = any(each.startswith("insert into um_user ") for each in change)
        if "um_user_attribute" in written and not is_creation:
            assert "um_user" in locked, change
        if "um_user" in locked:
            since = change[locks[-1] + 1 : first_write]
            assert any("um_user_password" in each for each in since), change
        inserts = [table_of(each) for each in change if each.startswith("insert")]
        has_admin_role |= {"um_role", "um_user_role"} <= {*inserts}
        locks_of_members += "um_user_role" in locked
    # Those that name the admin role: other tools delete memberships without a lock of the role.
    assert locks_of_members >= 4
