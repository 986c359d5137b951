"""Removal of memberships that a concurrent change has created for a deleted user or role."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import structlog

from mi_ldap.deadline import UNDO_S, deadline
from mi_ldap.directory import ldap_errors
from mi_ldap.directory.layout.directory_layout import PLACEHOLDER_DN
from mi_ldap.directory.reads.reader import Reader
from mi_ldap.directory.writes.writer import Writer, do_ignoring
from mi_ldap.errors import unforeseen
from mi_ldap.ldap import names
from mi_ldap.ldap.operations import Add, Delete, Modification, Modify
from mi_ldap.model import Role, User
from mi_ldap.store import AssignRole, DeletedEntry, DeleteRole, DeleteUser, DeletionLog, Step

log = structlog.get_logger()


class NoDeletionLog:
    """`DeletionLog` without storage."""

    def note(self, deleted: DeletedEntry) -> None:
        """Do nothing."""

    def recent(self) -> list[DeletedEntry]:
        return []


@dataclass(frozen=True, slots=True)
class MembershipCleanup:
    """Removes such memberships right after a change, and later those that replication adds.

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
        deleted = [*_deleted_by(self.reader.layout.member_value, steps)]
        for each in deleted:
            self.deletion_log.note(each)
        yield
        assigned_dns = {step.role.locator for step in steps if isinstance(step, AssignRole)}
        if not (deleted or (assigned_dns and self._has_memberof_overlay)):
            return
        with deadline(UNDO_S):
            try:
                for each in deleted:
                    self._clean(each)
                for dn in assigned_dns:
                    self._clear_member_of_gone(dn)
            except Exception as error:  # the change is done; the cleanup process retries
                log.error("membership_cleanup_failed", error=str(error), exc_info=unforeseen(error))

    def clean_up_recent(self) -> None:
        """Clean up again after all deletions of the last minutes."""
        for each in self.deletion_log.recent():
            self._clean(each)

    def remove_memberships(self, member: str) -> None:
        """Remove a member from all groups that name it, except dynamic ones."""
        for role in self.reader.roles_naming([member]):
            if not role.is_dynamic:
                log.info("membership_removed", role=role.name, member=member)
                self._remove_member(role, member)

    def clear_member_of(self, role_dn: str) -> None:
        """Make the overlay memberof remove stale values of `memberOf` for the role."""
        # slapd 2.5.13: only the overlay may write memberOf, and it does so after `member`. If a
        # member is added while the group is deleted, the value stays. The overlay removes it only
        # when a group at that DN loses the member, or is deleted with it: so both are done here.
        if not self._has_memberof_overlay:
            return
        marked = [*self._users_with_member_of(role_dn)]
        if not marked:
            return
        log.warning("member_of_cleared", role=role_dn, users=len(marked))
        with self.writer.connection() as connection:
            group = connection.read(role_dn, "(objectClass=*)", [self.reader.layout.member])
            if group is None:
                do_ignoring(connection, self._group_with(role_dn, marked), ldap_errors.EXISTS)
                do_ignoring(connection, Delete(role_dn), ldap_errors.GONE)
                return
            members = {names.parsed_dn(dn) for dn in self.reader.layout.members(group)}
            for dn in marked:
                if names.parsed_dn(dn) not in members:
                    connection.do(Modify(role_dn, (self._member("add", dn),)))
                    connection.do(Modify(role_dn, (self._member("delete", dn),)))

    @property
    def _has_memberof_overlay(self) -> bool:
        """Whether `memberOf` is written by OpenLDAP's overlay."""
        layout = self.reader.layout
        return layout.profile.name == "openldap" and bool(layout.member_of)

    def _clean(self, deleted: DeletedEntry) -> None:
        if self.reader.exists(deleted.dn):  # not removed after all, or created again
            return
        by_name = self.reader.layout.group_schema.by_name
        if not (by_name and self.reader.users_named(deleted.member)):
            self.remove_memberships(deleted.member)
        self.clear_member_of(deleted.dn)

    def _clear_member_of_gone(self, role_dn: str) -> None:
        if not self.reader.exists(role_dn):
            self.clear_member_of(role_dn)

    def _users_with_member_of(self, role_dn: str) -> Iterator[str]:
        layout = self.reader.layout
        marked = names.equals(layout.member_of, role_dn)
        with self.reader.connection() as connection:
            for base in layout.user_bases:
                yield from (entry.dn for entry in connection.search(base, marked, ["1.1"]).entries)

    def _group_with(self, role_dn: str, members: Iterable[str]) -> Add:
        layout = self.reader.layout
        name = dict(names.own_pairs(role_dn)).get(layout.role_name.lower(), "")
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


def _deleted_by(
    member_value: Callable[[User], str], steps: Iterable[Step]
) -> Iterator[DeletedEntry]:
    for step in steps:
        match step:
            case DeleteUser(user):
                yield DeletedEntry(user.locator, member_value(user))
            case DeleteRole(role):
                yield DeletedEntry(role.locator, role.locator)
