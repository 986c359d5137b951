"""Removal of memberships that a concurrent change has created for a deleted user or role."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeVar

import structlog

from mi_ldap.deadline import UNDO_S, deadline
from mi_ldap.directory import ldap_errors
from mi_ldap.directory.layout.directory_layout import PLACEHOLDER_DN
from mi_ldap.directory.reads import queries
from mi_ldap.directory.reads.queries import Query
from mi_ldap.directory.reads.reader import Reader
from mi_ldap.directory.writes.plans import assigned_roles, deleted_entries
from mi_ldap.directory.writes.writer import Writer, do_ignoring
from mi_ldap.errors import Conflict, unforeseen
from mi_ldap.ldap import names
from mi_ldap.ldap.operations import Add, Delete, Modification, Modify
from mi_ldap.model import Role, User
from mi_ldap.store import DeletedEntry, DeletionLog, Step

log = structlog.get_logger()

T = TypeVar("T")


class NoDeletionLog:
    """`DeletionLog` without storage."""

    def note(self, deleted: DeletedEntry) -> None:
        """Do nothing."""

    def recent(self) -> list[DeletedEntry]:
        return []


@dataclass(frozen=True, slots=True)
class MembershipCleanup:
    """Removes memberships of deleted entries: right after a change, and later those of replication.

    Attributes:
        reader: searches for the memberships.
        writer: removes them.
        deletion_log: the users and roles that were deleted in the last minutes.
    """

    reader: Reader
    writer: Writer
    deletion_log: DeletionLog

    @contextmanager
    def cleaned_after(self, steps: Sequence[Step]) -> Iterator[None]:
        """Carry out the body; then remove memberships that others created for deleted entries."""
        deleted = [DeletedEntry(e.locator, self._member_value(e)) for e in deleted_entries(steps)]
        for each in deleted:
            self.deletion_log.note(each)
        try:
            yield
        except Conflict:
            # A role may have been deleted while it was assigned.
            assigned = [role.locator for role in assigned_roles(steps)]
            if assigned and self.reader.layout.has_memberof_overlay:
                self._try(self._clear_member_of_deleted, assigned)
            raise
        for each in deleted:
            self._try(self._clean, each)

    def _member_value(self, entry: User | Role) -> str:
        return self.reader.layout.member_value(entry) if isinstance(entry, User) else entry.locator

    def _try(self, clean: Callable[[T], None], what: T) -> None:
        with deadline(UNDO_S):
            try:
                clean(what)
            except Exception as error:  # the cleanup process retries
                log.error("membership_cleanup_failed", error=str(error), exc_info=unforeseen(error))

    def clean_up_recent(self) -> None:
        """Clean up again after all deletions of the last minutes."""
        for each in self.deletion_log.recent():
            self._clean(each)

    def queries_of(self, deleted: DeletedEntry) -> tuple[Query[list[Role]], Query[list[str]]]:
        """Return the queries for the arguments of `remove`."""
        may_be_role = self.reader.layout.is_under_role_base(deleted.dn)
        has_member_of = may_be_role and self.reader.layout.has_memberof_overlay
        return (
            self.reader.query_roles_with_member([deleted.member]),
            self._users_with_member_of(deleted.dn) if has_member_of else queries.constant([]),
        )

    def remove(self, deleted: DeletedEntry, roles: Iterable[Role], user_dns: Sequence[str]) -> None:
        """Remove what still names a deleted entry.

        Args:
            deleted: the entry.
            roles: the groups that have it as a member; dynamic ones are skipped.
            user_dns: the DNs of the users whose `memberOf` names it.
        """
        for role in roles:
            if not role.is_dynamic:
                log.info("membership_removed", role=role.name, member=deleted.member)
                self._remove_member(role, deleted.member)
        if user_dns:
            self._clear_member_of(deleted.dn, user_dns)

    def _clear_member_of(self, role_dn: str, user_dns: Sequence[str]) -> None:
        """Make the overlay memberof remove stale values of `memberOf` for the role."""
        # slapd 2.5.13: only the overlay may write memberOf, and it does so after `member`. If a
        # member is added while the group is deleted, the value stays. The overlay removes it only
        # when a group at that DN loses the member, or is deleted with it: so both are done here.
        log.warning("member_of_cleared", role=role_dn, users=len(user_dns))
        with self.writer.connection() as connection:
            group = connection.read(role_dn, "(objectClass=*)", [self.reader.layout.member])
            if group is None:
                do_ignoring(connection, self._group_with(role_dn, user_dns), ldap_errors.EXISTS)
                do_ignoring(connection, Delete(role_dn), ldap_errors.GONE)
                return
            members = {names.parsed_dn(dn) for dn in self.reader.layout.members(group)}
            for dn in user_dns:
                if names.parsed_dn(dn) not in members:
                    connection.do(Modify(role_dn, (self._member("add", dn),)))
                    connection.do(Modify(role_dn, (self._member("delete", dn),)))

    def _clean(self, deleted: DeletedEntry) -> None:
        roles, user_dns = (each() for each in self.reader.answer_together(self.queries_of(deleted)))
        # Mostly nothing is left. Else the entry may not have been removed, or be created again.
        if not (roles or user_dns) or self.reader.exists(deleted.dn):
            return
        # Members by name (RFC 2307) may be another user with the name, who was created meanwhile.
        by_name = self.reader.layout.group_schema.by_name
        has_namesake = by_name and self.reader.users_named(deleted.member)
        self.remove(deleted, () if has_namesake else roles, user_dns)

    def _clear_member_of_deleted(self, role_dns: Sequence[str]) -> None:
        """Clear `memberOf` of those of the roles that were deleted."""
        for dn in set(role_dns).difference(self.reader.existing(role_dns)):
            if user_dns := self.reader.answer(self._users_with_member_of(dn)):
                self._clear_member_of(dn, user_dns)

    def _users_with_member_of(self, role_dn: str) -> Query[list[str]]:
        """Return the query for the users whose `memberOf`, written by the overlay, names a role."""
        layout = self.reader.layout
        condition = names.equals(layout.member_of, role_dn)
        return Query(
            layout.user_bases, condition, ["1.1"], lambda found: [entry.dn for entry in found]
        )

    def _group_with(self, role_dn: str, members: Iterable[str]) -> Add:
        layout = self.reader.layout
        name = dict(names.rdn_pairs(role_dn)).get(layout.role_name.lower(), "")
        placeholder = [PLACEHOLDER_DN] if layout.group_schema.requires_member else []
        attributes = {layout.role_name: [name], layout.member: [*placeholder, *members]}
        return Add(role_dn, (layout.role_class,), attributes)

    def _remove_member(self, role: Role, value: str) -> None:
        layout = self.reader.layout
        with self.writer.connection() as connection:
            if layout.group_schema.requires_member:
                do_ignoring(connection, layout.placeholder_addition(role), ldap_errors.EXISTS)
            gone = ldap_errors.GONE | layout.profile.not_member_codes
            do_ignoring(
                connection, Modify(layout.target(role), (self._member("delete", value),)), gone
            )

    def _member(self, kind: Literal["add", "delete"], value: str) -> Modification:
        return Modification(kind, self.reader.layout.member, (value,))
