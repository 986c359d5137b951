"""Random changes have the same outcome in a database and in the store in memory."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from mi_ldap.errors import Conflict, RoleExists, UserExists
from mi_ldap.model import Role, User
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
    UserStore,
)
from tests.contract.words import make_user
from tests.memory_store import MemoryStore
from tests.sql.stores import Place

USERS = ("alice", "bob", "carol", "dave")
ROLES = ("admin", "dev", "ops")
CHANGES = 100


@dataclass
class Side:
    """A store, and users as they were read at some time."""

    store: UserStore
    stale: dict[str, User] = field(default_factory=dict)

    def user(self, name: str, *, is_stale: bool) -> User | None:
        present = self.store.find_user(name)
        read_before = self.stale.get(name) if is_stale else None
        if present:
            self.stale.setdefault(name, present)
        return read_before or present

    def forget(self, name: str) -> None:
        self.stale.pop(name, None)

    def picture(self) -> object:
        """What everybody sees."""
        roles = sorted(self.store.role_names().names)
        return (
            sorted(self.store.user_names().names),
            [(role, sorted(self._members(role))) for role in roles],
            [self._seen(name) for name in USERS],
            self._admins(),
        )

    def _members(self, role: str) -> tuple[str, ...]:
        found = self.store.find_role(role)
        assert found is not None
        return self.store.member_names(found).names

    def _seen(self, name: str) -> object:
        user = self.store.find_user(name)
        if user is None:
            return None
        details = self.store.details(user)
        custodian = details.custodian.name if details.custodian else None
        dependents = sorted(each.name for each in self.store.dependents_of(user))
        roles = sorted(role.name for role in details.roles)
        is_appointed = bool(user.appointment)
        return user.name, custodian, dependents, roles, is_appointed, user.busy

    def _admins(self) -> object:
        admin_role = self.store.admin_role()
        if admin_role is None:
            return None
        holders = sorted(user.name for user in self.store.holder_users(admin_role))
        return holders, admin_role.first_admin_id is not None


@dataclass(frozen=True)
class Chance:
    """One random change, the same on both sides."""

    kind: int
    name: str
    other: str
    role: str
    is_stale: bool
    guards_role: bool

    def steps(self, side: Side) -> Iterator[Step]:
        user = side.user(self.name, is_stale=self.is_stale)
        role = side.store.find_role(self.role)
        other = side.user(self.other, is_stale=False)
        if user is None:
            return
        yield Unchanged(user)
        if role and self.guards_role:
            yield Unchanged(role)
        yield from self._of_user(user, other)
        if role:
            yield from self._of_role(role, user)

    def _of_user(self, user: User, other: User | None) -> Iterator[Step]:
        if self.kind in {0, 4}:
            yield SetCustodian(user, other.id if other else None, appoints=self.kind == 4)
        if self.kind in {1, 4}:
            yield RenewEpoch(user, for_reset=self.guards_role)
        if self.kind == 2:
            yield CreateAdminRole(user)

    def _of_role(self, role: Role, user: User) -> Iterator[Step]:
        if self.kind in {3, 4, 5}:
            yield AssignRole(role, user)
        if self.kind in {6, 7}:
            yield RevokeRole(role, user)
        if self.kind == 7:
            yield DeleteUser(user)
        if self.kind == 8:
            yield NotMember(role, user)
            yield DeleteUser(user)
        if self.kind == 9:
            yield RenewRevision(role)
        if self.kind == 10 and role.name != "admin":
            yield DeleteRole(role)
        if self.kind == 11 and role.name == "admin":
            yield MarkFirstAdmin(role, user)

    def outcome(self, side: Side) -> str:
        try:
            if self.kind == 12:
                side.forget(self.name)
                make_user(side.store, self.name)
            elif self.kind == 13:
                side.store.create_role(self.role)
            else:
                side.store.apply(*self.steps(side))
        except (Conflict, UserExists, RoleExists) as error:
            return type(error).__name__
        return "done"


def chance(of: random.Random) -> Chance:
    return Chance(
        kind=of.choice([*range(14), 12, 13, 3, 4]),
        name=of.choice(USERS),
        other=of.choice(USERS),
        role=of.choice(ROLES),
        is_stale=of.random() < 0.15,
        guards_role=of.random() < 0.5,
    )


@pytest.mark.parametrize("seed", range(3))
def test_a_database_and_memory_agree(place: Place, seed: int) -> None:
    of = random.Random(seed)
    database, memory = Side(place.open()), Side(MemoryStore())
    for number in range(CHANGES):
        change = chance(of)
        outcomes = change.outcome(database), change.outcome(memory)
        assert outcomes[0] == outcomes[1], (number, change, outcomes)
        assert database.picture() == memory.picture(), (number, change)
        if of.random() < 0.2:
            for side in (database, memory):
                side.stale.clear()
