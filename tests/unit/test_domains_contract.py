"""The contract of a store, on the primary and on a secondary store of `Domains`."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from mi_ldap.domains import Domains
from mi_ldap.domains.reads import DomainReads
from mi_ldap.errors import BadRequest
from mi_ldap.model import Names, Role, User, UserDetails
from mi_ldap.store import (
    AssignRole,
    CreateAdminRole,
    DependentsOf,
    FindRole,
    FindUser,
    ReadAdminRole,
    ReadUser,
    RolesOf,
    SetCustodian,
    UserReads,
    UserStore,
)
from tests.contract.changes import ChangeContract
from tests.contract.prefetch import PrefetchContract
from tests.contract.roles import RoleContract
from tests.contract.users import UserContract
from tests.memory_store import MemoryStore, role_locator, user_locator
from tests.store_contract import Plant, StoreContract, make_user, reread

DOMAIN = "WSO2.COM"


def plant_in(store: MemoryStore) -> Plant:
    def name_member(role: str, user: str) -> None:
        store.content.roles[role_locator(role)].members.add(user_locator(user))

    return name_member


class TestPrimary(StoreContract):
    @pytest.fixture
    def primary(self) -> MemoryStore:
        return MemoryStore()

    @pytest.fixture
    def store(self, primary: MemoryStore) -> Domains:
        return Domains(primary, {DOMAIN: MemoryStore(), "OTHER": MemoryStore()})

    @pytest.fixture
    def plant(self, primary: MemoryStore) -> Plant:
        return plant_in(primary)


def _shown(found: Any) -> Any:
    """What a read returns, its names with the domain taken off."""
    match found:
        case User() | Role():
            return replace(found, name=found.name.removeprefix(f"{DOMAIN}/"))
        case tuple() if not isinstance(found, str):
            return tuple(map(_shown, found))
        case Names():
            return Names(tuple(name.removeprefix(f"{DOMAIN}/") for name in found.names))
        case UserDetails():
            return UserDetails(*map(_shown, (found.roles, found.custodian, found.inherited)))
        case DomainReads():
            return Prefixed(found)
    return found


def _sent(value: Any) -> Any:
    """What a call is sent, its names with the domain."""
    match value:
        case User() | Role() | FindUser() | FindRole():
            return replace(value, name=f"{DOMAIN}/{value.name}")
    if hasattr(value, "__dataclass_fields__"):
        entries = {each.name: _sent(getattr(value, each.name)) for each in fields(value)}
        return replace(value, **entries)
    return value


class Prefixed:
    """A store whose every name is sent with the domain, and shown without it."""

    def __init__(self, store: UserReads) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        target = getattr(self._store, name)
        by_name = name in ("find_user", "find_role", "create_user", "create_role")

        def call(*args: Any) -> Any:
            sent = [f"{DOMAIN}/{args[0]}"] if by_name else map(_sent, args)
            return _shown(target(*sent))

        return call if callable(target) else target


class TestSecondary(UserContract, RoleContract, ChangeContract, PrefetchContract):
    """Without the admin role, which a secondary store does not have."""

    @pytest.fixture
    def secondary(self) -> MemoryStore:
        return MemoryStore()

    @pytest.fixture
    def store(self, secondary: MemoryStore) -> Any:
        return Prefixed(Domains(MemoryStore(), {"OTHER": MemoryStore(), DOMAIN: secondary}))

    @pytest.fixture
    def plant(self, secondary: MemoryStore) -> Plant:
        return plant_in(secondary)

    def become_admin(self, store: UserStore, user: User) -> None:
        """Overridden: only users of the primary store are admins."""
        with pytest.raises(BadRequest):
            store.apply(CreateAdminRole(user))

    def test_the_admin_role_is_held_through_roles(self, store: UserStore) -> None:
        self.become_admin(store, make_user(store))

    def test_a_custodian_is_set_replaced_and_cleared(self, store: UserStore) -> None:
        """Overridden: nobody is the custodian of a user of a secondary store."""
        user, boss = make_user(store), make_user(store, "boss")
        store.apply(SetCustodian(user, boss.id))
        dependent = reread(store, user)
        assert dependent.custodian_id == boss.id
        assert store.details(dependent).custodian is None
        assert store.dependents_of(boss) == ()

    def test_reads_together_have_the_answers_of_single_reads(self, store: UserStore) -> None:
        """Overridden: a user of a secondary store has neither an admin role nor dependents."""
        alice, role = make_user(store), store.create_role("dev")
        store.apply(AssignRole(role, alice))
        names = (FindUser("alice"), FindUser("nobody"), FindRole("dev"), FindRole("none"))
        reads = store.prefetch(
            *names, ReadUser(alice.id), RolesOf(alice), DependentsOf(alice), ReadAdminRole()
        )
        assert reads.find_user("alice") == reads.user(alice.id) == reread(store, alice)
        assert reads.find_user("nobody") is None
        assert (reads.find_role("none"), reads.admin_role()) == (None, None)
        assert [each.id for each in reads.roles_of(alice)] == [role.id]
        assert reads.dependents_of(alice) == ()
