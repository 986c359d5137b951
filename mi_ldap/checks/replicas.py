"""Whether the servers of the directory have the same data and accept changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mi_ldap.checks.context import CheckContext
from mi_ldap.checks.findings import Finding
from mi_ldap.directory.probes import probe_value_deletion
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.messages import Entry
from mi_ldap.ldap.result_codes import ResultCode


@dataclass(frozen=True, slots=True)
class _ReplicaState:
    """The state of one replica.

    Attributes:
        url: its address.
        stamps: values that are equal on replicas with the same data.
        write_code: the LDAP result code of a write that changes nothing; None if not tried.
    """

    url: str
    stamps: frozenset[str]
    write_code: ResultCode | None


def replicas(context: CheckContext, urls: list[str]) -> Iterator[Finding]:
    """Report whether all servers have the same data and accept changes."""
    states = [_replica_state(context, url, alone=len(urls) < 2) for url in urls]
    if len(urls) > 1:
        yield _compare(states)
    for state in states:
        # Missing rights (insufficientAccessRights) are reported by the check of rights.
        # Code 16 means that only the value is missing: the server would write.
        if (
            state.write_code
            not in (None, ResultCode.NO_SUCH_ATTRIBUTE, ResultCode.INSUFFICIENT_ACCESS_RIGHTS)
            and context.is_writable
        ):
            yield Finding(
                "replicas",
                "warn",
                f"{state.url} does not accept changes (code {state.write_code}).",
                "List only writable servers in user_store.connection_url: the service writes to "
                "the server that it is connected to, and follows no referrals. Or set "
                "user_store.type = "
                '"read_only_ldap".',
            )


def _compare(states: list[_ReplicaState]) -> Finding:
    if all(state.stamps == states[0].stamps for state in states):
        return Finding("replicas", "pass", f"The {len(states)} servers have the same data.")
    return Finding(
        "replicas",
        "warn",
        f"{' and '.join(state.url for state in states)} do not have the same data.",
        "Run the doctor again: a recent change may still be in replication. If the difference "
        "remains, check the replication status in the logs of the servers.",
    )


def _replica_state(context: CheckContext, url: str, *, alone: bool) -> _ReplicaState:
    session = context.target.connect(url)
    try:
        stamps = frozenset[str]() if alone else _stamps(context, session)
        return _ReplicaState(url, stamps, _write_code(context, session))
    finally:
        session.close()


def _stamps(context: CheckContext, session: LdapConnection) -> frozenset[str]:
    # The time stamps of domain controllers differ, also on the same data.
    if context.server_type == "active_directory":
        root = session.read("", "(objectClass=*)", ["isSynchronized"])
        synchronized = root is not None and root.first("isSynchronized") == "TRUE"
        # A controller that is not synchronized must differ from all others.
        return frozenset({"synchronized" if synchronized else session.server})
    # slapo-syncprov(5) keeps there the latest change of each provider.
    top = session.read(context.suffix, "(objectClass=*)", ["contextCSN"])
    if top and top.all("contextCSN"):
        return frozenset(top.all("contextCSN"))
    return _latest_changes(context, session)


def _latest_changes(context: CheckContext, session: LdapConnection) -> frozenset[str]:
    found: list[Entry] = []
    for base in dict.fromkeys((*context.layout.user_bases, *context.layout.role_bases)):
        found += session.search(base, "(objectClass=*)", ["modifyTimestamp"]).entries
    # GeneralizedTime values of one server compare as text.
    stamps = (entry.first("modifyTimestamp") or "" for entry in found)
    return frozenset({str(len(found)), max(stamps, default="")})


def _write_code(context: CheckContext, session: LdapConnection) -> ResultCode | None:
    """Return the code of a write that changes nothing (16: writable); None if not possible."""
    if not context.groups.entries or context.server_type == "active_directory":
        return None
    dn, base = context.groups.entries[0].dn, context.suffix
    return probe_value_deletion(session, dn, context.layout.member, base)
