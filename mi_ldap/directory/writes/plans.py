"""Steps of a change -> the LDAP operations that make it, each with its undoing.

What a decision was made on is guarded in one of two ways, by what the server can: see `asserting`
and `swapping`. This module has what is the same for both.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import structlog

from mi_ldap.directory.layout import account_state
from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.errors import Forbidden
from mi_ldap.ldap import controls as ctl
from mi_ldap.ldap.operations import AssertOnly, Delete, Modification, Modify, Operation
from mi_ldap.model import Role, User
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

_BORROWED = "custodian_attribute and epoch_attribute must be empty and used by this service only"


@dataclass(frozen=True, slots=True)
class Guarded:
    """An operation, the filters that must be true of its entry, and what undoes it.

    Attributes:
        undo: in their order; when the first is refused the others are not done.
        swaps: whether it swaps a value.
        changes_members: whether it adds a member or removes one. Servers answer both with codes of
            their own.
    """

    operation: Operation
    conditions: tuple[str, ...] = ()
    undo: tuple[Guarded, ...] = ()
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
        tree: how the directory is laid out.
        admin_role: the name of the admin role, should it be made.
        steps: the change.
    """

    def __init__(self, tree: DirectoryLayout, admin_role: str, steps: Iterable[Step]) -> None:
        self.tree = tree
        self.steps = tuple(steps)
        self.operations: list[Guarded] = []
        self._admin_role = admin_role
        self._revisions: dict[str, str] = {}
        self._classed: set[str] = set()
        self.stored: dict[str, str] = {}  # epochs by their users, where the plan sets them
        for step in self.steps:
            self._take_in(step)
        given = {s.user.locator: s.user for s in self.steps if isinstance(s, AssignRole)}
        self.operations += [self.presence_of(user) for user in given.values()]

    @abstractmethod
    def guard_role(self, role: Role) -> None:
        """The group, its members too, is as it was read."""

    @abstractmethod
    def guard_user(self, user: User) -> None:
        """The user's entry is as it was read."""

    def presence_of(self, user: User) -> Guarded:
        """The last guard of who was given a role: else it may have been removed before that.

        Whoever removes a user looks for its memberships after that, see `leftovers`; so one of the
        two sees the other.
        """
        return Guarded(AssertOnly(self.tree.target(user)))

    @abstractmethod
    def guard_outsider(self, role: Role, user: User) -> None:
        """The group does not have the user for a member."""

    @abstractmethod
    def modify_user(self, user: User) -> None:
        """All changes of the user's entry, in one operation with its guards."""

    @abstractmethod
    def remove_user(self, user: User) -> None:
        """The entry goes, if it is as it was read."""

    def _take_in(self, step: Step) -> None:
        match step:
            case Unchanged(Role() as role):
                self.guard_role(role)
            case Unchanged(User() as user):
                self.guard_user(user)
            case NotMember(role, user):
                self.guard_outsider(role, user)
            case AssignRole(role, user) | RevokeRole(role, user):
                self._change_member(role, user, "add" if isinstance(step, AssignRole) else "delete")
            case SetCustodian(user) | RenewEpoch(user):
                self.modify_user(user)
            case RenewRevision(role):
                renewed = Modify(self.tree.target(role), self.swapped_revision(role))
                self.operations.append(Guarded(renewed, swaps=True))
            case DeleteUser(user):
                self.remove_user(user)
            case DeleteRole(role):
                self.operations.append(Guarded(Delete(self.tree.target(role))))
            case CreateAdminRole(user):
                self._add_admin_role(user)
            case MarkFirstAdmin(role, user):
                self._mark_first_admin(role, user)

    # What is asked of a user's steps

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
        renewed = [change for change in changes if change.attribute == self.tree.epoch]
        stored = str(renewed[0].values[0]) if renewed else user.revision
        others = (change for change in changes if change.attribute != self.tree.epoch)
        is_anew = any(step.appoints for step in self._custodians_of(user))
        return (*others, replaced(self.tree.epoch, account_state.appointed(stored, anew=is_anew)))

    def _custodians_of(self, user: User) -> list[SetCustodian]:
        found = (step for step in self.steps if isinstance(step, SetCustodian))
        return [step for step in found if step.user.locator == user.locator]

    def removes(self, user: User) -> bool:
        return any(isinstance(s, DeleteUser) and s.user.locator == user.locator for s in self.steps)

    def must_be_ours(self, user: User) -> None:
        """An attribute that was borrowed for us may hold what somebody else keeps there.

        Raises:
            Forbidden: it does.
        """
        if self.tree.own_classes:
            return
        if not (
            account_state.is_ours(user.revision) and account_state.is_id(user.custodian_id or "")
        ):
            raise _in_use(user)

    def classes_of(self, user: User) -> tuple[Modification, ...]:
        """The class that the attributes need, where the entry lacks it."""
        if user.marked or user.locator in self._classed:
            return ()
        self._classed.add(user.locator)
        return (_class(self.tree.account_class),)

    # Groups

    def swaps_revision_of(self, role: Role) -> bool:
        """Whether a later step swaps the role's revision: a change of members, or a renewal."""
        return role.locator in self._swapping_roles

    @property
    def _swapping_roles(self) -> dict[str, Role]:
        kinds = AssignRole | RevokeRole | RenewRevision
        return {s.role.locator: s.role for s in self.steps if isinstance(s, kinds)}

    def swapped_revision(self, role: Role) -> tuple[Modification, ...]:
        """Fails where somebody swapped the revision since it was read, or since we did."""
        old = self._revisions.get(role.locator, role.revision.partition("|")[2])
        first = () if self._is_marked(role) else (_class(self.tree.admin_role_class),)
        if not (self.tree.own_classes or account_state.is_ours(old)):
            raise _in_use(role)
        fresh = self._revisions[role.locator] = account_state.fresh()
        return (*first, *swap(self.tree.revision, old, fresh))

    def _is_marked(self, role: Role) -> bool:
        return role.marked or role.locator in self._revisions

    def _change_member(self, role: Role, user: User, kind: Literal["add", "delete"]) -> None:
        """Undone only if nobody has swapped the group's revision since this operation did."""
        is_decided_on = role.locator in self._revisions
        is_held = kind == "delete" and is_decided_on
        if is_held and (classes := self.classes_of(user)):  # whatever is undone, it may be held
            self.operations.append(Guarded(Modify(self.tree.target(user), classes)))
        swapped = self.swapped_revision(role) if is_decided_on else ()
        changed = Modify(self.tree.target(role), (*swapped, self.member(kind, user)))
        opposite: Literal["add", "delete"] = "delete" if kind == "add" else "add"
        once_more = self._swapped_since(role) if is_decided_on else ()
        back = Modify(self.tree.target(role), (*once_more, self.member(opposite, user)))
        undo = [Guarded(back, swaps=is_decided_on, changes_members=True)]
        if is_held:
            hold, let_go = self._held(user)
            undo = [hold, *undo, let_go]
        guarded = Guarded(changed, undo=tuple(undo), swaps=is_decided_on, changes_members=True)
        self.operations.append(guarded)

    def _swapped_since(self, role: Role) -> tuple[Modification, ...]:
        return swap(self.tree.revision, self._revisions[role.locator], account_state.fresh())

    def _held(self, user: User) -> tuple[Guarded, Guarded]:
        """What keeps others off the user while it gets the admin role back, and what lets it go.

        It does so only as it was: somebody who has set its password meanwhile would know the
        password of an admin.
        """
        stored = self.stored.get(user.locator, user.revision)
        mark = account_state.marked(account_state.RESETTING, stored)
        hold = Modify(self.tree.target(user), swap(self.tree.epoch, stored, mark))
        let_go = Modify(self.tree.target(user), swap(self.tree.epoch, mark, stored))
        return Guarded(hold, swaps=True), Guarded(let_go, swaps=True)

    def member(self, kind: Literal["add", "delete"], user: User) -> Modification:
        return Modification(kind, self.tree.member, (self.tree.member_value(user),))

    def _add_admin_role(self, user: User) -> None:
        """Undone by taking back what is the user's: the group may be another login's by then."""
        added = self.tree.new_admin_role(self._admin_role, user)
        unmarked = Modification("delete", self.tree.first_admin, (user.id,))
        back = Modify(added.dn, (self.member("delete", user), unmarked))
        undo = Guarded(back, changes_members=True)
        self.operations.append(Guarded(added, undo=(undo,)))

    def _mark_first_admin(self, role: Role, user: User) -> None:
        classes = () if self._is_marked(role) else (_class(self.tree.admin_role_class),)
        mark = replaced(self.tree.first_admin, user.id)
        marked = Modify(self.tree.target(role), (*classes, mark))
        gone = Modification("delete", self.tree.first_admin, (user.id,))
        undo = (Guarded(Modify(self.tree.target(role), (gone,))),)
        self.operations.append(Guarded(marked, undo=undo))

    # Users

    def _modification(self, step: Step, user: User) -> Modification | None:
        match step:
            case SetCustodian(entry, custodian_id) if entry.locator == user.locator:
                return replaced(self.tree.custodian, custodian_id)
            case RenewEpoch(entry) if entry.locator == user.locator:
                return replaced(self.tree.epoch, _renewed(step))
        return None

    def renew_revisions(self, user: User) -> tuple[Guarded, ...]:
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
        decided_on = [r for at, r in self._swapping_roles.items() if at in self._revisions]
        renewed = replaced(self.tree.revision, account_state.fresh())
        return tuple(Guarded(Modify(self.tree.target(role), (renewed,))) for role in decided_on)

    def renews(self, user: User) -> bool:
        return any(isinstance(s, RenewEpoch) and s.user.locator == user.locator for s in self.steps)


def _renewed(step: RenewEpoch) -> str:
    if step.for_reset:
        return account_state.marked(account_state.RESETTING, step.user.revision)
    return account_state.renewed(step.user.revision, keeps_mark=step.keeps_mark)


def _class(name: str) -> Modification:
    return Modification("add", "objectClass", (name,))


def _in_use(entry: User | Role) -> Forbidden:
    log.error("borrowed_attribute_in_use", entry=entry.locator, hint=_BORROWED)
    return Forbidden(
        f"The attributes configured for custody are in use on {entry.name}. See the log."
    )


def replaced(attribute: str, value: str | None) -> Modification:
    """The attribute has that value alone; None for no value."""
    return Modification("replace", attribute, (value,) if value is not None else ())


def swap(attribute: str, old: str | None, fresh: str | None) -> tuple[Modification, ...]:
    """Delete what was read and add what shall be: fails where something else is there by then."""
    gone = (Modification("delete", attribute, (old,)),) if old else ()
    added = (Modification("add", attribute, (fresh,)),) if fresh else ()
    return (*gone, *added)
