"""Connections to PostgreSQL by psycopg 3."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, TypeVar

import psycopg
from psycopg import errors
from psycopg.abc import Buffer, PQGen
from psycopg.types.datetime import TimestampLoader

from mi_ldap.deadline import remaining_s
from mi_ldap.sql.config import DatabaseConfig

RV = TypeVar("RV")

ERRORS = (psycopg.Error, OSError)

_SYSTEM_CA_FILES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")

# A process that is stopped in a transaction would hold its locks for ever.
_SETTINGS = (
    "SELECT set_config('statement_timeout', %s, false), "
    "set_config('idle_in_transaction_session_timeout', %s, false)"
)


class _AnyTimestampLoader(TimestampLoader):
    """Returns times that Python cannot represent, such as `infinity`, as text."""

    def load(self, data: Buffer) -> Any:
        try:
            return super().load(data)
        except errors.DataError:
            return bytes(data).decode()


class DeadlineConnection(psycopg.Connection[Any]):
    """A connection on which every wait ends with the request's deadline."""

    longest_s = 10.0

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        # The server's statement_timeout does not help if the server, or the network, hangs.
        longest = min(self.longest_s, remaining_s())
        try:
            return super().wait(gen, interval, longest if timeout is None else timeout)
        except errors._WaitTimeout as error:
            # The response may still arrive, so the connection cannot be used again.
            self.pgconn.finish()
            raise errors.ConnectionTimeout("the database did not answer in time") from error


def connect(config: DatabaseConfig, host: str, port: int, timeout_s: float) -> DeadlineConnection:
    """Connect to a host; autocommit is on, transactions are begun by statements."""
    longest_ms = round(config.response_timeout_s * 1000)
    connection = DeadlineConnection.connect(
        host=host,
        port=port,
        dbname=config.database,
        user=config.username or None,
        password=config.password or None,
        connect_timeout=max(1, round(timeout_s)),
        autocommit=True,
        client_encoding="UTF8",
        application_name="mi_ldap",
        keepalives_idle=30,
        **_tls(config),
    )
    connection.longest_s = config.response_timeout_s
    connection.adapters.register_loader("timestamp", _AnyTimestampLoader)
    # By a statement: PgBouncer rejects unknown parameters of a connection.
    connection.execute(_SETTINGS, [str(longest_ms), str(2 * longest_ms)])
    return connection


def is_standby(connection: Any) -> bool:
    """Whether the server takes no changes."""
    row = connection.execute(
        "SELECT pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool"
    ).fetchone()
    return bool(row and row[0])


def _tls(config: DatabaseConfig) -> dict[str, Any]:
    if not config.tls:
        return {"sslmode": "disable"}
    return {"sslmode": "verify-full", "sslrootcert": str(config.ca_file or _system_ca_file())}


def _system_ca_file() -> str:
    # The libpq of the wheel has an OpenSSL of its own, which does not know this system's folder.
    paths = ssl.get_default_verify_paths()
    known = (paths.cafile, paths.openssl_cafile, *_SYSTEM_CA_FILES)
    return next((path for path in known if path and Path(path).is_file()), "system")
