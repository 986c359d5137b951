"""Guards by assertion (RFC 4528): an operation is done only if a filter is true of its entry.

A guard is an assertion on the first operation that changes the entry, else on one that changes
nothing. On a group it is always an operation of its own: an assertion on an operation that changes
`member`, or that deletes a group, is carried by OpenLDAP's memberof overlay to the overlay's own
change and leaves `memberOf` wrong.

The guard on a group whose members change also swaps the group's revision, and the modification
that changes its members swaps it once more: it fails where somebody else did so in between. The
guard on a user whose entry is not changed only reads it: a write would not exclude other writers
either.
"""

from __future__ import annotations

from collections.abc import Iterable

from mi_ldap.directory.layout import account_state
from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.writes.plans import Guarded, Plan, replaced
from mi_ldap.ldap import names
from mi_ldap.ldap.operations import AssertOnly, Delete, Modification, Modify
from mi_ldap.model import Role, User
from mi_ldap.store import NotMember, RenewEpoch, SetCustodian, Step, Unchanged


class AssertingPlan(Plan):
    """A plan whose guards are assertions."""

    def __init__(self, tree: DirectoryLayout, admin_role: str, steps: Iterable[Step]) -> None:
        self._guarded: set[str] = set()
        self._modified: set[str] = set()
        super().__init__(tree, admin_role, steps)

    def guard_role(self, role: Role) -> None:
        condition = self._as_read(role)
        if self.swaps_revision_of(role):
            swapped = Modify(self.tree.target(role), self.swapped_revision(role))
            self.operations.append(Guarded(swapped, (condition,), swaps=True))
        else:
            self.operations.append(self._nothing(role, condition))

    def guard_user(self, user: User) -> None:
        """Right here, unless an operation on the entry comes that can carry the guard."""
        comes = self.modifications(user) or self.removes(user)
        if not comes and (conditions := self._conditions(user)):
            self.operations.append(Guarded(AssertOnly(self.tree.target(user)), conditions))

    def presence_of(self, user: User) -> Guarded:
        return Guarded(AssertOnly(self.tree.target(user)), self._is(user))

    def guard_outsider(self, role: Role, user: User) -> None:
        """By a look at the group and, if the server knows `memberOf`, by that of the entry, too.

        `memberOf` alone proves nothing: servers without the overlay do not fill it. The look writes
        nothing, so the group's stamp stays as it is.
        """
        if self._knows_member_of:
            self.guard_user(user)
        condition = f"(!{names.equals(self.tree.member, self.tree.member_value(user))})"
        self.operations.append(Guarded(AssertOnly(self.tree.target(role)), (condition,)))

    @property
    def _knows_member_of(self) -> bool:
        """Whether the attribute may be asserted: an unknown one makes every assertion fail."""
        return self.tree.profile.schema.knows(self.tree.member_of)

    def modify_user(self, user: User) -> None:
        changes = self.modifications(user)
        if not changes or user.locator in self._modified:
            return
        self._modified.add(user.locator)
        self.must_be_ours(user)
        changed = Modify(self.tree.target(user), (*self.classes_of(user), *changes))
        undo = self._undo_of(user, changes)
        self.operations.append(Guarded(changed, self._conditions(user), undo))
        set_to = {change.attribute: change.values for change in changes}
        if values := set_to.get(self.tree.epoch):
            self.stored[user.locator] = str(values[0])

    def remove_user(self, user: User) -> None:
        conditions = (*self._is(user), *self._conditions(user))
        self.operations.append(Guarded(Delete(self.tree.target(user)), conditions))

    def _conditions(self, user: User) -> tuple[str, ...]:
        """All that must be true of the entry; once, for the first operation changes it."""
        if user.locator in self._guarded:
            return ()
        self._guarded.add(user.locator)
        return tuple(filter(None, (self._condition(step, user) for step in self.steps)))

    def _condition(self, step: Step, user: User) -> str | None:
        match step:
            case Unchanged(User() as entry) if entry.locator == user.locator:
                return self._as_read(user)
            case NotMember(role, entry) if entry.locator == user.locator and self._knows_member_of:
                return f"(!{names.equals(self.tree.member_of, role.locator)})"
            case SetCustodian(entry) if entry.locator == user.locator:
                custodian = names.has(self.tree.custodian, user.custodian_id)
                epoch = names.has(self.tree.epoch, user.revision) if self.appoints(user) else ""
                return f"(&{custodian}{epoch})"
            case RenewEpoch(entry) if entry.locator == user.locator:
                return names.has(self.tree.epoch, user.revision)
        return None

    def _as_read(self, entry: User | Role) -> str:
        """The filter that is true of the entry as long as it is as it was read."""
        if isinstance(entry, Role):
            stamp = entry.revision.partition("|")[0]
            return f"(&{''.join(self._is(entry))}{names.equals(self.tree.profile.stamp, stamp)})"
        read = ((self.tree.epoch, entry.revision), (self.tree.custodian, entry.custodian_id))
        as_they_were = "".join(names.has(name, value) for name, value in read)
        return f"(&{''.join(self._is(entry))}{as_they_were})"

    def _is(self, entry: User | Role) -> tuple[str, ...]:
        """That it is that very entry; an entry that was just made has no id for us yet."""
        same = self.tree.has_id(entry.id)
        return (same,) if same else ()

    def _nothing(self, role: Role, condition: str) -> Guarded:
        """Return a modification without effect: it adds a class that the entry has.

        The control "permissive modify" makes that a success.
        """
        present = Modification("add", "objectClass", (self.tree.role_class,))
        return Guarded(Modify(self.tree.target(role), (present,)), (condition,), permissive=True)

    def _undo_of(self, user: User, changes: tuple[Modification, ...]) -> tuple[Guarded, ...]:
        """Brings back what was read, as long as it is what the operation has set."""
        set_to = {change.attribute: next(iter(change.values), None) for change in changes}
        if [*set_to] == [self.tree.epoch] and not account_state.is_new(user.revision):
            return ()
        read = {self.tree.custodian: user.custodian_id, self.tree.epoch: user.revision}
        back = tuple(replaced(attribute, read[attribute] or None) for attribute in set_to)
        as_set = {**read, **set_to}
        conditions = (
            names.has(name, str(value) if value else None) for name, value in as_set.items()
        )
        restored = Guarded(Modify(self.tree.target(user), back), tuple(conditions))
        return (restored, *self.renew_revisions(user))
