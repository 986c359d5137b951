"""Guards by swaps, for servers without assertions: 389 DS, Active Directory, others.

A swap is one modification that deletes the value that was read and adds another. It fails if the
value has changed. So:

* every modification of a user, and every guard on one, swaps the stored epoch;
* every guard on a group swaps its revision;
* the guard that a group does not have a member adds and deletes the member in one modification;
* a user is marked as being deleted, by a swap, before the entry is deleted.

Changes by other tools are not noticed: they do not swap these values.
"""

from __future__ import annotations

from collections.abc import Iterable

from mi_ldap import account_state
from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.writes.plans import GuardedOperation, Plan, swap
from mi_ldap.ldap.operations import Delete, Modification, Modify
from mi_ldap.model import Role, User
from mi_ldap.store import RenewEpoch, Step


class SwappingPlan(Plan):
    """A plan whose guards are swaps."""

    def __init__(self, layout: DirectoryLayout, admin_role: str, steps: Iterable[Step]) -> None:
        self._swapped: set[str] = set()
        super().__init__(layout, admin_role, steps)

    def guard_role(self, role: Role) -> None:
        swapped = Modify(self.layout.target(role), self.swapped_revision(role))
        self.operations.append(GuardedOperation(swapped, swaps=True))

    def guard_user(self, user: User) -> None:
        self.modify_user(user)

    def guard_non_member(self, role: Role, user: User) -> None:
        # Adding fails if the user is a member; the deletion in the same modification restores it.
        both = (self.member("add", user), self.member("delete", user))
        self.operations.append(
            GuardedOperation(Modify(self.layout.target(role), both), changes_members=True)
        )

    def modify_user(self, user: User) -> None:
        if user.locator in self._swapped:
            return
        self._swapped.add(user.locator)
        self.ensure_ours(user)
        changes = self._swaps(user)
        changed = Modify(self.layout.target(user), (*self.classes_of(user), *changes))
        self.operations.append(
            GuardedOperation(changed, undo=self._undo_of(user, changes), swaps=True)
        )

    def delete_user(self, user: User) -> None:
        """Add the deletion, after a second swap."""
        # The operations between the first swap and the deletion may take longer than a mark counts.
        self.modify_user(user)
        mark = self.epochs[user.locator]
        remarked = account_state.marked(account_state.DELETING, mark)
        swapped = Modify(self.layout.target(user), swap(self.layout.epoch, mark, remarked))
        back = Modify(self.layout.target(user), swap(self.layout.epoch, remarked, mark))
        undo = (GuardedOperation(back, swaps=True),)
        self.operations.append(GuardedOperation(swapped, undo=undo, swaps=True))
        self.operations.append(GuardedOperation(Delete(self.layout.target(user))))

    def _swaps(self, user: User) -> tuple[Modification, ...]:
        """Return the swaps of the epoch, always, and of the custodian if a step changes it."""
        set_to = {change.attribute: change.values for change in self.modifications(user)}
        if self.deletes(user):
            set_to[self.layout.epoch] = (
                account_state.marked(account_state.DELETING, user.revision),
            )
        # Only the part of the epoch after the dot is replaced, so that tokens stay valid.
        set_to.setdefault(self.layout.epoch, (account_state.swapped(user.revision),))
        self.epochs[user.locator] = _only(set_to[self.layout.epoch]) or ""
        read = {self.layout.epoch: user.revision, self.layout.custodian: user.custodian_id}
        return tuple(
            change
            for attribute, values in set_to.items()
            for change in swap(attribute, read[attribute], _only(values))
        )

    def _undo_of(self, user: User, changes: Iterable[Modification]) -> tuple[GuardedOperation, ...]:
        """Return the reverse modification; it fails if another client has changed the values."""
        if self._only_renews(user):
            return ()
        added = [c for c in changes if c.kind == "add"]
        deleted = [c for c in changes if c.kind == "delete"]
        back = (
            *(Modification("delete", c.attribute, c.values) for c in added),
            *(Modification("add", c.attribute, c.values) for c in deleted),
        )
        return (
            GuardedOperation(Modify(self.layout.target(user), back)),
            *self.renew_revisions(user),
        )

    def _only_renews(self, user: User) -> bool:
        set_by_steps = {c.attribute for c in self.modifications(user)}
        is_alone = set_by_steps <= {self.layout.epoch} and not self.deletes(user)
        renewals = (s.user.locator for s in self.steps if isinstance(s, RenewEpoch))
        return is_alone and user.locator in renewals and not account_state.is_new(user.revision)


def _only(values: tuple[str | bytes, ...]) -> str | None:
    return str(values[0]) if values else None
