"""The connection: each host, its certificate, and the login of the service's account."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from mi_ldap.addresses import is_loopback
from mi_ldap.certificate_faults import CertificateFault
from mi_ldap.checks.findings import Finding, Level
from mi_ldap.sql.config import DatabaseConfig
from mi_ldap.sql.reachability import HostState

WARN_DAYS: Final = 30

_NAMES: Final = {"postgresql": "PostgreSQL", "mysql": "MariaDB or MySQL", "sqlite": "SQLite"}
_CHECK_ADDRESS = (
    "Check that the server runs, that datasource.url has its host and port, and that no firewall "
    "blocks the connection."
)
_NETWORK: Final[Mapping[str, str]] = {
    "refused": "connection refused",
    "timeout": "no answer in time",
    "unknown_host": "DNS has no address of the host",
    "no_route": "the connection was interrupted, or there is no route to the host",
}
_CERTIFICATE: Final = {
    CertificateFault.NOT_YET_VALID: ("is not valid yet", "Check the clocks of both machines."),
    CertificateFault.EXPIRED: ("has expired", "Renew it on the database's server."),
    CertificateFault.SELF_SIGNED: (
        "is self-signed",
        "Compare its fingerprint, and name its file in user_store.ca_file.",
    ),
    CertificateFault.UNKNOWN_AUTHORITY: (
        "is signed by an authority that is unknown here",
        "Name that authority's PEM file in user_store.ca_file.",
    ),
    CertificateFault.OTHER_HOST: (
        "is for another host name",
        "Write the name that it is for in datasource.url.",
    ),
}
_OTHER_FAULT = ("cannot be accepted", "See the database's log.")


def is_usable(config: DatabaseConfig, state: HostState) -> bool:
    """Whether the store uses this host."""
    return state.cause is None and not (state.is_standby and config.writable)


def connection_findings(config: DatabaseConfig, states: Sequence[HostState]) -> Iterator[Finding]:
    """Report each host, its certificate, and the login of the account."""
    any_works = any(is_usable(config, state) for state in states)
    for state in states:
        if state.cause is None:
            yield from _working(config, state, any_works=any_works)
        else:
            yield _failed(config, state, "warn" if any_works else "fail")


def _working(config: DatabaseConfig, state: HostState, *, any_works: bool) -> Iterator[Finding]:
    place = _place(state)
    if config.dialect == "sqlite":
        yield Finding("address", "pass", f"The SQLite file {state.host} can be opened.")
        return
    yield Finding("address", "pass", f"{_NAMES[config.dialect]} at {place} answers.")
    if state.is_standby and config.writable:
        yield Finding(
            "address",
            "pass" if any_works else "fail",
            f"{place} is a standby or read-only, so the service uses it only after it takes "
            "changes.",
            "" if any_works else "Add the host that takes changes to datasource.url.",
        )
    yield _certificate(config, state)
    yield Finding("account", "pass", f"{config.username} can log in at {place}.")


def _certificate(config: DatabaseConfig, state: HostState) -> Finding:
    place = _place(state)
    if not config.tls:
        if is_loopback(state.host):
            sentence = f"{place} does not leave this machine, so it needs no TLS."
            return Finding("certificate", "pass", sentence)
        return Finding(
            "certificate",
            "warn",
            f"{place} is not encrypted: passwords cross the network in the clear.",
            "Set up TLS on the database's server, and remove user_store.allow_plaintext.",
        )
    if state.days_left is None:
        return Finding("certificate", "pass", f"{place} has a verified certificate.")
    days = int(state.days_left)
    sentence = f"{place} has a verified certificate, valid for {days} days."
    if state.days_left >= WARN_DAYS:
        return Finding("certificate", "pass", sentence)
    remedy = "Renew it on the database's server before it expires; then nobody could log in."
    return Finding("certificate", "warn", sentence, remedy)


def _failed(config: DatabaseConfig, state: HostState, level: Level) -> Finding:
    place = _place(state)
    if config.dialect == "sqlite":
        remedy = "Check datasource.url and the rights of the file, or: mi-ldap database create"
        sentence = f"The file {place} cannot be opened: {state.server_text}."
        return Finding("address", level, sentence, remedy)
    if state.cause == "account":
        return Finding(
            "account",
            level,
            f"The login of {config.username} is refused at {place}: no such account, or the "
            "password does not match, or it may not use this database from this machine.",
            "Set datasource.username and datasource.password (best in a file: "
            "MI_LDAP_DATASOURCE__PASSWORD_FILE).",
        )
    if state.cause == "database":
        sentence = f"There is no database {config.database} at {place}."
        return Finding("address", level, sentence, "Correct datasource.url, or create it there.")
    if state.cause == "certificate":
        return _certificate_fault(state, level)
    if state.cause == "no_tls":
        sentence = f"{place} does not offer TLS. Nothing was sent in the clear."
        return Finding("certificate", level, sentence, "Set up TLS on the database's server.")
    reason = _NETWORK.get(state.cause or "") or state.server_text or "the connection was refused"
    return Finding("address", level, f"{place} cannot be used: {reason}.", _CHECK_ADDRESS)


def _certificate_fault(state: HostState, level: Level) -> Finding:
    what, remedy = _CERTIFICATE.get(state.fault or CertificateFault.OTHER, _OTHER_FAULT)
    return Finding("certificate", level, f"The certificate of {_place(state)} {what}.", remedy)


def _place(state: HostState) -> str:
    if not state.port:
        return state.host
    return f"[{state.host}]:{state.port}" if ":" in state.host else f"{state.host}:{state.port}"
