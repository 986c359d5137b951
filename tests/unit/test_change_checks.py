"""When a value that was read from PostgreSQL may be used again, by what the server says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from mi_ldap.deadline import deadline
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.sql import SqlStore
from mi_ldap.sql.change_checks import ChangeChecks, Check, ServerState
from mi_ldap.sql.config import DatabaseConfig
from mi_ldap.sql.database_errors import DatabaseUnavailable
from mi_ldap.sql.engine import Database
from mi_ldap.sql.read_cache import CachedValue, ReadCache
from tests.stopwatch import within

SAME = ("100:100:", "today")


class Server:
    """In place of a connection: answers the statements of a check.

    Attributes:
        snapshot: the snapshot, and the time of the server's start.
        unusual: how many tables are not ordinary ones.
        host, number: of the connection.
        statements: how many were sent.
    """

    def __init__(self) -> None:
        self.snapshot = SAME
        self.unusual = 0
        self.host, self.number = ("db1", 5432), 1
        self.statements = 0

    @property
    def info(self) -> dict[str, Any]:
        return {"host": self.host, "number": self.number}

    def exec_driver_sql(self, statement: str) -> Any:
        self.statements += 1
        row = self.snapshot if "snapshot" in statement else (self.unusual,)
        return SimpleNamespace(one=lambda: row, scalar_one=lambda: row[0])

    def read(self, action: Callable[[Any], ServerState | None]) -> ServerState | None:
        return action(self)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def checks(server: Server) -> ChangeChecks:
    made = ChangeChecks(server.read, lambda: False)
    made.note_connection()
    return made


def state(checks: ChangeChecks) -> ServerState | None:
    """What a request of its own finds."""
    with deadline(5):
        found = checks.current()
    return found.state if found else None


def test_a_request_checks_once_and_each_request_checks(
    checks: ChangeChecks, server: Server
) -> None:
    with deadline(5):
        first = checks.current()
        sent = server.statements
        assert checks.current() is first
        assert server.statements == sent
    assert state(checks) == (first and first.state)
    assert server.statements == sent + 1


def test_after_a_change_of_this_process_a_request_checks_again(
    checks: ChangeChecks, server: Server
) -> None:
    with deadline(5):
        checks.current()
        sent = server.statements
        checks.note_change()
        checks.current()
    assert server.statements == sent + 1


CHANGES: dict[str, Callable[[Server, ChangeChecks], object]] = {
    "a transaction": lambda server, _: setattr(server, "snapshot", ("101:101:", "today")),
    "a restart": lambda server, _: setattr(server, "snapshot", ("100:100:", "tomorrow")),
    "another host": lambda server, _: setattr(server, "host", ("db2", 5432)),
    "another connection": lambda server, _: setattr(server, "number", 2),
    "a connection that is being opened": lambda _, checks: checks.note_connection(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_whatever_may_be_a_change_makes_another_state(
    checks: ChangeChecks, server: Server, change: Callable[[Server, ChangeChecks], object]
) -> None:
    before = state(checks)
    assert before == state(checks)
    assert before is not None
    change(server, checks)
    assert before != state(checks)


@pytest.mark.parametrize(
    ("snapshot", "is_known"),
    [
        ("100:100:", True),
        ("100:105:100,103", True),
        ("100:105:103,100", True),
        ("100:105:", False),  # of a standby
        ("100:105:103", False),
        ("10:105:100,103", False),
    ],
)
def test_a_snapshot_without_its_oldest_transaction_shows_nothing(
    checks: ChangeChecks, server: Server, snapshot: str, is_known: bool
) -> None:
    server.snapshot = (snapshot, "today")
    assert (state(checks) is not None) == is_known


def test_where_a_table_is_not_an_ordinary_one_nothing_is_checked_again(
    checks: ChangeChecks, server: Server
) -> None:
    server.unusual = 1
    assert state(checks) is None
    sent = server.statements
    server.unusual = 0
    assert state(checks) is None
    assert server.statements == sent


def test_a_value_is_valid_for_the_state_and_for_checks_after_its_read() -> None:
    """A check before the end of the read may be older than a change that the read has missed."""
    value = CachedValue(("s",), read_at=10.0, value=1)
    assert value.is_valid(Check(10.0, ("s",)))
    assert value.is_valid(Check(11.0, ("s",)))
    assert not value.is_valid(Check(9.0, ("s",)))
    assert not value.is_valid(Check(11.0, ("t",)))


def test_what_is_read_while_something_changes_is_not_kept(checks: ChangeChecks) -> None:
    """Its state was that before the read, so no later check has it."""

    class Held:
        """In place of a database, in whose reads others write."""

        def change_check(self) -> Check | None:
            return checks.current()

        def read(self, action: Callable[[Any], int]) -> int:
            return action(None)

    held: Any = Held()
    cache, answers = ReadCache(held), iter(range(10))
    server: Server = checks._read.__self__  # type: ignore[attr-defined]

    def read_while_others_write(_connection: object) -> int:
        answer = next(answers)
        if answer == 0:
            server.snapshot = ("101:101:", "today")
        return answer

    found = []
    for _ in range(4):
        with deadline(5):
            found.append(cache.get("key", read_while_others_write))
    assert found == [0, 1, 1, 1]


def test_nobody_waits_for_the_check_of_a_server_that_has_failed(server: Server) -> None:
    is_asked, may_answer = threading.Event(), threading.Event()

    def read_slowly(action: Callable[[Any], ServerState | None]) -> ServerState | None:
        is_asked.set()
        may_answer.wait(10)
        return action(server)

    checks = ChangeChecks(read_slowly, lambda: True)
    with ThreadPoolExecutor(1) as pool:
        retry = pool.submit(checks.current)
        assert is_asked.wait(10)
        with within(0), deadline(8), pytest.raises(DatabaseUnavailable, match="cannot be reached"):
            checks.current()
        may_answer.set()
        assert retry.result()


def test_a_check_is_as_old_as_the_moment_before_it_was_asked(server: Server) -> None:
    def read_slowly(action: Callable[[Any], ServerState | None]) -> ServerState | None:
        answer = action(server)
        time.sleep(0.02)
        return answer

    with deadline(5):
        began = time.monotonic()
        found = ChangeChecks(read_slowly, lambda: False).current()
        ended = time.monotonic()
    assert found
    assert began <= found.asked_at < ended - 0.02


@pytest.mark.parametrize(
    ("dialect", "writable", "is_able"),
    [("postgresql", True, True), ("postgresql", False, False), ("mysql", True, False)],
)
def test_only_the_primary_of_postgresql_reports_changes(
    dialect: Any, writable: bool, is_able: bool
) -> None:
    config = DatabaseConfig(dialect, (("localhost", 1),), "userdb", writable=writable)
    database = Database(config)
    assert database.can_detect_changes == is_able
    if not is_able:
        assert database.change_check() is None


def test_in_its_own_transaction_a_thread_reads_the_database() -> None:
    database = Database(DatabaseConfig("postgresql", (("localhost", 1),), "userdb"))
    database._thread.connection = object()
    assert database.change_check() is None


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    config = DatabaseConfig("sqlite", (), str(tmp_path / "users.sqlite"))
    with closing(Database(config, creates=True)) as made:
        yield made


def insert(connection: Connection) -> None:
    connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS t (x INTEGER)")
    connection.exec_driver_sql("INSERT INTO t VALUES (1)")


def lost(statement: str) -> OperationalError:
    return OperationalError(statement, {}, Exception("lost"), connection_invalidated=True)


def test_each_transaction_is_noted_as_a_change_however_it_ends(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted: list[str] = []
    monkeypatch.setattr(database._checks, "note_change", lambda: noted.append("change"))
    with deadline(5):
        database.write(insert)
        assert noted == ["change"]
        with pytest.raises(ZeroDivisionError):
            database.write(lambda _: 1 // 0)
        assert noted == ["change"] * 2
        database.read(lambda connection: connection.exec_driver_sql("SELECT 1"))
    assert noted == ["change"] * 2


def test_a_change_is_repeated_only_if_its_commit_was_not_sent(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[str] = []

    def insert_at_second_attempt(connection: Connection) -> None:
        attempts.append("insert")
        if len(attempts) == 1:
            raise lost("INSERT")
        insert(connection)

    with deadline(5):
        database.write(insert_at_second_attempt)
    assert attempts == ["insert"] * 2

    send = Connection.exec_driver_sql

    def lose_commit(connection: Connection, statement: str, *given: Any) -> Any:
        attempts.append(statement)
        found = send(connection, statement, *given)
        if statement == "COMMIT":
            raise lost(statement)
        return found

    attempts.clear()
    monkeypatch.setattr(Connection, "exec_driver_sql", lose_commit)
    with deadline(5), pytest.raises(DirectoryUnavailable):
        database.write(insert)
    assert attempts.count("COMMIT") == 1
    monkeypatch.undo()
    rows = database.read(lambda connection: connection.exec_driver_sql("SELECT * FROM t").all())
    assert len(rows) == 2


def test_a_change_is_authorized_by_the_database_itself() -> None:
    """What is in memory may have been read before another admin was demoted."""
    config = DatabaseConfig("postgresql", (("localhost", 1),), "userdb")
    with closing(SqlStore(config, "admin")) as store:
        assert store.authority(changes=True) is store
