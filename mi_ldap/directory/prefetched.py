"""Reads of the store that are passed on to others, and reads with answers from one round trip."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mi_ldap.directory.reads import queries
from mi_ldap.directory.reads.admin_group import AdminGroup
from mi_ldap.directory.reads.queries import AnyQuery
from mi_ldap.directory.reads.reader import Reader
from mi_ldap.model import AdminRole, Names, Role, User, UserDetails
from mi_ldap.store import (
    DependentsOf,
    FindRole,
    FindUser,
    Read,
    ReadAdminRole,
    ReadUser,
    RolesOf,
    UserReads,
)


class ForwardedReads:
    """Implements `mi_ldap.store.UserReads` by another one.

    Args:
        reads: what answers the reads that a subclass does not answer itself.
    """

    def __init__(self, reads: UserReads) -> None:
        self._reads = reads

    def prefetch(self, *reads: Read) -> UserReads:
        return self._reads.prefetch(*reads)

    def check(self) -> None:
        self._reads.check()

    def find_user(self, name: str) -> User | None:
        return self._reads.find_user(name)

    def user(self, user_id: str) -> User | None:
        return self._reads.user(user_id)

    def user_names(self, like: str | None = None) -> Names:
        return self._reads.user_names(like)

    def details(self, user: User) -> UserDetails:
        return self._reads.details(user)

    def roles_of(self, user: User) -> tuple[Role, ...]:
        return self._reads.roles_of(user)

    def membership_path(self, user: User, role: Role) -> tuple[Role, ...]:
        return self._reads.membership_path(user, role)

    def find_role(self, name: str) -> Role | None:
        return self._reads.find_role(name)

    def role_names(self) -> Names:
        return self._reads.role_names()

    def member_names(self, role: Role) -> Names:
        return self._reads.member_names(role)

    def admin_role(self) -> AdminRole | None:
        return self._reads.admin_role()

    def is_holder(self, admin_role: AdminRole, user: User) -> bool:
        return self._reads.is_holder(admin_role, user)

    def holds_through_others(self, admin_role: AdminRole, user: User) -> bool:
        return self._reads.holds_through_others(admin_role, user)

    def other_holder(self, admin_role: AdminRole, user: User) -> User | None:
        return self._reads.other_holder(admin_role, user)

    def holder_users(self, admin_role: AdminRole) -> tuple[User, ...]:
        return self._reads.holder_users(admin_role)

    def dependents_of(self, user: User) -> tuple[User, ...]:
        return self._reads.dependents_of(user)


class Prefetched(ForwardedReads):
    """Reads some of which were carried out together, for one decision.

    Args:
        reads: what answers the others.
        answers: for each read that was carried out, the function that returns its answer, or
            raises its error.
    """

    def __init__(self, reads: UserReads, answers: Mapping[Read, Callable[[], Any]]) -> None:
        super().__init__(reads)
        self._answers = answers

    def find_user(self, name: str) -> User | None:
        found: User | None = self._answer(FindUser(name), lambda: self._reads.find_user(name))
        return found

    def user(self, user_id: str) -> User | None:
        found: User | None = self._answer(ReadUser(user_id), lambda: self._reads.user(user_id))
        return found

    def find_role(self, name: str) -> Role | None:
        found: Role | None = self._answer(FindRole(name), lambda: self._reads.find_role(name))
        return found

    def admin_role(self) -> AdminRole | None:
        found: AdminRole | None = self._answer(ReadAdminRole(), self._reads.admin_role)
        return found

    def roles_of(self, user: User) -> tuple[Role, ...]:
        return tuple(self._answer(RolesOf(user), lambda: self._reads.roles_of(user)))

    def dependents_of(self, user: User) -> tuple[User, ...]:
        return tuple(self._answer(DependentsOf(user), lambda: self._reads.dependents_of(user)))

    def _answer(self, read: Read, carry_out: Callable[[], Any]) -> Any:
        return self._answers.get(read, carry_out)()


def prefetch(
    store: UserReads, reader: Reader, admin_group: AdminGroup, reads: Sequence[Read]
) -> Prefetched:
    """Carry out reads of the store together; see `UserReads.prefetch`."""
    wanted = [*dict.fromkeys(reads)]
    answers = reader.answer_together([_query_of(read, reader, admin_group) for read in wanted])
    return Prefetched(store, dict(zip(wanted, answers, strict=True)))


def _query_of(read: Read, reader: Reader, admin_group: AdminGroup) -> AnyQuery:
    match read:
        case FindUser(name):
            return queries.user_named(reader.layout, name)
        case ReadUser(user_id):
            return queries.user_with_id(reader.layout, user_id)
        case FindRole(name):
            return queries.role_named(reader.layout, name)
        case ReadAdminRole():
            return admin_group.query()
        case RolesOf(user):
            return reader.naming([reader.layout.member_value(user)])
        case DependentsOf(user):
            return queries.dependents_of(reader.layout, user)
