"""The SQLite file that the workers of a machine share."""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mi_ldap.errors import ConfigurationError, StateUnavailable
from mi_ldap.state.database import StateDatabase
from mi_ldap.state.deletion_log import KEPT_S, StateDeletionLog
from mi_ldap.state.tokens import Revocations
from mi_ldap.store import DeletedEntry


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "state.sqlite"


@pytest.fixture
def state(file: Path) -> Iterator[StateDatabase]:
    database = StateDatabase(file)
    yield database
    database.close()


def test_the_file_is_for_its_owner_alone(state: StateDatabase, file: Path) -> None:
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_first_value_of_a_fact_is_kept(state: StateDatabase) -> None:
    assert state.get("key") is None
    assert state.set_default("key", "first") == "first"
    assert state.set_default("key", "second") == "first"
    assert state.get("key") == "first"


def test_facts_outlive_the_process(state: StateDatabase, file: Path) -> None:
    state.set_default("key", "value")
    again = StateDatabase(file)
    assert again.get("key") == "value"
    again.close()


def test_of_many_noters_one_wins_and_all_are_told(state: StateDatabase) -> None:
    def note(value: int) -> str:
        try:
            return state.set_default("key", str(value))
        finally:
            state.close()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(note, range(8)))) == 1


def test_a_failure_closes_the_connection_and_the_next_one_works(state: StateDatabase) -> None:
    with pytest.raises(StateUnavailable), state.connection() as connection:
        connection.execute("SELECT nonsense FROM nowhere")
    assert state.set_default("key", "value") == "value"


@pytest.mark.parametrize("left", ["nothing", "a write-ahead log", "another file"])
def test_what_is_noted_after_the_file_was_deleted_is_in_the_new_one(
    state: StateDatabase, file: Path, left: str
) -> None:
    state.set_default("before", "value")
    if left == "another file":
        StateDatabase(file.with_name("other"))
        file.with_name("other").replace(file)
    else:
        file.unlink()
    if left != "a write-ahead log":
        for suffix in ("-wal", "-shm"):
            file.with_name(f"{file.name}{suffix}").unlink(missing_ok=True)
    assert state.set_default("key", "value") == "value"
    with state.counters() as connection:
        connection.execute("SELECT count(*) FROM login_attempts")
    again = StateDatabase(file)
    assert again.get("key") == "value"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again.close()


def test_all_threads_leave_a_file_that_was_deleted(state: StateDatabase, file: Path) -> None:
    revocations = Revocations(state)
    with ThreadPoolExecutor(1) as other:
        assert not other.submit(revocations.is_revoked, "token").result()
        file.unlink()
        revocations.revoke("token", time.time() + 3600)
        assert other.submit(revocations.is_revoked, "token").result()
        other.submit(state.close).result()


def test_a_pipe_in_place_of_the_file_is_told_and_nobody_waits_for_it(
    state: StateDatabase, file: Path
) -> None:
    state.set_default("key", "value")
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(StateUnavailable):
        state.get("key")


@pytest.mark.parametrize("is_replicated", [False, True])
def test_a_deletion_is_recorded_for_all_processes_and_forgotten_after_ten_minutes(
    state: StateDatabase, file: Path, monkeypatch: pytest.MonkeyPatch, is_replicated: bool
) -> None:
    bob = DeletedEntry("uid=bob,ou=people,dc=mi", "bob")
    StateDeletionLog(state, is_replicated=is_replicated).note(bob)
    other = StateDeletionLog(StateDatabase(file))
    assert other.recent() == [bob]
    later = time.time() + KEPT_S + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert other.recent() == [bob]  # once more, then it is forgotten
    assert other.recent() == []


@pytest.mark.parametrize("is_replicated", [False, True])
def test_a_deletion_that_cannot_be_recorded_is_no_error(
    state: StateDatabase, file: Path, is_replicated: bool
) -> None:
    file.unlink()
    os.mkfifo(file)
    StateDeletionLog(state, is_replicated=is_replicated).note(DeletedEntry("uid=bob", "bob"))


def test_a_file_of_a_newer_version_is_refused(state: StateDatabase, file: Path) -> None:
    with state.connection() as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigurationError, match="newer version"):
        StateDatabase(file)


def test_what_is_no_database_is_refused_and_left_alone(file: Path) -> None:
    file.write_text("not a database, but somebody's text, which must not be lost" * 20)
    with pytest.raises(ConfigurationError, match="move it away"):
        StateDatabase(file)
    assert file.read_text().startswith("not a database")


def test_those_that_start_at_once_make_one_schema(tmp_path: Path) -> None:
    def start(number: int) -> str:
        database = StateDatabase(tmp_path / f"{number // 8}.sqlite")
        value = database.set_default("key", "value")
        database.close()
        return value

    # Each file is created by eight threads.
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(start, range(1200))) == ["value"] * 1200


def test_a_file_of_the_first_version_keeps_what_was_revoked(file: Path) -> None:
    old = sqlite3.connect(file)
    old.executescript(
        """
        CREATE TABLE revoked (jti TEXT PRIMARY KEY, expires_at REAL NOT NULL) WITHOUT ROWID;
        CREATE TABLE failures (key TEXT PRIMARY KEY, count INTEGER, expires_at REAL) WITHOUT ROWID;
        CREATE TABLE facts (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
        INSERT INTO revoked VALUES ('jti', 1e12);
        PRAGMA user_version = 1;
        """
    )
    old.close()
    state = StateDatabase(file)
    assert Revocations(state).is_revoked("jti")
    with state.counters() as connection:
        assert connection.execute("SELECT count(*) FROM login_attempts").fetchone() == (0,)
    state.close()


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere/x")])
def test_what_is_no_file_is_refused_with_a_sentence(
    file: Path, make: Callable[[Path], object]
) -> None:
    make(file)
    with pytest.raises(ConfigurationError, match=r"The state file .* (is not|cannot be)"):
        StateDatabase(file)


def test_a_start_writes_nothing_where_nothing_is_new(state: StateDatabase, file: Path) -> None:
    """A full disk must not be in the way of a start that needs no room."""
    locker = sqlite3.connect(file, isolation_level=None)
    locker.execute("BEGIN IMMEDIATE")
    StateDatabase(file).close()
    locker.close()
