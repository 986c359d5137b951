"""Whether a change of roles would hide a user from the filters that find users.

Such a filter may test membership: `(&(objectClass=person)(memberOf=cn=mi-users,ou=groups,dc=x))`.
A user who leaves that group can no longer log in. So revoking it from an admin removes the admin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Final

from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.reads.memberships import Nesting
from mi_ldap.ldap import filters, names
from mi_ldap.ldap.filters import Item
from mi_ldap.model import Role, User

IN_CHAIN: Final = "1.2.840.113556.1.4.1941"
"""The matching rule that includes nested groups ([MS-ADTS] §3.1.1.3.4.4.3)."""

_MEMBERSHIP: Final = frozenset({"memberof", "ismemberof"})
# All combinations of their results are evaluated: 2 to this power.
_MAX_UNKNOWN: Final = 10
"""Maximum number of conditions on other attributes. With more, every change of a tested membership
counts as hiding the user."""


@dataclass
class Visibility:
    """Evaluates the filters for users as they would be after a change of roles."""

    layout: DirectoryLayout
    nesting: Nesting

    @cached_property
    def memberships(self) -> tuple[Item, ...]:
        """The conditions of the filters for users that test membership in groups."""
        return tuple(filter(self._tests_membership, filters.items(self._filter)))

    def would_hide(self, user: User, assigned: Sequence[Role], revoked: Sequence[Role]) -> bool:
        """Whether the user may no longer match the filters after the change of roles.

        The values of other attributes are not read: the other conditions may be true or false.
        """
        if not self.memberships or not (assigned or revoked):
            return False
        before = list(self.nesting.reader.roles_with_member([self.layout.member_value(user)]))
        lost = {role.id for role in revoked}
        after = [*(role for role in before if role.id not in lost), *assigned]
        return self._may_stop_matching(self._results(user, before), self._results(user, after))

    @cached_property
    def _filter(self) -> filters.Filter:
        return filters.parse(f"(&{self.layout.user_list_filter}{self.layout.user_filter})")

    def _tests_membership(self, item: Item) -> bool:
        return item.attribute in _MEMBERSHIP | {self.layout.member_of.lower()}

    def _results(self, user: User, roles: list[Role]) -> dict[Item, bool | None]:
        """Return whether each condition on groups is true for a user with these roles."""
        direct = {names.parsed_dn(role.locator) for role in roles}
        inherited = self.nesting.inherited(user, roles) if roles and self._needs_nested else []
        nested = direct | {names.parsed_dn(role.locator) for role in inherited}
        return {
            item: _is_among(item, nested if self._includes_nested(item) else direct)
            for item in self.memberships
        }

    @property
    def _needs_nested(self) -> bool:
        return any(self._includes_nested(item) for item in self.memberships)

    def _includes_nested(self, item: Item) -> bool:
        # The memberOf plugin of 389 DS includes nested groups; OpenLDAP's overlay does not.
        return item.rule == IN_CHAIN or self.layout.profile.name == "389ds"

    def _may_stop_matching(
        self, before: dict[Item, bool | None], after: dict[Item, bool | None]
    ) -> bool:
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
    """Whether the condition is true for a member of the groups; `*` matches any group."""
    return bool(groups) if "*" in item.value else names.parsed_dn(item.unescaped_value) in groups
