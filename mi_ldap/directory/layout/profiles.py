"""Profiles: the differences between kinds of directory servers, as data.

Tested with OpenLDAP 2.5.13, 389 Directory Server 2.3.1 and Samba 4.17 (for Active Directory). The
specifications are RFC 4511, RFC 4512 §5.1 (the root DSE) and [MS-ADTS].
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from mi_ldap.ldap import bind_conditions
from mi_ldap.ldap.bind_conditions import (
    ACCOUNT_DISABLED,
    AGAINST_POLICY,
    CONSTRAINT,
    UNWILLING,
    WRONG_PASSWORD,
    ServerMessagePattern,
)
from mi_ldap.ldap.messages import Entry
from mi_ldap.ldap.result_codes import ResultCode
from mi_ldap.ldap.schema import Schema


@dataclass(frozen=True, slots=True)
class GroupSchema:
    """How groups of an object class store their members.

    Attributes:
        member: the attribute.
        by_name: whether its values are names of users (RFC 2307), not DNs (RFC 4519).
        requires_member: whether the server rejects a group of the class without a member.
    """

    member: str
    by_name: bool = False
    requires_member: bool = False


GROUP_SCHEMAS: Final = {
    "groupofnames": GroupSchema("member", requires_member=True),  # RFC 4519 §3.5
    "groupofuniquenames": GroupSchema("uniqueMember", requires_member=True),  # RFC 4519 §3.6
    "groupofmembers": GroupSchema("member"),  # draft-howard-rfc2307bis
    "posixgroup": GroupSchema("memberUid", by_name=True),  # RFC 2307 §3
    "group": GroupSchema("member"),  # Active Directory
}


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of directory server. Each setting of `[user_store]` overrides its default here.

    Attributes:
        name: as in `user_store.profile`.
        title: the name of the product.
        user_id: the attribute with the immutable id.
        binary_id: whether that is a GUID of 16 bytes, little endian ([MS-DTYP] §2.3.4).
        user_class: the structural class of users.
        user_name: the attribute with the login name.
        rdn_attribute: the attribute in the RDN of a new user.
        new_user: more attributes of a new user; `{0}` stands for the name.
        list_filter: the filter that finds all users; `{0}` stands for the class.
        role_class: the structural class of groups.
        role_name: the attribute with the name of a group.
        custodian, epoch: attributes of `config/schema`, or existing ones that are unused.
        own_classes: whether these attributes require the auxiliary classes of `config/schema`.
        stamp: the attribute that every change of an entry replaces.
        password_stamps: attributes that change with the password, whoever changes it.
        disabling_attributes: the attributes that `is_disabled` reads.
        is_disabled: whether an administrator has disabled the account, or it has expired.
        supports_assertions: whether operations can have an assertion control (RFC 4528).
        can_pipeline: whether the server answers searches that are sent together without delay.
        sync_unsupported_reason: why content synchronization (RFC 4533) omits changes, and what
            would enable it, as a clause without confidential data; `""` if it is complete.
        allows_empty_groups: whether groups of every class may have no member.
        addresses_by_guid: whether `<GUID=…>` is accepted as a DN.
        compares_without_rules: whether filters match attributes without an EQUALITY rule.
        ignores_case: whether substring filters on every text attribute ignore case.
        password_attribute: the attribute that sets the password; `""` for RFC 3062.
        can_bind_to_change: whether a user who must change the password can bind to do so.
        name_limit: the maximum length of a login name, in characters.
        forbidden_in_names: characters that are not allowed in login names.
        already_member_codes, not_member_codes: result codes for adding a member that exists, and
            for removing one that does not.
        dynamic_classes: classes of groups whose members the server computes when they are read.
        second_value_errors: errors for a second value of a single-valued attribute.
        bind: messages of refused binds; the first that matches applies.
        conditions_after_password: conditions that the server reports only after the correct
            password.
        password: messages of rejected password changes.
        schema: the server's schema; empty if it can't be read.
    """

    name: Literal["openldap", "389ds", "active_directory", "other"]
    title: str
    user_id: str = "entryUUID"
    binary_id: bool = False
    user_class: str = "inetOrgPerson"
    user_name: str = "uid"
    rdn_attribute: str = "uid"
    new_user: tuple[tuple[str, str], ...] = (("cn", "{0}"), ("sn", "{0}"))
    list_filter: str = "(objectClass={0})"
    role_class: str = "groupOfNames"
    role_name: str = "cn"
    custodian: str = "miLdapCustodian"
    epoch: str = "miLdapEpoch"
    own_classes: bool = True
    stamp: str = "modifyTimestamp"
    password_stamps: tuple[str, ...] = ("pwdChangedTime", "pwdReset")
    disabling_attributes: tuple[str, ...] = ("pwdAccountLockedTime", "pwdStartTime", "pwdEndTime")
    is_disabled: Callable[[Entry], bool] = field(default=lambda entry: False, repr=False)
    supports_assertions: bool = False
    can_pipeline: bool = True
    sync_unsupported_reason: str = (
        "this kind of server is not known to report every change; if it is OpenLDAP, set "
        'user_store.profile = "openldap"'
    )
    allows_empty_groups: bool = False
    addresses_by_guid: bool = False
    ignores_case: bool = False
    compares_without_rules: bool = False
    password_attribute: str = ""
    can_bind_to_change: bool = True
    name_limit: int | None = None
    forbidden_in_names: str = ""
    dynamic_classes: tuple[str, ...] = ()
    already_member_codes: frozenset[ResultCode] = frozenset({ResultCode.ATTRIBUTE_OR_VALUE_EXISTS})
    not_member_codes: frozenset[ResultCode] = frozenset({ResultCode.NO_SUCH_ATTRIBUTE})
    second_value_errors: tuple[ServerMessagePattern, ...] = (
        ServerMessagePattern(
            "", frozenset({ResultCode.CONSTRAINT_VIOLATION, ResultCode.ATTRIBUTE_OR_VALUE_EXISTS})
        ),
    )
    bind: tuple[ServerMessagePattern, ...] = ()
    conditions_after_password: frozenset[str] = frozenset({"changeAfterReset", "passwordExpired"})
    password: tuple[ServerMessagePattern, ...] = ()
    schema: Schema = field(default_factory=Schema, repr=False)

    def group_schema(self, role_class: str, member: str | None) -> GroupSchema:
        """Return the schema of a group class; `member` is the configured attribute, if any."""
        group_schema = GROUP_SCHEMAS.get(role_class.lower(), GroupSchema("member"))
        by_name = group_schema.by_name if member is None else member.lower() == "memberuid"
        requires = group_schema.requires_member and not self.allows_empty_groups
        return GroupSchema(member or group_schema.member, by_name, requires)


