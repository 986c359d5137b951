"""Guards by swapping, for servers without assertions: delete the value that was read, add another.

Both are one modification, and fail when the value is gone (RFC 4511 §4.6). So:

* every modification of a user swaps its epoch as stored, and every guard of a user is one;
* every guard of a group swaps its revision;
* that a group does not have a member is told by adding it and deleting it in one modification;
* an entry that is deleted is first marked as leaving, by a swap.

Only what we change ourselves is seen in this way: another tool swaps nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

from mi_ldap.directory.layout import account_state
from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.writes.plans import Guarded, Plan, swap
from mi_ldap.ldap.operations import Delete, Modification, Modify
from mi_ldap.model import Role, User
from mi_ldap.store import Step


class SwappingPlan(Plan):
    """A plan whose guards are swaps."""

    def __init__(self, tree: DirectoryLayout, admin_role: str, steps: Iterable[Step]) -> None:
        self._swapped: set[str] = set()
        super().__init__(tree, admin_role, steps)

    def guard_role(self, role: Role) -> None:
        swapped = Modify(self.tree.target(role), self.swapped_revision(role))
        self.operations.append(Guarded(swapped, swaps=True))

    def guard_user(self, user: User) -> None:
        self.modify_user(user)

    def guard_outsider(self, role: Role, user: User) -> None:
        both = (self.member("add", user), self.member("delete", user))
        self.operations.append(Guarded(Modify(self.tree.target(role), both), changes_members=True))

    def modify_user(self, user: User) -> None:
        if user.locator in self._swapped:
            return
        self._swapped.add(user.locator)
        self.must_be_ours(user)
        changes = self._swaps(user)
        changed = Modify(self.tree.target(user), (*self.classes_of(user), *changes))
        self.operations.append(Guarded(changed, undo=self._undo_of(user, changes), swaps=True))

    def remove_user(self, user: User) -> None:
        """What came after the mark may have taken long: it must be there still."""
        self.modify_user(user)
        mark = self.stored[user.locator]
        again = account_state.marked(account_state.LEAVING, mark)
        swapped = Modify(self.tree.target(user), swap(self.tree.epoch, mark, again))
        back = Modify(self.tree.target(user), swap(self.tree.epoch, again, mark))
        undo = (Guarded(back, swaps=True),)
        self.operations.append(Guarded(swapped, undo=undo, swaps=True))
        self.operations.append(Guarded(Delete(self.tree.target(user))))

    def _swaps(self, user: User) -> tuple[Modification, ...]:
        """The epoch always, the custodian where a step changes it."""
        set_to = {change.attribute: change.values for change in self.modifications(user)}
        if self.removes(user):
            set_to[self.tree.epoch] = (account_state.marked(account_state.LEAVING, user.revision),)
        set_to.setdefault(self.tree.epoch, (account_state.swapped(user.revision),))
        self.stored[user.locator] = _only(set_to[self.tree.epoch]) or ""
        read = {self.tree.epoch: user.revision, self.tree.custodian: user.custodian_id}
        return tuple(
            change
            for attribute, values in set_to.items()
            for change in swap(attribute, read[attribute], _only(values))
        )

    def _undo_of(self, user: User, changes: Iterable[Modification]) -> tuple[Guarded, ...]:
        """What was added is deleted, and what was deleted added: fails where it is not so."""
        if self._only_renews(user):
            return ()
        added = [c for c in changes if c.kind == "add"]
        gone = [c for c in changes if c.kind == "delete"]
        back = (
            *(Modification("delete", c.attribute, c.values) for c in added),
            *(Modification("add", c.attribute, c.values) for c in gone),
        )
        return (Guarded(Modify(self.tree.target(user), back)), *self.renew_revisions(user))

    def _only_renews(self, user: User) -> bool:
        kinds = {c.attribute for c in self.modifications(user)}
        is_alone = kinds <= {self.tree.epoch} and not self.removes(user)
        return is_alone and self.renews(user) and not account_state.is_new(user.revision)


def _only(values: tuple[str | bytes, ...]) -> str | None:
    return str(values[0]) if values else None
