"""Checks of the roles of a request: whether they exist, and can be assigned or revoked at all."""

from __future__ import annotations

from collections.abc import Iterable

from mi_ldap import name_rules
from mi_ldap.errors import BadRequest, Forbidden, RoleNotFound
from mi_ldap.model import AdminRole, Role, User
from mi_ldap.name_rules import EVERYONE, PRIMARY_ADMINS
from mi_ldap.services.accounts import find_role
from mi_ldap.store import UserReads

OTHER_STORE = "Roles of a user store can be assigned to users of that store only."


def ensure_same_store(user: User, roles: Iterable[Role], admin_role: AdminRole) -> None:
    """Check that the roles can be assigned to a user of that store.

    Raises:
        BadRequest: one of them is a role of another user store, or the admin role, which users of
            secondary stores cannot have.
    """
    wanted = list(roles)
    if user.domain and any(role.id == admin_role.role.id for role in wanted):
        raise BadRequest(PRIMARY_ADMINS)
    if any(role.domain != user.domain for role in wanted if not role.is_hybrid):
        raise BadRequest(OTHER_STORE)


def ensure_members_can_change(role: Role) -> None:
    """Check that the service can add and remove members of the role.

    Raises:
        Forbidden: the directory computes the members.
        BadRequest: they are in another attribute than the configured one.
    """
    if role.is_dynamic:
        raise Forbidden(
            f"{role.name} is a dynamic role: the directory determines its members by a search."
        )
    if role.foreign_class:
        raise BadRequest(
            f"The role {role.name} is a {role.foreign_class}, which "
            "has its members in another attribute than user_store.membership_attribute."
        )


def changeable_role(reads: UserReads, name: str) -> Role:
    """Return the role with that name, as typed, except `Internal/everyone`.

    Raises:
        Forbidden: it is `Internal/everyone`.
        RoleNotFound: there is no such role.
    """
    if name_rules.full_role_name(name) == EVERYONE:
        raise Forbidden(f"Every user has the role {EVERYONE}; it cannot be changed.")
    return get_role(reads, name)


def get_role(reads: UserReads, name: str) -> Role:
    """Return the role with that name, as typed.

    Raises:
        RoleNotFound: there is none.
    """
    role = find_role(reads, name)
    if role is None:
        raise RoleNotFound(name_rules.full_role_name(name))
    return role


def ensure_assigned_directly(reads: UserReads, user: User, inherited: Iterable[Role]) -> None:
    """Raise `BadRequest` for an inherited role, which cannot be revoked from one user alone."""
    for role in inherited:
        path = ", ".join(path_names(reads, user, role))
        raise BadRequest(
            f"User {user.name} has {role.name} through "
            f"{path or 'another role'}. Revoke that role, or change it in the directory."
        )


def path_names(reads: UserReads, user: User, role: Role) -> tuple[str, ...]:
    """Return the names of the roles through which the user has an inherited role."""
    return tuple(each.name for each in reads.membership_path(user, role))
