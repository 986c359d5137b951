"""Connections to MariaDB and MySQL by PyMySQL."""

from __future__ import annotations

import math
import ssl
from typing import TYPE_CHECKING, Any

from pymysql.connections import Connection
from pymysql.constants import CLIENT
from pymysql.err import MySQLError

from mi_ldap.deadline import remaining_s
from mi_ldap.sql.config import DatabaseConfig

ERRORS = (MySQLError, OSError)

_LEAST_S = 0.001
_STEP_S = 0.05


if TYPE_CHECKING:
    _Connection = Connection[Any]
else:
    _Connection = Connection


class DeadlineConnection(_Connection):
    """A connection on which every read and write ends with the request's deadline."""

    longest_s = 10.0
    """The longest wait in seconds: first for the connection, then for each response."""

    def _read_packet(self, *args: Any, **options: Any) -> Any:
        self._read_timeout = self._longest_s()
        return super()._read_packet(*args, **options)  # type: ignore[no-untyped-call]

    def _write_bytes(self, data: Any) -> Any:
        self._write_timeout = self._longest_s()
        return super()._write_bytes(data)  # type: ignore[misc]

    def _longest_s(self) -> float:
        # Rounded: PyMySQL makes a system call for each new value, and reads a packet per row.
        return max(_STEP_S, math.ceil(min(self.longest_s, remaining_s()) / _STEP_S) * _STEP_S)


def connect(config: DatabaseConfig, host: str, port: int, timeout_s: float) -> DeadlineConnection:
    """Connect to a host; autocommit is on, transactions are begun by statements."""
    connection = DeadlineConnection(
        host=host,
        port=port,
        database=config.database,
        user=config.username,
        password=config.password,
        charset="utf8mb4",
        autocommit=True,
        connect_timeout=max(_LEAST_S, timeout_s),
        # rowcount is the number of matched rows, also of those that had the new value already
        client_flag=CLIENT.FOUND_ROWS,
        ssl=_tls(config),
        ssl_disabled=not config.tls,
        defer_connect=True,
    )
    connection.longest_s = timeout_s
    connection.connect()
    connection.longest_s = config.response_timeout_s
    version = connection.get_server_info()  # type: ignore[no-untyped-call]
    with connection.cursor() as cursor:
        for statement in _settings(config, version):
            cursor.execute(statement)
    return connection


def is_standby(connection: Any) -> bool:
    """Whether the server takes no changes."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@global.read_only")
        return bool(cursor.fetchone()[0])


def _settings(config: DatabaseConfig, version: str) -> list[str]:
    longest_s = config.response_timeout_s
    statements = [
        # Under REPEATABLE READ a transaction that waited for a lock would read, without locks,
        # what was committed before its first read.
        "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
        # A text that is too long is an error, never shortened.
        "SET SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')",
        # One text has all names of a list; the server's max_allowed_packet still limits it.
        "SET SESSION group_concat_max_len = 1073741824",
        f"SET SESSION innodb_lock_wait_timeout = {max(1, round(longest_s))}",
    ]
    if "mariadb" not in version.lower():
        return [*statements, f"SET SESSION max_execution_time = {round(longest_s * 1000)}"]
    # A process that is stopped in a transaction would hold its locks for ever.
    idle = f"SET SESSION idle_transaction_timeout = {max(1, round(2 * longest_s))}"
    return [*statements, f"SET SESSION max_statement_time = {longest_s}", idle]


def _tls(config: DatabaseConfig) -> ssl.SSLContext | None:
    if not config.tls:
        return None
    return ssl.create_default_context(cafile=str(config.ca_file) if config.ca_file else None)
