"""Probes of a single server for the doctor: connections to one address, and tests of rights.

A probe is a change that the server must reject. The result code shows whether it was rejected for
lack of a right. Each probe was tested with an account that has the right and with one that lacks
it; see the functions for the servers and versions.

389 Directory Server also reports rights by the control "get effective rights"
(draft-ietf-ldapext-acl-model-08), and Active Directory by the attributes
`allowedAttributesEffective` and `allowedChildClassesEffective` ([MS-ADTS] §3.1.1.4.5).
"""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from mi_ldap.directory.config import DirectoryConfig
from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.layout.profiles import Profile
from mi_ldap.ldap import content_sync, requests, srv
from mi_ldap.ldap import controls as ctl
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.connection_pool import Account, Connector
from mi_ldap.ldap.messages import Entry
from mi_ldap.ldap.operations import Modification, Modify, Operation, Rename
from mi_ldap.ldap.result_codes import LdapError, ResultCode
from mi_ldap.ldap.search import RawSearchResult, SearchRequest

_DN_VALUED = frozenset(
    {"member", "uniquemember", "manager", "secretary", "seealso", "owner", "pwdpolicysubentry"}
)

_NO_USERS_CLASS = "subschema"
"""A class that every server has and that no user or group has (RFC 4512 §4.2)."""


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """The configuration of a store, for connections to each of its servers.

    Attributes:
        build_layout: returns the layout for a kind of server.
        admin_role: the name of the admin role's group.
    """

    config: DirectoryConfig
    build_layout: Callable[[Profile], DirectoryLayout]
    admin_role: str

    def urls(self) -> tuple[str, ...]:
        """Return the URLs of all servers, including those found by DNS SRV (RFC 2782).

        Raises:
            DirectoryUnavailable: there are none.
        """
        return srv.Addresses(self.config.address.urls)()

    def connect(self, url: str) -> LdapConnection:
        """Connect to the server and bind as the service's account.

        Raises:
            DirectoryUnavailable: it failed; `ldap_error_behind` returns the server's response.
        """
        account = Account(self.config.account_dn, self.config.password)
        return Connector(self.config.address, account, lambda operation: None).connect_to(
            url, quiet=True
        )


def ldap_error_behind(error: BaseException | None) -> LdapError | None:
    """Return the LDAP error among the causes of an error; None if the server sent none."""
    while error is not None and not isinstance(error, LdapError):
        error = error.__cause__
    return error


def certificate_ends_at(connection: LdapConnection) -> datetime | None:
    """Return when the server's certificate expires (RFC 5280 §4.1.2.5); None without TLS."""
    certificate = connection.certificate()
    if certificate is None:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)


# Searches that the store does not make


def search_raw(
    connection: LdapConnection,
    base_dn: str,
    ldap_filter: str = "(objectClass=*)",
    attributes: Sequence[str] = ("1.1",),
    *,
    base_only: bool = True,
    size_limit: int = 0,
    control: ctl.Control | None = None,
) -> RawSearchResult[Entry]:
    """Search once, without paging; return any result code instead of raising an error.

    Args:
        connection: of the account whose rights apply.
        base_dn: the base of the search.
        ldap_filter: the condition.
        attributes: to return of each entry.
        base_only: whether to search only the base entry, not its subtree.
        size_limit: the maximum number of entries; 0 for no limit.
        control: to send with the search.
    """
    search = SearchRequest(
        base_dn,
        ldap_filter,
        attributes,
        base_only,
        size_limit,
        controls=(control,) if control else (),
        # 389 DS returns the effective rights for a new entry under a DN outside the base.
        may_leave_base=control is not None and control.type is ctl.EFFECTIVE_RIGHTS,
    )
    return connection.search_once(search)


def is_missing(connection: LdapConnection, dn: str) -> bool:
    """Whether the server proves that there is no entry at the DN.

    OpenLDAP and 389 DS also return noSuchObject (32) for an entry that the account may not see, but
    then without `matchedDN` (RFC 4511 §4.1.9).
    """
    result = search_raw(connection, dn)
    return result.code == ResultCode.NO_SUCH_OBJECT and bool(result.matched_dn)


