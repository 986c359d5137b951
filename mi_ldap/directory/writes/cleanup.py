"""Cleanup of memberships that a concurrent change has created for a removed user or role."""

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
from mi_ldap.directory.writes.writer import Writer, do_unless
from mi_ldap.errors import unforeseen
from mi_ldap.ldap import names
from mi_ldap.ldap.operations import Add, Delete, Modification, Modify
from mi_ldap.model import Role, User
from mi_ldap.store import AssignRole, DeletedEntry, DeleteRole, DeleteUser, DeletionLog, Step

log = structlog.get_logger()


class NoNotes:
    """`DeletionLog` without storage."""

    def note(self, removed: DeletedEntry) -> None:
        """Do nothing."""

    def recent(self) -> list[DeletedEntry]:
        return []


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Removes leftover memberships right after a change, and later those that replication adds."""

    reader: Reader
    changer: Writer
    notes: DeletionLog

    @contextmanager
    def cleaned_after(self, steps: Sequence[Step]) -> Iterator[None]:
        """After the steps, remove memberships that other changes gave a removed entry meanwhile."""
        removed = [*_removed_by(self.reader.tree.member_value, steps)]
        for each in removed:
            self.notes.note(each)
        yield
        given = {step.role.locator for step in steps if isinstance(step, AssignRole)}
        if not (removed or (given and self._keeps_member_of)):
            return
        with deadline(UNDO_S):
            try:
                for each in removed:
                    self._clean(each)
                for dn in given:
                    self._clear_member_of_gone(dn)
            except Exception as error:  # the change is done; the cleanup process retries
                log.error("leftovers_not_removed", error=str(error), exc_info=unforeseen(error))

    def remove_noted(self) -> None:
        """Clean up again after all removals of the last minutes."""
        for each in self.notes.recent():
            self._clean(each)

    def take_memberships(self, member: str) -> None:
        """Remove a member from all groups that name it, except dynamic ones."""
        for role in self.reader.roles_naming([member]):
            if not role.is_dynamic:
                log.info("membership_removed", role=role.name, member=member)
                self._take_if_held(role, member)

    def clear_member_of(self, role_dn: str) -> None:
        """Make the overlay memberof remove stale values of `memberOf` for the role.

        Only the overlay may write `memberOf`, and it does so after `member`: if a member is added
        while the group is deleted, the value stays. It is removed only when a group at that DN
        loses that member, or is deleted with it (slapd 2.5.13).
        """
        if not self._keeps_member_of:
            return
        marked = [*self._marked_as_members(role_dn)]
        if not marked:
            return
        log.warning("member_of_cleared", role=role_dn, users=len(marked))
        with self.changer.session() as session:
            group = session.read(role_dn, "(objectClass=*)", [self.reader.tree.member])
            if group is None:
                do_unless(session, self._group_with(role_dn, marked), ldap_errors.EXISTS)
                do_unless(session, Delete(role_dn), ldap_errors.GONE)
                return
            members = {names.parsed_dn(dn) for dn in self.reader.tree.members(group)}
            for dn in marked:
                if names.parsed_dn(dn) not in members:
                    session.do(Modify(role_dn, (self._member("add", dn),)))
                    session.do(Modify(role_dn, (self._member("delete", dn),)))

    @property
    def _keeps_member_of(self) -> bool:
        """Whether `memberOf` is written by OpenLDAP's overlay."""
        tree = self.reader.tree
        return tree.profile.name == "openldap" and bool(tree.member_of)

    def _clean(self, removed: DeletedEntry) -> None:
        if self.reader.exists(removed.dn):  # not removed after all, or created again
            return
        by_name = self.reader.tree.shape.by_name
        if not (by_name and self.reader.users_named(removed.member)):
            self.take_memberships(removed.member)
        self.clear_member_of(removed.dn)

    def _clear_member_of_gone(self, role_dn: str) -> None:
        if not self.reader.exists(role_dn):
            self.clear_member_of(role_dn)

    def _marked_as_members(self, role_dn: str) -> Iterator[str]:
        tree = self.reader.tree
        marked = names.equals(tree.member_of, role_dn)
        with self.reader.session() as session:
            for base in tree.user_bases:
                yield from (entry.dn for entry in session.search(base, marked, ["1.1"]).entries)

    def _group_with(self, role_dn: str, members: Iterable[str]) -> Add:
        tree = self.reader.tree
        name = dict(names.own_pairs(role_dn)).get(tree.role_name.lower(), "")
        placeholder = [PLACEHOLDER_DN] if tree.shape.wants_a_member else []
        attributes = {tree.role_name: [name], tree.member: [*placeholder, *members]}
        return Add(role_dn, (tree.role_class,), attributes)

    def _take_if_held(self, role: Role, value: str) -> None:
        tree = self.reader.tree
        with self.changer.session() as session:
            if tree.shape.wants_a_member:
                do_unless(session, tree.placeholder_in(role), ldap_errors.EXISTS)
            gone = ldap_errors.GONE | tree.profile.is_no_member
            do_unless(session, Modify(tree.target(role), (self._member("delete", value),)), gone)

    def _member(self, kind: Literal["add", "delete"], value: str) -> Modification:
        return Modification(kind, self.reader.tree.member, (value,))


def _removed_by(
    member_value: Callable[[User], str], steps: Iterable[Step]
) -> Iterator[DeletedEntry]:
    for step in steps:
        match step:
            case DeleteUser(user):
                yield DeletedEntry(user.locator, member_value(user))
            case DeleteRole(role):
                yield DeletedEntry(role.locator, role.locator)
