"""The way to the directory: each address, its certificate, the service's account, replicas."""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from mi_ldap.checks.context import CheckContext
from mi_ldap.checks.findings import Finding
from mi_ldap.deadline import deadline
from mi_ldap.directory.probes import (
    ProbeTarget,
    certificate_ends_at,
    code_of_deleting_nothing,
    refusal_behind,
)
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.ldap.account_policy import conditions_of_any_server, warning_of
from mi_ldap.ldap.connection import Entry, LdapConnection, LdapError
from mi_ldap.ldap.result_codes import ResultCode
from mi_ldap.ldap.transport import is_ldaps, is_local_socket
from mi_ldap.settings.validators import leaves_the_machine

WARN_DAYS: Final = 30
LATEST_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Reached:
    """One address, and what came of going there."""

    url: str
    error: DirectoryUnavailable | None
    days_left: float | None = None
    account_warning: str = ""
    within_s: float = 0.0


def reach_all(bench: ProbeTarget) -> list[Reached]:
    """Go to each address as the service would.

    Raises:
        DirectoryUnavailable: DNS names none.
    """
    return [_reach(bench, url) for url in bench.urls()]


def _reach(bench: ProbeTarget, url: str) -> Reached:
    try:
        with deadline(LATEST_S):
            session = bench.session(url)
    except DirectoryUnavailable as error:
        return Reached(url, error, within_s=bench.access.address.connect_timeout_s)
    ends_at, warning = certificate_ends_at(session), warning_of(session.policy)
    session.close()
    days = (ends_at - datetime.now(UTC)).total_seconds() / 86400 if ends_at else None
    return Reached(url, None, days, warning)


def connection_findings(bench: ProbeTarget, reached: list[Reached]) -> Iterator[Finding]:
    """A line for each address, each certificate, and the bind."""
    works = any(each.error is None for each in reached)
    for each in reached:
        refused = refusal_behind(each.error)
        if each.error is not None and refused is None:
            yield _unreachable(each, works=works)
            continue
        yield Finding("address", "pass", f"{each.url} answers.")
        yield _transport(bench, each)
        yield _bind(bench, each, refused)


def _unreachable(each: Reached, *, works: bool) -> Finding:
    """One of several that is down costs nothing but the time to find out."""
    known = _cause_of(each)
    if known:
        sentence = f"{each.url} cannot be used: {known}."
        return Finding("address", "warn" if works else "fail", sentence, _LOOK_AT_THE_ADDRESS)
    said = str(each.error)
    what, _, remedy = said.partition(": ")
    sentence = f"{each.url} cannot be used. {what.rstrip('.')}."
    remedy = f"{remedy[:1].upper()}{remedy[1:]}" if remedy else _LOOK_AT_THE_ADDRESS
    return Finding("address", "warn" if works else "fail", sentence, remedy)


def _cause_of(each: Reached) -> str:
    """What the network says of an address; nothing where something answers there."""
    if is_local_socket(each.url):
        return ""
    parts, cause = urlsplit(each.url), each.error.__cause__ if each.error else None
    if isinstance(cause, ConnectionRefusedError):
        port = parts.port or (636 if is_ldaps(each.url) else 389)
        return f"connection refused at {parts.hostname}:{port}"
    if isinstance(cause, TimeoutError):
        return f"{parts.hostname} does not answer within {each.within_s:g} s"
    if isinstance(cause, socket.gaierror):
        return f"DNS has no address of {parts.hostname}"
    unreachable = (errno.ENETUNREACH, errno.EHOSTUNREACH)
    if isinstance(cause, OSError) and cause.errno in unreachable:
        return f"no route to {parts.hostname}"
    return ""


_LOOK_AT_THE_ADDRESS = (
    "Check that the server runs, that user_store.connection_url has its host and port, and that no "
    "firewall blocks the connection."
)


