"""Detection of the kind of a directory server, by its root DSE (RFC 4512 §5.1)."""

from __future__ import annotations

from dataclasses import replace

import structlog

from mi_ldap.directory.layout.profiles import (
    ACTIVE_DIRECTORY,
    DS389,
    OPENLDAP,
    OTHER,
    PROFILES,
    Profile,
)
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.messages import Entry
from mi_ldap.ldap.result_codes import LdapError
from mi_ldap.ldap.schema import Schema

log = structlog.get_logger()

_ACTIVE_DIRECTORY_OID = "1.2.840.113556.1.4.800"
_ROOT_DSE_ATTRIBUTES = (
    "objectClass",
    "vendorName",
    "vendorVersion",
    "supportedCapabilities",
    "subschemaSubentry",
)


def detect_profile(connection: LdapConnection, configured: str) -> Profile:
    """Return the configured profile, or the one that the root DSE indicates, with the schema.

    Args:
        connection: of any account; most servers let everybody read the root DSE.
        configured: `user_store.profile`; `"auto"` to detect it.

    Raises:
        LdapError: the server rejected the read.
    """
    root = connection.read("", "(objectClass=*)", _ROOT_DSE_ATTRIBUTES) or Entry("", {})
    detected = _detected(root)
    profile = PROFILES[configured] if configured in PROFILES else detected or _unknown()
    profile_found = replace(
        profile,
        # A 389 DS that is configured as "openldap" still can't be replicated.
        sync_unsupported_reason=profile.sync_unsupported_reason
        or (detected.sync_unsupported_reason if detected else ""),
        schema=_schema(connection, root),
    )
    log.info(
        "directory_found",
        profile=profile_found.name,
        version=root.first("vendorVersion") or "",
        configured=configured in PROFILES,
    )
    return profile_found


def _schema(connection: LdapConnection, root: Entry) -> Schema:
    """Read the schema; return an empty one where the account may not read it."""
    where = root.first("subschemaSubentry")
    try:
        attributes = ("attributeTypes", "objectClasses")
        entry = connection.read(where, "(objectClass=*)", attributes) if where else None
    except LdapError:
        entry = None
    if entry is None:
        return Schema()
    return Schema.from_definitions(entry.all("attributeTypes"), entry.all("objectClasses"))


def _detected(root: Entry) -> Profile | None:
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
