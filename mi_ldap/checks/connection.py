"""The connection: each address, its certificate, the bind of the service's account, replicas."""

from __future__ import annotations

import errno
import re
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from mi_ldap.addresses import leaves_the_machine
from mi_ldap.checks.findings import Finding
from mi_ldap.deadline import deadline
from mi_ldap.directory.probes import (
    ProbeTarget,
    certificate_ends_at,
    ldap_error_behind,
)
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.ldap.account_policy import conditions_of_any_server, warning_of
from mi_ldap.ldap.result_codes import LdapError, ResultCode
from mi_ldap.ldap.transport import is_ldaps, is_local_socket

WARN_DAYS: Final = 30
CONNECT_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class ConnectionAttempt:
    """The result of connecting to one address.

    Attributes:
        url: the address.
        error: why it failed; None if the bind succeeded.
        days_left: days until the server's certificate expires; None without TLS.
        account_warning: the server's warning about the service's account, or `""`.
        within_s: the connect timeout in seconds.
    """

    url: str
    error: DirectoryUnavailable | None
    days_left: float | None = None
    account_warning: str = ""
    within_s: float = 0.0


def connect_all(target: ProbeTarget) -> list[ConnectionAttempt]:
    """Connect to each address as the service does.

    Raises:
        DirectoryUnavailable: the DNS lookup of the addresses failed.
    """
    return [_connect(target, url) for url in target.urls()]


def _connect(target: ProbeTarget, url: str) -> ConnectionAttempt:
    try:
        # The addresses are tried one after the other, so a silent one must not take minutes.
        with deadline(CONNECT_S):
            session = target.connect(url)
    except DirectoryUnavailable as error:
        return ConnectionAttempt(url, error, within_s=target.config.address.connect_timeout_s)
    ends_at, warning = certificate_ends_at(session), warning_of(session.policy)
    session.close()
    days = (ends_at - datetime.now(UTC)).total_seconds() / 86400 if ends_at else None
    return ConnectionAttempt(url, None, days, warning)


def connection_findings(
    target: ProbeTarget, attempts: list[ConnectionAttempt]
) -> Iterator[Finding]:
    """Report each address, its certificate, and the bind."""
    any_works = any(attempt.error is None for attempt in attempts)
    for attempt in attempts:
        refusal = ldap_error_behind(attempt.error)
        # A refused bind shows that the address itself works.
        if attempt.error is not None and refusal is None:
            yield _unreachable(attempt, any_works=any_works)
            continue
        yield Finding("address", "pass", f"{attempt.url} answers.")
        yield _certificate_or_plaintext(target, attempt)
        yield _bind(target, attempt, refusal)


def _unreachable(attempt: ConnectionAttempt, *, any_works: bool) -> Finding:
    """Report an address that failed; only a warning if another one works."""
    known = _network_error(attempt)
    if known:
        sentence = f"{attempt.url} cannot be used: {known}."
        return Finding("address", "warn" if any_works else "fail", sentence, _CHECK_ADDRESS)
    message = str(attempt.error)
    what, _, remedy = message.partition(": ")
    sentence = f"{attempt.url} cannot be used. {what.rstrip('.')}."
    remedy = f"{remedy[:1].upper()}{remedy[1:]}" if remedy else _CHECK_ADDRESS
    return Finding("address", "warn" if any_works else "fail", sentence, remedy)


def _network_error(attempt: ConnectionAttempt) -> str:
    """Return the network error as a clause; `""` if a server answered, or for a local socket."""
    if is_local_socket(attempt.url):
        return ""
    parts, cause = urlsplit(attempt.url), attempt.error.__cause__ if attempt.error else None
    if isinstance(cause, ConnectionRefusedError):
        port = parts.port or (636 if is_ldaps(attempt.url) else 389)
        return f"connection refused at {parts.hostname}:{port}"
    if isinstance(cause, TimeoutError):
        return f"{parts.hostname} does not answer within {attempt.within_s:g} s"
    if isinstance(cause, socket.gaierror):
        return f"DNS has no address of {parts.hostname}"
    unreachable = (errno.ENETUNREACH, errno.EHOSTUNREACH)
    if isinstance(cause, OSError) and cause.errno in unreachable:
        return f"no route to {parts.hostname}"
    return ""


