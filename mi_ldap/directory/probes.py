"""What the doctor asks of a server, and no request does: one address alone, and harmless probes.

A probe is a change that cannot be made, so that the server's refusal tells whether it was the right
that was missing. Which refusals are truthful was measured, each with an account that has the right
and one that has not:

* Deleting a value that is not there: 16 with the right to write the attribute, 50 without, on
  OpenLDAP 2.5 and 389 Directory Server 2.3, for `userPassword` as well.
* Renaming an entry to below a superior that does not exist, on OpenLDAP: 32 with the right to write
  the entry and its parent's `children`, which making and removing entries needs too, 50 without.
* The same below a superior that is there, by a name that no class of the entry allows: 65 with the
  right to add to that superior's `children`, 50 without.
* An assertion that is false (122), a new entry that exists (68) or lacks an attribute (65) prove
  nothing: OpenLDAP says so before it looks at rights.
* 389 tells what an account may do to an entry, or to one of a class that is still to be made, by
  the control "get effective rights" (draft-ietf-ldapext-acl-model-08); Active Directory by the
  attributes `allowedAttributesEffective` and `allowedChildClassesEffective` ([MS-ADTS] §3.1.1.4.5).
"""

from __future__ import annotations

import re
import secrets
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.layout.profiles import Profile
from mi_ldap.ldap import content_sync, requests, srv
from mi_ldap.ldap import controls as ctl
from mi_ldap.ldap.connection import Entry, LdapConnection, LdapError, RawSearchResult, SearchRequest
from mi_ldap.ldap.connection_pool import Account, Connector
from mi_ldap.ldap.operations import Modification, Modify, Operation, Rename
from mi_ldap.ldap.result_codes import ResultCode

if TYPE_CHECKING:
    from mi_ldap.directory import DirectoryConfig, DirectoryStore

_OWN_NAME = re.compile(r"(?:\\.|[^\\,])+")


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """What a store was made with, to look at its servers one by one.

    Attributes:
        lay_out: how a directory of a kind is laid out.
        admin_role: the name of the admin role's group.
    """

    access: DirectoryConfig
    build_layout: Callable[[Profile], DirectoryLayout]
    admin_role: str

    def urls(self) -> tuple[str, ...]:
        """Every address, those that DNS names among them.

        Raises:
            DirectoryUnavailable: none is known.
        """
        return srv.Addresses(self.access.address.urls)()

    def session(self, url: str) -> LdapConnection:
        """A session of the service's account with that server, opened as the service would.

        Raises:
            DirectoryUnavailable: in one sentence why not; `refusal_behind` knows the answer.
        """
        account = Account(self.access.account_dn, self.access.password)
        return Connector(self.access.address, account, lambda operation: None).connect_to(
            url, quiet=True
        )


def probe_target_of(store: DirectoryStore) -> ProbeTarget:
    """The bench for the servers of that store."""
    return ProbeTarget(store.access, store.build_layout, store.admin_role_name)


def refusal_behind(error: BaseException | None) -> LdapError | None:
    """The server's own answer among the causes of an error; None where it gave none."""
    while error is not None and not isinstance(error, LdapError):
        error = error.__cause__
    return error


def certificate_ends_at(session: LdapConnection) -> datetime | None:
    """Until when the server's certificate is good (RFC 5280 §4.1.2.5); None without TLS."""
    certificate = session.certificate()
    if certificate is None:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)


# Searches that the store does not make


def look(
    session: LdapConnection,
    base_dn: str,
    ldap_filter: str = "(objectClass=*)",
    attributes: Sequence[str] = ("1.1",),
    *,
    base_only: bool = True,
    at_most: int = 0,
    control: ctl.Control | None = None,
) -> RawSearchResult:
    """One search without pages; whatever the server answers is an answer.

    Args:
        session: whose rights are used.
        base_dn: where.
        ldap_filter: what.
        attributes: of each entry.
        base_only: whether that entry alone.
        at_most: so many entries, 0 for all.
        control: sent along.
    """
    search = SearchRequest(
        base_dn,
        ldap_filter,
        attributes,
        base_only,
        at_most,
        controls=(control,) if control else (),
        # 389 returns the effective rights for a new entry under a DN that is not below the base.
        may_leave_base=control is not None and control.type is ctl.EFFECTIVE_RIGHTS,
    )
    return session.search_once(search)