LOCKED_PERMANENTLY: Final = "000001010000Z"
"""`pwdAccountLockedTime` if only an administrator can unlock the account (draft-behera §5.3.3)."""

_DISABLED = 2
"""ADS_UF_ACCOUNTDISABLE in `userAccountControl` ([MS-ADTS] §2.2.16)."""

_NEVER = (0, 0x7FFFFFFFFFFFFFFF)
_EPOCH_1601_S = 11_644_473_600
"""Seconds from 1601 to 1970: Active Directory counts units of 100 ns since 1601."""


def _is_locked_or_expired(entry: Entry) -> bool:
    now = time.strftime("%Y%m%d%H%M%SZ", time.gmtime())  # fixed length: text order is time order
    starts_at, ends_at = entry.first("pwdStartTime"), entry.first("pwdEndTime")
    is_over = (starts_at or now) > now or (ends_at or now) < now
    return is_over or entry.first("pwdAccountLockedTime") == LOCKED_PERMANENTLY


def _is_inactivated(entry: Entry) -> bool:
    return (entry.first("nsAccountLock") or "").lower() == "true"


def _is_disabled_or_expired(entry: Entry) -> bool:
    ends_at = _number(entry.first("accountExpires"))
    is_over = ends_at not in _NEVER and ends_at / 1e7 - _EPOCH_1601_S < time.time()
    return bool(_number(entry.first("userAccountControl")) & _DISABLED) or is_over


