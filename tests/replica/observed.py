"""All that can be seen of a store, in a form that can be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from mi_ldap.deadline import deadline
from mi_ldap.errors import MiLdapError
from mi_ldap.model import Role, User
from mi_ldap.store import UserReads


def observed(reads: UserReads, users: Iterable[str], roles: Iterable[str]) -> dict[str, Any]:
    """What each question is answered, an error by its name."""
    seen: dict[str, Any] = {}

    def ask(what: str, question: Callable[[], Any]) -> Any:
        try:
            with deadline(10):
                answer = question()
        except MiLdapError as error:
            answer = type(error).__name__
        seen[what] = answer
        return answer

    ask("users", lambda: sorted(set(reads.user_names().names)))
    ask("roles", lambda: sorted(set(reads.role_names().names)))
    ask("admin", partial(_admin, reads))
    for name in users:
        user = ask(f"user {name}", partial(reads.find_user, name))
        if isinstance(user, User):
            ask(f"id of {name}", partial(reads.user, user.id))
            ask(f"details of {name}", partial(_details, reads, user))
            ask(f"roles of {name}", partial(_roles, reads, user))
            ask(f"{name} is an admin", partial(_is_admin, reads, user))
    for name in roles:
        role = ask(f"role {name}", partial(reads.find_role, name))
        if isinstance(role, Role):
            ask(f"members of {name}", partial(_members, reads, role))
    return seen


def _admin(reads: UserReads) -> tuple[Any, ...] | None:
    """Without members that are nobody: what becomes of them is not told."""
    found = reads.admin_role()
    return (found.role, found.nested, found.first_admin_id) if found else None


def _is_admin(reads: UserReads, user: User) -> bool:
    found = reads.admin_role()
    return found is not None and reads.is_holder(found, user)


def _members(reads: UserReads, role: Role) -> list[str]:
    return sorted(set(reads.member_names(role).names))


def _roles(reads: UserReads, user: User) -> frozenset[Role]:
    return frozenset(reads.roles_of(user))


def _details(reads: UserReads, user: User) -> tuple[Any, ...]:
    found = reads.details(user)
    return frozenset(found.roles), found.custodian, frozenset(found.inherited)
