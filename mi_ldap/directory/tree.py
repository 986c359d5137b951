"""Where users and roles lie in the directory, and how an entry becomes one. Pure functions."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import Final

from mi_ldap.directory import names
from mi_ldap.directory.operations import Add, Modification, Modify
from mi_ldap.directory.session import Entry
from mi_ldap.errors import BadRequest
from mi_ldap.model import MAX_NAME_BYTES, Role, User

PLACEHOLDER_DN: Final = ""
"""The member that keeps an empty group legal (RFC 4519 §3.5 wants one): the DN of nothing."""

PLACEHOLDER_DNS: Final = frozenset({PLACEHOLDER_DN, "cn=empty-membership-placeholder"})
"""Placeholders of other tools that are hidden too."""

_POLICY_ATTRIBUTES = ("pwdChangedTime", "pwdAccountLockedTime")

ACCOUNT_CLASS: Final = "miLdapAccount"
ADMIN_ROLE_CLASS: Final = "miLdapAdminRole"
REVISION: Final = "miLdapRevision"
FIRST_ADMIN: Final = "miLdapFirstAdmin"

LOCKED_FOR_GOOD: Final = "000001010000Z"
"""`pwdAccountLockedTime` of an account that only an administrator opens (draft-behera §5.3.3)."""

ABANDONED_AFTER_S: Final = 60.0
"""How old an unfinished entry must be for its maker to be dead, in seconds."""

UNFINISHED: Final = "unfinished:"
RESETTING: Final = "resetting:"
"""They lead the epoch of an entry that is being made, or whose password is being set."""


@dataclass(frozen=True, slots=True)
class Tree:
    """The directory's layout; attribute names and filters as in MI's `[user_store]`.

    Attributes:
        user_filter, role_filter: with `?` for the name.
        custodian, epoch: attributes on a user's entry; `""` where the schema has none.
        own_schema: whether `config/schema` is loaded, so that its classes must be added.
        reads_roles: False where nobody holds a role, whatever groups there are.
    """

    user_base: str
    role_base: str
    user_filter: str
    user_list_filter: str
    role_filter: str
    role_list_filter: str
    user_class: str
    role_class: str
    user_name: str
    role_name: str
    member: str
    member_of: str
    user_id: str
    custodian: str
    epoch: str
    own_schema: bool
    user_dn_pattern: str | None = None
    role_dn_pattern: str | None = None
    reads_roles: bool = True

    @property
    def user_attributes(self) -> list[str]:
        wanted = [self.user_id, self.user_name, self.custodian, self.epoch, "objectClass"]
        return [*(name for name in wanted if name), "entryCSN", *_POLICY_ATTRIBUTES]

    @property
    def role_attributes(self) -> list[str]:
        return [self.user_id, self.role_name, "entryCSN", "objectClass", REVISION]

    def user_dn(self, name: str) -> str:
        """The DN of a user to be made.

        Raises:
            BadRequest: the name is longer than a DN may be.
        """
        _must_fit(name)
        if self.user_dn_pattern:
            return names.dn_from_pattern(self.user_dn_pattern, name)
        return names.dn_in(self.user_base, self.user_name, name)

    def role_dn(self, name: str) -> str:
        """The DN of a role to be made; raises as `user_dn` does."""
        _must_fit(name)
        if self.role_dn_pattern:
            return names.dn_from_pattern(self.role_dn_pattern, name)
        return names.dn_in(self.role_base, self.role_name, name)

    def user_from(self, entry: Entry) -> User:
        """The user that an entry stands for.

        Its revision is the epoch as stored: every promotion, demotion and password change through
        us replaces it, while a failed login (which OpenLDAP notes in the entry) does not.
        """
        epoch = entry.first(self.epoch) if self.epoch else None
        return User(
            id=entry.first(self.user_id) or "",
            name=shown_name(entry, self.user_name),
            locator=entry.dn,
            revision=epoch or "" if self.epoch else entry.first("entryCSN") or "",
            epoch=_opaque(epoch, entry.first("pwdChangedTime")),
            custodian_id=entry.first(self.custodian) if self.custodian else None,
            enabled=entry.first("pwdAccountLockedTime") != LOCKED_FOR_GOOD,
            abandoned=_age_s(epoch, UNFINISHED) > ABANDONED_AFTER_S,
            busy=0 <= _age_s(epoch, UNFINISHED, RESETTING) <= ABANDONED_AFTER_S,
            marked=_has_class(entry, ACCOUNT_CLASS),
        )

    def role_from(self, entry: Entry) -> Role:
        """The role that an entry stands for; its revision is `"<entryCSN>|<miLdapRevision>"`."""
        return Role(
            id=entry.first(self.user_id) or "",
            name=shown_name(entry, self.role_name),
            locator=entry.dn,
            revision=f"{entry.first('entryCSN') or ''}|{entry.first(REVISION) or ''}",
            marked=_has_class(entry, ADMIN_ROLE_CLASS),
        )

    def as_read(self, entry: User | Role) -> str:
        """The filter that is true of the entry as long as it is as it was read."""
        same = names.equals(self.user_id, entry.id)
        if isinstance(entry, Role):
            return f"(&{same}{names.equals('entryCSN', entry.revision.partition('|')[0])})"
        revision = names.has(self.epoch or "entryCSN", entry.revision)
        custodian = names.has(self.custodian, entry.custodian_id) if self.custodian else ""
        return f"(&{same}{revision}{custodian})"

    def as_made(self, user: User) -> str:
        """The filter that is true of an entry that `add_user` made until it is finished."""
        if self.epoch:
            return self.as_read(user)
        conditions = [names.equals(self.user_id, user.id)]
        conditions += [names.has(name, None) for name in (self.custodian, self.member_of) if name]
        return f"(&{''.join(conditions)})"

    def members(self, entry: Entry) -> list[str]:
        """The DNs of a group's members, placeholders left out."""
        return [dn for dn in entry.all(self.member) if dn not in PLACEHOLDER_DNS]

    def placeholder_in(self, role: Role) -> Modify:
        """Gives a group the member that lets its last one go."""
        return Modify(role.locator, (Modification("add", self.member, (PLACEHOLDER_DN,)),))

    def new_user(self, name: str) -> Add:
        """The entry of a user that is being made: without a password, marked as unfinished."""
        attributes = {"cn": [name], "sn": [name], self.user_name: [name]}
        classes = [self.user_class]
        if self.own_schema:
            classes.append(ACCOUNT_CLASS)
            attributes[self.epoch] = [marked_epoch(UNFINISHED)]
        return Add(self.user_dn(name), tuple(classes), attributes)

    def new_role(self, name: str) -> Add:
        """The entry of an empty role."""
        attributes = {self.role_name: [name], self.member: [PLACEHOLDER_DN]}
        return Add(self.role_dn(name), (self.role_class,), attributes)

    def new_admin_role(self, name: str, first_admin: User) -> Add:
        """The entry of the admin role with its first holder."""
        role = self.new_role(name)
        attributes = {**role.attributes, self.member: [PLACEHOLDER_DN, first_admin.locator]}
        if not self.own_schema:
            return Add(role.dn, role.classes, attributes)
        attributes[FIRST_ADMIN] = [first_admin.id]
        return Add(role.dn, (*role.classes, ADMIN_ROLE_CLASS), attributes)