def _transport(bench: ProbeTarget, each: Reached) -> Finding:
    if each.days_left is not None:
        return _certificate(each.url, each.days_left)
    wants_tls = bench.access.address.start_tls or is_ldaps(each.url)
    if wants_tls and not is_local_socket(each.url):
        return Finding("certificate", "pass", f"{each.url} shows one that is verified.")
    if leaves_the_machine(each.url):
        return Finding(
            "certificate",
            "warn",
            f"{each.url} is not encrypted: passwords cross the network in the clear.",
            "Use an ldaps:// address or set user_store.start_tls = true, and remove "
            "user_store.allow_plaintext.",
        )
    return Finding("certificate", "pass", f"{each.url} needs none, it stays on this machine.")


def _certificate(url: str, days_left: float) -> Finding:
    days = int(days_left)
    sentence = f"{url} shows one that is verified and good for {days} days."
    if days_left >= WARN_DAYS:
        return Finding("certificate", "pass", sentence)
    remedy = "Renew it on the directory's server before it expires, or nobody can log in."
    return Finding("certificate", "warn", sentence, remedy)


def _bind(bench: ProbeTarget, each: Reached, refused: LdapError | None) -> Finding:
    who = bench.access.account_dn or "the service, without a DN of its own,"
    if each.account_warning:
        sentence = f"{each.url} reports: {each.account_warning}."
        return Finding("bind", "warn", sentence, _NEVER_EXPIRES)
    if refused is None:
        return Finding("bind", "pass", f"Bind as {who} succeeded at {each.url}.")
    sentence, remedy = _meaning_of(bench, refused)
    told = f"Bind as {who} refused at {each.url} (code {refused.code}): {sentence}"
    return Finding("bind", "fail", told, remedy)


def _meaning_of(bench: ProbeTarget, refused: LdapError) -> tuple[str, str]:
    if refused.code in _WANTS_TLS:
        return (
            "the server requires TLS.",
            "Set user_store.start_tls = true, or use an ldaps:// address.",
        )
    if refused.code == ResultCode.INVALID_DN_SYNTAX:
        return f"`{bench.access.account_dn}` is no DN.", _ACCOUNT_KEYS
    conditions = conditions_of_any_server(refused)
    known = next((each for each in _REFUSALS if each in conditions), "")
    sentence, remedy = _REFUSALS.get(known, _UNKNOWN_REFUSAL)
    if remedy == _ACCOUNT_KEYS and _is_active_directory(bench, refused):
        return sentence, _ACCOUNT_KEYS_OF_AD
    return sentence, remedy


def _is_active_directory(bench: ProbeTarget, refused: LdapError) -> bool:
    """As configured, or by how it words a refusal; its root DSE was not read yet."""
    worded = re.search(r"LdapErr: DSID|AcceptSecurityContext|NT_STATUS_", refused.message)
    return bench.access.profile == "active_directory" or worded is not None


_NEVER_EXPIRES = (
    "Set a new password, set user_store.connection_password to it, and give the account a policy "
    "by which its password never expires."
)
_WANTS_TLS = frozenset({ResultCode.STRONGER_AUTH_REQUIRED, ResultCode.CONFIDENTIALITY_REQUIRED})

_ACCOUNT_KEYS_OF_AD = (
    "Set user_store.connection_name to the account's DN, or to user@domain or DOMAIN\\user, and "
    "user_store.connection_password to its password (best in a file: "
    "MI_LDAP_USER_STORE__CONNECTION_PASSWORD_FILE)."
)
_ACCOUNT_KEYS = (
    "Set user_store.connection_name to the account's DN and user_store.connection_password to its "
    "password (best in a file: MI_LDAP_USER_STORE__CONNECTION_PASSWORD_FILE)."
)
_REFUSALS: dict[str, tuple[str, str]] = {
    "accountLocked": (
        "the account is locked or disabled.",
        "Unlock and enable it in the directory, and give it a policy that never locks it.",
    ),
    "accountDisabled": ("the account is disabled.", "Enable the account in the directory."),
    "passwordExpired": (
        "its password has expired.",
        "Set a new one, let it never expire, and set user_store.connection_password to it.",
    ),
    "changeAfterReset": (
        "its password must be changed first.",
        "Change it as the account itself, and set user_store.connection_password to the new one.",
    ),
    "wrongPassword": ("no such account, or the password does not match.", _ACCOUNT_KEYS),
}
_UNKNOWN_REFUSAL = ("the server does not accept this kind of bind.", _ACCOUNT_KEYS)


