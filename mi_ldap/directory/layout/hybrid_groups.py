"""Groups of hybrid roles: where they are, and which users are their members. No I/O.

A group is named by the full name of the role, `cn=Internal/testers`. The member attribute has users
of the primary store, as in other groups. The attribute `miLdapMember` has records:

* for a user of another store its id, `WSO2.COM/<id>`;
* for a user of the primary store `PRIMARY/<id>#<digest of the member value>`, which says that the
  value is that of the user with that id.

Without OpenLDAP's overlay refint, or the plug-in of 389 DS, a group keeps the DN of a user that
another tool deletes. An entry that is created again with the DN has another id than the record, so
it is no member. A member value without a record counts: another tool has added it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final
from urllib.parse import quote

from mi_ldap.directory.layout.directory_layout import (
    HYBRID_MEMBER,
    HYBRID_ROLE_CLASS,
    PLACEHOLDER_DN,
    PLACEHOLDER_DNS,
    DirectoryLayout,
)
from mi_ldap.ldap import names
from mi_ldap.ldap.messages import Entry
from mi_ldap.ldap.operations import Modification
from mi_ldap.model import Role, User
from mi_ldap.name_rules import full_role_name

_PRIMARY: Final = "PRIMARY"


@dataclass(frozen=True, slots=True)
class HybridLayout:
    """The layout of the groups of hybrid roles.

    Attributes:
        layout: of the primary store, with the base of hybrid roles as that of its groups.
    """

    layout: DirectoryLayout

    @property
    def member_id(self) -> str:
        """The attribute of the records; `""` if the directory lacks the service's schema."""
        return HYBRID_MEMBER if self.layout.own_classes else ""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of a new group."""
        return (self.layout.role_class, *([HYBRID_ROLE_CLASS] if self.member_id else []))

    def key(self, member: str) -> object:
        """Return a key of a member value; it is equal for two spellings of the same member."""
        return member if self.layout.group_schema.by_name else names.parsed_dn(member)

    def record(self, user: User) -> str:
        """Return the record of a user."""
        if user.domain:
            return user.id  # it begins with the domain
        return f"{self.record_start(user)}{self.digest(self.layout.member_value(user))}"

    def has_member(self, user: User) -> str:
        """Return the filter that finds the groups that the user is a member of."""
        if user.domain:
            return names.equals(self.member_id, user.id)
        value = self.layout.member_value(user)
        is_named = names.equals(self.layout.member, value)
        if not self.member_id:
            return is_named
        of_user = f"({self.member_id}={names.filter_value(self.record_start(user))}*)"
        of_value = f"({self.member_id}=*{names.filter_value('#' + self.digest(value))})"
        return f"(&{is_named}(|{of_user}(!{of_value})))"

    def record_start(self, user: User) -> str:
        """Return the text with which the records of a user of the primary store begin."""
        return f"{_PRIMARY}/{quote(user.id, safe='')}#"

    def digest(self, member: str) -> str:
        """Return a digest of a member value, for a record."""
        return hashlib.sha256(repr(self.key(member)).encode()).hexdigest()[:32]


@dataclass(frozen=True)
class HybridGroup:
    """The group of a hybrid role as it was read, with all its members.

    Attributes:
        hybrid: the layout.
        role: the role.
        values: the member values, without placeholders.
        records: the values of `miLdapMember`; empty without the service's schema.
        has_class: whether the entry has the class that `miLdapMember` requires.
        has_placeholder: whether it has a placeholder for a member.
    """

    hybrid: HybridLayout
    role: Role
    values: Sequence[str]
    records: Sequence[str]
    has_class: bool
    has_placeholder: bool

    @property
    def others(self) -> list[str]:
        """The ids of the members of other stores, with their domains."""
        return [each for each in self.records if not _is_of_primary(each)]

    @property
    def unrecorded(self) -> list[str]:
        """The member values without a record."""
        return [each for each in self.values if self.hybrid.digest(each) not in self._digests]

    def has(self, user: User) -> bool:
        """Whether the user is a member."""
        if user.domain:
            return user.id in self.records
        value = self.hybrid.layout.member_value(user)
        if self.hybrid.key(value) not in self._keys:
            return False
        is_own = self.hybrid.record_start(user) in self._starts
        return is_own or self.hybrid.digest(value) not in self._digests

    def addition(self, user: User) -> tuple[Modification, ...]:
        """Return the change that makes the user a member; it must not be one."""
        attribute = self.hybrid.member_id
        changes: list[Modification] = []
        if attribute:
            if not self.has_class:
                changes.append(Modification("add", "objectClass", (HYBRID_ROLE_CLASS,)))
            # Left by a membership that another tool ended, or by a deleted user of the same DN.
            stale = () if user.domain else self._records_of(user)
            changes += [Modification("delete", attribute, (each,)) for each in stale]
            changes.append(Modification("add", attribute, (self.hybrid.record(user),)))
        if not user.domain and not self._values_of(user):
            value = self.hybrid.layout.member_value(user)
            changes.append(Modification("add", self.hybrid.layout.member, (value,)))
        return tuple(changes)

    def removal(self, user: User) -> tuple[Modification, ...]:
        """Return the change that ends the user's membership."""
        layout, attribute = self.hybrid.layout, self.hybrid.member_id
        records = [user.id] if user.domain else self._records_of(user)
        values = [] if user.domain else self._values_of(user)
        changes = [Modification("delete", attribute, (each,)) for each in records]
        is_last = len(values) == len(self.values) and bool(values)
        if is_last and layout.group_schema.requires_member and not self.has_placeholder:
            changes.append(Modification("add", layout.member, (PLACEHOLDER_DN,)))
        changes += [Modification("delete", layout.member, (each,)) for each in values]
        return tuple(changes)

    def recording(self, users: Sequence[User]) -> tuple[Modification, ...]:
        """Return the change that adds missing records, and deletes those of removed values.

        Args:
            users: the users that the `unrecorded` values name.
        """
        present = {self.hybrid.digest(value) for value in self.values}
        kept = {each for each in self.records if each.rpartition("#")[2] in present}
        wanted = {self.hybrid.record(user) for user in users if self.has(user)}
        primary = {each for each in self.records if _is_of_primary(each)}
        attribute = self.hybrid.member_id
        changes = [Modification("delete", attribute, (each,)) for each in sorted(primary - kept)]
        added = sorted(wanted - primary)
        if added and not self.has_class:
            changes.append(Modification("add", "objectClass", (HYBRID_ROLE_CLASS,)))
        return (*changes, *(Modification("add", attribute, (each,)) for each in added))

    # Sets, because `has` is called for each of thousands of members.

    @cached_property
    def _keys(self) -> frozenset[object]:
        return frozenset(map(self.hybrid.key, self.values))

    @cached_property
    def _starts(self) -> frozenset[str]:
        return frozenset(each.rpartition("#")[0] + "#" for each in self.records)

    @cached_property
    def _digests(self) -> frozenset[str]:
        return frozenset(each.rpartition("#")[2] for each in self.records if _is_of_primary(each))

    def _values_of(self, user: User) -> list[str]:
        wanted = self.hybrid.key(self.hybrid.layout.member_value(user))
        return [each for each in self.values if self.hybrid.key(each) == wanted]

    def _records_of_value(self, user: User) -> list[str]:
        digest = self.hybrid.digest(self.hybrid.layout.member_value(user))
        return [each for each in self.records if each.endswith(f"#{digest}")]

    def _records_of(self, user: User) -> list[str]:
        """Return the records with the user's id, and those with its member value."""
        start = self.hybrid.record_start(user)
        own = [each for each in self.records if each.startswith(start)]
        return list(dict.fromkeys([*own, *self._records_of_value(user)]))


