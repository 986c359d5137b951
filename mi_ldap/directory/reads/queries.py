"""Queries: searches of the user store as values, each with what its entries mean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import structlog

from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.errors import IdUnreadable, only_one
from mi_ldap.ldap import names
from mi_ldap.ldap.messages import Entry
from mi_ldap.model import Role, User, entry_id

log = structlog.get_logger()

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Query(Generic[T_co]):
    """A search below some bases for all matching entries.

    Attributes:
        bases: where to search; without bases nothing is sent, and no entry found.
        condition: the filter.
        attributes: what to read of each entry.
        decode: returns the answer for the entries, or raises an error.
    """

    bases: Sequence[str]
    condition: str
    attributes: Sequence[str]
    decode: Callable[[list[Entry]], T_co]

    def then(self, convert: Callable[[T_co], R]) -> Query[R]:
        """Return the query whose answer is the converted answer of this one."""
        decode = self.decode
        return Query(
            self.bases, self.condition, self.attributes, lambda entries: convert(decode(entries))
        )


AnyQuery = Query[Any]


def users(
    layout: DirectoryLayout, condition: str, *, unfinished: bool = False
) -> Query[list[User]]:
    """Return the query for the users that match a filter.

    Args:
        layout: the configured bases, filters and attributes.
        condition: the filter.
        unfinished: whether to include users whose creation has not finished.
    """

    def decode(entries: list[Entry]) -> list[User]:
        kept = entries if unfinished else [e for e in entries if not layout.is_unfinished(e)]
        return [layout.user_from(entry) for entry in kept]

    ldap_filter = f"(&{layout.user_list_filter}{condition})"
    return Query(layout.user_bases, ldap_filter, layout.user_attributes, decode)


def user_named(layout: DirectoryLayout, name: str) -> Query[User | None]:
    """Return the query for the user with the name; see `Reader.find_user`."""
    if not name:
        return constant(None)
    # Combined with the list filter: who is not listed must not be able to log in either.
    named = users(layout, names.filter_for(layout.user_filter, name))
    return named.then(lambda found: only_one("user", name, found))


def users_named(layout: DirectoryLayout, name: str) -> Query[list[User]]:
    """Return the query for all users with the name, including unfinished ones."""
    return users(layout, names.filter_for(layout.user_filter, name), unfinished=True)


def user_with_id(layout: DirectoryLayout, user_id: str) -> Query[User | None]:
    """Return the query for the user with the id; see `Reader.user`."""

    def only(found: list[User]) -> User | None:
        if len(found) > 1:
            log.error("id_not_unique", attribute=layout.user_id, id=user_id)
            raise IdUnreadable(layout.user_id)
        return next((user for user in found if user.id == user_id), None)

    wanted = entry_id(user_id)
    same = layout.id_filter(wanted) if wanted else None
    return users(layout, same).then(only) if same else constant(None)


def dependents_of(layout: DirectoryLayout, user: User) -> Query[tuple[User, ...]]:
    """Return the query for the users whose custodian is the user."""
    return users(layout, names.equals(layout.custodian, user.id)).then(tuple)


def roles(layout: DirectoryLayout, condition: str) -> Query[list[Role]]:
    """Return the query for the roles that match a filter."""

    def decode(entries: list[Entry]) -> list[Role]:
        return [layout.role_from(entry) for entry in entries]

    ldap_filter = f"(&{layout.role_list_filter}{condition})"
    bases = layout.role_bases if layout.reads_roles else ()
    return Query(bases, ldap_filter, layout.role_attributes, decode)


def role_named(layout: DirectoryLayout, name: str) -> Query[Role | None]:
    """Return the query for the role with the name; see `Reader.find_role`."""
    if not name:
        return constant(None)
    named = roles(layout, names.filter_for(layout.role_filter, name))
    return named.then(lambda found: only_one("role", name, found))


def roles_with_member(layout: DirectoryLayout, members: Sequence[str]) -> Query[list[Role]]:
    """Return the query for the groups that have one of the member values, and dynamic groups."""
    # OpenLDAP 2.5.13: the overlay dynlist adds members to entries that are returned, but a filter
    # does not match them. So all dynamic groups are read, and compared in `Reader`.
    #
    # Not by memberOf of the user, which Samba 4.17 finds in half the time, because it has no index
    # of members: an account that may read the groups may not be allowed to read memberOf of
    # protected accounts ([MS-ADTS] §3.1.1.6.1), and a hidden attribute looks like an absent one.
    static = [names.equals(layout.member, each) for each in members]
    dynamic = [names.equals("objectClass", name) for name in layout.profile.dynamic_classes]
    return roles(layout, names.any_of([*static, *dynamic]))


def constant(answer: T) -> Query[T]:
    """Return the query that sends nothing, and has this answer."""
    return Query((), "", (), lambda entries: answer)
