"""Custody: which admin is the custodian of which, and who takes over when a custodian leaves.

The dependents of a user are the users whose entries name it as their custodian, by its id. When a
user stops being an admin, its dependents are reassigned to its successor. A user that another tool
took out of the admin role still has dependents; they are reassigned before it becomes an admin
again or gets another password.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import structlog

from mi_ldap.deadline import UNDO_S, deadline
from mi_ldap.errors import unforeseen
from mi_ldap.model import AdminRole, User
from mi_ldap.services.retry import retry_on_conflict
from mi_ldap.state.audit import AuditLog, Change, ChangeAttempts
from mi_ldap.store import (
    RenewRevision,
    RevokeRole,
    SetCustodian,
    Step,
    Unchanged,
    UserReads,
    UserStore,
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Custody:
    """Reassigns dependents so that every custodian is an admin, and audits each reassignment."""

    store: UserStore
    audit: AuditLog

    def custodian(self, user: User, admin_role: AdminRole | None) -> User | None:
        """Return the user's custodian; None where it has none, or the custodian is not an admin.

        Raises:
            DirectoryUnavailable: the custodian cannot be read, which is not "none".
        """
        found = self.store.user(user.custodian_id) if user.custodian_id else None
        return found if found and self._is_admin(found, admin_role) else None

    def successor(self, user: User, admin_role: AdminRole | None) -> User | None:
        """Return the nearest admin among the user's custodian, that one's custodian, and so on.

        Raises:
            DirectoryUnavailable: one of them cannot be read, which is not "none".
        """
        # Custodians may form a cycle if another tool writes the attribute.
        seen, custodian_id = {user.id}, user.custodian_id
        while custodian_id and custodian_id not in seen:
            seen.add(custodian_id)
            found = self.store.user(custodian_id)
            if found is None or self._is_admin(found, admin_role):
                return found
            custodian_id = found.custodian_id
        return None

    def reassign_dependents(
        self, user: User, admin_role: AdminRole | None, reads: UserReads | None = None
    ) -> list[Step]:
        """Return the steps that reassign the user's dependents to its successor, or to nobody.

        `reads` answers the read of the dependents, if they were read together with something else.
        The steps belong between `Unchanged(admin_role.role)` and the step that changes the role's
        members, or `RenewRevision`. Otherwise the successor could be demoted at the same moment
        by a change that has not seen these dependents.
        """
        # Read after the admin role, whose guard does not notice a dependent that was added before.
        found = (reads or self.store).dependents_of(user)
        dependents = [each for each in found if each.id != user.id]
        successor = self.successor(user, admin_role) if dependents else None
        return _reassignment_steps(dependents, successor)

    def reassign_dependents_guarded(
        self, user: User, admin_role: AdminRole, reads: UserReads | None = None
    ) -> list[Step]:
        """Return the steps of `reassign_dependents` as a complete change, with its guards."""
        return self.with_guards(self.reassign_dependents(user, admin_role, reads), admin_role)

    def with_guards(self, steps: list[Step], admin_role: AdminRole | None) -> list[Step]:
        """Return reassignments as a complete change, which fails if the admin role changes."""
        # Without the guards the new custodian could be demoted at the same moment. Where the
        # service may not write groups it cannot demote anybody.
        if admin_role is None or not steps or not self.store.admins_writable:
            return steps
        return [Unchanged(admin_role.role), *steps, RenewRevision(admin_role.role)]

    def apply(
        self, attempts: ChangeAttempts, user: User, steps: Sequence[Step], *changes: Change
    ) -> None:
        """Carry out a change of the user; every reassignment in it is written to the audit log.

        Args:
            attempts: the audit lines of the change, which may be tried several times.
            user: the user that is changed.
            steps: the whole change.
            changes: the audit lines of the change besides the reassignments.
        """
        attempts.begin(*changes, *self._reassignments(steps, except_for=user))
        try:
            self.store.apply(*steps)
        except BaseException:
            # The undo of a failed change restores former custodians. One of them may have been
            # demoted at the same moment, by a change that did not see the restored dependent.
            if any(isinstance(step, SetCustodian) and step.user.custodian_id for step in steps):
                self._check_after_undo(attempts.performer, _user_as_read(user, steps), steps)
            raise

    def reassign_unless_admin(self, by: str, user: User) -> None:
        """Reassign the user's dependents, unless the user is an admin."""
        retry_on_conflict(lambda: self._reassign_unless_admin(by, user))

    def _reassign_unless_admin(self, by: str, user: User) -> None:
        # A user that was deleted in the meantime may still be the custodian of others.
        admin_role, present = self.store.admin_role(), self.store.user(user.id) or user
        if not self._is_admin(present, admin_role):
            steps = self.with_guards(self.reassign_dependents(present, admin_role), admin_role)
            self._apply_audited(by, steps)

    def _check_after_undo(self, by: str, user: User, steps: Sequence[Step]) -> None:
        # A deadline of its own: the request's may have passed.
        with deadline(UNDO_S):
            try:
                retry_on_conflict(lambda: self._reassign_restored(by, user, steps))
                retry_on_conflict(lambda: self._reassign_admin(by, user))
            except Exception as error:
                log.error(
                    "custody_not_checked",
                    user=user.name,
                    error=str(error),
                    exc_info=unforeseen(error),
                )

    def _reassign_restored(self, by: str, user: User, steps: Sequence[Step]) -> None:
        """Reassign the dependents that the undo restored, if the user has been demoted."""
        admin_role = self.store.admin_role()
        if self._has_same_appointment(user, admin_role, steps):
            return
        changed = [step.user for step in steps if isinstance(step, SetCustodian)]
        present = [self.store.user(each.id) for each in changed if each.id != user.id]
        restored = [each for each in present if each and each.custodian_id == user.id]
        successor = self.successor(user, admin_role) if restored else None
        reassignments = _reassignment_steps(restored, successor)
        self._apply_audited(by, self.with_guards(reassignments, admin_role))

    def _reassign_admin(self, by: str, user: User) -> None:
        """Reassign the user to its successor, if it is an admin and its custodian no longer is."""
        admin_role, present = self.store.admin_role(), self.store.user(user.id)
        if present is None or not present.custodian_id or not self._is_admin(present, admin_role):
            return
        if self.custodian(present, admin_role) is None:
            steps = _reassignment_steps([present], self.successor(present, admin_role))
            self._apply_audited(by, self.with_guards(steps, admin_role))

    def _has_same_appointment(
        self, user: User, admin_role: AdminRole | None, steps: Sequence[Step]
    ) -> bool:
        """Whether the change was a demotion, and the user has been an admin without a break."""
        # A user that was demoted and promoted again has another appointment and custodian, and
        # none of its former dependents.
        revoked = {step.role.id for step in steps if isinstance(step, RevokeRole)}
        present = self.store.user(user.id)
        return (
            admin_role is not None
            and admin_role.role.id in revoked
            and present is not None
            and present.appointment == user.appointment
            and self._is_admin(present, admin_role)
        )

    def _apply_audited(self, by: str, steps: Sequence[Step]) -> None:
        if steps:
            with self.audit.attempts(by) as attempts:
                attempts.begin(*self._reassignments(steps))
                self.store.apply(*steps)

    def _is_admin(self, user: User, admin_role: AdminRole | None) -> bool:
        return admin_role is not None and self.store.is_holder(admin_role, user)

    def _reassignments(self, steps: Iterable[Step], except_for: User | None = None) -> list[Change]:
        """Return the audit lines of all users, except `except_for`, who get another custodian."""
        reassigned = [step for step in steps if isinstance(step, SetCustodian)]
        return [
            Change("inherited", "admin", self._info(step))
            for step in reassigned
            if except_for is None or step.user.id != except_for.id
        ]

    def _info(self, step: SetCustodian) -> dict[str, str]:
        found = self.store.user(step.custodian_id) if step.custodian_id else None
        return {"userId": step.user.name, "custodian": found.name if found else ""}


def _user_as_read(user: User, steps: Iterable[Step]) -> User:
    """Return the user as it was read when the steps were decided; `user` if no step names it."""
    entries = (s.entry if isinstance(s, Unchanged) else getattr(s, "user", None) for s in steps)
    return next((e for e in entries if isinstance(e, User) and e.id == user.id), user)


def _reassignment_steps(dependents: Iterable[User], successor: User | None) -> list[Step]:
    # The successor itself may be a dependent; no user is its own custodian.
    return [
        SetCustodian(each, successor.id if successor and successor.id != each.id else None)
        for each in dependents
    ]
