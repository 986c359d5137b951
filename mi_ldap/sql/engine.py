"""Connections to the database, and the two ways to use one: a read, and a transaction.

Connections are in autocommit mode, so that a read is one round trip. A transaction is begun and
ended by statements of its own.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, DisconnectionError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from mi_ldap.deadline import deadline, remaining_s
from mi_ldap.errors import ReadOnlyStore
from mi_ldap.sql.change_checks import ChangeChecks, Check
from mi_ldap.sql.config import DatabaseConfig
from mi_ldap.sql.database_errors import (
    ConnectionLost,
    DatabaseUnavailable,
    Repeatable,
    is_standby,
    translated,
)
from mi_ldap.sql.hosts import CHECK_S, Host, Hosts

T = TypeVar("T")

_URLS: Final = {"postgresql": "postgresql+psycopg://", "mysql": "mysql+pymysql://"}
_BEGIN: Final = {
    # READ COMMITTED: each statement sees what was committed before it began. Everything that a
    # decision depends on is locked first, and read after the wait for the lock. Under SERIALIZABLE
    # the snapshot would be older than that wait, and each wait end in a serialization failure.
    "postgresql": "BEGIN ISOLATION LEVEL READ COMMITTED",
    "mysql": "START TRANSACTION",  # READ COMMITTED, as mysql.connect sets it
    "sqlite": "BEGIN IMMEDIATE",
}
# Otherwise SQLAlchemy sends each new connection a query for the type hstore, which is not used.
_OPTIONS: Final[dict[str, dict[str, Any]]] = {"postgresql": {"use_native_hstore": False}}
_NO_READ: Final = "The service's account may not read the tables of the database."
_STANDBY: Final = "the host is a standby, or read-only"
_RECYCLE_S: Final = 300  # so that the preferred host is used again some time after it failed
_FIRST_PAUSE_S: Final = 0.005
_MAX_PAUSE_S: Final = 0.2
_RANDOM = random.SystemRandom()  # independent of seeds that tests set


class Database:
    """A pool of connections, opened at the first use: after the fork of the worker.

    Args:
        config: the database.
        observe: called with the kind of each statement when it is sent: `"select"`, `"begin"` …
        creates: whether to create the file of an SQLite database.
    """

    def __init__(
        self,
        config: DatabaseConfig,
        observe: Callable[[str], None] = lambda operation: None,
        *,
        creates: bool = False,
    ) -> None:
        self.config = config
        self._observe = observe
        self._creates = creates
        self._lock = threading.Lock()
        self._engine: Engine | None = None
        self._thread = threading.local()
        self._free = threading.BoundedSemaphore(config.pool_size)
        hosts = config.hosts or ((config.database, 0),)
        self._hosts = Hosts(hosts, self._connect_to, config.connect_timeout_s)
        self._checks = ChangeChecks(self.read, self._hosts.have_failed)

    @property
    def is_in_transaction(self) -> bool:
        """Whether this thread has begun a transaction."""
        return getattr(self._thread, "connection", None) is not None

    @property
    def can_detect_changes(self) -> bool:
        """Whether `change_check` may return a check."""
        # Connections of a store that is only read may lead to several standbys; one may be late.
        return self.config.dialect == "postgresql" and self.config.writable

    def change_check(self) -> Check | None:
        """Return the state of the server for this request, see `ChangeChecks.current`, or None."""
        # The state does not show what this thread has changed and not committed yet.
        if not self.can_detect_changes or self.is_in_transaction:
            return None
        return self._checks.current()

    def read(self, action: Callable[[Connection], T]) -> T:
        """Return the result of an action that only reads; try again if the connection was lost.

        If this thread has begun a transaction, the action is a part of it.
        """
        if outer := getattr(self._thread, "connection", None):
            # A second connection could be in use by a thread that waits for this transaction.
            return action(outer)
        try:
            return self._read(action)
        except ConnectionLost:
            if remaining_s() <= 0:
                raise
            # The server may have been restarted since the connection was last used.
            return self._read(action)

    def _read(self, action: Callable[[Connection], T]) -> T:
        try:
            with self._connection() as connection:
                return action(connection)
        except ReadOnlyStore as error:
            raise DatabaseUnavailable(_NO_READ) from error

    def write(
        self,
        action: Callable[[Connection], T],
        after: Callable[[Connection], None] = lambda connection: None,
    ) -> T:
        """Return the result of an action that is one transaction.

        The transaction is tried again if the database has rolled it back: after a deadlock, or if
        the connection was lost before COMMIT was sent. If this thread has begun a transaction, the
        action is a part of it.

        Args:
            action: called in the transaction, which is rolled back if the action raises.
            after: called when the transaction has ended, unless the connection was lost.

        Raises:
            DatabaseUnavailable: also if the connection was lost after COMMIT was sent. Then it is
                unknown whether the transaction was committed.
        """
        if outer := getattr(self._thread, "connection", None):
            return action(outer)
        give_up_at, pause_s = time.monotonic() + remaining_s(), _FIRST_PAUSE_S
        while True:
            try:
                return self._transaction(action, after)
            except Repeatable as error:
                if time.monotonic() + 2 * pause_s > give_up_at:
                    raise DatabaseUnavailable from error
            time.sleep(_RANDOM.uniform(0, pause_s))
            pause_s = min(2 * pause_s, _MAX_PAUSE_S)

    def close(self) -> None:
        """Close the idle connections; those in use are closed when they are returned."""
        with self._lock:
            if self._engine:
                self._engine.dispose()
            self._engine = None

    def _transaction(
        self, action: Callable[[Connection], T], after: Callable[[Connection], None]
    ) -> T:
        with self._connection() as connection:
            if self.config.dialect == "sqlite":
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {round(remaining_s() * 1000)}")
            connection.exec_driver_sql(_BEGIN[self.config.dialect])
            self._thread.connection = connection
            try:
                result = action(connection)
            except BaseException as error:
                self._roll_back(connection, error)
                raise
            else:
                self._commit(connection)
                return result
            finally:
                self._thread.connection = None
                self._checks.note_change()
                if not connection.invalidated:
                    after(connection)

    def _commit(self, connection: Connection) -> None:
        try:
            connection.exec_driver_sql("COMMIT")
        except DBAPIError as error:
            if error.connection_invalidated:
                raise DatabaseUnavailable from error
            self._roll_back(connection, error)
            raise

    def _roll_back(self, connection: Connection, error: BaseException) -> None:
        if connection.invalidated:
            return
        if is_standby(error):
            self._hosts.mark_failed(connection.info["host"], _STANDBY)
            connection.invalidate()
            return
        try:
            connection.exec_driver_sql("ROLLBACK")
        except SQLAlchemyError:
            connection.invalidate()

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        if not self._free.acquire(timeout=max(0.0, remaining_s())):
            raise DatabaseUnavailable("The database is busy. Try again later.")
        try:
            with translated(), self._opened_engine().connect() as connection:
                host = connection.info["host"]
                try:
                    yield connection
                except DBAPIError as error:
                    self._note_timeout(host, error)
                    raise
        finally:
            self._free.release()

    def _note_timeout(self, host: Host, error: DBAPIError) -> None:
        """Have the host checked when it did not answer in time."""
        # The statement may also have waited for a lock of another client. Then the host works, and
        # leaving it would fail all other requests.
        if error.connection_invalidated and remaining_s() <= 0:
            self._hosts.suspect(host)

    def _opened_engine(self) -> Engine:
        if self._engine is None:
            with self._lock:
                self._engine = self._engine or self._open_engine()
        return self._engine

    def _open_engine(self) -> Engine:
        engine = create_engine(
            _URLS.get(self.config.dialect, "sqlite://"),
            creator=self._connect,
            poolclass=QueuePool,
            pool_size=self.config.pool_size,
            max_overflow=0,
            pool_recycle=_RECYCLE_S,
            # The connection that was returned last is used first, so that unneeded ones expire.
            pool_use_lifo=True,
            isolation_level="AUTOCOMMIT",
            # Returning a connection would cost a round trip; `_transaction` has ended its own.
            skip_autocommit_rollback=True,
            hide_parameters=True,
            **_OPTIONS.get(self.config.dialect, {}),
        )
        event.listen(engine, "checkout", self._on_checkout)
        event.listen(engine, "before_cursor_execute", self._on_statement)
        return engine

    def _connect(self, record: ConnectionPoolEntry) -> Any:
        connection, record.info["host"] = self._hosts.connect()
        record.info["number"] = self._checks.note_connection()
        return connection

    def _on_checkout(self, connection: Any, record: ConnectionPoolEntry, proxy: Any) -> None:
        host = record.info["host"]
        # With less time left the host could seem to fail; a later request checks it.
        if self._hosts.is_suspected(host) and remaining_s() >= CHECK_S:
            self._check(host, connection)
        if not self._hosts.is_current(host):
            raise DisconnectionError  # the pool opens another one

    def _check(self, host: Host, connection: Any) -> None:
        """Leave the host if it does not answer at once."""
        try:
            with deadline(CHECK_S), closing(connection.cursor()) as cursor:
                cursor.execute("SELECT 1")
        except driver_of(self.config).ERRORS as error:
            self._hosts.mark_failed(host, error)
        else:
            self._hosts.trust(host)

    def _on_statement(self, connection: Any, cursor: Any, statement: str, *rest: Any) -> None:
        self._observe(statement.split(None, 1)[0].lower())

    def _connect_to(self, host: Host, timeout_s: float) -> Any:
        """Open a connection.

        Raises:
            DatabaseUnavailable: it cannot be opened; contains the driver's message, for the log.
        """
        if self.config.dialect == "sqlite":
            from mi_ldap.sql import sqlite

            with _unavailable_after(sqlite.ERRORS):
                return sqlite.connect(self.config, creates=self._creates)
        driver = driver_of(self.config)
        with _unavailable_after(driver.ERRORS):
            connection = driver.connect(self.config, *host, timeout_s)
            # Replication to a standby is delayed: reads there could return roles that were revoked.
            if self.config.writable and driver.is_standby(connection):
                connection.close()
                raise DatabaseUnavailable(_STANDBY)
            return connection


def driver_of(config: DatabaseConfig) -> Any:
    """Return the module that connects to PostgreSQL, or to MariaDB and MySQL."""
    # Imported only when needed: each driver takes about 0.1 s and 9 MB.
    if config.dialect == "postgresql":
        from mi_ldap.sql import postgresql as driver
    else:
        from mi_ldap.sql import mysql as driver  # type: ignore[no-redef]
    return driver


@contextmanager
def _unavailable_after(errors: tuple[type[Exception], ...]) -> Iterator[None]:
    """Raise these errors of the block as `DatabaseUnavailable`, with their text."""
    try:
        yield
    except errors as error:
        raise DatabaseUnavailable(str(error)) from error
