"""Operators: users who may change artifacts of the Micro Integrators without being admins."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from mi_ldap.errors import AmbiguousName
from mi_ldap.model import Role, User
from mi_ldap.services.accounts import find_role, reads_of_role
from mi_ldap.store import Read, UserReads

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Operators:
    """The holders of the operator roles, direct or through nested groups.

    Attributes:
        roles: the names of the roles, as configured.
        are_everybody: whether every user is an operator, as in MI.
    """

    roles: tuple[str, ...] = ()
    are_everybody: bool = False

    def reads(self) -> list[Read]:
        """Return the first reads of `include`, for `UserReads.prefetch`."""
        return [read for name in self.roles for read in reads_of_role(name)]

    def include(self, reads: UserReads, user: User) -> bool:
        """Whether the user holds one of the roles now."""
        wanted = {_key(role) for name in self.roles if (role := _find(reads, name))}
        if not wanted:
            return False
        held = reads.details(user)
        return any(_key(role) in wanted for role in (*held.roles, *held.inherited))


def _find(reads: UserReads, name: str) -> Role | None:
    try:
        return find_role(reads, name)
    except AmbiguousName:
        # Only one of the groups is meant, and anybody may be able to join the other one.
        log.error("operator_role_ambiguous", role=name)
        return None


def _key(role: Role) -> tuple[str, str, bool]:
    # By id, because each store compares names by rules of its own. A hybrid role and a group are in
    # different stores, so their ids could be equal.
    return role.id, role.domain, role.is_hybrid
