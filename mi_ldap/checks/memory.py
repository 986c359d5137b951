"""Whether reads can be answered from memory, and what would make that so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mi_ldap.checks.context import CheckContext
from mi_ldap.checks.findings import Finding
from mi_ldap.directory.probes import tells_changes
from mi_ldap.directory.replica import coverage
from mi_ldap.directory.replica.contents import ReplicationUnavailable
from mi_ldap.directory.replica.reasons import why_not_held
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.names import own_and_parent

_SYNCPROV: Final = (
    "That is well, only slower. To have them in memory, as the administrator of cn=config (where "
    "the module is loaded already, the second entry alone; a running service uses it within a "
    "minute):\n"
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

_TOLD: Final = (
    "The database tells what has changed, so reads can come from memory; GET /ready says whether "
    "they do."
)
_NOT_PROVED: Final = (
    "Who may act is read from the directory all the same, by two searches a request: the account "
    "may not read how the databases are arranged."
)

_MONITOR: Final = (
    "To spare them, let the account read cn=Databases,cn=Monitor: see "
    "docs/directories/openldap.md, Reads from memory."
)


def memory(patient: CheckContext) -> Iterator[Finding]:
    """What answers reads; the directory always can."""
    yield _finding(patient)


def _finding(patient: CheckContext) -> Finding:
    limit = patient.bench.access.index_limit
    why_not = why_not_held(patient.tree, limit)
    if why_not:
        return _directly(why_not)
    if len(patient.users.entries) + len(patient.groups.entries) > limit:
        sentence = f"There are more than {limit} entries, so the directory answers all reads."
        remedy = "Raise user_store.index_limit, where the machine has 450 bytes a user and worker."
        return Finding("memory", "warn", sentence, remedy)
    with patient.session() as session:
        if not tells_changes(session, patient.tree):
            return _directly("the database does not tell what has changed", _SYNCPROV)
    with patient.session() as session:
        return _arrangement_finding(patient, session)


def _arrangement_finding(patient: CheckContext, session: LdapConnection) -> Finding:
    """Report whether one database is behind each base, and whether the account can prove it."""
    tree = patient.tree
    bases = (*tree.user_bases, *tree.role_bases)
    entries = (*patient.users.entries, *patient.groups.entries)
    try:
        is_proved = coverage.is_proved(session, bases)
        coverage.ensure_one_database(session, bases, {own_and_parent(e.dn)[1] for e in entries})
    except ReplicationUnavailable as unavailable:
        return _directly(str(unavailable))
    if is_proved or patient.embedded:
        return Finding("memory", "pass", _TOLD)
    return Finding("memory", "pass", f"{_TOLD} {_NOT_PROVED}", _MONITOR)


def _directly(why: str, remedy: str = "") -> Finding:
    return Finding("memory", "pass", f"The directory itself answers all reads: {why}.", remedy)
