"""Connections to each host of a database, and the causes of failures, for the doctor."""

from __future__ import annotations

import re
import socket
import ssl
import struct
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal

from mi_ldap.certificate_faults import CertificateFault, fault_of
from mi_ldap.deadline import remaining_s
from mi_ldap.sql.config import DatabaseConfig
from mi_ldap.sql.engine import driver_of

Cause = Literal[
    "refused",
    "timeout",
    "unknown_host",
    "no_route",
    "no_tls",
    "certificate",
    "account",
    "database",
    "other",
]

_ACCOUNT_CODES: Final = frozenset({1044, 1045, 1698})
_DATABASE_CODES: Final = frozenset({1049})
# libpq gives no code of an error while it connects, only the server's text.
_ACCOUNT_TEXT: Final = re.compile(
    r"authentication failed|no pg_hba.conf entry|role .+ does not exist"
)
_DATABASE_TEXT: Final = re.compile(r"database .+ does not exist")
_SERVER_TEXT: Final = re.compile(r"FATAL:\s+(.+)")
_SSL_REQUEST: Final = struct.pack("!ii", 8, 80877103)  # PostgreSQL's protocol, "SSLRequest"


@dataclass(frozen=True, slots=True)
class HostState:
    """The result of connecting to one host.

    Attributes:
        host, port: of the server; the path of the file and 0 for SQLite.
        cause: why it cannot be used; None if it can.
        fault: why the certificate was not accepted; None for another cause.
        server_text: the server's own message, in the server's language; `""` if there is none.
        days_left: days until the server's certificate expires; None without TLS.
        is_standby: whether the server takes no changes.
    """

    host: str
    port: int
    cause: Cause | None = None
    fault: CertificateFault | None = None
    server_text: str = ""
    days_left: float | None = None
    is_standby: bool = False


def reach(config: DatabaseConfig) -> list[HostState]:
    """Connect to each host as the store does, one after the other."""
    if config.dialect == "sqlite":
        return [_open_file(config)]
    return [_reach(config, host, port) for host, port in config.hosts]


def _open_file(config: DatabaseConfig) -> HostState:
    from mi_ldap.sql import sqlite

    try:
        with closing(sqlite.connect(config)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master")
    except Exception as error:  # noqa: BLE001 - the doctor reports it
        return HostState(config.database, 0, "database", server_text=str(error))
    return HostState(config.database, 0)


def _reach(config: DatabaseConfig, host: str, port: int) -> HostState:
    timeout_s = min(config.connect_timeout_s, remaining_s())
    try:
        with closing(socket.create_connection((host, port), timeout_s)) as connection:
            days = _check_tls(config, host, connection)
        driver = driver_of(config)
        with closing(driver.connect(config, host, port, timeout_s)) as opened:
            # PyMySQL has the socket, and so the certificate, in this attribute.
            days = days if days is not None else _days_left(getattr(opened, "_sock", None))
            return HostState(host, port, days_left=days, is_standby=driver.is_standby(opened))
    except Exception as error:  # noqa: BLE001 - the doctor reports it
        return HostState(host, port, _cause_of(error), _fault_of(error), _server_text_of(error))


class _NoTls(Exception):
    """The server does not offer TLS."""


def _check_tls(config: DatabaseConfig, host: str, connection: socket.socket) -> float | None:
    """Return the days until PostgreSQL's certificate expires; None without TLS, and for MySQL.

    libpq shows no certificate, and its errors have no codes.
    """
    if config.dialect != "postgresql" or not config.tls:
        return None
    connection.sendall(_SSL_REQUEST)
    if connection.recv(1) != b"S":
        raise _NoTls
    context = ssl.create_default_context(cafile=config.ca_file)
    with context.wrap_socket(connection, server_hostname=host) as encrypted:
        return _days_left(encrypted)


def _days_left(connection: object) -> float | None:
    certificate = connection.getpeercert() if isinstance(connection, ssl.SSLSocket) else None
    if not certificate:
        return None
    ends_at = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    return (ends_at - datetime.now(UTC).timestamp()) / 86400


def _cause_of(error: BaseException) -> Cause:
    chain = [*_causes(error)]
    for each in chain:
        if _code_of(each) in _ACCOUNT_CODES or _ACCOUNT_TEXT.search(_server_text_of(each)):
            return "account"
        if _code_of(each) in _DATABASE_CODES or _DATABASE_TEXT.search(_server_text_of(each)):
            return "database"
    for kind, cause in _CAUSES.items():
        if any(isinstance(each, kind) for each in chain):
            return cause
    # PyMySQL's CR.CR_SSL_CONNECTION_ERROR: the server has no TLS.
    return "no_tls" if any(_code_of(each) == 2026 for each in chain) else "other"


# Subclasses before their base classes.
_CAUSES: Final[Mapping[type[BaseException], Cause]] = {
    _NoTls: "no_tls",
    ssl.SSLError: "certificate",
    ConnectionRefusedError: "refused",
    TimeoutError: "timeout",
    socket.gaierror: "unknown_host",
    OSError: "no_route",
}


def _fault_of(error: BaseException) -> CertificateFault | None:
    found = (each for each in _causes(error) if isinstance(each, ssl.SSLCertVerificationError))
    return next(map(fault_of, found), None)


def _code_of(error: BaseException) -> int | None:
    """Return the number of an error of MariaDB and MySQL."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else None


def _server_text_of(error: BaseException) -> str:
    found = _SERVER_TEXT.search(str(error))
    return found[1].strip().rstrip(".") if found else ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        # PyMySQL keeps the error of the socket in an attribute of its own.
        error = getattr(error, "original_exception", None) or error.__cause__ or error.__context__
