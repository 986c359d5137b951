"""The SQLite file that the workers of a machine share."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mi_ldap.errors import ConfigurationError, StateUnavailable
from mi_ldap.state import StateDatabase


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
    assert state.fact("key") is None
    assert state.note_fact("key", "first") == "first"
    assert state.note_fact("key", "second") == "first"
    assert state.fact("key") == "first"


def test_facts_outlive_the_process(state: StateDatabase, file: Path) -> None:
    state.note_fact("key", "value")
    again = StateDatabase(file)
    assert again.fact("key") == "value"
    again.close()


def test_of_many_noters_one_wins_and_all_are_told(state: StateDatabase) -> None:
    def note(value: int) -> str:
        try:
            return state.note_fact("key", str(value))
        finally:
            state.close()

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(note, range(8)))) == 1


def test_a_failure_closes_the_connection_and_the_next_one_works(state: StateDatabase) -> None:
    with pytest.raises(StateUnavailable), state.connection() as connection:
        connection.execute("SELECT nonsense FROM nowhere")
    assert state.note_fact("key", "value") == "value"


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


def test_two_that_start_at_once_make_one_schema(file: Path) -> None:
    def start(_: int) -> str:
        database = StateDatabase(file)
        value = database.note_fact("key", "value")
        database.close()
        return value

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(start, range(4))) == ["value"] * 4
