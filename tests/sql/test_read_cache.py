"""Reads of a request from memory are never older than the request, whoever writes and whenever."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from typing import Any

import pytest

from mi_ldap.deadline import deadline
from mi_ldap.domains import HybridStore
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.sql import SqlStore, change_checks, read_cache
from mi_ldap.sql import postgresql as driver
from mi_ldap.sql.schema import create_tables
from mi_ldap.store import AssignRole, CreateAdminRole, RevokeRole
from tests.contract.words import make_user
from tests.hybrid.stores import MiRows, within
from tests.sql.servers import PostgreSql
from tests.sql.stores import Place, server_place
from tests.until import until

_ASSIGN = (
    "INSERT INTO UM_USER_ROLE (UM_USER_ID, UM_ROLE_ID, UM_TENANT_ID) "
    "SELECT u.UM_ID, r.UM_ID, -1234 FROM UM_USER u, UM_ROLE r "
    "WHERE u.UM_USER_NAME = 'alice' AND r.UM_ROLE_NAME = '$role'"
)
_RENAME = "UPDATE UM_USER SET UM_USER_NAME = %s WHERE UM_USER_ID = %s"


@pytest.fixture
def place(postgresql: PostgreSql) -> Iterator[Place]:
    with server_place(postgresql) as found:
        yield found


def shown(store: SqlStore | HybridStore, name: str) -> set[str] | None:
    """What a request of its own shows: the roles of a user; None if there is none."""
    with deadline(5):
        view = store.view()
        user = view.find_user(name)
        return {role.name for role in view.details(user).roles} if user else None


def authorized(store: SqlStore | HybridStore, user_id: str) -> bool:
    """Whether a request of its own finds that the user is an admin."""
    with deadline(5):
        reads = store.authority(changes=False)
        user, admin_role = reads.user(user_id), reads.admin_role()
        return bool(user and admin_role and reads.is_holder(admin_role, user))


def test_a_request_asks_once_whether_something_has_changed(
    place: Place, statements: list[str]
) -> None:
    store = within(place, has_accounts=False, observe=statements.append)
    user = make_user(store, "alice")
    store.apply(CreateAdminRole(user))

    def ask() -> int:
        statements.clear()
        with deadline(5):
            reads, view = store.authority(changes=False), store.view()
            found, admin_role = reads.user(user.id), reads.admin_role()
            assert found
            assert admin_role
            assert reads.is_holder(admin_role, found)
            shown_user = view.find_user("alice")
            assert shown_user
            assert {role.name for role in view.details(shown_user).roles} == {"admin"}
        return len(statements)

    costs = [ask() for _ in range(4)]
    assert costs[0] > costs[1]
    assert costs[-1] == 1
    MiRows(place).add_role("dev")
    MiRows(place).add_member("dev", "alice")
    assert shown(store, "alice") == {"admin", "Internal/dev"}


def test_each_change_is_seen_by_the_next_request(place: Place, store: SqlStore, tool: Any) -> None:
    user, role = make_user(store, "alice"), store.create_role("dev")
    for _ in range(3):
        assert shown(store, "alice") == set()
    store.apply(AssignRole(role, user))
    for _ in range(3):
        assert shown(store, "alice") == {"dev"}
    tool.execute(_RENAME, ("alicia", user.id))
    for _ in range(3):
        assert shown(store, "alice") is None
        assert shown(store, "alicia") == {"dev"}
    other = place.open()
    other.apply(RevokeRole(role, user))
    assert shown(store, "alicia") == set()


def test_a_request_sees_its_own_change(store: SqlStore) -> None:
    user, role = make_user(store, "alice"), store.create_role("dev")
    for _ in range(3):
        assert shown(store, "alice") == set()
    with deadline(5):
        assert store.view().find_user("alice") == user
        store.apply(AssignRole(role, user))
        view = store.view()
        assert view.find_user("alice")
        assert [each.name for each in view.details(user).roles] == ["dev"]


def test_a_removed_admin_is_none_for_the_next_request(store: SqlStore, tool: Any) -> None:
    user = make_user(store, "alice")
    store.apply(CreateAdminRole(user))
    for _ in range(3):
        assert authorized(store, user.id)
    tool.execute("BEGIN")
    tool.execute("DELETE FROM UM_USER_ROLE")
    for _ in range(3):
        assert authorized(store, user.id)
    tool.execute("COMMIT")
    assert not authorized(store, user.id)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_shown_is_never_old(place: Place, store: SqlStore, tool: Any, seed: int) -> None:
    rng = random.Random(seed)
    user = make_user(store, "alice")
    roles = [store.create_role(f"role{number}") for number in range(3)]
    committed: set[str] = set()
    pending: set[str] | None = None

    def assign(run: Any, name: str) -> None:
        run(_ASSIGN.replace("$role", name))

    for _ in range(80):
        free = sorted({role.name for role in roles} - committed - (pending or set()))
        match rng.randrange(7):
            case 0 if pending is None and free:
                tool.execute("BEGIN")
                assign(tool.execute, free[0])
                pending = {free[0]}
            case 1 if pending is not None:
                is_kept = rng.random() < 0.5
                tool.execute("COMMIT" if is_kept else "ROLLBACK")
                committed |= pending if is_kept else set()
                pending = None
            case 2 if free:
                assign(place.execute, free[-1])
                committed.add(free[-1])
            case 3 if committed and pending is None:
                store.apply(*(RevokeRole(role, user) for role in roles if role.name in committed))
                committed.clear()
        assert shown(store, "alice") == committed
    if pending is not None:
        tool.execute("ROLLBACK")


def test_requests_that_share_checks_see_what_was_committed_before_them(
    store: SqlStore, tool: Any
) -> None:
    user = make_user(store, "user0")
    committed, wrong = 0, list[str]()
    is_over = threading.Event()

    def read_on() -> None:
        while not is_over.is_set() and not wrong:
            least = committed
            with deadline(5):
                found = store.view().user(user.id)
            if found is None or int(found.name.removeprefix("user")) < least:
                wrong.append(f"{found} after user{least}")

    threads = [threading.Thread(target=read_on) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for number in range(1, 151):
            tool.execute(_RENAME, (f"user{number}", user.id))
            committed = number
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    assert not wrong


def test_memory_is_used_during_a_long_transaction_of_another_tool(
    store: SqlStore, tool: Any, statements: list[str]
) -> None:
    user, role = make_user(store, "alice"), store.create_role("dev")
    tool.execute("BEGIN")
    tool.execute(_ASSIGN.replace("$role", role.name))
    store.create_role("later")  # ends while the other transaction is under way
    for _ in range(3):
        assert shown(store, user.name) == set()
    statements.clear()
    assert shown(store, user.name) == set()
    assert len(statements) == 1
    tool.execute("COMMIT")
    assert shown(store, user.name) == {role.name}


def test_nothing_is_checked_while_others_write_all_the_time(
    store: SqlStore, tool: Any, statements: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(change_checks, "_PAUSE_S", 3600.0)
    user = make_user(store, "user0")
    for number in range(1, 13):
        tool.execute(_RENAME, (f"user{number}", user.id))
        statements.clear()
        assert shown(store, f"user{number}") == set()
    assert len(statements) == 1  # the read itself


def test_memory_is_bounded(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(12):
        make_user(store, f"user{number}")
    monkeypatch.setattr(read_cache, "_MAX_OBJECTS", 5)
    for number in range(12):
        assert shown(store, f"user{number}") == set()
    assert len(store._read_cache._values) == 5


def test_tables_that_may_change_without_a_transaction_are_read_each_time(
    postgresql: PostgreSql,
) -> None:
    name = postgresql.new_database()
    config, tool = (replace(each, database=name) for each in (postgresql.config, postgresql.tool))
    create_tables(config)
    statements: list[str] = []
    with closing(driver.connect(tool, *tool.hosts[0], 5)) as connection:
        # What a policy lets through may depend on the time.
        connection.execute("ALTER TABLE UM_ROLE ENABLE ROW LEVEL SECURITY")
    with closing(SqlStore(config, "admin", statements.append)) as store:
        make_user(store, "alice")
        for _ in range(3):
            assert shown(store, "alice") == set()
            assert store.user_names().names == ("alice",)
        statements.clear()
        assert shown(store, "alice") == set()
        assert store.user_names().names == ("alice",)
        assert len(statements) == 2  # one read each, and no checks


def test_nothing_is_shown_from_memory_while_the_database_is_down(
    place: Place, store: SqlStore, postgresql: PostgreSql
) -> None:
    user = make_user(store, "alice")
    for _ in range(3):
        assert shown(store, "alice") == set()
    postgresql.kill()
    try:
        with pytest.raises(DirectoryUnavailable):
            shown(store, "alice")
    finally:
        postgresql.start()
    # The place's own connections are lost, too.
    place.query("SELECT 1")
    with closing(driver.connect(place.tool, *place.tool.hosts[0], 5)) as tool:
        tool.execute(_RENAME, ("alicia", user.id))
    answers: list[set[str] | None] = []

    def is_answered() -> bool:
        with suppress(DirectoryUnavailable):  # a host that failed is not tried for a second
            answers.append(shown(store, "alice"))
        return bool(answers)

    until(is_answered)
    assert answers == [None]
    assert shown(store, "alicia") == set()


def test_a_store_that_is_only_read_has_no_memory(place: Place) -> None:
    """Its connections may lead to several standbys, of which one is late."""
    make_user(place.open(), "alice")
    statements: list[str] = []
    store = place.open(statements.append, writable=False)
    for _ in range(3):
        statements.clear()
        assert shown(store, "alice") == set()
        assert statements
    assert store.database.change_check() is None
