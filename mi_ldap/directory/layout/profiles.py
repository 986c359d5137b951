"""What tells one kind of directory server from another, as data.

Seen on OpenLDAP 2.5.13, 389 Directory Server 2.3.1 and Samba 4.17 (for Active Directory), and taken
from RFC 4511, RFC 4512 §5.1 (the root DSE) and [MS-ADTS].
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import structlog

from mi_ldap.ldap import bind_conditions
from mi_ldap.ldap.bind_conditions import (
    ACCOUNT_DISABLED,
    AGAINST_POLICY,
    CONSTRAINT,
    UNWILLING,
    WRONG_PASSWORD,
    ServerMessagePattern,
)
from mi_ldap.ldap.connection import Entry, LdapConnection, LdapError
from mi_ldap.ldap.result_codes import ResultCode
from mi_ldap.ldap.schema import Schema

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class GroupSchema:
    """How a class of groups holds its members.

    Attributes:
        member: the attribute.
        by_name: whether its values are names of users (RFC 2307), not DNs (RFC 4519).
        wants_a_member: whether the class demands one, where the server minds.
    """

    member: str
    by_name: bool = False
    wants_a_member: bool = False


GROUP_SCHEMAS: Final = {
    "groupofnames": GroupSchema("member", wants_a_member=True),  # RFC 4519 §3.5
    "groupofuniquenames": GroupSchema("uniqueMember", wants_a_member=True),  # RFC 4519 §3.6
    "groupofmembers": GroupSchema("member"),  # draft-howard-rfc2307bis
    "posixgroup": GroupSchema("memberUid", by_name=True),  # RFC 2307 §3
    "group": GroupSchema("member"),  # Active Directory
}


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of directory; what the settings name wins over it, key by key.

    Attributes:
        name: as in `user_store.profile`.
        user_id: the attribute with the id that never changes.
        binary_id: whether that is a GUID of 16 bytes, little endian ([MS-DTYP] §2.3.4).
        user_name: the attribute that people log in by.
        naming: the attribute in the RDN of a new user.
        new_user: more attributes of a new user; `{0}` is the name.
        people: the filter that finds every user; `{0}` is the class.
        custodian, epoch: attributes of `config/schema`, or ones that every entry may have.
        own_classes: whether attributes that are no entry's by right need a class.
        stamp: the attribute that every change of an entry replaces.
        password_stamps: attributes that change with a password, whoever changes it.
        closing: attributes that `is_closed` looks at.
        is_closed: whether an administrator, or the account's own end, has closed it.
        asserts: whether operations can carry an assertion (RFC 4528).
        untold: why it can't be asked for what has changed (RFC 4533) so that nothing is missed,
            and what would mend that; `""` where it can. Clauses that anybody may read.
        empty_groups: whether every class of groups may be without a member.
        by_guid: whether `<GUID=…>` names an entry for a change.
        compares_without_rules: whether attributes without an EQUALITY rule can be searched for.
        ignores_case: whether substring searches of every text attribute ignore case.
        password_attribute: where passwords are set by a modification, `""` for RFC 3062.
        binds_to_change: whether who must change the password can log in to do so.
        name_limit: the longest login name, in characters.
        not_in_names: characters that no login name may have.
        is_member, is_no_member: codes of adding a member that is there, removing one that is not.
        dynamic_classes: classes of groups whose members the server computes when they are read.
        second_value: what is said of adding a second value to an attribute that takes one.
        bind: what a refused bind says in the server's own way, the first that fits.
        proves: words that a bind says only after the right password.
        password: what a refused change of a password says.
        schema: the server's schema; empty where it cannot be read.
    """

    name: Literal["openldap", "389ds", "active_directory", "other"]
    title: str
    user_id: str = "entryUUID"
    binary_id: bool = False
    user_class: str = "inetOrgPerson"
    user_name: str = "uid"
    naming: str = "uid"
    new_user: tuple[tuple[str, str], ...] = (("cn", "{0}"), ("sn", "{0}"))
    people: str = "(objectClass={0})"
    role_class: str = "groupOfNames"
    role_name: str = "cn"
    custodian: str = "miLdapCustodian"
    epoch: str = "miLdapEpoch"
    own_classes: bool = True
    stamp: str = "modifyTimestamp"
    password_stamps: tuple[str, ...] = ("pwdChangedTime", "pwdReset")
    closing: tuple[str, ...] = ("pwdAccountLockedTime", "pwdStartTime", "pwdEndTime")
    is_closed: Callable[[Entry], bool] = field(default=lambda entry: False, repr=False)
    asserts: bool = False
    sync_unsupported_reason: str = (
        "this kind of directory is not known to tell of every change; where it is an OpenLDAP, "
        'user_store.profile = "openldap" would enable it'
    )
    empty_groups: bool = False
    by_guid: bool = False
    ignores_case: bool = False
    compares_without_rules: bool = False
    password_attribute: str = ""
    binds_to_change: bool = True
    name_limit: int | None = None
    not_in_names: str = ""
    dynamic_classes: tuple[str, ...] = ()
    is_member: frozenset[ResultCode] = frozenset({ResultCode.ATTRIBUTE_OR_VALUE_EXISTS})
    is_no_member: frozenset[ResultCode] = frozenset({ResultCode.NO_SUCH_ATTRIBUTE})
    second_value: tuple[ServerMessagePattern, ...] = (
        ServerMessagePattern(
            "", frozenset({ResultCode.CONSTRAINT_VIOLATION, ResultCode.ATTRIBUTE_OR_VALUE_EXISTS})
        ),
    )
    bind: tuple[ServerMessagePattern, ...] = ()
    proves: frozenset[str] = frozenset({"changeAfterReset", "passwordExpired"})
    password: tuple[ServerMessagePattern, ...] = ()
    schema: Schema = field(default_factory=Schema, repr=False)

    def shape(self, role_class: str, member: str | None) -> GroupSchema:
        """How groups of that class hold members, `member` where the settings name it."""
        shape = GROUP_SCHEMAS.get(role_class.lower(), GroupSchema("member"))
        by_name = shape.by_name if member is None else member.lower() == "memberuid"
        wants = shape.wants_a_member and not self.empty_groups
        return GroupSchema(member or shape.member, by_name, wants)


