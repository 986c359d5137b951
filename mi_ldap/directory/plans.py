"""Steps of a change -> the LDAP operations that make it, each with its guards and its undoing.

A guard is an assertion (RFC 4528) that an entry is as it was read, on the first operation that
changes the entry, else on one that changes nothing. On a group it is always an operation of its
own: an assertion on an operation that changes `member`, or that deletes a group, is carried by
OpenLDAP's memberof overlay to the overlay's own change and leaves `memberOf` wrong.

Where there are no transactions the guard on a group also swaps its `miLdapRevision`, and the
modification that changes its members swaps it once more: nobody who does the same came between.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import structlog

from mi_ldap.directory import controls as ctl
from mi_ldap.directory import names
from mi_ldap.directory.operations import Delete, Modification, Modify, Operation
from mi_ldap.directory.tree import (
    ACCOUNT_CLASS,
    ADMIN_ROLE_CLASS,
    FIRST_ADMIN,
    RESETTING,
    REVISION,
    Tree,
    marked_epoch,
)
from mi_ldap.errors import Forbidden
from mi_ldap.model import Role, User
from mi_ldap.store import (
    AddAdminRole,
    Give,
    MarkFirstAdmin,
    NotHeld,
    RemoveRole,
    RemoveUser,
    RenewEpoch,
    SetCustodian,
    Step,
    Take,
    Unchanged,
)

log = structlog.get_logger()

_ID = re.compile(r"|[0-9A-Fa-f-]{32,36}")
_EPOCH = re.compile(r"|((unfinished|resetting):\d+:)?[0-9a-f]{16}")
_BORROWED = (
    "custodian_attribute and epoch_attribute must be empty on every user and used by us only"
)

_CLASS_OF_ACCOUNTS = Modification("add", "objectClass", (ACCOUNT_CLASS,))
_CLASS_OF_ADMIN_ROLES = Modification("add", "objectClass", (ADMIN_ROLE_CLASS,))


@dataclass(frozen=True, slots=True)
class Guarded:
    """An operation, the filters that must be true of its entry, and what undoes it."""

    operation: Operation
    conditions: tuple[str, ...] = ()
    undo: Guarded | None = None
    permissive: bool = False

    @property
    def controls(self) -> list[ctl.Control]:
        found = [ctl.PERMISSIVE] if self.permissive else []
        if self.conditions:
            found.append(ctl.assertion(f"(&{''.join(self.conditions)})"))
        return found

    @property
    def swaps_revision(self) -> bool:
        return isinstance(self.operation, Modify) and any(
            change.attribute == REVISION for change in self.operation.modifications
        )


class Plan:
    """The operations of one change, in the order of its steps.

    Args:
        tree: how the directory is laid out.
        admin_role: the name of the admin role, should it be made.
        steps: the change.
        swaps: whether guards on groups swap revisions, for want of transactions.
    """

    def __init__(self, tree: Tree, admin_role: str, steps: Iterable[Step], *, swaps: bool) -> None:
        self._tree = tree
        self._admin_role = admin_role
        self._steps = tuple(steps)
        self._swaps = swaps and tree.own_schema
        self._guarded: set[str] = set()
        self._modified: set[str] = set()
        self._revisions: dict[str, str] = {}
        self.operations: list[Guarded] = []
        for step in self._steps:
            self._take_in(step)

    def _take_in(self, step: Step) -> None:
        match step:
            case Unchanged(Role() as role):
                self._guard_role(role)
            case Unchanged(User() as user):
                self._guard_user(user)
            case NotHeld(role, user):
                self._guard_outsider(role, user)
            case Give(role, user) | Take(role, user):
                self._change_member(role, user, "add" if isinstance(step, Give) else "delete")
            case SetCustodian(user) | RenewEpoch(user):
                self._modify_user(user)
            case RemoveUser(user):
                conditions = (names.equals(self._tree.user_id, user.id), *self._conditions(user))
                self.operations.append(Guarded(Delete(user.locator), conditions))
            case RemoveRole(role):
                self.operations.append(Guarded(Delete(role.locator)))
            case AddAdminRole(user):
                self._add_admin_role(user)
            case MarkFirstAdmin(role, user):
                self._mark_first_admin(role, user)

    def _guard_role(self, role: Role) -> None:
        condition = self._tree.as_read(role)
        changes_members = any(
            isinstance(step, Give | Take) and step.role.id == role.id for step in self._steps
        )
        if self._swaps and changes_members:
            swap = Modify(role.locator, tuple(self._swapped(role)))
            self.operations.append(Guarded(swap, (condition,)))
        else:
            self.operations.append(self._nothing(role, condition))

    def _guard_user(self, user: User) -> None:
        """Right here, unless an operation on the entry comes that can carry the guard."""
        comes = self._modifications(user) or any(
            isinstance(step, RemoveUser) and step.user.locator == user.locator
            for step in self._steps
        )
        if not comes and (conditions := self._conditions(user)):
            self.operations.append(self._nothing(user, *conditions))

    def _guard_outsider(self, role: Role, user: User) -> None:
        """By `memberOf` where the server keeps it: else every removal would touch the group."""
        if self._tree.member_of:
            self._guard_user(user)
        else:
            condition = f"(!{names.equals(self._tree.member, user.locator)})"
            self.operations.append(self._nothing(role, condition))

    def _conditions(self, user: User) -> tuple[str, ...]:
        """All that must be true of the entry; once, for the first operation changes it."""
        if user.locator in self._guarded:
            return ()
        self._guarded.add(user.locator)
        return tuple(filter(None, (self._condition(step, user) for step in self._steps)))

    def _condition(self, step: Step, user: User) -> str | None:
        match step:
            case Unchanged(User() as entry) if entry.locator == user.locator:
                return self._tree.as_read(user)
            case NotHeld(role, entry) if entry.locator == user.locator and self._tree.member_of:
                return f"(!{names.equals(self._tree.member_of, role.locator)})"
            case SetCustodian(entry) if entry.locator == user.locator and self._tree.custodian:
                return names.has(self._tree.custodian, user.custodian_id)
        return None

    def _nothing(self, entry: User | Role, *conditions: str) -> Guarded:
        """Adds a class that is there already, which "permissive modify" lets pass."""
        kind = self._tree.user_class if isinstance(entry, User) else self._tree.role_class
        nothing = Modify(entry.locator, (Modification("add", "objectClass", (kind,)),))
        return Guarded(nothing, conditions, permissive=True)

    def _change_member(self, role: Role, user: User, kind: Literal["add", "delete"]) -> None:
        swap = self._swapped(role) if role.locator in self._revisions else []
        member = Modification(kind, self._tree.member, (user.locator,))
        opposite: Literal["add", "delete"] = "delete" if kind == "add" else "add"
        back = Modify(role.locator, (Modification(opposite, self._tree.member, (user.locator,)),))
        changed = Modify(role.locator, (*swap, member))
        self.operations.append(Guarded(changed, undo=Guarded(back)))

    def _modify_user(self, user: User) -> None:
        """All changes of the entry in one operation."""
        changes = self._modifications(user)
        if not changes or user.locator in self._modified:
            return
        self._modified.add(user.locator)
        if not self._tree.own_schema:
            self._must_be_ours(user)
        classes = () if user.marked or not self._tree.own_schema else (_CLASS_OF_ACCOUNTS,)
        changed = Modify(user.locator, (*classes, *changes))
        undo = self._undo_of(user, changes)
        self.operations.append(Guarded(changed, self._conditions(user), undo))

    def _modifications(self, user: User) -> tuple[Modification, ...]:
        found = (self._modification(step, user) for step in self._steps)
        return tuple(change for change in found if change is not None)

    def _modification(self, step: Step, user: User) -> Modification | None:
        match step:
            case SetCustodian(entry, custodian_id) if entry.locator == user.locator:
                return _replaced(self._tree.custodian, custodian_id)
            case RenewEpoch(entry, for_reset) if entry.locator == user.locator:
                fresh = marked_epoch(RESETTING) if for_reset else secrets.token_hex(8)
                return _replaced(self._tree.epoch, fresh)
        return None

    def _must_be_ours(self, user: User) -> None:
        """An attribute that was borrowed for us may hold what somebody else keeps there."""
        epoch_is_ours = not self._tree.epoch or _EPOCH.fullmatch(user.revision)
        if not (epoch_is_ours and _ID.fullmatch(user.custodian_id or "")):
            log.error("borrowed_attribute_in_use", user=user.locator, hint=_BORROWED)
            raise Forbidden(
                f"The attributes configured for custody are in use on {user.name}. See the log."
            )

    def _undo_of(self, user: User, changes: tuple[Modification, ...]) -> Guarded:
        """Brings back what was read, as long as it is what the operation has set."""
        read = {self._tree.custodian: user.custodian_id}
        if self._tree.epoch:
            read[self._tree.epoch] = user.revision
        set_to = {change.attribute: next(iter(change.values), None) for change in changes}
        back = tuple(_set(attribute, read[attribute] or None) for attribute in set_to)
        as_set = {**read, **set_to}
        conditions = tuple(names.has(name, value) for name, value in as_set.items() if name)
        return Guarded(Modify(user.locator, back), conditions)

    def _add_admin_role(self, user: User) -> None:
        """Undone by taking back what is the user's: the group may be another login's by then."""
        added = self._tree.new_admin_role(self._admin_role, user)
        back = [Modification("delete", self._tree.member, (user.locator,))]
        if self._tree.own_schema:
            back.append(Modification("delete", FIRST_ADMIN, (user.id,)))
        self.operations.append(Guarded(added, undo=Guarded(Modify(added.dn, tuple(back)))))

    def _mark_first_admin(self, role: Role, user: User) -> None:
        if self._tree.own_schema:
            is_marked = role.marked or role.locator in self._revisions
            classes = () if is_marked else (_CLASS_OF_ADMIN_ROLES,)
            marked = Modify(role.locator, (*classes, _set(FIRST_ADMIN, user.id)))
            self.operations.append(Guarded(marked))

    def _swapped(self, role: Role) -> list[Modification]:
        """Fails (16 or 19) where somebody swapped the revision since it was read, or since ours."""
        old = self._revisions.get(role.locator, role.revision.partition("|")[2])
        is_marked = role.marked or role.locator in self._revisions
        self._revisions[role.locator] = secrets.token_hex(8)
        gone = [Modification("delete", REVISION, (old,))] if old else []
        fresh = Modification("add", REVISION, (self._revisions[role.locator],))
        return [*([] if is_marked else [_CLASS_OF_ADMIN_ROLES]), *gone, fresh]


def _replaced(attribute: str, value: str | None) -> Modification | None:
    """The change of an attribute; None where the directory has none for it."""
    return _set(attribute, value) if attribute else None


def _set(attribute: str, value: str | None) -> Modification:
    return Modification("replace", attribute, (value,) if value is not None else ())
