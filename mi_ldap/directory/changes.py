"""Steps of a change -> LDAP operations, all or nothing.

With transactions (RFC 5805) the operations are checked at commit and rolled back whole. A guard is
an assertion (RFC 4528) that the entry is as it was read. On a group it is an operation of its own:
an assertion on an operation that changes `member`, or that deletes a group, is carried by
OpenLDAP's memberof overlay to the overlay's own change and leaves `memberOf` wrong.

Without transactions the operations run in the order of the steps, each with the one that undoes
it. The guard on a group then also swaps its `miLdapRevision`, and the modification that changes its
members swaps it once more: nobody who does the same came between.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace

import structlog

from mi_ldap.deadline import deadline
from mi_ldap.directory import controls as ctl
from mi_ldap.directory import names, results
from mi_ldap.directory.operations import Delete, Modification, Modify, Operation
from mi_ldap.directory.session import Refused, Session
from mi_ldap.directory.tree import (
    ACCOUNT_CLASS,
    ADMIN_ROLE_CLASS,
    FIRST_ADMIN,
    PLACEHOLDER_DN,
    REVISION,
    Tree,
)
from mi_ldap.errors import MiLdapError
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

UNDO_S = 2.0
"""What undoing may take besides the request's own time, which may be over by then."""


@dataclass(frozen=True, slots=True)
class Guarded:
    """An operation, the filters that must be true of its entry, and what undoes it."""

    operation: Operation
    conditions: tuple[str, ...] = ()
    undo: Operation | None = None
    permissive: bool = False

    @property
    def controls(self) -> list[ctl.Control]:
        found = [ctl.PERMISSIVE] if self.permissive else []
        if self.conditions:
            found.append(ctl.assertion(f"(&{''.join(self.conditions)})"))
        return found


def in_one_transaction(
    session: Session, tree: Tree, admin_role: str, steps: Iterable[Step]
) -> None:
    """Carry out the steps as one transaction.

    Raises:
        Refused: one of them cannot be done; nothing was.
    """
    operations = _Compiler(tree, admin_role, swap_revisions=False).operations(steps)
    try:
        _together(session, operations)
    except Refused as refused:
        if refused.code != results.OTHER or not isinstance(operations[-1].operation, Delete):
            raise
        # OpenLDAP 2.5 fails to delete the only entry of a folder inside a transaction.
        _together(session, operations[:-1])
        _together(session, operations[-1:])


def _together(session: Session, operations: list[Guarded]) -> None:
    """A transaction, which one operation is by itself, and none is not."""
    if len(operations) > 1:
        with session.transaction() as transaction:
            for guarded in operations:
                session.do(guarded.operation, *guarded.controls, transaction)
    elif operations:
        session.do(operations[0].operation, *operations[0].controls)


def one_by_one(session: Session, tree: Tree, admin_role: str, steps: Iterable[Step]) -> None:
    """Carry out the steps in their order; what was done is undone when one fails.

    Raises:
        Refused: one of them cannot be done.
    """
    done: list[Operation] = []
    try:
        for guarded in _Compiler(tree, admin_role, swap_revisions=True).operations(steps):
            _do_guarded(session, guarded)
            if guarded.undo:
                done.append(guarded.undo)
    except (Refused, MiLdapError):
        _undo(session, done)
        raise


def _do_guarded(session: Session, guarded: Guarded) -> None:
    try:
        session.do(guarded.operation, *guarded.controls)
    except Refused as refused:
        if refused.code == 19 and _swaps_revision(guarded.operation):
            # A second value of a single-valued attribute: somebody else has set it meanwhile.
            raise Refused(20, refused.message) from refused
        raise


def _swaps_revision(operation: Operation) -> bool:
    return isinstance(operation, Modify) and any(
        change.attribute == REVISION for change in operation.modifications
    )


def _undo(session: Session, operations: list[Operation]) -> None:
    with deadline(UNDO_S):
        for operation in reversed(operations):
            try:
                session.do(operation)
            except (Refused, MiLdapError) as error:
                log.error("undo_failed", operation=type(operation).__name__, error=str(error))


