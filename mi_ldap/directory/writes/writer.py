"""`Writer`: carries out the steps of a change as LDAP operations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from mi_ldap.directory import ldap_errors
from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.writes import execution
from mi_ldap.directory.writes.assertions import AssertingPlan
from mi_ldap.directory.writes.value_swaps import SwappingPlan
from mi_ldap.ldap import names
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.connection_pool import Pool
from mi_ldap.ldap.operations import Delete, Operation
from mi_ldap.ldap.result_codes import LdapError, ResultCode
from mi_ldap.store import DeleteUser, RevokeRole, Step


@dataclass(frozen=True, slots=True)
class Writer:
    """Carries out changes, each on a connection of the pool.

    Attributes:
        pool: connections that are bound as the service's account.
        connect_to_undo: opens the connection for the undo of an interrupted change.
        layout: the configured attributes and classes.
        admin_role: the name of the admin role, for its creation.
    """

    pool: Pool
    connect_to_undo: execution.Connect
    layout: DirectoryLayout
    admin_role: str

    @contextmanager
    def connection(self) -> Iterator[LdapConnection]:
        """Take a connection of the pool for changes; LDAP errors become errors of the port."""
        with self.pool.connection() as connection:
            try:
                yield connection
            except LdapError as error:
                raise ldap_errors.change_error(error) from error

    def apply(self, steps: Sequence[Step]) -> None:
        """Carry out all steps in order, or none; raises as `UserStore.apply`."""
        with self.connection() as connection:
            try:
                self._carry_out(connection, steps)
            except LdapError as error:
                if self._lacks_placeholder(error):
                    self._add_placeholders(connection, steps)
                elif (
                    error.code == ResultCode.NOT_ALLOWED_ON_NON_LEAF and self.layout.deletes_subtree
                ):
                    _delete_subordinates(connection, steps)
                else:
                    raise
                # The operations before the rejected one were undone, so all are carried out again.
                self._carry_out(connection, steps)

    def _carry_out(self, connection: LdapConnection, steps: Sequence[Step]) -> None:
        kind = AssertingPlan if self.layout.profile.supports_assertions else SwappingPlan
        plan = kind(self.layout, self.admin_role, steps)
        execution.carry_out(connection, self.connect_to_undo, self.layout.profile, plan.operations)

    def _lacks_placeholder(self, error: LdapError) -> bool:
        return (
            error.code == ResultCode.OBJECT_CLASS_VIOLATION
            and self.layout.group_schema.requires_member
        )

    def _add_placeholders(self, connection: LdapConnection, steps: Sequence[Step]) -> None:
        """Add the placeholder to the groups that lose a member."""
        # A group of another tool has no placeholder, and its class requires a member.
        for step in steps:
            if isinstance(step, RevokeRole):
                do_ignoring(
                    connection, self.layout.placeholder_addition(step.role), ldap_errors.EXISTS
                )


def _delete_subordinates(connection: LdapConnection, steps: Sequence[Step]) -> None:
    """Delete the entries below users that are deleted, deepest first."""
    # Only after the steps have failed with notAllowedOnNonLeaf (66) and nothing else: an undo does
    # not restore these entries.
    #
    # RFC 4511 §4.8 can't delete a subtree, and of the supported servers only Active Directory has
    # the control for it (1.2.840.113556.1.4.805).
    for step in steps:
        if isinstance(step, DeleteUser):
            found = connection.search(step.user.locator, "(objectClass=*)", ["1.1"]).entries
            below = sorted((names.depth(entry.dn), entry.dn) for entry in found)
            for _, dn in reversed(below[1:]):
                do_ignoring(connection, Delete(dn), ldap_errors.GONE)


def do_ignoring(
    connection: LdapConnection, operation: Operation, codes: frozenset[ResultCode]
) -> None:
    """Carry out the operation; ignore the result codes, which mean that nothing was to be done."""
    try:
        connection.do(operation)
    except LdapError as error:
        if error.code not in codes:
            raise
