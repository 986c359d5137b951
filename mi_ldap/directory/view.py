"""Reads of the store that are answered from memory, and from the directory on a cache miss."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.reads.memberships import AdminGroup
from mi_ldap.directory.replica import CacheMiss, Replica, ReplicaContents
from mi_ldap.directory.replica.groups import Group
from mi_ldap.directory.replica.people import Person
from mi_ldap.forwarded_reads import ForwardedReads
from mi_ldap.model import AdminRole, Names, Role, User, UserDetails
from mi_ldap.store import Read, UserReads

T = TypeVar("T")


class View(ForwardedReads):
    """Implements `mi_ldap.store.UserReads` over a replica.

    Args:
        replica: the users and groups in memory.
        store: reads the directory on a cache miss.
        layout: the configured filters and attributes.
        admin_group: the group that the store last read as the admin role.
    """

    def __init__(
        self, replica: Replica, store: UserReads, layout: DirectoryLayout, admin_group: AdminGroup
    ) -> None:
        super().__init__(store)
        self._replica, self._admin_group = replica, admin_group
        self._finds_users = layout.finds_users_by_name
        self._finds_roles = layout.finds_roles_by_name
        # Which user a name in `memberUid` denotes depends on the server's matching rule.
        self._knows_roles = layout.reads_roles and not layout.group_schema.by_name
        self._requires_member = layout.group_schema.requires_member

    def prefetch(self, *reads: Read) -> UserReads:
        return self  # memory is polled once for all reads of a request

    def find_user(self, name: str) -> User | None:
        def found(contents: ReplicaContents) -> User | None:
            person = contents.people.named(name)
            return contents.people.user(person) if person else None

        return self._query(found, lambda: self._reads.find_user(name), self._finds_users and name)

    def user(self, user_id: str) -> User | None:
        def found(contents: ReplicaContents) -> User | None:
            person = contents.people.by_id(user_id)
            return contents.people.user(person) if person else None

        return self._query(found, lambda: self._reads.user(user_id))

    def user_names(self, like: str | None = None) -> Names:
        return self._query(
            lambda contents: contents.people.names(), lambda: self._reads.user_names(like)
        )

    def details(self, user: User) -> UserDetails:
        def found(contents: ReplicaContents) -> UserDetails:
            groups, own = contents.groups, contents.groups.direct_groups_of(_person(contents, user))
            custodian = contents.people.by_id(user.custodian_id) if user.custodian_id else None
            return UserDetails(
                tuple(group.role for group in own),
                contents.people.user(custodian) if custodian else None,
                tuple(group.role for group in groups.ancestors_of(own)),
            )

        return self._query(found, lambda: self._reads.details(user), self._knows_roles)

    def roles_of(self, user: User) -> tuple[Role, ...]:
        def found(contents: ReplicaContents) -> tuple[Role, ...]:
            return tuple(
                group.role for group in contents.groups.direct_groups_of(_person(contents, user))
            )

        return self._query(found, lambda: self._reads.roles_of(user), self._knows_roles)

    def find_role(self, name: str) -> Role | None:
        def found(contents: ReplicaContents) -> Role | None:
            group = contents.groups.named(name)
            return group.role if group else None

        return self._query(found, lambda: self._reads.find_role(name), self._finds_roles and name)

    def role_names(self) -> Names:
        return self._query(
            lambda contents: contents.groups.names(), self._reads.role_names, self._knows_roles
        )

    def member_names(self, role: Role) -> Names:
        return self._query(
            lambda contents: contents.names_in(_group(contents, role)),
            lambda: self._reads.member_names(role),
            self._knows_roles,
        )

    def admin_role(self) -> AdminRole | None:
        """Return the admin role; from memory only the group that the store read last as it."""

        def found(contents: ReplicaContents) -> AdminRole:
            group = contents.groups.named(self._admin_group.name)
            # Another group with the name is an error, or a replacement that the store must log.
            if group is None or group.role.id != self._admin_group.id:
                raise CacheMiss
            if self._requires_member and not (group.people or group.other_members):
                # The members are hidden, or there is only a placeholder: memory can't tell which.
                raise CacheMiss
            return contents.admin_role(group)

        return self._query(found, self._reads.admin_role, self._finds_roles and self._knows_roles)

    def _query(
        self,
        from_memory: Callable[[ReplicaContents], T],
        from_directory: Callable[[], T],
        memory_can_answer: object = True,
    ) -> T:
        if memory_can_answer:
            try:
                return self._replica.query(from_memory)
            except CacheMiss:
                pass
        return from_directory()


def _person(contents: ReplicaContents, user: User) -> Person:
    """Return the user in memory.

    Raises:
        CacheMiss: it is not there, or moved since it was read in this request.
    """
    person = contents.people.by_id(user.id)
    if person is None or contents.people.dn(person) != user.locator:
        raise CacheMiss
    return person


def _group(contents: ReplicaContents, role: Role) -> Group:
    group = contents.groups.at(role.locator)
    if group is None or group.role.id != role.id:
        raise CacheMiss
    return group
