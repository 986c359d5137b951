"""Implementations of `mi_ldap.store.UserReads` that pass reads on to another one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

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
    """Passes every read on; a subclass overrides those that it answers itself.

    Args:
        reads: answer the reads that are passed on.
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
    """The result of `UserReads.prefetch`: some reads are carried out already.

    Args:
        reads: answer all other reads.
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
