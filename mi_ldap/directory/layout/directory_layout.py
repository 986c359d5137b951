"""Layout of the directory: where users and roles are, and how entries map to them. No I/O."""

from __future__ import annotations

import re
import secrets
import uuid
from dataclasses import dataclass
from typing import Final

import structlog

from mi_ldap.directory.layout import account_state
from mi_ldap.directory.layout.profiles import GROUP_SCHEMAS, GroupSchema, Profile
from mi_ldap.errors import BadRequest, IdUnreadable
from mi_ldap.ldap import names
from mi_ldap.ldap.connection import Entry
from mi_ldap.ldap.filter_evaluation import Evaluation, evaluation_of
from mi_ldap.ldap.operations import Add, Modification, Modify
from mi_ldap.model import MAX_NAME_BYTES, EntryId, Role, User, entry_id

log = structlog.get_logger()

PLACEHOLDER_DN: Final = ""
"""The member that keeps an empty group legal (RFC 4519 §3.5 wants one): the DN of nothing."""

PLACEHOLDER_DNS: Final = frozenset({PLACEHOLDER_DN, "cn=empty-membership-placeholder"})
"""Placeholders of other tools that are hidden too."""

_ID_HINT: Final = (
    "let the account read the attribute, or set user_store.user_id_attribute to one that every "
    "user and group has, with one value that never changes"
)

ACCOUNT_CLASS: Final = "miLdapAccount"
ADMIN_ROLE_CLASS: Final = "miLdapAdminRole"

_GID_NUMBERS = range(1 << 30, (1 << 31) - 1)
"""New POSIX groups get one of these by lot: nobody hands out numbers as high as that."""


