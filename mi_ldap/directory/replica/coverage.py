"""Checks that one database is behind each base, so that synchronization reports every change.

slapd can answer a search from several databases: subordinate ones (olcSubordinate) and those of
other servers (back-ldap, back-meta). Such directories are not replicated.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from mi_ldap.directory.replica.reasons import ReplicationUnavailable
from mi_ldap.ldap import names, requests
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.content_sync import IgnoreChanges, Poller, SyncSearch, csns
from mi_ldap.ldap.messages import Entry
from mi_ldap.ldap.result_codes import LdapError, ResultCode

# The responses to more requests could fill the socket's buffers before they are read.
PROBES: Final = 200
"""Maximum number of requests that are sent at once."""

_ANYTHING: Final = "(objectClass=*)"

_DATABASES: Final = (
    "several databases are behind a search base (olcSubordinate), and the server does not report "
    "the changes of all"
)

_STORING_BACKENDS: Final = frozenset({"mdb", "hdb", "bdb", "wt"})
"""Backends that store the entries themselves."""

_COMPUTING_OVERLAYS: Final = frozenset(
    {"autogroup", "collect", "dynlist", "pcache", "relay", "rwm", "translucent"}
)
"""Overlays that compute attributes when an entry is read."""

_REPORTED_OVERLAYS: Final = frozenset(
    {
        *("accesslog", "auditlog", "chain", "constraint", "dds", "deref", "dyngroup", "glue"),
        *("homedir", "lastbind", "memberof", "otp", "ppolicy", "refint", "remoteauth", "retcode"),
        *("seqmod", "smbk5pwd", "sssvlv", "syncprov", "unique", "valsort"),
    }
)
"""Overlays whose changes of entries are reported, or are handled by `replica.groups`."""


@dataclass(frozen=True, slots=True)
class Database:
    """A database of the server.

    Attributes:
        suffixes: the DNs of its topmost entries.
        backend: `"mdb"`.
        overlays: the names of its overlays.
        is_subordinate: whether a search of the database above it finds its entries too.
    """

    suffixes: tuple[str, ...]
    backend: str
    overlays: frozenset[str]
    is_subordinate: bool


def proves_coverage(connection: LdapConnection, bases: Iterable[str]) -> bool:
    """Whether the server's list of databases proves that one is behind each base.

    Args:
        connection: of the service's account; few accounts may read that list.
        bases: the DNs below which is searched.

    Raises:
        ReplicationUnavailable: the list shows that several databases are behind a base.
    """
    # Not from the root DSE: its namingContexts omits subordinate databases (OpenLDAP 2.5.13).
    databases = [*(_of_monitor(connection) or _of_config(connection))]
    covered = [_is_covered(base, databases) for base in bases]
    return bool(databases) and all(covered)


def _is_covered(base: str, databases: Sequence[Database]) -> bool:
    """Whether all entries below the base are in one database without computed content.

    Raises:
        ReplicationUnavailable: some entries are not.
    """
    # OpenLDAP 2.5.13: the overlay syncprov of a database does not report the changes of databases
    # below it.
    for database in databases:
        for suffix in database.suffixes:
            if database.is_subordinate and suffix and _is_strictly_under(suffix, base):
                raise ReplicationUnavailable(_DATABASES)
    own = _database_of(base, databases)
    if own is None:
        return False
    if own.backend not in _STORING_BACKENDS:
        raise ReplicationUnavailable(
            f"the database is a proxy for another server (back-{own.backend})"
        )
    above_all = [each.overlays for each in databases if each.backend == "frontend"]
    overlays = own.overlays.union(*above_all)
    computing = sorted(overlays & _COMPUTING_OVERLAYS)
    if computing:
        raise ReplicationUnavailable(
            f"the overlay {computing[0]} computes entries when they are read"
        )
    return overlays <= _REPORTED_OVERLAYS


def _database_of(base: str, databases: Iterable[Database]) -> Database | None:
    around = [
        (len(names.parsed_dn(suffix)), at, database)
        for at, database in enumerate(databases)
        for suffix in database.suffixes
        if suffix and names.is_under(base, suffix)
    ]
    return max(around, key=lambda each: each[:2])[2] if around else None


def _is_strictly_under(dn: str, base: str) -> bool:
    return names.is_under(dn, base) and names.parsed_dn(dn) != names.parsed_dn(base)


# The server's list of databases


def _of_monitor(connection: LdapConnection) -> list[Database]:
    """Read the databases from `cn=Databases,cn=Monitor` (slapd-monitor(5)); empty if unreadable."""
    attributes = ["namingContexts", "monitoredInfo", "monitorOverlay", "monitorSuperiorDN"]
    entries = _readable(connection, "cn=Databases,cn=Monitor", "(monitoredInfo=*)", attributes)
    return [
        Database(
            suffixes=tuple(entry.all("namingContexts")),
            backend=entry.first("monitoredInfo") or "",
            overlays=frozenset(entry.all("monitorOverlay")),
            is_subordinate=bool(entry.first("monitorSuperiorDN")),
        )
        for entry in entries
        if re.match(r"cn=(Frontend|Database \d+),cn=Databases,", entry.dn, re.IGNORECASE)
    ]


def _of_config(connection: LdapConnection) -> Iterator[Database]:
    """Read the databases from cn=config (slapd-config(5)); empty if it can't be read."""
    attributes = ["olcDatabase", "olcSuffix", "olcSubordinate", "olcOverlay"]
    entries = _readable(connection, "cn=config", "(|(olcDatabase=*)(olcOverlay=*))", attributes)
    for entry in entries:
        if entry.first("olcDatabase"):
            below = [each for each in entries if _is_strictly_under(each.dn, entry.dn)]
            yield Database(
                suffixes=tuple(entry.all("olcSuffix")),
                backend=_plain(entry.first("olcDatabase") or ""),
                overlays=frozenset(_plain(each.first("olcOverlay") or "") for each in below),
                is_subordinate=(entry.first("olcSubordinate") or "FALSE").upper() != "FALSE",
            )