def is_missing(session: LdapConnection, dn: str) -> bool:
    """Whether there is no entry of that name, as far as the server can prove it.

    For an entry that this account may not see OpenLDAP and 389 answer as for none, but name no
    entry above it that is there. What they do not name is not missing.
    """
    given = look(session, dn)
    return given.code == ResultCode.NO_SUCH_OBJECT and bool(given.matched_dn)


# Probes


def code_of_deleting_nothing(
    session: LdapConnection, dn: str, attribute: str, base_dn: str, *, whose: str = ""
) -> ResultCode:
    """What the server answers to the removal of a value that no entry has.

    Args:
        session: whose rights are tried.
        dn: the entry, left as it is.
        attribute: 16 where the account may write it, 50 where not.
        base_dn: what a value that is a DN lies below.
        whose: the DN of somebody else in whose name it is tried (RFC 4370); 123 where that is not
            allowed.
    """
    nothing = f"cn=mi-ldap-doctor-{secrets.token_hex(8)},{base_dn}"
    values = (nothing,) if holds_dns(attribute) else (_plain(attribute),)
    controls = [ctl.PROXIED_AUTHORIZATION.with_value(f"dn:{whose}".encode())] if whose else []
    return _code(session, Modify(dn, (Modification("delete", attribute, values),)), *controls)


def code_of_moving_nowhere(session: LdapConnection, dn: str, base_dn: str) -> ResultCode:
    """What OpenLDAP answers to moving the entry below one that is not there: 32, or 50."""
    nowhere = f"ou=mi-ldap-doctor-{secrets.token_hex(8)},{base_dn}"
    return _code(session, Rename(dn, f"cn=mi-ldap-doctor-{secrets.token_hex(8)}", nowhere))


def split_dn(dn: str) -> tuple[str, str]:
    r"""The entry's own name, and what it lies in: `\,` does not part them."""
    own = _OWN_NAME.match(dn)
    return (own[0], dn[own.end() + 1 :]) if own else (dn, "")


def code_of_moving_misnamed(session: LdapConnection, dn: str, place: str) -> ResultCode:
    """What OpenLDAP answers to moving the entry to `place`, by a name it can't have: 65, or 50."""
    return _code(session, Rename(dn, f"objectClass={_NO_USERS_CLASS}", place))


def effective_rights(
    session: LdapConnection, dn: str, attributes: Sequence[str], account_dn: str
) -> list[Entry]:
    """The entry with `entryLevelRights` and `attributeLevelRights`, and one for each template.

    Args:
        session: who asks.
        dn: the entry.
        attributes: attributes, or `"*@person:cn"` for an entry that is still to be made.
        account_dn: whose rights.
    """
    control = ctl.EFFECTIVE_RIGHTS.with_value(f"dn:{account_dn}".encode())
    return look(session, dn, attributes=attributes, control=control).entries


def _code(session: LdapConnection, operation: Operation, *controls: ctl.Control) -> ResultCode:
    try:
        session.do(operation, *controls)
    except LdapError as refused:
        return refused.code
    return ResultCode.SUCCESS


_DN_VALUED = frozenset(
    {"member", "uniquemember", "manager", "secretary", "seealso", "owner", "pwdpolicysubentry"}
)


_NO_USERS_CLASS = "subschema"
"""A class that every server knows and neither users nor groups have (RFC 4512 §4.2)."""


def holds_dns(attribute: str) -> bool:
    """Whether the attribute's values are DNs, as far as it is one that is used here."""
    return attribute.lower() in _DN_VALUED


def _plain(attribute: str) -> str:
    """A value that the attribute's syntax allows and no entry has."""
    text = f"mi-ldap-doctor-{secrets.token_hex(8)}"
    return _NO_USERS_CLASS if attribute.lower() == "objectclass" else text


def tells_changes(session: LdapConnection, tree: DirectoryLayout) -> bool:
    """Whether the account may ask what has changed (RFC 4533); the session is good for no more."""
    nobody = requests.equals(tree.user_id, "00000000-0000-0000-0000-000000000000")
    search = content_sync.SyncSearch(
        tree.user_bases[0], nobody, ["1.1"], content_sync.IgnoreChanges()
    )
    try:
        return content_sync.Poller([search]).poll(session)
    except LdapError:
        return False