class _Compiler:
    """Turns steps into operations, one an entry where they can be merged."""

    def __init__(self, tree: Tree, admin_role: str, *, swap_revisions: bool) -> None:
        self._tree = tree
        self._admin_role = admin_role
        self._swap = swap_revisions
        self._operations: list[Guarded] = []
        self._pending: dict[str, User] = {}
        self._revisions: dict[str, str] = {}

    def operations(self, steps: Iterable[Step]) -> list[Guarded]:
        for step in steps:
            self._take_in(step)
        self._operations.extend(self._touch(entry) for entry in self._pending.values())
        return self._operations

    def _take_in(self, step: Step) -> None:
        match step:
            case Unchanged(Role() as role):
                self._operations.append(self._touch(role))
            case Unchanged(User() as user):
                self._pending[user.locator] = user
            case NotHeld(role, user):
                self._assert_not_held(role, user)
            case Give(role, user):
                member, back = self._memberships(user)
                self._change_member(role, member, back)
            case Take(role, user):
                back, member = self._memberships(user)
                self._change_member(role, member, back)
            case SetCustodian(user, custodian_id):
                self._set_custodian(user, custodian_id)
            case RenewEpoch(user):
                self._renew_epoch(user)
            case RemoveUser(user):
                conditions = (names.equals(self._tree.user_id, user.id), *self._as_read(user))
                self._operations.append(Guarded(Delete(user.locator), conditions))
            case RemoveRole(role):
                self._operations.append(Guarded(Delete(role.locator)))
            case AddAdminRole(user):
                added = self._tree.new_admin_role(self._admin_role, user)
                self._operations.append(Guarded(added, undo=Delete(added.dn)))
            case MarkFirstAdmin(role, user):
                self._mark_first_admin(role, user)

    def _touch(self, entry: User | Role) -> Guarded:
        """An operation that changes nothing and fails unless the entry is as it was read."""
        if isinstance(entry, Role) and self._swap and self._tree.own_schema:
            swap = self._swapped(entry)
            return Guarded(Modify(entry.locator, tuple(swap)), (self._tree.as_read(entry),))
        return self._nothing(entry, self._tree.as_read(entry))

    def _nothing(self, entry: User | Role, condition: str) -> Guarded:
        """Adds a class that is there already, which "permissive modify" lets pass."""
        kind = self._tree.user_class if isinstance(entry, User) else self._tree.role_class
        nothing = Modify(entry.locator, (Modification("add", "objectClass", (kind,)),))
        return Guarded(nothing, (condition,), permissive=True)

    def _assert_not_held(self, role: Role, user: User) -> None:
        """By `memberOf` where the server keeps it: else every removal would touch the group."""
        if self._tree.member_of:
            condition = f"(!{names.equals(self._tree.member_of, role.locator)})"
            self._operations.append(self._nothing(user, condition))
        else:
            condition = f"(!{names.equals(self._tree.member, user.locator)})"
            self._operations.append(self._nothing(role, condition))

    def _memberships(self, user: User) -> tuple[Modification, Modification]:
        """Becoming a member, and ceasing to be one."""
        member = self._tree.member
        return (
            Modification("add", member, (user.locator,)),
            Modification("delete", member, (user.locator,)),
        )

    def _change_member(self, role: Role, change: Modification, back: Modification) -> None:
        changed = Modify(role.locator, (*self._swap_of(role), change))
        self._operations.append(Guarded(changed, undo=Modify(role.locator, (back,))))

    def _set_custodian(self, user: User, custodian_id: str | None) -> None:
        attribute = self._tree.custodian
        if attribute:
            condition = names.has(attribute, user.custodian_id)
            self._modify_user(user, _replaced(attribute, custodian_id), condition)

    def _renew_epoch(self, user: User) -> None:
        if self._tree.epoch:
            self._modify_user(user, _replaced(self._tree.epoch, secrets.token_hex(8)))

    def _modify_user(self, user: User, change: Modification, *conditions: str) -> None:
        """Add to the last operation when it changes the same entry, or begin one."""
        last = self._operations[-1] if self._operations else None
        if last and isinstance(last.operation, Modify) and last.operation.dn == user.locator:
            changes = (*last.operation.modifications, change)
            merged = replace(last, operation=Modify(user.locator, changes))
            conditions = (*last.conditions, *self._as_read(user), *conditions)
            self._operations[-1] = replace(merged, conditions=conditions)
            return
        classes = [] if user.marked or not self._tree.own_schema else [_CLASS_OF_ACCOUNTS]
        first = Modify(user.locator, (*classes, change))
        self._operations.append(
            Guarded(first, (*self._as_read(user), *conditions), self._undo_of(user))
        )

    def _undo_of(self, user: User) -> Operation | None:
        if not self._tree.custodian:
            return None
        return Modify(user.locator, (_replaced(self._tree.custodian, user.custodian_id),))

    def _mark_first_admin(self, role: Role, user: User) -> None:
        if self._tree.own_schema:
            is_marked = role.marked or role.locator in self._revisions
            first = self._swap_of(role) if is_marked else [_CLASS_OF_ADMIN_ROLES]
            marked = Modify(role.locator, (*first, _replaced(FIRST_ADMIN, user.id)))
            self._operations.append(Guarded(marked))

    def _swapped(self, role: Role) -> list[Modification]:
        """Fails (16 or 19) where somebody swapped the revision since it was read, or since ours."""
        as_read = role.revision.partition("|")[2]
        old = self._revisions.get(role.locator, as_read)
        known = role.marked or role.locator in self._revisions
        self._revisions[role.locator] = secrets.token_hex(8)
        gone = [Modification("delete", REVISION, (old,))] if old else []
        fresh = Modification("add", REVISION, (self._revisions[role.locator],))
        return [*([] if known else [_CLASS_OF_ADMIN_ROLES]), *gone, fresh]

    def _swap_of(self, role: Role) -> list[Modification]:
        """The guard that an operation on a group carries in itself, once the group was guarded."""
        return self._swapped(role) if role.locator in self._revisions else []

    def _as_read(self, entry: User | Role) -> tuple[str, ...]:
        """The condition of a guard that still waits for an operation on its entry."""
        return (self._tree.as_read(entry),) if self._pending.pop(entry.locator, None) else ()


_CLASS_OF_ACCOUNTS = Modification("add", "objectClass", (ACCOUNT_CLASS,))
_CLASS_OF_ADMIN_ROLES = Modification("add", "objectClass", (ADMIN_ROLE_CLASS,))


def _replaced(attribute: str, value: str | None) -> Modification:
    return Modification("replace", attribute, (value,) if value is not None else ())


def placeholder(tree: Tree, role: Role) -> Modify:
    """Gives a group the member that lets its last one go."""
    return Modify(role.locator, (Modification("add", tree.member, (PLACEHOLDER_DN,)),))