def _readable(
    connection: LdapConnection, base: str, ldap_filter: str, attributes: Sequence[str]
) -> list[Entry]:
    try:
        found = connection.search(base, ldap_filter, attributes)
    except LdapError:
        return []
    return found.entries if found.complete else []


def _plain(value: str) -> str:
    """Return the name in `"{1}mdb"`."""
    return re.sub(r"^\{-?\d+\}", "", value).lower()


# Comparison of sync cookies


def ensure_one_database(
    connection: LdapConnection, bases: Sequence[str], parents: Iterable[str]
) -> None:
    """Check that the entries below the parents are in the database that is synchronized.

    Args:
        connection: of the account that reads the entries; unusable after an error.
        bases: the DNs below which is searched.
        parents: the DNs right above the users and groups.

    Raises:
        ReplicationUnavailable: some entries are in another database.
    """
    parents = [*parents]
    for base in bases:
        within = [dn for dn in parents if names.is_under(dn, base)]
        # slapd 2.5.13: the database that holds an entry answers a synchronization of that entry
        # alone. If it is not the base's database its cookie differs; without syncprov it rejects
        # the request (12).
        before = _cookies(connection, [base])[0]
        for start in range(0, len(within), PROBES):
            probed = within[start : start + PROBES]
            try:
                cookies = _cookies(connection, probed)
            except LdapError as error:
                if error.code != ResultCode.UNAVAILABLE_CRITICAL_EXTENSION:
                    raise
                raise ReplicationUnavailable(_DATABASES) from error
            after = _cookies(connection, [base])[0]
            if not all(_is_between(before, cookie, after) for cookie in cookies):
                raise ReplicationUnavailable(_DATABASES)


def share_database(connection: LdapConnection, bases: Sequence[str]) -> bool:
    """Whether one database is behind all the bases.

    Raises:
        LdapError: the server does not synchronize one of them.
    """
    before = _cookies(connection, bases[:1])[0]
    others = _cookies(connection, bases)
    after = _cookies(connection, bases[:1])[0]
    return all(_is_between(before, cookie, after) for cookie in others)


def _cookies(connection: LdapConnection, dns: Sequence[str]) -> list[dict[bytes, bytes]]:
    """Return the latest CSN by server id, for the database that holds each entry."""
    condition = requests.condition(_ANYTHING)
    probes = [
        SyncSearch(dn, condition, ["1.1"], IgnoreChanges(), scope=requests.BASE) for dn in dns
    ]
    Poller(probes).poll(connection)
    return [{csn.split(b"#")[2]: csn for csn in csns(probe.cookie)} for probe in probes]


def _is_between(
    before: dict[bytes, bytes], cookie: dict[bytes, bytes], after: dict[bytes, bytes]
) -> bool:
    """Whether the CSNs can be those of one database, changes meanwhile included."""
    return bool(cookie) and (
        before.keys() <= cookie.keys() <= after.keys()
        and all(cookie[sid] >= csn for sid, csn in before.items())
        and all(after[sid] >= csn for sid, csn in cookie.items())
    )
