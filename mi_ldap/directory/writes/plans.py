"""Conversion of the steps of a change to LDAP operations, each with the operations that undo it.

Guards check that what a decision depends on has not changed. There are two kinds, depending on the
server: see `assertions` and `value_swaps`. This module contains what both have in common.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import structlog

from mi_ldap import account_state
from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.layout.new_entries import new_admin_role
from mi_ldap.errors import Forbidden
from mi_ldap.ldap import controls as ctl
from mi_ldap.ldap.operations import AssertOnly, Delete, Modification, Modify, Operation
from mi_ldap.model import Role, User
from mi_ldap.steps import renewed_state
from mi_ldap.store import (
    AssignRole,
    CreateAdminRole,
    DeleteRole,
    DeleteUser,
    MarkFirstAdmin,
    NotMember,
    RenewEpoch,
    RenewRevision,
    RevokeRole,
    SetCustodian,
    Step,
    Unchanged,
)

log = structlog.get_logger()

_BORROWED_HINT = (
    "custodian_attribute and epoch_attribute must be empty and used by this service only"
)


@dataclass(frozen=True, slots=True)
class UserLock:
    """A lock of a user during an undo, by a mark in the epoch.

    Attributes:
        dn: of the user's entry.
        attribute: the attribute of the epoch.
        stored: the epoch as the change read or set it.
    """

    dn: str
    attribute: str
    stored: str

    def operations(self, stored: str) -> tuple[GuardedOperation, GuardedOperation]:
        """Return the operations that lock and unlock the user with that epoch."""
        mark = account_state.marked(account_state.RESETTING, stored)
        lock = Modify(self.dn, swap(self.attribute, stored, mark))
        unlock = Modify(self.dn, swap(self.attribute, mark, stored))
        return GuardedOperation(lock, swaps=True), GuardedOperation(unlock, swaps=True)


@dataclass(frozen=True, slots=True)
class GuardedOperation:
    """An operation, the filters that its entry must match, and the operations that undo it.

    Attributes:
        operation: the operation.
        conditions: the filters, sent as an assertion control (RFC 4528).
        undo: in order; if the first fails, the others are not carried out.
        undo_lock: the user to lock meanwhile; without the lock nothing is undone.
        permissive: whether to send the control "permissive modify".
        swaps: whether it swaps a value: its error code is then that of a changed value.
        changes_members: whether it adds or removes a member: its error codes depend on the server.
    """

    operation: Operation
    conditions: tuple[str, ...] = ()
    undo: tuple[GuardedOperation, ...] = ()
    undo_lock: UserLock | None = None
    permissive: bool = False
    swaps: bool = False
    changes_members: bool = False

    @property
    def controls(self) -> list[ctl.Control]:
        found = [ctl.PERMISSIVE_MODIFY.with_value()] if self.permissive else []
        if self.conditions:
            found.append(ctl.assertion(f"(&{''.join(self.conditions)})"))
        return found


class Plan(ABC):
    """The operations of one change, in the order of its steps.

    Args:
        layout: the configured attributes and classes.
        admin_role: the name of the admin role, for its creation.
        steps: the change.
    """

    def __init__(self, layout: DirectoryLayout, admin_role: str, steps: Iterable[Step]) -> None:
        self.layout = layout
        self.steps = tuple(steps)
        self.operations: list[GuardedOperation] = []
        self._admin_role = admin_role
        self._revisions: dict[str, str] = {}
        self._class_added: set[str] = set()
        self.epochs: dict[str, str] = {}  # those that the plan sets, by the DNs of the users
        for step in self.steps:
            self._add_step(step)
        self.operations += [self.presence_guard(user) for user in self.assigned.values()]
        if self.layout.has_memberof_overlay:
            # A role may be deleted while it is assigned; the overlay then leaves stale values, see
            # `MembershipCleanup`.
            self.operations += [
                GuardedOperation(AssertOnly(self.layout.target(role)))
                for role in assigned_roles(self.steps)
            ]

    @property
    def assigned(self) -> dict[str, User]:
        """The users to whom a role is assigned, by DN."""
        return {s.user.locator: s.user for s in self.steps if isinstance(s, AssignRole)}

    @abstractmethod
    def guard_role(self, role: Role) -> None:
        """Add a guard: the group and its members are as they were read."""

    @abstractmethod
    def guard_user(self, user: User) -> None:
        """Add a guard: the user's entry is as it was read."""

    def presence_guard(self, user: User) -> GuardedOperation:
        """Return the guard that the user still exists after a role was assigned to it."""
        # A concurrent deletion of the user searches for its memberships afterwards (see `cleanup`),
        # so one of the two notices the other.
        return GuardedOperation(AssertOnly(self.layout.target(user)))

    @abstractmethod
    def guard_non_member(self, role: Role, user: User) -> None:
        """Add a guard: the user is not a member of the group."""

    @abstractmethod
    def modify_user(self, user: User) -> None:
        """Add one operation with all changes of the user's entry, and its guards."""

    @abstractmethod
    def delete_user(self, user: User) -> None:
        """Add the deletion of the user's entry, if it is as it was read."""

    def _add_step(self, step: Step) -> None:
        match step:
            case Unchanged(Role() as role):
                self.guard_role(role)
            case Unchanged(User() as user):
                self.guard_user(user)
            case NotMember(role, user):
                self.guard_non_member(role, user)
            case AssignRole(role, user) | RevokeRole(role, user):
                self._change_member(role, user, "add" if isinstance(step, AssignRole) else "delete")
            case SetCustodian(user) | RenewEpoch(user):
                self.modify_user(user)
            case RenewRevision(role):
                renewed = Modify(self.layout.target(role), self.swapped_revision(role))
                self.operations.append(GuardedOperation(renewed, swaps=True))
            case DeleteUser(user):
                self.delete_user(user)
            case DeleteRole(role):
                self.operations.append(GuardedOperation(Delete(self.layout.target(role))))
            case CreateAdminRole(user):
                self._add_admin_role(user)
            case MarkFirstAdmin(role, user):
                self._mark_first_admin(role, user)

    # Steps that concern a user

    def modifications(self, user: User) -> tuple[Modification, ...]:
        found = (self._modification(step, user) for step in self.steps)
        changes = tuple(change for change in found if change is not None)
        return self._with_appointment(user, changes) if self.appoints(user) else changes

    def appoints(self, user: User) -> bool:
        """Whether an appointment must be stored: a new one, or one where none is stored yet."""
        is_stored = bool(account_state.appointment(user.revision))
        return any(
            step.appoints or (not is_stored and bool(step.user.custodian_id or step.custodian_id))
            for step in self._custodians_of(user)
        )

    def _with_appointment(
        self, user: User, changes: tuple[Modification, ...]
    ) -> tuple[Modification, ...]:
        renewed = [change for change in changes if change.attribute == self.layout.epoch]
        stored = str(renewed[0].values[0]) if renewed else user.revision
        others = (change for change in changes if change.attribute != self.layout.epoch)
        is_promotion = any(step.appoints for step in self._custodians_of(user))
        return (
            *others,
            replaced(self.layout.epoch, account_state.appointed(stored, is_promotion=is_promotion)),
        )

    def _custodians_of(self, user: User) -> list[SetCustodian]:
        found = (step for step in self.steps if isinstance(step, SetCustodian))
        return [step for step in found if step.user.locator == user.locator]

    def deletes(self, user: User) -> bool:
        return any(isinstance(s, DeleteUser) and s.user.locator == user.locator for s in self.steps)

    def ensure_ours(self, user: User) -> None:
        """Check that another tool does not use the attributes for custody and account state.

        Raises:
            Forbidden: their values are not the service's.
        """
        if self.layout.own_classes:
            return
        if not (
            account_state.is_ours(user.revision) and account_state.is_id(user.custodian_id or "")
        ):
            raise _attributes_in_use(user)

    def classes_of(self, user: User) -> tuple[Modification, ...]:
        """Return the addition of the class that the attributes require, if the entry lacks it."""
        if user.has_store_class or user.locator in self._class_added:
            return ()
        self._class_added.add(user.locator)
        return (_added_class(self.layout.account_class),)

    # Groups

    def swaps_revision_of(self, role: Role) -> bool:
        """Whether a later step swaps the role's revision: a change of members, or a renewal."""
        return role.locator in self._swapping_roles

    @property
    def _swapping_roles(self) -> dict[str, Role]:
        types = AssignRole | RevokeRole | RenewRevision
        return {s.role.locator: s.role for s in self.steps if isinstance(s, types)}

    def swapped_revision(self, role: Role) -> tuple[Modification, ...]:
        """Return the swap of the revision; it fails if another client has swapped it meanwhile."""
        old = self._revisions.get(role.locator, role.revision.partition("|")[2])
        first = () if self._will_have_class(role) else (_added_class(self.layout.admin_role_class),)
        if not (self.layout.own_classes or account_state.is_ours(old)):
            raise _attributes_in_use(role)
        fresh = self._revisions[role.locator] = account_state.new_nonce()
        return (*first, *swap(self.layout.revision, old, fresh))

    def _will_have_class(self, role: Role) -> bool:
        return role.has_store_class or role.locator in self._revisions

    def _change_member(self, role: Role, user: User, kind: Literal["add", "delete"]) -> None:
        """Add the change of members; its undo fails if another client changed the members since."""
        is_guarded = role.locator in self._revisions
        locks_user = kind == "delete" and is_guarded
        # The undo swaps the epoch even if no later step changes the user, so the class is needed.
        if locks_user and (classes := self.classes_of(user)):
            self.operations.append(GuardedOperation(Modify(self.layout.target(user), classes)))
        opposite: Literal["add", "delete"] = "delete" if kind == "add" else "add"
        changes, reversal = [self.member(kind, user)], [self.member(opposite, user)]
        if is_guarded:
            changes = [*self.swapped_revision(role), *changes]
            # Not `swapped_revision`: the operations that follow depend on the revision set above.
            old = self._revisions[role.locator]
            reversal = [*swap(self.layout.revision, old, account_state.new_nonce()), *reversal]
        changed = Modify(self.layout.target(role), tuple(changes))
        back = Modify(self.layout.target(role), tuple(reversal))
        guarded = GuardedOperation(
            changed,
            undo=(GuardedOperation(back, swaps=is_guarded, changes_members=True),),
            undo_lock=self._user_lock(user) if locks_user else None,
            swaps=is_guarded,
            changes_members=True,
        )
        self.operations.append(guarded)

    def _user_lock(self, user: User) -> UserLock:
        """Return the lock of a user to whom an undo reassigns a role."""
        stored = self.epochs.get(user.locator, user.revision)
        return UserLock(self.layout.target(user), self.layout.epoch, stored)

    def member(self, kind: Literal["add", "delete"], user: User) -> Modification:
        return Modification(kind, self.layout.member, (self.layout.member_value(user),))

    def _add_admin_role(self, user: User) -> None:
        """Add the creation of the admin role."""
        # The undo only removes the user from the group: another login may use the group by then.
        added = new_admin_role(self.layout, self._admin_role, user)
        unmarked = Modification("delete", self.layout.first_admin, (user.id,))
        back = Modify(added.dn, (self.member("delete", user), unmarked))
        undo = GuardedOperation(back, changes_members=True)
        self.operations.append(GuardedOperation(added, undo=(undo,)))

    def _mark_first_admin(self, role: Role, user: User) -> None:
        classes = (
            () if self._will_have_class(role) else (_added_class(self.layout.admin_role_class),)
        )
        mark = replaced(self.layout.first_admin, user.id)
        marked = Modify(self.layout.target(role), (*classes, mark))
        unmarked = Modification("delete", self.layout.first_admin, (user.id,))
        undo = (GuardedOperation(Modify(self.layout.target(role), (unmarked,))),)
        self.operations.append(GuardedOperation(marked, undo=undo))

    # Users

    def _modification(self, step: Step, user: User) -> Modification | None:
        match step:
            case SetCustodian(entry, custodian_id) if entry.locator == user.locator:
                return replaced(self.layout.custodian, custodian_id)
            case RenewEpoch(entry) if entry.locator == user.locator:
                return replaced(self.layout.epoch, renewed_state(step, step.user.revision))
        return None

    def renew_revisions(self, user: User) -> tuple[GuardedOperation, ...]:
        """Return the operations that follow when an undo restored the user's former custodian.

        They renew the revisions of the roles that the change depended on. A concurrent demotion of
        that custodian may have read that it has no such dependent. With the new revision it fails.
        If it was carried out before, the check in `mi_ldap.services.custody` finds it. No operation
        is needed for a user whose membership was changed: undoing that swaps the revision itself.
        """
        changed = {s.user.locator for s in self.steps if isinstance(s, AssignRole | RevokeRole)}
        had = any(step.user.custodian_id for step in self._custodians_of(user))
        if not had or user.locator in changed:
            return ()
        guarded = [r for at, r in self._swapping_roles.items() if at in self._revisions]
        renewed = replaced(self.layout.revision, account_state.new_nonce())
        return tuple(
            GuardedOperation(Modify(self.layout.target(role), (renewed,))) for role in guarded
        )


