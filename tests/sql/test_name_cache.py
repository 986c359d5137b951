"""Lists from memory are those of the database, whoever writes to it and however long that takes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from mi_ldap.sql import SqlStore
from tests.contract.words import make_user
from tests.sql.servers import PostgreSql
from tests.sql.stores import Place, server_place

_ADD = (
    "INSERT INTO UM_USER (UM_USER_ID, UM_USER_NAME, UM_USER_PASSWORD, UM_CHANGED_TIME, "
    "UM_TENANT_ID) VALUES (%s, %s, 'x', now(), -1234)"
)
_RENAME = "UPDATE UM_USER SET UM_USER_NAME = %s WHERE UM_USER_NAME = %s"


@pytest.fixture
def place(postgresql: PostgreSql) -> Iterator[Place]:
    with server_place(postgresql) as found:
        yield found


def names(store: SqlStore) -> list[str]:
    return sorted(store.user_names().names)


def test_a_list_is_kept_until_something_changes(store: SqlStore, statements: list[str]) -> None:
    make_user(store, "alice")
    for _ in range(3):
        assert names(store) == ["alice"]
    statements.clear()
    assert store.user_names() is store.user_names("*li*")
    assert len(statements) == 2  # each asks only whether something has changed
    make_user(store, "bob")
    assert names(store) == ["alice", "bob"]


def test_a_transaction_that_is_under_way_is_seen_when_it_ends(store: SqlStore, tool: Any) -> None:
    make_user(store, "alice")
    tool.execute("BEGIN")
    tool.execute(_ADD, ("1", "bob"))
    for _ in range(4):
        assert names(store) == ["alice"]
        # Others end meanwhile, with higher numbers.
        store.create_role(f"role{random.random()}")
    for _ in range(4):
        assert names(store) == ["alice"]
    tool.execute("COMMIT")
    assert names(store) == ["alice", "bob"]


def test_renamed_users_and_members_are_seen(store: SqlStore, tool: Any, place: Place) -> None:
    user, role = make_user(store, "alice"), store.create_role("dev")
    place.execute(
        "INSERT INTO UM_USER_ROLE (UM_USER_ID, UM_ROLE_ID, UM_TENANT_ID) "
        "SELECT u.UM_ID, r.UM_ID, -1234 FROM UM_USER u, UM_ROLE r"
    )
    for _ in range(3):
        assert store.member_names(role).names == ("alice",)
        assert store.role_names().names == ("dev",)
    tool.execute(_RENAME, ("robert", user.name))
    assert store.member_names(role).names == ("robert",)
    assert names(store) == ["robert"]


@pytest.mark.parametrize("seed", range(5))
def test_a_kept_list_is_never_old(place: Place, store: SqlStore, tool: Any, seed: int) -> None:
    rng = random.Random(seed)
    committed: set[str] = set()
    pending: set[str] | None = None
    for step in range(120):
        match rng.randrange(6):
            case 0 if pending is None:
                tool.execute("BEGIN")
                tool.execute(_ADD, (f"{seed}-{step}", f"slow{step}"))
                pending = {f"slow{step}"}
            case 1 if pending is not None:
                is_kept = rng.random() < 0.5
                tool.execute("COMMIT" if is_kept else "ROLLBACK")
                committed |= pending if is_kept else set()
                pending = None
            case 2:
                place.execute(
                    "INSERT INTO UM_USER (UM_USER_ID, UM_USER_NAME, UM_USER_PASSWORD, "
                    "UM_CHANGED_TIME, UM_TENANT_ID) VALUES (:id, :name, 'x', now(), -1234)",
                    id=f"{seed}.{step}",
                    name=f"user{step}",
                )
                committed.add(f"user{step}")
        assert set(store.user_names().names) == committed
    if pending is not None:
        tool.execute("ROLLBACK")


def test_what_is_not_committed_is_not_kept(place: Place, store: SqlStore) -> None:
    for _ in range(3):
        assert names(store) == []

    def add_and_list(connection: Any) -> None:
        connection.exec_driver_sql(_ADD, ("1", "bob"))
        for _ in range(3):
            assert names(store) == ["bob"]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.database.write(add_and_list)
    assert names(store) == []
