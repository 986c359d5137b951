"""Whether a change of roles would hide a user from the filters that find users.

Such a filter may ask for groups: `(&(objectClass=person)(memberOf=cn=mi-users,ou=groups,dc=x))`.
Who loses that group can't log in any more, so that taking it from an admin removes the admin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Final

from mi_ldap.directory import filters, names
from mi_ldap.directory.filters import Item
from mi_ldap.directory.nesting import Nesting
from mi_ldap.directory.tree import Tree
from mi_ldap.model import Role, User

IN_CHAIN: Final = "1.2.840.113556.1.4.1941"
"""The rule that follows groups in groups ([MS-ADTS] §3.1.1.3.4.4.3)."""

_MEMBERSHIP: Final = frozenset({"memberof", "ismemberof"})
_MAX_UNKNOWN: Final = 10
"""With more conditions on other attributes each change of a membership counts as hiding."""


@dataclass
class Visibility:
    """Evaluates the filters for users as they would be after a change of roles."""

    tree: Tree
    nesting: Nesting

    @cached_property
    def memberships(self) -> tuple[Item, ...]:
        """The conditions on groups, in the filters that find users."""
        return tuple(filter(self._asks_for_groups, filters.items(self._filter)))

    def would_hide(self, user: User, given: Sequence[Role], taken: Sequence[Role]) -> bool:
        """Whether the user might match no more, once it is given and has lost those roles.

        What the filter asks of other attributes stays as it is, true or not.
        """
        if not self.memberships or not (given or taken):
            return False
        before = list(self.nesting.reader.roles_naming([self.tree.member_value(user)]))
        lost = {role.id for role in taken}
        after = [*(role for role in before if role.id not in lost), *given]
        return self._is_lost(self._truths(user, before), self._truths(user, after))

    @cached_property
    def _filter(self) -> filters.Filter:
        return filters.parsed(f"(&{self.tree.user_list_filter}{self.tree.user_filter})")

    def _asks_for_groups(self, item: Item) -> bool:
        return item.attribute in _MEMBERSHIP | {self.tree.member_of.lower()}

    def _truths(self, user: User, roles: list[Role]) -> dict[Item, bool | None]:
        """Which of the conditions on groups are true; None for what can't be told."""
        direct = {names.parsed_dn(role.locator) for role in roles}
        inherited = self.nesting.inherited(user, roles) if roles and self._follows_nesting else []
        nested = direct | {names.parsed_dn(role.locator) for role in inherited}
        return {
            item: _is_among(item, nested if self._nests(item) else direct)
            for item in self.memberships
        }

    @property
    def _follows_nesting(self) -> bool:
        return any(self._nests(item) for item in self.memberships)

    def _nests(self, item: Item) -> bool:
        """389's memberOf plugin adds the groups around a group, OpenLDAP's overlay does not."""
        return item.rule == IN_CHAIN or self.tree.profile.name == "389ds"

    def _is_lost(self, before: dict[Item, bool | None], after: dict[Item, bool | None]) -> bool:
        if before == after and None not in after.values():
            return False
        others = [item for item in filters.items(self._filter) if item not in self.memberships]
        if len(others) > _MAX_UNKNOWN:
            return True
        return any(
            self._matches(before, dict(zip(others, values, strict=True)))
            and not self._matches(after, dict(zip(others, values, strict=True)))
            for values in product((True, False), repeat=len(others))
        )

    def _matches(self, known: dict[Item, bool | None], others: dict[Item, bool]) -> bool:
        def is_true(item: Item) -> bool:
            return bool(known[item]) if item in known else others[item]

        return filters.evaluate(self._filter, is_true)


def _is_among(item: Item, groups: set[names.ParsedDn]) -> bool:
    """Whether one of the groups meets the condition; `*` stands for any of them."""
    return bool(groups) if "*" in item.value else names.parsed_dn(item.plain_value) in groups