@dataclass(frozen=True, slots=True)
class DirectoryLayout:
    """The directory's layout: what its profile says, and the settings over that.

    Attributes:
        user_bases, role_bases: the DNs below which they lie; new ones are made below the first.
        user_filter, role_filter: with `?` for the name.
        naming: the attribute in the RDN of a new user.
        member_of: the attribute of a user with its groups, `""` where the server keeps none.
        custodian, epoch: attributes on a user's entry.
        revision, first_admin: attributes on the admin role's entry.
        account_class, admin_role_class: classes that an entry needs for those, `""` for none.
        user_object_classes: further classes of a new user.
        configured_user_attributes: attributes of a new user, with `{name}` and `{number}`; None
            for those of the profile.
        deletes_subtree: whether entries below a user are deleted with it.
        reads_roles: False where nobody holds a role, whatever groups there are.
    """

    profile: Profile
    shape: GroupSchema
    user_bases: tuple[str, ...]
    role_bases: tuple[str, ...]
    user_filter: str
    user_list_filter: str
    role_filter: str
    role_list_filter: str
    user_class: str
    role_class: str
    user_name: str
    naming: str
    role_name: str
    member_of: str
    user_id: str
    custodian: str
    epoch: str
    revision: str
    first_admin: str
    account_class: str
    admin_role_class: str
    user_dn_pattern: str | None = None
    role_dn_pattern: str | None = None
    reads_roles: bool = True
    user_object_classes: tuple[str, ...] = ()
    configured_user_attributes: tuple[tuple[str, str], ...] | None = None
    deletes_subtree: bool = False

    @property
    def own_classes(self) -> bool:
        """Whether the attributes are those of `config/schema`, and nobody else's."""
        return self.account_class == ACCOUNT_CLASS

    @property
    def list_filters(self) -> tuple[str, str]:
        return self.user_list_filter, self.role_list_filter

    @property
    def lists_by_silent_attributes(self) -> bool:
        """Whether what is listed depends on what changes in an entry without changing its stamp.

        OpenLDAP's overlays write so: memberof, ppolicy, lastbind (seen on 2.5.13).
        """
        asked = _ASKED.findall(self.user_list_filter + self.role_list_filter)
        return any(changes_silently(self.profile.schema.attribute(name)) for name in asked)

    @property
    def finds_users_by_name(self) -> bool:
        """Whether the name that is shown is the one that a user is found by, and nothing else."""
        by_name = f"({self.user_name}=?)"
        return self._equal_names_share_letters(self.user_name) and self.user_filter in (
            by_name,
            f"(&{self.user_list_filter}{by_name})",
        )

    @property
    def finds_roles_by_name(self) -> bool:
        by_name = f"({self.role_name}=?)"
        return self._equal_names_share_letters(self.role_name) and self.role_filter in (
            by_name,
            f"(&{self.role_list_filter}{by_name})",
        )

    def evaluation_of(self, ldap_filter: str) -> Evaluation:
        """Split a filter into the part that the server can evaluate and a test for the rest."""
        # 389 and Active Directory also compare attributes that have no matching rule.
        if self.profile.compares_without_rules:
            return Evaluation(ldap_filter)
        return evaluation_of(ldap_filter, self.profile.schema)

    @property
    def can_search_by_part(self) -> bool:
        """Whether the server can search for a part of a user's name, ignoring case."""
        if self.profile.ignores_case:
            return True
        schema, name = self.profile.schema, self.user_name
        return schema.substring_match_ignores_case(name) or self._is_unknown_default(name)

    def _equal_names_share_letters(self, attribute: str) -> bool:
        known = self.profile.schema.equal_values_share_letters(attribute)
        return known or self._is_unknown_default(attribute)

    def _is_unknown_default(self, attribute: str) -> bool:
        """Whether the attribute is the profile's default and the schema cannot be read.

        The rules of the default attributes ignore case.
        """
        is_default = attribute in (self.profile.user_name, self.profile.role_name)
        return is_default and not self.profile.schema.attributes

    @property
    def member(self) -> str:
        return self.shape.member

    @property
    def user_attributes(self) -> list[str]:
        wanted = [self.user_id, self.user_name, self.custodian, self.epoch, "objectClass"]
        policy = (*self.profile.password_stamps, *self.profile.closing)
        return list(dict.fromkeys([*wanted, *policy]))

    @property
    def role_attributes(self) -> list[str]:
        return [self.user_id, self.role_name, self.profile.stamp, "objectClass", self.revision]

    @property
    def described(self) -> dict[str, str]:
        """What an administrator wants to see in the log, by the names of the settings."""
        return {
            "user_id_attribute": self.user_id,
            "user_entry_object_class": self.user_class,
            "user_name_attribute": self.user_name,
            "user_name_search_filter": self.user_filter,
            "user_name_list_filter": self.user_list_filter,
            "group_entry_object_class": self.role_class,
            "group_name_attribute": self.role_name,
            "membership_attribute": self.member,
            "custodian_attribute": self.custodian,
            "epoch_attribute": self.epoch,
            "guards": "assertions" if self.profile.asserts else "swaps",
        }

    # Entries

    def user_from(self, entry: Entry) -> User:
        """The user that an entry stands for.

        Its revision is the epoch as stored: every promotion, demotion and password change through
        us replaces it, while a failed login (which OpenLDAP notes in the entry) does not.
        """
        stored = entry.first(self.epoch) or ""
        stamps = (entry.first(name) for name in self.profile.password_stamps)
        custodian_id = entry.first(self.custodian)
        adopted = account_state.ADOPTED if custodian_id else ""
        return User(
            id=self.id_of(entry),
            name=shown_name(entry, self.user_name),
            locator=entry.dn,
            revision=stored,
            epoch=account_state.digest(stored, *stamps),
            custodian_id=entry_id(entry.first(self.custodian)),
            enabled=not self.profile.is_closed(entry),
            appointment=account_state.appointment(stored) or adopted,
            busy=account_state.is_busy(stored),
            unfinished=self.is_unfinished(entry),
            marked=not self.account_class or _has_class(entry, self.account_class),
        )

    def is_unfinished(self, entry: Entry) -> bool:
        """Whether the entry is of a user whose creation goes on, or was cut off."""
        return bool(account_state.creation_mark(entry.first(self.epoch) or ""))

    def role_from(self, entry: Entry) -> Role:
        """The role that an entry stands for; its revision is `"<stamp>|<revision>"`."""
        revision = entry.first(self.revision) or ""
        return Role(
            id=self.id_of(entry),
            name=shown_name(entry, self.role_name),
            locator=entry.dn,
            revision=f"{entry.first(self.profile.stamp) or ''}|{revision}",
            marked=not self.admin_role_class or _has_class(entry, self.admin_role_class),
            is_dynamic=self.is_dynamic(entry),
            foreign_class=self.foreign_class(entry),
        )

    def is_dynamic(self, entry: Entry) -> bool:
        """Whether the server computes the members of the group when they are read."""
        return any(_has_class(entry, name) for name in self.profile.dynamic_classes)

    def foreign_class(self, entry: Entry) -> str:
        """Return the entry's group class if its members are not in the configured attribute.

        `""` where they are.
        """
        shapes = {name: GROUP_SCHEMAS[name.lower()] for name in _classes_of_groups(entry)}
        if any(shape.member.lower() == self.member.lower() for shape in shapes.values()):
            return ""
        return next(iter(shapes), "")

    def id_of(self, entry: Entry) -> EntryId:
        """Return the immutable id, `"8a3d1872-7a1f-1041-82f4-05905a505f39"`.

        Raises:
            IdUnreadable: it is hidden or missing, has several values, or is not UTF-8.
        """
        found = self.readable_id_of(entry)
        if found is None:
            log.error("id_unreadable", entry=entry.dn, attribute=self.user_id, hint=_ID_HINT)
            raise IdUnreadable(self.user_id)
        return found

    def readable_id_of(self, entry: Entry) -> EntryId | None:
        """Return the id as `id_of` does, but None where that raises."""
        values = entry.attributes.get(self.user_id.lower(), ())
        if len(values) != 1:
            return None
        if self.profile.binary_id:
            is_guid = len(values[0]) == 16
            return EntryId(str(uuid.UUID(bytes_le=values[0]))) if is_guid else None
        try:
            return entry_id(values[0].decode())
        except UnicodeDecodeError:  # with replaced bytes two ids could become equal
            return None

    def has_id(self, wanted: EntryId) -> str | None:
        """The filter that finds the entry with the id; None where it can be no entry's."""
        if not self.profile.binary_id:
            return names.equals(self.user_id, wanted)
        try:
            raw = uuid.UUID(wanted).bytes_le
        except ValueError:
            return None
        return f"({self.user_id}={names.filter_bytes(raw)})"

    def target(self, entry: User | Role) -> str:
        """By what name an entry is changed: the id where the server takes it, whoever moves it."""
        return f"<GUID={entry.id}>" if self.profile.by_guid else entry.locator

    def holds_users(self, dn: str) -> bool:
        """Whether users lie where `dn` is."""
        return any(names.is_under(dn, base) for base in self.user_bases)

    def holds_roles(self, dn: str) -> bool:
        """Whether roles lie where `dn` is."""
        return any(names.is_under(dn, base) for base in self.role_bases)

    # Members

    def member_value(self, user: User) -> str:
        """By what a group names the user."""
        return user.name if self.shape.by_name else user.locator

    def members(self, entry: Entry) -> list[str]:
        """The members that a group names, placeholders left out."""
        values = entry.all(self.member)
        if self.member.lower() == "uniquemember":
            values = [_OPTIONAL_UID.sub("", value) for value in values]
        return [value for value in values if value not in PLACEHOLDER_DNS]

    def placeholder_in(self, role: Role) -> Modify:
        """Gives a group the member that lets its last one go."""
        return Modify(self.target(role), (Modification("add", self.member, (PLACEHOLDER_DN,)),))

    # New entries

    def new_user(self, name: str, mark: str = "") -> Add:
        """The entry of a user that is being created: without a password, marked as unfinished.

        Args:
            name: of the user.
            mark: of the creation; a fresh one by default.

        Raises:
            BadRequest: the directory takes no such name.
        """
        self._must_fit(name)
        attributes = self._attributes_of_new(name)
        attributes[self.user_name] = [name]
        attributes[self.epoch] = [account_state.unfinished(mark or account_state.fresh())]
        classes = (self.user_class, *self.user_object_classes, self.account_class)
        return Add(self._user_dn(name), tuple(filter(None, dict.fromkeys(classes))), attributes)

    def _attributes_of_new(self, name: str) -> dict[str, list[str]]:
        configured = self.configured_user_attributes
        number = str(secrets.choice(_GID_NUMBERS))
        attributes = {
            kind: [text.replace("{0}", name)]
            for kind, text in self.profile.new_user
            if configured is None or kind in _REQUIRED_FOR_USERS
        }
        for kind, text in configured or ():
            value = text.replace("{name}", name).replace("{number}", number)
            attributes.setdefault(kind, []).append(value)
        return attributes

    def new_role(self, name: str) -> Add:
        """The entry of an empty role; raises as `new_user` does."""
        _must_be_short(name)
        attributes = {self.role_name: [name]}
        if self.shape.wants_a_member:
            attributes[self.member] = [PLACEHOLDER_DN]
        if self.role_class.lower() == "posixgroup":
            attributes["gidNumber"] = [str(secrets.choice(_GID_NUMBERS))]
        return Add(self._role_dn(name), (self.role_class,), attributes)

    def new_admin_role(self, name: str, first_admin: User) -> Add:
        """The entry of the admin role with its first holder."""
        role = self.new_role(name)
        attributes = dict(role.attributes)
        attributes[self.member] = [*attributes.get(self.member, ()), self.member_value(first_admin)]
        attributes[self.first_admin] = [first_admin.id]
        classes = tuple(filter(None, (*role.classes, self.admin_role_class)))
        return Add(role.dn, classes, attributes)

    def _user_dn(self, name: str) -> str:
        if self.user_dn_pattern:
            return names.dn_from_pattern(self.user_dn_pattern, name)
        return names.dn_in(self.user_bases[0], self.naming, name)

    def _role_dn(self, name: str) -> str:
        if self.role_dn_pattern:
            return names.dn_from_pattern(self.role_dn_pattern, name)
        return names.dn_in(self.role_bases[0], self.role_name, name)

    def _must_fit(self, name: str) -> None:
        _must_be_short(name)
        limit, forbidden = self.profile.name_limit, self.profile.not_in_names
        if limit and len(name) > limit:
            raise BadRequest(
                _REFUSED.format(f"The directory takes names of up to {limit} characters")
            )
        if any(char in forbidden for char in name):
            raise BadRequest(
                _REFUSED.format(f"The directory takes no name with one of {forbidden}")
            )


