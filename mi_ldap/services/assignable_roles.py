"""Which roles a user may get, as far as their names tell, for a form that offers them.

Whether an assignment is allowed is decided when it is made: see `role_checks`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from mi_ldap.model import User
from mi_ldap.name_rules import HYBRID_DOMAINS, split_domain


@dataclass(frozen=True, slots=True)
class AssignableRoles:
    """Roles that a user may get.

    Attributes:
        names: the names, in the order of the list that they were chosen from.
        has_read_only: whether roles of the user's own store are left out because they are
            read-only.
    """

    names: tuple[str, ...]
    has_read_only: bool


def assignable_roles(
    names: Iterable[str],
    user: User,
    admin_role: str,
    domains: Collection[str],
    writable_domains: Collection[str],
) -> AssignableRoles:
    """Return those of the roles that the user may get.

    Args:
        names: the names of roles, as lists show them.
        user: the user.
        admin_role: the name of the admin role, which only primary users may have.
        domains: the domains of the secondary user stores, in capitals.
        writable_domains: the domains whose roles can be changed.
    """
    found, has_read_only = [], False
    for name in names:
        domain = _domain_of(name, domains, writable_domains)
        if domain not in (user.domain, *HYBRID_DOMAINS) or (user.domain and name == admin_role):
            continue
        if domain in writable_domains:
            found.append(name)
        else:
            has_read_only = True
    return AssignableRoles(tuple(found), has_read_only)


def _domain_of(name: str, domains: Collection[str], writable_domains: Collection[str]) -> str:
    """Return the domain of a role; `""` for a role of the primary store."""
    first, slash, _ = name.partition("/")
    if not slash:
        return ""
    # Where no hybrid roles are stored, `Internal/x` is a role of the primary store. Where they are
    # read-only, they count as its roles, too, which are then read-only as well.
    is_hybrid = first in HYBRID_DOMAINS and first in writable_domains
    return first if is_hybrid else split_domain(name, domains)[0]