LOCKED_FOR_GOOD: Final = "000001010000Z"
"""`pwdAccountLockedTime` of an account that only an administrator opens (draft-behera §5.3.3)."""

_DISABLED = 2
"""ADS_UF_ACCOUNTDISABLE in `userAccountControl` ([MS-ADTS] §2.2.16)."""

_NEVER = (0, 0x7FFFFFFFFFFFFFFF)
_EPOCH_1601_S = 11_644_473_600
"""Active Directory counts tenths of microseconds since 1601."""


def _is_locked_for_good_or_over(entry: Entry) -> bool:
    now = time.strftime("%Y%m%d%H%M%SZ", time.gmtime())  # of one length: compares as a text
    starts_at, ends_at = entry.first("pwdStartTime"), entry.first("pwdEndTime")
    is_over = (starts_at or now) > now or (ends_at or now) < now
    return is_over or entry.first("pwdAccountLockedTime") == LOCKED_FOR_GOOD


def _is_inactivated(entry: Entry) -> bool:
    return (entry.first("nsAccountLock") or "").lower() == "true"


def _is_disabled_or_over(entry: Entry) -> bool:
    ends_at = _number(entry.first("accountExpires"))
    is_over = ends_at not in _NEVER and ends_at / 1e7 - _EPOCH_1601_S < time.time()
    return bool(_number(entry.first("userAccountControl")) & _DISABLED) or is_over


def _number(text: str | None) -> int:
    return int(text) if text and text.lstrip("-").isdecimal() else 0


OPENLDAP: Final = Profile(
    name="openldap",
    title="OpenLDAP",
    stamp="entryCSN",
    is_closed=_is_locked_for_good_or_over,
    asserts=True,
    sync_unsupported_reason="",
    dynamic_classes=("groupOfURLs", "labeledURIObject"),  # of the overlay dynlist
    bind=bind_conditions.OPENLDAP,
    password=(ServerMessagePattern(WRONG_PASSWORD, UNWILLING, "verify old password"),),
)

DS389: Final = Profile(
    name="389ds",
    title="389 Directory Server",
    user_id="nsUniqueId",
    password_stamps=("pwdUpdateTime",),
    closing=("nsAccountLock",),
    is_closed=_is_inactivated,
    # Content synchronization reads the retro changelog, which lacks the change of a client that
    # hung up before its answer.
    sync_unsupported_reason=(
        "389 Directory Server leaves changes out of what it tells, with any of its plugins, and "
        "nothing there would enable it"
    ),
    empty_groups=True,
    compares_without_rules=True,
    # Its RFC 3062 passes over the minimum age, and says less.
    password_attribute="userPassword",  # noqa: S106
    second_value=(
        ServerMessagePattern("", frozenset({ResultCode.OBJECT_CLASS_VIOLATION}), "single-valued"),
    ),
    bind=bind_conditions.DS389,
    password=(
        ServerMessagePattern("passwordInHistory", CONSTRAINT, "(?i)history"),
        ServerMessagePattern("passwordTooYoung", CONSTRAINT, "(?i)minimum age"),
        ServerMessagePattern("passwordTooShort", CONSTRAINT, "(?i)at least [0-9]+ characters long"),
        ServerMessagePattern(
            "insufficientPasswordQuality", CONSTRAINT, "(?i)invalid password|dictionary|palindrome"
        ),
        ServerMessagePattern("passwordModNotAllowed", UNWILLING, "(?i)not allowed to change"),
        ServerMessagePattern(WRONG_PASSWORD, frozenset({ResultCode.NO_SUCH_ATTRIBUTE})),
    ),
)

