"""The store's reads, from memory where it answers and from the directory where it does not."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.reads.admin_group import AdminGroup
from mi_ldap.directory.replica import CacheMiss, Replica, ReplicaContents
from mi_ldap.directory.replica.groups import Group
from mi_ldap.directory.replica.people import Person
from mi_ldap.model import AdminRole, Names, Role, User, UserDetails
from mi_ldap.store import UserReads

T = TypeVar("T")


class View:
    """`mi_ldap.store.UserReads` over an index.

    Args:
        index: what is in memory.
        store: asked where that does not answer.
        tree: what the index holds.
        admin_group: the admin role's, as the store last read it.
    """

    def __init__(
        self, index: Replica, store: UserReads, tree: DirectoryLayout, admin_group: AdminGroup
    ) -> None:
        self._index, self._store, self._admin_group = index, store, admin_group
        self._finds_users = tree.finds_users_by_name
        self._finds_roles = tree.finds_roles_by_name
        self._knows_roles = tree.reads_roles and not tree.shape.by_name
        self._wants_a_member = tree.shape.wants_a_member

    def check(self) -> None:
        self._store.check()

    def find_user(self, name: str) -> User | None:
        def found(held: ReplicaContents) -> User | None:
            person = held.people.named(name)
            return held.people.user(person) if person else None

        return self._ask(found, lambda: self._store.find_user(name), self._finds_users and name)

    def user(self, user_id: str) -> User | None:
        def found(held: ReplicaContents) -> User | None:
            person = held.people.by_id(user_id)
            return held.people.user(person) if person else None

        return self._ask(found, lambda: self._store.user(user_id))

    def user_names(self, like: str | None = None) -> Names:
        return self._ask(lambda held: held.people.names(), lambda: self._store.user_names(like))

    def details(self, user: User) -> UserDetails:
        def found(held: ReplicaContents) -> UserDetails:
            groups, own = held.groups, held.groups.held_by(_person(held, user))
            custodian = held.people.by_id(user.custodian_id) if user.custodian_id else None
            return UserDetails(
                tuple(group.role for group in own),
                held.people.user(custodian) if custodian else None,
                tuple(group.role for group in groups.above(own)),
            )

        return self._ask(found, lambda: self._store.details(user), self._knows_roles)

    def roles_of(self, user: User) -> tuple[Role, ...]:
        def found(held: ReplicaContents) -> tuple[Role, ...]:
            return tuple(group.role for group in held.groups.held_by(_person(held, user)))

        return self._ask(found, lambda: self._store.roles_of(user), self._knows_roles)

    def membership_path(self, user: User, role: Role) -> tuple[Role, ...]:
        return self._store.membership_path(user, role)

    def find_role(self, name: str) -> Role | None:
        def found(held: ReplicaContents) -> Role | None:
            group = held.groups.named(name)
            return group.role if group else None

        return self._ask(found, lambda: self._store.find_role(name), self._finds_roles and name)

    def role_names(self) -> Names:
        return self._ask(
            lambda held: held.groups.names(), self._store.role_names, self._knows_roles
        )

    def member_names(self, role: Role) -> Names:
        return self._ask(
            lambda held: held.names_in(_group(held, role)),
            lambda: self._store.member_names(role),
            self._knows_roles,
        )

    def admin_role(self) -> AdminRole | None:
        """From memory only the one group that the store has read as the admin role."""

        def found(held: ReplicaContents) -> AdminRole:
            group = held.groups.named(self._admin_group.name)
            if group is None or group.role.id != self._admin_group.id:
                raise CacheMiss
            if self._wants_a_member and not (group.people or group.others):
                raise CacheMiss  # hidden, or only a placeholder: the store tells which
            return held.admin_role(group)

        return self._ask(found, self._store.admin_role, self._finds_roles and self._knows_roles)

    def is_holder(self, admin_role: AdminRole, user: User) -> bool:
        return self._store.is_holder(admin_role, user)

    def holds_through_others(self, admin_role: AdminRole, user: User) -> bool:
        return self._store.holds_through_others(admin_role, user)

    def other_holder(self, admin_role: AdminRole, user: User) -> User | None:
        return self._store.other_holder(admin_role, user)

    def holder_users(self, admin_role: AdminRole) -> tuple[User, ...]:
        return self._store.holder_users(admin_role)

    def dependents_of(self, user: User) -> tuple[User, ...]:
        return self._store.dependents_of(user)

    def _ask(
        self, question: Callable[[ReplicaContents], T], direct: Callable[[], T], may: object = True
    ) -> T:
        if may:
            try:
                return self._index.ask(question)
            except CacheMiss:
                pass
        return direct()


def _person(held: ReplicaContents, user: User) -> Person:
    """The user as it is held; it was read in this same request."""
    person = held.people.by_id(user.id)
    if person is None or held.people.dn(person) != user.locator:
        raise CacheMiss
    return person


def _group(held: ReplicaContents, role: Role) -> Group:
    group = held.groups.at(role.locator)
    if group is None or group.role.id != role.id:
        raise CacheMiss
    return group