def hybrid_layout(layout: DirectoryLayout) -> HybridLayout:
    """Return the layout of the groups of hybrid roles; `layout` is that of the primary store."""
    base = layout.hybrid_role_base
    return HybridLayout(replace(layout, role_bases=(base,), role_dn_pattern=None))


def hybrid_role(role: Role) -> Role:
    """Return the role of a group as a hybrid role."""
    # Another tool may have spelled the domain in another case.
    domain = full_role_name(role.name).partition("/")[0]
    return replace(role, domain=domain, is_hybrid=True)


def hybrid_group(hybrid: HybridLayout, entry: Entry) -> HybridGroup:
    """Return the group that an entry represents."""
    layout, classes = hybrid.layout, [each.lower() for each in entry.all("objectClass")]
    return HybridGroup(
        hybrid=hybrid,
        role=hybrid_role(layout.role_from(entry)),
        values=tuple(layout.members(entry)),
        records=tuple(entry.all(hybrid.member_id)) if hybrid.member_id else (),
        has_class=HYBRID_ROLE_CLASS.lower() in classes,
        has_placeholder=not PLACEHOLDER_DNS.isdisjoint(entry.all(layout.member)),
    )


def _is_of_primary(record: str) -> bool:
    """Whether a record is that of a user of the primary store."""
    return record.startswith(f"{_PRIMARY}/")