ACTIVE_DIRECTORY: Final = Profile(
    name="active_directory",
    title="Active Directory",
    user_id="objectGUID",
    binary_id=True,
    user_class="user",
    user_name="sAMAccountName",
    naming="cn",
    new_user=(("displayName", "{0}"), ("userAccountControl", "514")),
    # krbtgt is one of those that only "advanced" views show.
    people="(&(objectCategory=person)(objectClass={0})(!(showInAdvancedViewOnly=TRUE)))",
    role_class="group",
    custodian="adminDescription",
    epoch="adminDisplayName",
    own_classes=False,
    stamp="uSNChanged",
    password_stamps=("pwdLastSet",),
    closing=("userAccountControl", "accountExpires"),
    is_closed=_is_disabled_or_over,
    # Tombstones are shown to administrators alone, and so are entries that went out of sight.
    sync_unsupported_reason=(
        "Active Directory does not tell this account what was removed or went out of its sight, "
        "and no right that it should have would enable it"
    ),
    empty_groups=True,
    by_guid=True,
    ignores_case=True,
    compares_without_rules=True,
    password_attribute="unicodePwd",  # noqa: S106
    binds_to_change=False,
    name_limit=20,
    not_in_names='"/\\[]:;|=,+*?<>@',
    is_member=frozenset({ResultCode.ATTRIBUTE_OR_VALUE_EXISTS, ResultCode.ENTRY_ALREADY_EXISTS}),
    is_no_member=frozenset({ResultCode.NO_SUCH_ATTRIBUTE, ResultCode.UNWILLING_TO_PERFORM}),
    bind=bind_conditions.ACTIVE_DIRECTORY,
    proves=frozenset({"changeAfterReset", "passwordExpired", ACCOUNT_DISABLED}),
    password=(
        ServerMessagePattern(WRONG_PASSWORD, CONSTRAINT, "00000056"),
        # Samba tells more than Active Directory, whose 0000052D may be any of these.
        ServerMessagePattern("passwordTooShort", CONSTRAINT, "too short"),
        ServerMessagePattern("passwordInHistory", CONSTRAINT, "already used"),
        ServerMessagePattern("passwordTooYoung", CONSTRAINT, "too young"),
        ServerMessagePattern("insufficientPasswordQuality", CONSTRAINT, "complexity"),
        ServerMessagePattern("passwordModNotAllowed", CONSTRAINT, "module acl"),
        ServerMessagePattern(AGAINST_POLICY, CONSTRAINT | UNWILLING, "0000052D"),
    ),
)

OTHER: Final = Profile(name="other", title="an LDAP directory")

PROFILES: Final = {each.name: each for each in (OPENLDAP, DS389, ACTIVE_DIRECTORY, OTHER)}

_ACTIVE_DIRECTORY_OID = "1.2.840.113556.1.4.800"
_TELLING = (
    "objectClass",
    "vendorName",
    "vendorVersion",
    "supportedCapabilities",
    "subschemaSubentry",
)


def found_in(session: LdapConnection, configured: str) -> Profile:
    """The profile of the server, as its root DSE tells, or as it is configured.

    Args:
        session: any session; most servers tell everybody.
        configured: `user_store.profile`, `"auto"` for what is found.
    """
    root = session.read("", "(objectClass=*)", _TELLING) or Entry("", {})
    told = _told_by(root)
    profile = PROFILES[configured] if configured in PROFILES else told or _unknown()
    offered = replace(
        profile,
        # Configured as another kind it tells no more than it does.
        sync_unsupported_reason=profile.sync_unsupported_reason
        or (told.sync_unsupported_reason if told else ""),
        schema=_schema(session, root),
    )
    log.info(
        "directory_found",
        profile=offered.name,
        version=root.first("vendorVersion") or "",
        configured=configured in PROFILES,
    )
    return offered


def _schema(session: LdapConnection, root: Entry) -> Schema:
    """Read the schema; return an empty one where the account may not read it."""
    where = root.first("subschemaSubentry")
    try:
        wanted = ("attributeTypes", "objectClasses")
        entry = session.read(where, "(objectClass=*)", wanted) if where else None
    except LdapError:
        entry = None
    if entry is None:
        return Schema()
    return Schema.from_definitions(entry.all("attributeTypes"), entry.all("objectClasses"))


def _told_by(root: Entry) -> Profile | None:
    if _ACTIVE_DIRECTORY_OID in root.all("supportedCapabilities"):
        return ACTIVE_DIRECTORY
    if (root.first("vendorVersion") or "").startswith("389-Directory/"):
        return DS389
    if "OpenLDAProotDSE" in root.all("objectClass"):
        return OPENLDAP
    return None


def _unknown() -> Profile:
    log.warning("directory_unknown", hint="set user_store.profile if it is one of the known ones")
    return OTHER
