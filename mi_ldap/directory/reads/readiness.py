"""Checks that the service's account can read what the service needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import structlog

from mi_ldap.directory.layout.directory_layout import HYBRID_MEMBER, DirectoryLayout
from mi_ldap.directory.reads.searches import Searches
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.ldap import names
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.result_codes import LdapError, ResultCode

log = structlog.get_logger()

_ANYTHING: Final = "(objectClass=*)"


def check(searches: Searches, admin_role: str) -> None:
    """Check that the bases, the id of one user in each, and the admin role's id can be read.

    Args:
        searches: with the service's account.
        admin_role: the name of the admin role's group.

    Raises:
        DirectoryUnavailable: a base or an attribute is missing, or the account may not read the
            entries below a base.
        IdUnreadable: the account may not read an id, so that logins or admins are refused.
    """
    layout = searches.layout
    _ensure_attributes_known(layout)
    some_user = layout.user_list_filter
    _ensure_readable(searches, layout.user_bases, some_user, "user_store.user_search_base")
    if layout.reads_roles:
        named = names.filter_for(layout.role_filter, admin_role)
        ldap_filter = f"(&{layout.role_list_filter}{named})"
        _ensure_readable(searches, layout.role_bases, ldap_filter, "user_store.group_search_base")
    if layout.hybrid_role_base:
        base = [layout.hybrid_role_base]
        _ensure_readable(searches, base, layout.role_list_filter, "user_store.hybrid_role_base")


def _ensure_attributes_known(layout: DirectoryLayout) -> None:
    """Check that the server's schema has the configured attributes.

    Raises:
        DirectoryUnavailable: one of them is missing.
    """
    # A condition on an unknown attribute is Undefined (RFC 4511 §4.5.1.7): every list would be
    # empty, without an error.
    schema = layout.profile.schema
    configured = {"user_name_attribute": layout.user_name}
    if layout.reads_roles:
        configured |= {
            "group_name_attribute": layout.role_name,
            "membership_attribute": layout.member,
        }
    if layout.hybrid_role_base and layout.own_classes:
        configured["hybrid_role_base"] = HYBRID_MEMBER
    for key, attribute in configured.items():
        if schema.attributes and not schema.knows(attribute):
            raise DirectoryUnavailable(
                f"The directory's schema has no attribute {attribute}: see user_store.{key}."
            )


def _ensure_readable(searches: Searches, bases: Sequence[str], ldap_filter: str, key: str) -> None:
    """Check that each base exists, and that an id below it can be read; `key` is its setting."""
    layout = searches.layout
    with searches.connection() as connection:
        for base_dn in bases:
            try:
                entry = connection.first(base_dn, ldap_filter, [layout.user_id])
            except LdapError as error:
                if error.code != ResultCode.NO_SUCH_OBJECT:
                    raise
                log.error("search_base_not_found", base=base_dn, key=key)
                raise DirectoryUnavailable(
                    f"A search base does not exist, or the account may not see it: see {key}."
                ) from error
            if entry:
                layout.id_of(entry)
            else:
                _ensure_not_hidden(connection, base_dn, key)


def _ensure_not_hidden(connection: LdapConnection, base_dn: str, key: str) -> None:
    """Check that a base below which nothing was found is really empty.

    Raises:
        DirectoryUnavailable: the account may not read the base, or any entry below it.
    """
    # A server omits entries that the account may not read, without an error. The base's own
    # hasSubordinates (X.501), and numSubordinates of 389 DS, count these entries too.
    base = connection.read(base_dn, _ANYTHING, ["hasSubordinates", "numSubordinates"])
    if base is not None:
        is_parent = (base.first("hasSubordinates") or "").upper() == "TRUE"
        has_others = is_parent or (base.first("numSubordinates") or "0") != "0"
        if not has_others or len(connection.some(base_dn, _ANYTHING, ["1.1"], 2)) > 1:
            return
    log.error("search_base_hidden", base=base_dn, key=key)
    raise DirectoryUnavailable(
        f"The service's account can't see the entries below a search base: see {key}."
    )