# Replicas


@dataclass(frozen=True, slots=True)
class _State:
    """How far a replica is: what can be compared between two."""

    url: str
    stamps: frozenset[str]
    answer: ResultCode | None


def replicas(patient: CheckContext, urls: list[str]) -> Iterator[Finding]:
    """Whether servers that stand for each other hold the same and take changes.

    OpenLDAP's `contextCSN` (slapo-syncprov(5)) is compared where it can be read; elsewhere
    the latest `modifyTimestamp` and the number of entries. Active Directory's stamps belong to each
    controller alone; there its own `isSynchronized` is asked.
    """
    states = [_state_of(patient, url, alone=len(urls) < 2) for url in urls]
    if len(urls) > 1:
        yield _sameness(states)
    for state in states:
        # Missing rights (insufficientAccessRights) are reported by the check of rights.
        if (
            state.answer
            not in (None, ResultCode.NO_SUCH_ATTRIBUTE, ResultCode.INSUFFICIENT_ACCESS_RIGHTS)
            and patient.is_writable
        ):
            yield Finding(
                "replicas",
                "warn",
                f"{state.url} takes no changes (code {state.answer}).",
                "Name writable servers only in user_store.connection_url: the service keeps to one "
                "server, and a referral is not followed. Or set user_store.type = "
                '"read_only_ldap".',
            )


def _sameness(states: list[_State]) -> Finding:
    if all(state.stamps == states[0].stamps for state in states):
        return Finding("replicas", "pass", f"The {len(states)} servers hold the same data.")
    return Finding(
        "replicas",
        "warn",
        f"{' and '.join(state.url for state in states)} do not hold the same data.",
        "Run this again: what was just changed may be on its way. If it stays so, look at the "
        "replication's status in the logs of the servers.",
    )


def _state_of(patient: CheckContext, url: str, *, alone: bool) -> _State:
    session = patient.bench.session(url)
    try:
        stamps = frozenset[str]() if alone else _stamps(patient, session)
        return _State(url, stamps, _answer_to_a_change(patient, session))
    finally:
        session.close()


def _stamps(patient: CheckContext, session: LdapConnection) -> frozenset[str]:
    if patient.kind == "active_directory":
        root = session.read("", "(objectClass=*)", ["isSynchronized"])
        synchronized = root is not None and root.first("isSynchronized") == "TRUE"
        return frozenset({"synchronized" if synchronized else session.server})
    top = session.read(patient.suffix, "(objectClass=*)", ["contextCSN"])
    if top and top.all("contextCSN"):
        return frozenset(top.all("contextCSN"))
    return _latest(patient, session)


def _latest(patient: CheckContext, session: LdapConnection) -> frozenset[str]:
    found: list[Entry] = []
    for base in dict.fromkeys((*patient.tree.user_bases, *patient.tree.role_bases)):
        found += session.search(base, "(objectClass=*)", ["modifyTimestamp"]).entries
    stamps = (entry.first("modifyTimestamp") or "" for entry in found)
    return frozenset({str(len(found)), max(stamps, default="")})


def _answer_to_a_change(patient: CheckContext, session: LdapConnection) -> ResultCode | None:
    """16 where the server takes changes of a group; None where it cannot be tried."""
    if not patient.groups.entries or patient.kind == "active_directory":
        return None
    dn, base = patient.groups.entries[0].dn, patient.suffix
    return code_of_deleting_nothing(session, dn, patient.tree.member, base)
