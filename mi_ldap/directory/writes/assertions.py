"""Guards by assertion (RFC 4528): an operation fails if its entry does not match a filter.

A guard on a user is an assertion on the first operation that changes the entry. If none does, it is
an assertion on a search, after the assignment of roles if there is one. A guard on a group is
always an operation of its own. If the members of the group change, the guard also swaps the group's
revision, and the change of the members swaps it again: it fails if another client did so in
between.
"""

from __future__ import annotations

from collections.abc import Iterable

from mi_ldap import account_state
from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.writes.plans import GuardedOperation, Plan, replaced
from mi_ldap.ldap import names
from mi_ldap.ldap.operations import AssertOnly, Delete, Modification, Modify
from mi_ldap.model import Role, User
from mi_ldap.store import NotMember, RenewEpoch, SetCustodian, Step, Unchanged


class AssertingPlan(Plan):
    """A plan whose guards are assertions."""

    def __init__(self, layout: DirectoryLayout, admin_role: str, steps: Iterable[Step]) -> None:
        self._guarded: set[str] = set()
        self._modified: set[str] = set()
        super().__init__(layout, admin_role, steps)

    def guard_role(self, role: Role) -> None:
        # Never an assertion on the operation that changes `member` or deletes the group: OpenLDAP
        # 2.5.13's overlay memberof repeats the assertion on its own change of the member's entry,
        # where it is false. The operation succeeds (0), and memberOf stays wrong.
        condition = self._as_read(role)
        if self.swaps_revision_of(role):
            swapped = Modify(self.layout.target(role), self.swapped_revision(role))
            self.operations.append(GuardedOperation(swapped, (condition,), swaps=True))
        else:
            self.operations.append(self._no_op(role, condition))

    def guard_user(self, user: User) -> None:
        """Add the guard, unless a later operation on the entry has it."""
        is_changed = self.modifications(user) or self.deletes(user) or self._is_assigned(user)
        # A search, not a modification without effect: neither excludes concurrent writers, and the
        # modification costs the server a write.
        if not is_changed and (conditions := self._conditions(user)):
            self.operations.append(
                GuardedOperation(AssertOnly(self.layout.target(user)), conditions)
            )

    def presence_guard(self, user: User) -> GuardedOperation:
        # With the conditions of a guard that no operation had before: a change of the user since it
        # was read undoes the assignments. Asserted before them, the same would cost a round trip
        # more and notice less.
        conditions = (*self._identity(user), *self._conditions(user))
        return GuardedOperation(AssertOnly(self.layout.target(user)), conditions)

    def _is_assigned(self, user: User) -> bool:
        """Whether `presence_guard` follows, and may have all conditions on the user."""
        excludes = any(isinstance(s, NotMember) and s.user.id == user.id for s in self.steps)
        return user.locator in self.assigned and not excludes

    def guard_non_member(self, role: Role, user: User) -> None:
        """Add assertions that the group does not have the member, and the user not the group."""
        # `memberOf` alone proves nothing: without the overlay the server does not maintain it, and
        # the overlay writes it milliseconds after `member`, in a transaction of its own.
        if self._knows_member_of:
            self.guard_user(user)
        condition = f"(!{names.equals(self.layout.member, self.layout.member_value(user))})"
        self.operations.append(GuardedOperation(AssertOnly(self.layout.target(role)), (condition,)))

    @property
    def _knows_member_of(self) -> bool:
        """Whether `memberOf` is in the schema: an unknown attribute makes every assertion fail."""
        return self.layout.profile.schema.knows(self.layout.member_of)

    def modify_user(self, user: User) -> None:
        changes = self.modifications(user)
        if not changes or user.locator in self._modified:
            return
        self._modified.add(user.locator)
        self.ensure_ours(user)
        changed = Modify(self.layout.target(user), (*self.classes_of(user), *changes))
        undo = self._undo_of(user, changes)
        self.operations.append(GuardedOperation(changed, self._conditions(user), undo))
        set_to = {change.attribute: change.values for change in changes}
        if values := set_to.get(self.layout.epoch):
            self.epochs[user.locator] = str(values[0])

    def delete_user(self, user: User) -> None:
        conditions = (*self._identity(user), *self._conditions(user))
        self.operations.append(GuardedOperation(Delete(self.layout.target(user)), conditions))

    def _conditions(self, user: User) -> tuple[str, ...]:
        """Return all conditions on the entry, once: after the first operation they may be false."""
        if user.locator in self._guarded:
            return ()
        self._guarded.add(user.locator)
        return tuple(filter(None, (self._condition(step, user) for step in self.steps)))

    def _condition(self, step: Step, user: User) -> str | None:
        match step:
            case Unchanged(User() as entry) if entry.locator == user.locator:
                return self._as_read(user)
            case NotMember(role, entry) if entry.locator == user.locator and self._knows_member_of:
                return f"(!{names.equals(self.layout.member_of, role.locator)})"
            case SetCustodian(entry) if entry.locator == user.locator:
                custodian = names.has(self.layout.custodian, user.custodian_id)
                epoch = names.has(self.layout.epoch, user.revision) if self.appoints(user) else ""
                return f"(&{custodian}{epoch})"
            case RenewEpoch(entry) if entry.locator == user.locator:
                return names.has(self.layout.epoch, user.revision)
        return None

    def _as_read(self, entry: User | Role) -> str:
        """Return the filter that matches the entry until another client changes it."""
        if isinstance(entry, Role):
            stamp = entry.revision.partition("|")[0]
            same_stamp = names.equals(self.layout.profile.stamp, stamp)
            return f"(&{''.join(self._identity(entry))}{same_stamp})"
        read = ((self.layout.epoch, entry.revision), (self.layout.custodian, entry.custodian_id))
        as_they_were = "".join(names.has(name, value) for name, value in read)
        return f"(&{''.join(self._identity(entry))}{as_they_were})"

    def _identity(self, entry: User | Role) -> tuple[str, ...]:
        """Return the filter that identifies the entry; empty if its id is not known yet."""
        same = self.layout.id_filter(entry.id)
        return (same,) if same else ()

    def _no_op(self, role: Role, condition: str) -> GuardedOperation:
        """Return a modification without effect: it adds a class that the entry has already.

        It succeeds with the control "permissive modify" (1.2.840.113556.1.4.1413).
        """
        present = Modification("add", "objectClass", (self.layout.role_class,))
        return GuardedOperation(
            Modify(self.layout.target(role), (present,)), (condition,), permissive=True
        )

    def _undo_of(
        self, user: User, changes: tuple[Modification, ...]
    ) -> tuple[GuardedOperation, ...]:
        """Return the operations that restore the values that were read, unless changed since."""
        set_to = {change.attribute: next(iter(change.values), None) for change in changes}
        if [*set_to] == [self.layout.epoch] and not account_state.is_new(user.revision):
            return ()
        read = {self.layout.custodian: user.custodian_id, self.layout.epoch: user.revision}
        back = tuple(replaced(attribute, read[attribute] or None) for attribute in set_to)
        as_set = {**read, **set_to}
        conditions = (
            names.has(name, str(value) if value else None) for name, value in as_set.items()
        )
        restored = GuardedOperation(Modify(self.layout.target(user), back), tuple(conditions))
        return (restored, *self.renew_revisions(user))