def _number(text: str | None) -> int:
    return int(text) if text and text.lstrip("-").isdecimal() else 0


OPENLDAP: Final = Profile(
    name="openldap",
    title="OpenLDAP",
    stamp="entryCSN",
    is_disabled=_is_locked_or_expired,
    supports_assertions=True,
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
    disabling_attributes=("nsAccountLock",),
    is_disabled=_is_inactivated,
    # 389 DS 2.3.1: content synchronization reads the retro changelog, which lacks the change of a
    # client that closed its connection before the response: 9 of 148 such changes, 7 of 149. It
    # also omits entries that no longer match the filter, every deletion after the 50th between two
    # polls, and trimmed changes, although the cookie is accepted. With four writers 5 of 3,125
    # polls missed a change whose client had the response: its entry was deleted when the plugin
    # read it. The changelog itself lacks the same changes. The USN plugin counts all changes, but a
    # deleted entry is a tombstone that the account can't see, and an entry that moves out of the
    # visible tree leaves nothing. An account that is disabled by a role (nsAccountLock of a class
    # of service) is disabled without a change of its entry.
    sync_unsupported_reason=(
        "389 Directory Server does not report every change with any of its plugins, and no setting "
        "would enable it"
    ),
    # 389 DS 2.3.1: of searches that are sent together many are answered 100 ms late, or a multiple,
    # with and without TLS, and with nsslapd-enable-turbo-mode off. One takes 0.4 ms.
    can_pipeline=False,
    allows_empty_groups=True,
    compares_without_rules=True,
    # 389 DS 2.3.1: the password-modify operation (RFC 3062) ignores the policy's minimum age, and
    # its messages are less exact.
    password_attribute="userPassword",  # noqa: S106
    second_value_errors=(
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
    rdn_attribute="cn",
    new_user=(("displayName", "{0}"), ("userAccountControl", "514")),
    # Excludes krbtgt and other accounts of the system.
    list_filter="(&(objectCategory=person)(objectClass={0})(!(showInAdvancedViewOnly=TRUE)))",
    role_class="group",
    custodian="adminDescription",
    epoch="adminDisplayName",
    own_classes=False,
    stamp="uSNChanged",
    password_stamps=("pwdLastSet",),
    disabling_attributes=("userAccountControl", "accountExpires"),
    is_disabled=_is_disabled_or_expired,
    # Samba 4.17 (Windows was not tested): only administrators see tombstones, and an entry that
    # moves out of the visible tree leaves nothing; highestCommittedUSN shows that something in the
    # domain has changed, not what. uSNChanged of a group does not change when a member is renamed,
    # moved or deleted. DirSync requires the right Replicating Directory Changes (else code 50),
    # which lets the account read the whole domain; with the account's own rights it reports neither
    # deletions nor entries that move out of the visible tree.
    sync_unsupported_reason=(
        "Active Directory does not report deletions and moves to this account, and no right that "
        "it should have would enable it"
    ),
    allows_empty_groups=True,
    addresses_by_guid=True,
    ignores_case=True,
    compares_without_rules=True,
    password_attribute="unicodePwd",  # noqa: S106
    can_bind_to_change=False,
    name_limit=20,
    forbidden_in_names='"/\\[]:;|=,+*?<>@',
    already_member_codes=frozenset(
        {ResultCode.ATTRIBUTE_OR_VALUE_EXISTS, ResultCode.ENTRY_ALREADY_EXISTS}
    ),
    not_member_codes=frozenset({ResultCode.NO_SUCH_ATTRIBUTE, ResultCode.UNWILLING_TO_PERFORM}),
    bind=bind_conditions.ACTIVE_DIRECTORY,
    conditions_after_password=frozenset({"changeAfterReset", "passwordExpired", ACCOUNT_DISABLED}),
    password=(
        ServerMessagePattern(WRONG_PASSWORD, CONSTRAINT, "00000056"),
        # Samba's messages name the rule; Active Directory returns 0000052D for any of them.
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
