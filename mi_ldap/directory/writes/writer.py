"""Changes of the directory: steps become a plan, which is carried out operation by operation."""

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
from mi_ldap.ldap.connection import LdapConnection, LdapError
from mi_ldap.ldap.connection_pool import Pool
from mi_ldap.ldap.operations import Delete, Operation
from mi_ldap.ldap.result_codes import ResultCode
from mi_ldap.store import DeleteUser, RevokeRole, Step


@dataclass(frozen=True, slots=True)
class Writer:
    """Carries out changes, each on a session of the pool.

    Attributes:
        connect_to_undo: opens the session on which a change that was cut off is undone.
        admin_role: the name of the admin role, should it be made.
    """

    pool: Pool
    connect_to_undo: execution.Connect
    tree: DirectoryLayout
    admin_role: str

    @contextmanager
    def session(self) -> Iterator[LdapConnection]:
        """A session for changes; what the server refuses becomes our errors."""
        with self.pool.session() as session:
            try:
                yield session
            except LdapError as refused:
                raise ldap_errors.change_error(refused) from refused

    def apply(self, steps: Sequence[Step]) -> None:
        """Carry out all the steps in their order, or none; raises as `UserStore.apply`."""
        with self.session() as session:
            try:
                self._carry_out(session, steps)
            except LdapError as refused:
                if self._may_lack_room(refused):
                    self._make_room_for_emptiness(session, steps)
                elif (
                    refused.code == ResultCode.NOT_ALLOWED_ON_NON_LEAF and self.tree.deletes_subtree
                ):
                    _delete_subordinates(session, steps)
                else:
                    raise
                self._carry_out(session, steps)

    def _carry_out(self, session: LdapConnection, steps: Sequence[Step]) -> None:
        kind = AssertingPlan if self.tree.profile.asserts else SwappingPlan
        plan = kind(self.tree, self.admin_role, steps)
        execution.carry_out(session, self.connect_to_undo, self.tree.profile, plan.operations)

    def _may_lack_room(self, refused: LdapError) -> bool:
        return refused.code == ResultCode.OBJECT_CLASS_VIOLATION and self.tree.shape.wants_a_member

    def _make_room_for_emptiness(self, session: LdapConnection, steps: Sequence[Step]) -> None:
        """A group made by another tool is about to lose its last member, which it may not."""
        for step in steps:
            if isinstance(step, RevokeRole):
                do_unless(session, self.tree.placeholder_in(step.role), ldap_errors.EXISTS)


def _delete_subordinates(session: LdapConnection, steps: Sequence[Step]) -> None:
    """Delete the entries below users that are deleted, deepest first.

    An undo does not restore them, so this is called only after the steps failed because of them and
    of nothing else. RFC 4511 §4.8 has no deletion of a subtree, and only Active Directory supports
    the control for it.
    """
    for step in steps:
        if isinstance(step, DeleteUser):
            found = session.search(step.user.locator, "(objectClass=*)", ["1.1"]).entries
            below = sorted((names.depth(entry.dn), entry.dn) for entry in found)
            for _, dn in reversed(below[1:]):
                do_unless(session, Delete(dn), ldap_errors.GONE)


def do_unless(session: LdapConnection, operation: Operation, codes: frozenset[ResultCode]) -> None:
    """Carry out the operation; the codes say that there was nothing to do."""
    try:
        session.do(operation)
    except LdapError as refused:
        if refused.code not in codes:
            raise
