"""The admin role: exactly one group, known by its id after the first read, and who holds it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import structlog

from mi_ldap.directory import names
from mi_ldap.directory.reading import Reader
from mi_ldap.directory.session import Entry, Session
from mi_ldap.directory.tree import FIRST_ADMIN
from mi_ldap.errors import AdminRoleUnclear
from mi_ldap.model import AdminRole, User

log = structlog.get_logger()

NESTING_DEPTH = 10
"""Groups in groups are followed so far; a cycle ends by itself."""

_WANT_A_MEMBER = frozenset({"groupofnames", "groupofuniquenames"})
"""Classes whose entries always have a member (RFC 4519): one that shows none hides them."""


@dataclass
class _Gathered:
    """What is known of the group's members while nested groups are being followed."""

    holders: set[str]
    nested_ids: set[str] = field(default_factory=set)
    nested_holders: set[str] = field(default_factory=set)


@dataclass
class AdminGroup:
    """Finds the admin role's group and resolves its members.

    Membership is read from the group, never from `memberOf`, which may lag or lie.
    """

    reader: Reader
    name: str
    _id: str | None = None

    def read(self) -> AdminRole | None:
        """The group and everybody in it; one search where no group is nested in it.

        Raises:
            AdminRoleUnclear: two groups match the name, or the members can't be seen.
        """
        tree = self.reader.tree
        if not tree.reads_roles:
            return None
        attributes = [*tree.role_attributes, tree.member, FIRST_ADMIN]
        with self.reader.session() as session:
            found = session.search(tree.role_base, self._wanted(), attributes)
            entry = self._the_one(found.entries)
            if entry is None:
                return None
            gathered = self._gather(session, entry)
        role = tree.role_from(entry)
        self._id = role.id
        return AdminRole(
            role=role,
            holders=frozenset(gathered.holders),
            nested=frozenset(gathered.nested_ids),
            nested_holders=frozenset(gathered.nested_holders),
            first_admin_id=entry.first(FIRST_ADMIN),
        )

    def holds(self, admin_role: AdminRole, user: User) -> bool:
        """Whether the user is among the holders, by the server's own idea of equal names."""
        return self._is_among(admin_role.holders, user)

    def holds_through_others(self, admin_role: AdminRole, user: User) -> bool:
        """Whether the user is in a group that is nested in the admin role."""
        return self._is_among(admin_role.nested_holders, user)

    def users(self, admin_role: AdminRole) -> Iterator[User]:
        """The holders that are users, one read each, as they are asked for."""
        for dn in sorted(admin_role.holders):
            user = self.reader.user_at(dn)
            if user is not None:
                yield user

    def _wanted(self) -> str:
        """By name always, so that a second group of the name is seen; by id once it is known."""
        tree = self.reader.tree
        by_name = names.filter_for(tree.role_filter, self.name)
        if self._id is None:
            return by_name
        return names.any_of([by_name, names.equals(tree.user_id, self._id)])

    def _the_one(self, entries: list[Entry]) -> Entry | None:
        tree = self.reader.tree
        if len(entries) > 1:
            log.error("admin_role_ambiguous", groups=[entry.dn for entry in entries])
            raise AdminRoleUnclear
        if not entries:
            return None
        if tree.role_class.lower() in _WANT_A_MEMBER and not entries[0].all(tree.member):
            log.error("admin_role_hides_members", group=entries[0].dn)
            raise AdminRoleUnclear
        if self._id and entries[0].first(tree.user_id) != self._id:
            log.warning("admin_role_replaced", group=entries[0].dn)
        return entries[0]

    def _gather(self, session: Session, entry: Entry) -> _Gathered:
        tree = self.reader.tree
        gathered = _Gathered(set(tree.members(entry)))
        level = list(gathered.holders)
        for _ in range(NESTING_DEPTH):
            groups = [group for dn in level if (group := self._group_at(session, dn))]
            fresh = [g for g in groups if (g.first(tree.user_id) or "") not in gathered.nested_ids]
            if not fresh:
                break
            gathered.nested_ids.update(group.first(tree.user_id) or "" for group in fresh)
            level = [dn for group in fresh for dn in tree.members(group)]
            gathered.nested_holders.update(level)
            gathered.holders.update(level)
        return gathered

    def _group_at(self, session: Session, dn: str) -> Entry | None:
        """The group that a member's DN names, None for a user's."""
        tree = self.reader.tree
        looks_like_user = names.is_under(dn, tree.user_base) and (
            names.first_value(dn)[0] == tree.user_name.lower()
        )
        if looks_like_user or not names.is_under(dn, tree.role_base):
            return None
        return session.read(dn, tree.role_list_filter, [tree.user_id, tree.member])

    def _is_among(self, dns: frozenset[str], user: User) -> bool:
        """A DN that is alike and not the same is looked up: servers fold names their own way."""
        if user.locator in dns:
            return True
        parsed = names.parsed_dn(user.locator)
        return any(self._is_at(dn, user) for dn in dns if names.parsed_dn(dn) == parsed)

    def _is_at(self, dn: str, user: User) -> bool:
        found = self.reader.user_at(dn)
        return found is not None and found.id == user.id
