"""`DirectoryLayout`: where users and roles are, and how entries map to them. No I/O."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Final

import structlog

from mi_ldap import account_state
from mi_ldap.directory.layout.entry_names import changes_silently, shown_name
from mi_ldap.directory.layout.profiles import GROUP_SCHEMAS, GroupSchema, Profile
from mi_ldap.errors import IdUnreadable
from mi_ldap.ldap import names
from mi_ldap.ldap.filter_evaluation import Evaluation, evaluation_of
from mi_ldap.ldap.messages import Entry
from mi_ldap.ldap.operations import Modification, Modify
from mi_ldap.model import EntryId, Role, User, entry_id

log = structlog.get_logger()

PLACEHOLDER_DN: Final = ""
"""The member of a group without members: its class requires one (RFC 4519 §3.5)."""

PLACEHOLDER_DNS: Final = frozenset({PLACEHOLDER_DN, "cn=empty-membership-placeholder"})
"""This placeholder, and that of Keycloak; they are not shown as members."""

_ID_HINT: Final = (
    "let the account read the attribute, or set user_store.user_id_attribute to one that every "
    "user and group has, with one value that never changes"
)

ACCOUNT_CLASS: Final = "miLdapAccount"
ADMIN_ROLE_CLASS: Final = "miLdapAdminRole"
HYBRID_ROLE_CLASS: Final = "miLdapHybridRole"
HYBRID_MEMBER: Final = "miLdapMember"


@dataclass(frozen=True, slots=True)
class DirectoryLayout:
    """The profile of the server, overridden by the settings.

    Attributes:
        profile: what is specific to the kind of server.
        group_schema: how groups of the configured class store their members.
        user_bases, role_bases: the DNs of the search bases; new entries are created below the
            first.
        user_filter, role_filter: the filters that find one user or role; `?` stands for the name.
        user_list_filter, role_list_filter: the filters that find all.
        user_class, role_class: the structural class of a new entry.
        user_name, role_name: the attributes with the names that are shown.
        rdn_attribute: the attribute in the RDN of a new user.
        member_of: the attribute of a user with its groups; `""` if the server has none.
        user_id: the attribute with the immutable id, of users and of groups.
        custodian: the attribute of a user with the id of its custodian.
        epoch: the attribute of a user with its account state, see `account_state`.
        revision: the attribute of a group that each change of its members replaces.
        first_admin: the attribute of the admin role's group with the id of the first admin.
        account_class, admin_role_class: the auxiliary classes that these attributes require; `""`
            for none.
        user_dn_pattern, role_dn_pattern: the DN of a new entry, with `{0}` for the name.
        reads_roles: False if the service does not use groups at all.
        user_object_classes: further classes of a new user.
        configured_user_attributes: attributes of a new user, with `{name}` and `{number}`; None
            for those of the profile.
        deletes_subtree: whether the entries below a user are deleted with it.
        hybrid_role_base: the DN below which the groups of hybrid roles are; `""` if there are none.
    """

    profile: Profile
    group_schema: GroupSchema
    user_bases: tuple[str, ...]
    role_bases: tuple[str, ...]
    user_filter: str
    user_list_filter: str
    role_filter: str
    role_list_filter: str
    user_class: str
    role_class: str
    user_name: str
    rdn_attribute: str
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
    hybrid_role_base: str = ""

    @property
    def own_classes(self) -> bool:
        """Whether the attributes are those of `config/schema`, which no other tool uses."""
        return self.account_class == ACCOUNT_CLASS

    @property
    def lists_by_silent_attributes(self) -> bool:
        """Whether a list filter tests an attribute that changes without a new stamp."""
        tested = _FILTER_ATTRIBUTES.findall(self.user_list_filter + self.role_list_filter)
        return any(changes_silently(self.profile.schema.attribute(name)) for name in tested)

    @property
    def finds_users_by_name(self) -> bool:
        """Whether users are found by exactly the name that is shown, as memory finds them."""
        return self._finds_by(self.user_name, self.user_filter, self.user_list_filter)

    @property
    def finds_roles_by_name(self) -> bool:
        """Whether roles are found by exactly the name that is shown."""
        return self._finds_by(self.role_name, self.role_filter, self.role_list_filter)

    def _finds_by(self, attribute: str, search_filter: str, list_filter: str) -> bool:
        by_name = f"({attribute}=?)"
        known = self.profile.schema.equal_values_share_letters(attribute)
        return search_filter in (by_name, f"(&{list_filter}{by_name})") and (
            known or self._is_unknown_default(attribute)
        )

    def evaluation_of(self, ldap_filter: str) -> Evaluation:
        """Split a filter into the part that the server can evaluate and a test for the rest."""
        # OpenLDAP 2.5 evaluates a condition on an attribute without an EQUALITY or SUBSTR rule as
        # undefined, so it finds nothing. 389 DS and Active Directory compare such attributes too.
        if self.profile.compares_without_rules:
            return Evaluation(ldap_filter)
        return evaluation_of(ldap_filter, self.profile.schema)

    @property
    def has_memberof_overlay(self) -> bool:
        """Whether `memberOf` is written by OpenLDAP's overlay."""
        return self.profile.name == "openldap" and bool(self.member_of)

    @property
    def can_search_by_substring(self) -> bool:
        """Whether the server can search for a part of a user's name, ignoring case."""
        if self.profile.ignores_case:
            return True
        schema, name = self.profile.schema, self.user_name
        return schema.substring_match_ignores_case(name) or self._is_unknown_default(name)

    def _is_unknown_default(self, attribute: str) -> bool:
        """Whether the schema is unreadable, but the attribute is a default one (ignores case)."""
        is_default = attribute in (self.profile.user_name, self.profile.role_name)
        return is_default and not self.profile.schema.attributes

    @property
    def member(self) -> str:
        return self.group_schema.member

    @property
    def user_attributes(self) -> list[str]:
        attributes = [self.user_id, self.user_name, self.custodian, self.epoch, "objectClass"]
        policy = (*self.profile.password_stamps, *self.profile.disabling_attributes)
        return list(dict.fromkeys([*attributes, *policy]))

    @property
    def role_attributes(self) -> list[str]:
        return [self.user_id, self.role_name, self.profile.stamp, "objectClass", self.revision]

    @property
    def log_fields(self) -> dict[str, str]:
        """The layout for the log, by the names of the settings."""
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
            "guards": "assertions" if self.profile.supports_assertions else "swaps",
        }

    # Entries

    def user_from(self, entry: Entry) -> User:
        """Return the user that the entry represents.

        Raises:
            IdUnreadable: the entry has no readable id.
        """
        # The revision is the stored epoch, not the entry's stamp: a failed login changes the entry
        # of OpenLDAP's ppolicy (pwdFailureTime), and must not make concurrent changes fail. Every
        # change by this service that matters to others replaces the epoch.
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
            enabled=not self.profile.is_disabled(entry),
            appointment=account_state.appointment(stored) or adopted,
            busy=account_state.is_busy(stored),
            unfinished=self.is_unfinished(entry),
            has_store_class=not self.account_class or _has_class(entry, self.account_class),
        )

    def is_unfinished(self, entry: Entry) -> bool:
        """Whether the user is still being created, or its creation was interrupted."""
        return bool(account_state.creation_mark(entry.first(self.epoch) or ""))

    def role_from(self, entry: Entry) -> Role:
        """Return the role that the entry represents; its revision is `"<stamp>|<revision>"`.

        Raises:
            IdUnreadable: the entry has no readable id.
        """
        revision = entry.first(self.revision) or ""
        return Role(
            id=self.id_of(entry),
            name=shown_name(entry, self.role_name),
            locator=entry.dn,
            revision=f"{entry.first(self.profile.stamp) or ''}|{revision}",
            has_store_class=not self.admin_role_class or _has_class(entry, self.admin_role_class),
            is_dynamic=self.is_dynamic(entry),
            foreign_class=self.foreign_class(entry),
        )

    def is_dynamic(self, entry: Entry) -> bool:
        """Whether the server computes the members of the group when they are read."""
        return any(_has_class(entry, name) for name in self.profile.dynamic_classes)

    def foreign_class(self, entry: Entry) -> str:
        """Return the class of a group whose members are not in the configured attribute.

        `""` if they are in the configured attribute.
        """
        classes = [name for name in entry.all("objectClass") if name.lower() in GROUP_SCHEMAS]
        members = {GROUP_SCHEMAS[name.lower()].member.lower() for name in classes}
        return "" if self.member.lower() in members else next(iter(classes), "")

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
        """Return the id as `id_of` does, but None if that raises."""
        value = self._id_value(entry)
        if value is None:
            return None
        return EntryId(str(uuid.UUID(bytes_le=value)) if self.profile.binary_id else value.decode())

    def has_readable_id(self, entry: Entry) -> bool:
        """Whether `readable_id_of` returns an id; for long lists, in less time."""
        return self._id_value(entry) is not None

    def _id_value(self, entry: Entry) -> bytes | None:
        values = entry.attributes.get(self.user_id.lower(), ())
        if len(values) != 1:
            return None
        is_valid = len(values[0]) == 16 if self.profile.binary_id else _is_text(values[0])
        return values[0] if is_valid else None

    def id_filter(self, wanted: EntryId) -> str | None:
        """Return the filter that finds the entry with the id; None if the text can't be an id."""
        if not self.profile.binary_id:
            return names.equals(self.user_id, wanted)
        try:
            raw = uuid.UUID(wanted).bytes_le
        except ValueError:
            return None
        return f"({self.user_id}={names.filter_bytes(raw)})"

    def target(self, entry: User | Role) -> str:
        """Return the DN for changes of the entry."""
        # Active Directory accepts `<GUID=…>` ([MS-ADTS] §3.1.1.3.1.2.4), which still names the
        # entry if another tool moves it meanwhile.
        return f"<GUID={entry.id}>" if self.profile.addresses_by_guid else entry.locator

    def is_under_user_base(self, dn: str) -> bool:
        """Whether the DN is at or below a search base of users."""
        return any(names.is_under(dn, base) for base in self.user_bases)

    def is_under_role_base(self, dn: str) -> bool:
        """Whether the DN is at or below a search base of groups."""
        return any(names.is_under(dn, base) for base in self.role_bases)

    # Members

    def member_value(self, user: User) -> str:
        """Return the value by which a group names the user: its DN, or its name (RFC 2307)."""
        return user.name if self.group_schema.by_name else user.locator

    def members(self, entry: Entry) -> list[str]:
        """Return the member values of a group, without placeholders."""
        values = entry.all(self.member)
        if self.member.lower() == "uniquemember":
            values = [_OPTIONAL_UID.sub("", value) for value in values]
        return [value for value in values if value not in PLACEHOLDER_DNS]

    def placeholder_addition(self, role: Role) -> Modify:
        """Return the operation that adds the placeholder, before the last member is removed."""
        return Modify(self.target(role), (Modification("add", self.member, (PLACEHOLDER_DN,)),))


_OPTIONAL_UID = re.compile(r"#'[01]*'B\Z")
"""The bit string that may follow the DN in `uniqueMember` (RFC 4517 §3.3.21)."""

_FILTER_ATTRIBUTES = re.compile(r"\(([A-Za-z0-9.-]+)[^=()]*=")


def _is_text(value: bytes) -> bool:
    """Whether the value is UTF-8, and not blank."""
    try:
        return bool(value.decode().strip())
    except UnicodeDecodeError:  # decoding with replacement could make two ids equal
        return False


def _has_class(entry: Entry, name: str) -> bool:
    return name.lower() in (value.lower() for value in entry.all("objectClass"))
