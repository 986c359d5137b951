"""Whether reads can be answered from memory (RFC 4533), and what that requires."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mi_ldap.checks.context import CheckContext
from mi_ldap.checks.findings import Finding
from mi_ldap.directory.probes import can_synchronize
from mi_ldap.directory.replica import coverage
from mi_ldap.directory.replica.reasons import ReplicationUnavailable, why_not_replicated
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.names import rdn_and_parent

_LOAD_SYNCPROV: Final = (
    "This works, but is slower. To answer reads from memory, load this LDIF as the administrator "
    "of cn=config (only the second entry if the module is loaded already); a running service uses "
    "it within a minute:\n"
    "dn: cn=module{0},cn=config\n"
    "changetype: modify\n"
    "add: olcModuleLoad\n"
    "olcModuleLoad: syncprov\n"
    "\n"
    "dn: olcOverlay=syncprov,olcDatabase={1}mdb,cn=config\n"
    "changetype: add\n"
    "objectClass: olcSyncProvConfig\n"
    "olcOverlay: syncprov\n"
    "olcSpSessionlog: 10000"
)

_REPORTS_CHANGES: Final = (
    "The database reports its changes, so reads can be answered from memory. GET /ready says "
    "whether they are."
)
_ADMINS_FROM_DIRECTORY: Final = (
    "Authorization still needs two searches of the directory for each request, because the account "
    "may not read the list of databases."
)

_READ_MONITOR: Final = (
    "To avoid these searches, let the account read cn=Databases,cn=Monitor: see "
    "docs/directories/openldap.md, Reads from memory."
)


def memory(context: CheckContext) -> Iterator[Finding]:
    """Report whether reads can be answered from memory; the directory always can."""
    yield _finding(context)


def _finding(context: CheckContext) -> Finding:
    limit = context.target.config.index_limit
    why_not = why_not_replicated(context.layout, limit)
    if why_not:
        return _from_directory(why_not)
    if len(context.users.entries) + len(context.groups.entries) > limit:
        sentence = f"There are more than {limit} entries, so all reads go to the directory."
        remedy = (
            "Raise user_store.index_limit if the machine has 450 bytes for each user and worker."
        )
        return Finding("memory", "warn", sentence, remedy)
    with context.session() as session:
        if not can_synchronize(session, context.layout):
            return _from_directory("the database does not report its changes", _LOAD_SYNCPROV)
    with context.session() as session:
        return _arrangement_finding(context, session)


def _arrangement_finding(context: CheckContext, session: LdapConnection) -> Finding:
    """Report whether each base is in one database, and whether the account can read that."""
    layout = context.layout
    bases = (*layout.user_bases, *layout.role_bases)
    entries = (*context.users.entries, *context.groups.entries)
    try:
        is_proved = coverage.proves_coverage(session, bases)
        coverage.ensure_one_database(session, bases, {rdn_and_parent(e.dn)[1] for e in entries})
    except ReplicationUnavailable as unavailable:
        return _from_directory(str(unavailable))
    if is_proved or context.embedded:
        return Finding("memory", "pass", _REPORTS_CHANGES)
    return Finding("memory", "pass", f"{_REPORTS_CHANGES} {_ADMINS_FROM_DIRECTORY}", _READ_MONITOR)


def _from_directory(why: str, remedy: str = "") -> Finding:
    return Finding("memory", "pass", f"All reads go to the directory: {why}.", remedy)