_CHECK_ADDRESS = (
    "Check that the server runs, that user_store.connection_url has its host and port, and that no "
    "firewall blocks the connection."
)


def _certificate_or_plaintext(target: ProbeTarget, attempt: ConnectionAttempt) -> Finding:
    if attempt.days_left is not None:
        return _certificate(attempt.url, attempt.days_left)
    wants_tls = target.config.address.start_tls or is_ldaps(attempt.url)
    if wants_tls and not is_local_socket(attempt.url):
        return Finding("certificate", "pass", f"{attempt.url} has a verified certificate.")
    if leaves_the_machine(attempt.url):
        return Finding(
            "certificate",
            "warn",
            f"{attempt.url} is not encrypted: passwords cross the network in the clear.",
            "Use an ldaps:// address or set user_store.start_tls = true, and remove "
            "user_store.allow_plaintext.",
        )
    return Finding("certificate", "pass", f"{attempt.url} is on this machine, so it needs no TLS.")


def _certificate(url: str, days_left: float) -> Finding:
    days = int(days_left)
    sentence = f"{url} has a verified certificate, valid for {days} days."
    if days_left >= WARN_DAYS:
        return Finding("certificate", "pass", sentence)
    remedy = "Renew it on the directory's server before it expires; then nobody could log in."
    return Finding("certificate", "warn", sentence, remedy)


def _bind(target: ProbeTarget, attempt: ConnectionAttempt, refusal: LdapError | None) -> Finding:
    who = target.config.account_dn or "the service (without a DN)"
    if attempt.account_warning:
        sentence = f"{attempt.url} reports: {attempt.account_warning}."
        return Finding("bind", "warn", sentence, _NEVER_EXPIRES)
    if refusal is None:
        return Finding("bind", "pass", f"Bind as {who} succeeded at {attempt.url}.")
    reason, remedy = _explain(target, refusal)
    sentence = f"Bind as {who} refused at {attempt.url} (code {refusal.code}): {reason}"
    return Finding("bind", "fail", sentence, remedy)


def _explain(target: ProbeTarget, refusal: LdapError) -> tuple[str, str]:
    if refusal.code in _WANTS_TLS:
        return (
            "the server requires TLS.",
            "Set user_store.start_tls = true, or use an ldaps:// address.",
        )
    if refusal.code == ResultCode.INVALID_DN_SYNTAX:
        return f"`{target.config.account_dn}` is not a DN.", _ACCOUNT_KEYS
    conditions = conditions_of_any_server(refusal)
    known = next((condition for condition in _BIND_REFUSALS if condition in conditions), "")
    sentence, remedy = _BIND_REFUSALS.get(known, _UNKNOWN_REFUSAL)
    if remedy == _ACCOUNT_KEYS and _is_active_directory(target, refusal):
        return sentence, _ACCOUNT_KEYS_OF_AD
    return sentence, remedy


def _is_active_directory(target: ProbeTarget, refusal: LdapError) -> bool:
    """Whether it is configured as, or words its error like, Active Directory."""
    # The root DSE has not been read yet, since the bind failed.
    worded = re.search(r"LdapErr: DSID|AcceptSecurityContext|NT_STATUS_", refusal.message)
    return target.config.profile == "active_directory" or worded is not None


_NEVER_EXPIRES = (
    "Set a new password, set user_store.connection_password to it, and give the account a password "
    "policy without expiry."
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
_BIND_REFUSALS: dict[str, tuple[str, str]] = {
    "accountLocked": (
        "the account is locked or disabled.",
        "Unlock and enable it in the directory, and give it a password policy without lockout.",
    ),
    "accountDisabled": ("the account is disabled.", "Enable the account in the directory."),
    "passwordExpired": (
        "its password has expired.",
        "Set a new one that does not expire, and set user_store.connection_password to it.",
    ),
    "changeAfterReset": (
        "its password must be changed first.",
        "Change it as the account itself, and set user_store.connection_password to the new one.",
    ),
    "wrongPassword": ("no such account, or the password does not match.", _ACCOUNT_KEYS),
}
_UNKNOWN_REFUSAL = ("the server does not accept this kind of bind.", _ACCOUNT_KEYS)
