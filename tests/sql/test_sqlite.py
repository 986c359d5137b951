"""What is particular to SQLite: one writer at a time, and files."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from mi_ldap.deadline import deadline
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.store import AssignRole, RenewEpoch
from tests.contract.words import make_user
from tests.sql.stores import Place, sqlite_place
from tests.stopwatch import within


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with sqlite_place(tmp_path) as found:
        yield found


def test_another_writer_is_waited_for_until_the_deadline(place: Place) -> None:
    store = place.open()
    user, role = make_user(store), store.create_role("dev")
    with closing(sqlite3.connect(place.config.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with within(0.5), deadline(0.5), pytest.raises(DirectoryUnavailable):
            store.apply(AssignRole(role, user))
        assert time.monotonic() - began > 0.4
        assert store.find_user("alice") == user  # reads do not wait
        other.execute("ROLLBACK")
    store.apply(AssignRole(role, user))


def test_those_that_open_a_database_at_once_all_can(tmp_path: Path) -> None:
    # A database that another program has created is not in the journal mode WAL at first.
    def check(number: int) -> None:
        store = places[number // 8].open()
        store.check()
        store.close()

    with ExitStack() as opened, ThreadPoolExecutor(8) as pool:
        places = []
        for number in range(40):
            folder = tmp_path / str(number)
            folder.mkdir()
            places.append(opened.enter_context(sqlite_place(folder)))
            with closing(sqlite3.connect(places[-1].config.database)) as other:
                other.execute("PRAGMA journal_mode = DELETE")
        list(pool.map(check, range(8 * len(places))))


def test_a_query_that_takes_too_long_is_ended(place: Place) -> None:
    store = place.open()
    store.check()
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT MAX(x) FROM n"
    with deadline(0.3), pytest.raises(DirectoryUnavailable):
        place.query(endless)
    assert place.query("SELECT 1") == [(1,)]


def test_the_statements_of_a_change_are_observed(place: Place) -> None:
    sent: list[str] = []
    store = place.open(sent.append)
    user = make_user(store)
    sent.clear()
    store.find_user("alice")
    assert sent == ["select"]
    sent.clear()
    store.apply(RenewEpoch(user))
    assert sent[:2] == ["pragma", "begin"]
    assert sent[-1] == "commit"


def test_a_constructor_opens_nothing(tmp_path: Path) -> None:
    with sqlite_place(tmp_path) as place:
        place.open(database=str(tmp_path / "missing" / "users.sqlite")).close()


@pytest.mark.parametrize(
    ("like", "found"),
    [
        ("*0%*", {"50%"}),
        ("*a_b*", {"a_b"}),
        ("*!*", {"wow!"}),
        ("50*", {"50%", "500"}),
        ("*B", {"a_b", "axb"}),
    ],
)
def test_wildcards_of_sql_are_letters(place: Place, like: str, found: set[str]) -> None:
    store = place.open()
    for name in ("50%", "500", "a_b", "axb", "wow!"):
        make_user(store, name)
    assert set(store.user_names(like).names) == found