_OPTIONAL_UID = re.compile(r"#'[01]*'B\Z")
"""The bit string that may follow the DN in `uniqueMember` (RFC 4517 §3.3.21)."""
_REQUIRED_FOR_USERS = frozenset({"userAccountControl"})
"""Always set: without it Active Directory creates an enabled account without a password."""

_REFUSED = "Error processing the request. {}."


_ASKED = re.compile(r"\(([A-Za-z0-9.-]+)[^=()]*=")
_SILENT = re.compile(
    r"memberOf|isMemberOf|pwd.*|authTimestamp|hasSubordinates|numSubordinates", re.IGNORECASE
)


def changes_silently(attribute: str) -> bool:
    """Whether servers change the attribute without changing the entry's modification stamp."""
    return _SILENT.fullmatch(attribute) is not None


def _must_be_short(name: str) -> None:
    if names.stored_length(name) > MAX_NAME_BYTES:
        raise BadRequest(_REFUSED.format("The directory takes no name as long as this one"))


def shown_name(entry: Entry, attribute: str) -> str:
    """The only value; of several the one by which the entry is named, else the first."""
    values = entry.all(attribute)
    if len(values) == 1:
        return values[0]
    named_by = dict(names.own_pairs(entry.dn))
    return named_by.get(attribute.lower()) or next(iter(values), "")


def _classes_of_groups(entry: Entry) -> list[str]:
    return [name for name in entry.all("objectClass") if name.lower() in GROUP_SCHEMAS]


def all_names(entry: Entry, attribute: str) -> list[str]:
    """Return all values, including those with options (`cn;lang-de`, RFC 4512 §2.5.2).

    A search by the attribute finds all of them.
    """
    key = attribute.lower()
    return [
        value
        for name in entry.attributes
        if name.partition(";")[0] == key
        for value in entry.all(name)
    ]


def _has_class(entry: Entry, name: str) -> bool:
    return name.lower() in (value.lower() for value in entry.all("objectClass"))