def deleted_entries(steps: Iterable[Step]) -> list[User | Role]:
    """Return the users and roles that the steps delete."""
    deletions = (step for step in steps if isinstance(step, DeleteUser | DeleteRole))
    return [step.user if isinstance(step, DeleteUser) else step.role for step in deletions]


def assigned_roles(steps: Iterable[Step]) -> list[Role]:
    """Return the roles that the steps assign, each once."""
    found = {step.role.locator: step.role for step in steps if isinstance(step, AssignRole)}
    return list(found.values())


def _added_class(name: str) -> Modification:
    return Modification("add", "objectClass", (name,))


def _attributes_in_use(entry: User | Role) -> Forbidden:
    log.error("borrowed_attribute_in_use", entry=entry.locator, hint=_BORROWED_HINT)
    return Forbidden(
        f"The attributes configured for custody are in use on {entry.name}. See the log."
    )


def replaced(attribute: str, value: str | None) -> Modification:
    """Return the modification that replaces all values by one; None for no value."""
    return Modification("replace", attribute, (value,) if value is not None else ())


def swap(attribute: str, old: str | None, fresh: str | None) -> tuple[Modification, ...]:
    """Return the modification that replaces the value that was read; it fails if it has changed."""
    # RFC 4511 §4.6: a modification is applied as a whole or not at all, and deleting a value that
    # the entry does not have is an error (16).
    deleted = (Modification("delete", attribute, (old,)),) if old else ()
    added = (Modification("add", attribute, (fresh,)),) if fresh else ()
    return (*deleted, *added)