# Probes
#
# A false assertion (122), an added entry that exists (68) or lacks an attribute (65) make no
# probes: OpenLDAP 2.5 reports these before it checks the account's rights.


def probe_value_deletion(
    connection: LdapConnection, dn: str, attribute: str, base_dn: str, *, proxied_dn: str = ""
) -> ResultCode:
    """Return the result code for the deletion of a value that the entry does not have.

    On OpenLDAP 2.5 and 389 DS 2.3 it is 16 if the account may write the attribute and 50 if not,
    for `userPassword` as well.

    Args:
        connection: of the account whose right is tested.
        dn: the entry, which is not changed.
        attribute: the attribute whose value is deleted.
        base_dn: the superior of the value, if values of the attribute are DNs.
        proxied_dn: the DN of another account that it is tried as (RFC 4370); the result is 123 if
            proxied authorization is not allowed.
    """
    absent_value = f"cn=mi-ldap-doctor-{secrets.token_hex(8)},{base_dn}"
    values = (absent_value,) if is_dn_valued(attribute) else (_value_of_no_entry(attribute),)
    controls = []
    if proxied_dn:
        controls.append(ctl.PROXIED_AUTHORIZATION.with_value(f"dn:{proxied_dn}".encode()))
    return _code(connection, Modify(dn, (Modification("delete", attribute, values),)), *controls)


def probe_move_to_missing_parent(connection: LdapConnection, dn: str, base_dn: str) -> ResultCode:
    """Return the result code for a move of the entry below a superior that does not exist.

    On OpenLDAP 2.5 it is 32 if the account may write the entry and its parent's `children`, which
    adding and deleting entries requires too, and 50 if not.
    """
    missing_parent = f"ou=mi-ldap-doctor-{secrets.token_hex(8)},{base_dn}"
    return _code(
        connection, Rename(dn, f"cn=mi-ldap-doctor-{secrets.token_hex(8)}", missing_parent)
    )


def probe_move_with_invalid_rdn(connection: LdapConnection, dn: str, superior: str) -> ResultCode:
    """Return the result code for a move of the entry below `superior`, with an RDN it can't have.

    On OpenLDAP 2.5 it is 65 if the account may add entries below the superior (a right on its
    `children`), and 50 if not.
    """
    return _code(connection, Rename(dn, f"objectClass={_NO_USERS_CLASS}", superior))


def effective_rights(
    connection: LdapConnection, dn: str, attributes: Sequence[str], account_dn: str
) -> list[Entry]:
    """Return the entry with `entryLevelRights` and `attributeLevelRights`, and one per template.

    Args:
        connection: of an account that may use the control of 389 DS.
        dn: the entry.
        attributes: attributes, or a template `"*@person:cn"` for a new entry.
        account_dn: the account whose rights are returned.
    """
    control = ctl.EFFECTIVE_RIGHTS.with_value(f"dn:{account_dn}".encode())
    return search_raw(connection, dn, attributes=attributes, control=control).entries


def _code(connection: LdapConnection, operation: Operation, *controls: ctl.Control) -> ResultCode:
    try:
        connection.do(operation, *controls)
    except LdapError as error:
        return error.code
    return ResultCode.SUCCESS


def is_dn_valued(attribute: str) -> bool:
    """Whether the values of one of the attributes that the doctor tests are DNs."""
    return attribute.lower() in _DN_VALUED


def _value_of_no_entry(attribute: str) -> str:
    """Return a value that the attribute's syntax allows and no entry has."""
    text = f"mi-ldap-doctor-{secrets.token_hex(8)}"
    return _NO_USERS_CLASS if attribute.lower() == "objectclass" else text


def can_synchronize(connection: LdapConnection, layout: DirectoryLayout) -> bool:
    """Whether the account may use content synchronization (RFC 4533).

    The connection must not be used afterwards.
    """
    no_entry = requests.equals(layout.user_id, "00000000-0000-0000-0000-000000000000")
    search = content_sync.SyncSearch(
        layout.user_bases[0], no_entry, ["1.1"], content_sync.IgnoreChanges()
    )
    try:
        return content_sync.Poller([search]).poll(connection)
    except LdapError:
        return False