def _must_fit(name: str) -> None:
    if names.stored_length(name) > MAX_NAME_BYTES:
        raise BadRequest(
            "Error processing the request. The directory takes no name as long as this one."
        )


def shown_name(entry: Entry, attribute: str) -> str:
    """The value by which the entry is named, else the first: an attribute may have several."""
    kind, value = names.first_value(entry.dn)
    return value if kind == attribute.lower() else entry.first(attribute) or ""


def _has_class(entry: Entry, name: str) -> bool:
    return name.lower() in (value.lower() for value in entry.all("objectClass"))


def _opaque(*parts: str | None) -> str:
    return hashlib.sha256("\0".join(part or "" for part in parts).encode()).hexdigest()[:16]


def marked_epoch(kind: str) -> str:
    """An epoch that says what is going on since when: `"unfinished:1795284684:9f5d…"`."""
    return f"{kind}{time.time():.0f}:{secrets.token_hex(8)}"


def _age_s(epoch: str | None, *kinds: str) -> float:
    """How long ago the epoch was marked as one of the kinds; less than 0 where it was not."""
    kind, _, rest = (epoch or "").partition(":")
    began_at = rest.partition(":")[0]
    if f"{kind}:" not in kinds or not began_at.isdigit():
        return -1.0
    return max(0.0, time.time() - int(began_at))
