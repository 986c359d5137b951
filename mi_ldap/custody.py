"""Custody: which admin answers for which, and who takes over when a custodian leaves.

The dependents of a user are the users whose entries name it as their custodian, by its id. A user
that ceases to be an admin hands them to its successor. From a user that another tool has taken out
of the admin role they are taken before it becomes an admin again or gets another password.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import structlog

from mi_ldap.audit import AuditLog, Change, ChangeAttempts
from mi_ldap.deadline import UNDO_S, deadline
from mi_ldap.errors import unforeseen
from mi_ldap.model import AdminRole, User
from mi_ldap.retries import decided
from mi_ldap.store import RenewRevision, SetCustodian, Step, Take, Unchanged, UserStore

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Custody:
    """Hands dependents on, and keeps every custodian an admin; all of it audited."""

    store: UserStore
    audit: AuditLog

    def custodian(self, user: User, admin_role: AdminRole | None) -> User | None:
        """The user's custodian; None where it has none, or that one is no admin.

        Raises:
            DirectoryUnavailable: it cannot be read, which is not "none".
        """
        found = self.store.user(user.custodian_id) if user.custodian_id else None
        return found if found and self._is_admin(found, admin_role) else None

    def successor(self, user: User, admin_role: AdminRole | None) -> User | None:
        """The nearest admin among the user's custodian, that one's custodian, and so on.

        Raises:
            DirectoryUnavailable: one of them cannot be read, which is not "none".
        """
        seen, custodian_id = {user.id}, user.custodian_id
        while custodian_id and custodian_id not in seen:
            seen.add(custodian_id)
            found = self.store.user(custodian_id)
            if found is None or self._is_admin(found, admin_role):
                return found
            custodian_id = found.custodian_id
        return None

    def reassign_dependents(self, user: User, admin_role: AdminRole | None) -> list[Step]:
        """The steps that hand the user's dependents to its successor, or to nobody.

        They belong between `Unchanged(admin_role.role)` and the step that changes who holds it, or
        `RenewRevision`: else the successor may be removed without them at the same moment.
        """
        dependents = [each for each in self.store.dependents_of(user) if each.id != user.id]
        successor = self.successor(user, admin_role) if dependents else None
        return _reassigned(dependents, successor)

    def reassign_leftovers(self, user: User, admin_role: AdminRole) -> list[Step]:
        """The same for a user who is no admin, as a change of its own."""
        return self.guarded(self.reassign_dependents(user, admin_role), admin_role)

    def guarded(self, steps: list[Step], admin_role: AdminRole | None) -> list[Step]:
        """Reassignments as a change of its own: whoever they go to stays an admin meanwhile.

        Where the service may not write groups, it takes the admin role from nobody either.
        """
        if admin_role is None or not steps or not self.store.roles_writable:
            return steps
        return [Unchanged(admin_role.role), *steps, RenewRevision(admin_role.role)]

    def apply(
        self, attempts: ChangeAttempts, user: User, steps: Sequence[Step], *changes: Change
    ) -> None:
        """Carry out a change of the user; every reassignment in it leaves its audit line.

        Where it fails, its undo may have given a custodian back who ceased to be an admin at the
        same moment, by a change that did not see that dependent any more. So it is looked at again.

        Args:
            attempts: the audit lines of the change, which may be tried several times.
            user: whose change it is.
            steps: the whole change.
            changes: what the audit log tells of it besides the reassignments.
        """
        attempts.begin(*changes, *self._reassignments(steps, but=user))
        try:
            self.store.apply(*steps)
        except BaseException:
            if any(isinstance(step, SetCustodian) and step.user.custodian_id for step in steps):
                self._check_after_undo(attempts.performer, _as_read(user, steps), steps)
            raise

    def hand_on_leftovers(self, by: str, user: User) -> None:
        """Hand the user's dependents on, unless it is an admin."""
        decided(lambda: self._hand_on_leftovers(by, user))

    def _hand_on_leftovers(self, by: str, user: User) -> None:
        admin_role, present = self.store.admin_role(), self.store.user(user.id) or user
        if not self._is_admin(present, admin_role):
            steps = self.guarded(self.reassign_dependents(present, admin_role), admin_role)
            self._apply_audited(by, steps)

    def _check_after_undo(self, by: str, user: User, steps: Sequence[Step]) -> None:
        """In a time of its own: that of the request may be over."""
        with deadline(UNDO_S):
            try:
                decided(lambda: self._reassign_restored(by, user, steps))
                decided(lambda: self._reassign_admin(by, user))
            except Exception as error:
                log.error(
                    "custody_not_checked",
                    user=user.name,
                    error=str(error),
                    exc_info=unforeseen(error),
                )

    def _reassign_restored(self, by: str, user: User, steps: Sequence[Step]) -> None:
        """Hand on the dependents that the undo has given back to a user that is not what it was."""
        admin_role = self.store.admin_role()
        if self._is_still_in_office(user, admin_role, steps):
            return
        changed = [step.user for step in steps if isinstance(step, SetCustodian)]
        present = [self.store.user(each.id) for each in changed if each.id != user.id]
        restored = [each for each in present if each and each.custodian_id == user.id]
        again = _reassigned(restored, self.successor(user, admin_role) if restored else None)
        self._apply_audited(by, self.guarded(again, admin_role))

    def _reassign_admin(self, by: str, user: User) -> None:
        """Give the user another custodian, where it is an admin and its own is none any more."""
        admin_role, present = self.store.admin_role(), self.store.user(user.id)
        if present is None or not present.custodian_id or not self._is_admin(present, admin_role):
            return
        if self.custodian(present, admin_role) is None:
            steps = _reassigned([present], self.successor(present, admin_role))
            self._apply_audited(by, self.guarded(steps, admin_role))

    def _is_still_in_office(
        self, user: User, admin_role: AdminRole | None, steps: Sequence[Step]
    ) -> bool:
        """Whether the user is the admin that the change was about, and was so all the time.

        One that was made an admin anew has another custodian, and none of its former dependents.
        """
        taken = {step.role.id for step in steps if isinstance(step, Take)}
        present = self.store.user(user.id)
        return (
            admin_role is not None
            and admin_role.role.id in taken
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

    def _reassignments(self, steps: Iterable[Step], but: User | None = None) -> list[Change]:
        """What the audit log tells of the users, `but` this one, who get another custodian."""
        reassigned = [step for step in steps if isinstance(step, SetCustodian)]
        return [
            Change("inherited", "admin", self._info(step))
            for step in reassigned
            if but is None or step.user.id != but.id
        ]

    def _info(self, step: SetCustodian) -> dict[str, str]:
        found = self.store.user(step.custodian_id) if step.custodian_id else None
        return {"userId": step.user.name, "custodian": found.name if found else ""}


def _as_read(user: User, steps: Iterable[Step]) -> User:
    """The user as the steps were decided on."""
    entries = (s.entry if isinstance(s, Unchanged) else getattr(s, "user", None) for s in steps)
    return next((e for e in entries if isinstance(e, User) and e.id == user.id), user)


def _reassigned(dependents: Iterable[User], successor: User | None) -> list[Step]:
    """Nobody becomes its own custodian."""
    return [
        SetCustodian(each, successor.id if successor and successor.id != each.id else None)
        for each in dependents
    ]
