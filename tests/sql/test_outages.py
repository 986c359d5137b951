"""A database that is down, hangs, restarts, or is a standby."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import Connection, text

from mi_ldap.deadline import deadline
from mi_ldap.errors import DirectoryUnavailable, ReadOnlyStore
from mi_ldap.sql import SqlStore
from mi_ldap.sql.hosts import RETRY_AFTER_S
from mi_ldap.sql.schema import create_tables
from mi_ldap.store import RenewEpoch
from tests.contract.words import PASSWORD, make_user, reread
from tests.hosts.process import LOOPBACK, free_ports, wait_for
from tests.sql.servers import DatabaseServer, MariaDb, PostgreSql
from tests.sql.stores import ADMIN_ROLE
from tests.stopwatch import STALL_S, seconds

KINDS = {"postgresql": PostgreSql, "mariadb": MariaDb}
Action = Callable[[], object]
_SET_PASSWORD = {
    "postgresql": "ALTER ROLE mi PASSWORD '{}'",
    "mysql": "ALTER USER mi@'%' IDENTIFIED BY '{}'",
}
SLACK_S = 2.5  # psycopg waits at least 2 s for a connection


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest) -> Iterator[DatabaseServer]:
    """A server of the test's own, to be ended."""
    with KINDS[request.param]() as server:
        create_tables(server.config)
        yield server


@pytest.fixture
def store(server: DatabaseServer) -> Iterator[SqlStore]:
    with closing(SqlStore(server.config, ADMIN_ROLE)) as store:
        yield store


def is_up(store: SqlStore) -> bool:
    try:
        store.check()
    except DirectoryUnavailable:
        return False
    return True


def test_a_killed_server_is_unavailable_and_used_again_when_it_is_back(
    server: DatabaseServer, store: SqlStore
) -> None:
    user = make_user(store)
    server.kill()
    actions: list[Action] = [
        store.check,
        lambda: store.find_user("alice"),
        lambda: store.create_user("bob"),
    ]
    for action in actions:
        began = time.monotonic()
        with deadline(3), pytest.raises(DirectoryUnavailable):
            action()
        assert time.monotonic() - began < 3 + SLACK_S
    server.start()
    assert wait_for(lambda: is_up(store), 10)
    assert store.find_user("alice") == user
    store.authenticate(user, PASSWORD)
    make_user(store, "bob")


def test_a_restart_between_two_requests_is_not_noticed(
    server: DatabaseServer, store: SqlStore
) -> None:
    user = make_user(store)
    for _ in range(2):
        server.stop()
        server.start()
        assert store.find_user("alice") == user
        server.stop()
        server.start()
        store.apply(RenewEpoch(user))
        user = reread(store, user)


def test_a_server_that_hangs_is_unavailable_within_the_deadline(
    server: DatabaseServer, store: SqlStore
) -> None:
    user = make_user(store)
    server.freeze()
    try:
        actions: list[Action] = [
            lambda: store.find_user("alice"),
            lambda: store.apply(RenewEpoch(user)),
        ]
        for action in actions:
            began = time.monotonic()
            with deadline(1), pytest.raises(DirectoryUnavailable):
                action()
            assert time.monotonic() - began < 1 + SLACK_S
    finally:
        server.thaw()
    assert wait_for(lambda: is_up(store), 10)
    make_user(store, "bob")


@contextmanager
def locked_users(server: DatabaseServer) -> Iterator[None]:
    """Have another client hold a lock of all users meanwhile."""
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        def lock(connection: Connection) -> None:
            connection.exec_driver_sql("SELECT * FROM UM_USER FOR UPDATE")
            held.set()
            done.wait(20)

        server.tools.write(lock)

    holder = threading.Thread(target=hold)
    holder.start()
    assert held.wait(10)
    try:
        yield
    finally:
        done.set()
        holder.join()


def test_a_lock_of_another_client_ends_with_the_deadline(
    server: DatabaseServer, store: SqlStore
) -> None:
    user = make_user(store)
    with locked_users(server):
        began = time.monotonic()
        with deadline(1), pytest.raises(DirectoryUnavailable):
            store.reset_password(user, "another one")
        assert time.monotonic() - began < 1 + SLACK_S
        assert store.find_user("alice") == user  # reads do not wait
    store.reset_password(user, "another one")


def test_a_host_with_a_lock_of_another_client_is_not_left(server: DatabaseServer) -> None:
    (port,) = free_ports(1)
    hosts = ((LOOPBACK, port), *server.config.hosts)
    with closing(SqlStore(replace(server.config, hosts=hosts), ADMIN_ROLE)) as store:
        user = make_user(store)

        def write() -> None:
            with deadline(1), pytest.raises(DirectoryUnavailable):
                store.reset_password(user, "another one")

        with locked_users(server), ThreadPoolExecutor(1) as pool:
            write()
            assert store.find_user("alice") == user  # on a new connection
            writing = pool.submit(write)
            assert store.find_user("alice") == user
            writing.result()
            assert store.find_user("alice") == user  # on the connection of the other read


def test_one_request_at_a_time_waits_for_a_server_that_hangs(
    server: DatabaseServer, store: SqlStore
) -> None:
    make_user(store)

    def ask(_: int) -> float:
        def find() -> None:
            with deadline(5), pytest.raises(DirectoryUnavailable):
                store.find_user("alice")

        return seconds(find)

    server.freeze()
    try:
        for _ in range(2):  # a statement without an answer, and the check that follows
            with deadline(1.5), pytest.raises(DirectoryUnavailable):
                store.find_user("alice")
        time.sleep(RETRY_AFTER_S + 0.1)
        with ThreadPoolExecutor(8) as pool:
            *others, _ = sorted(pool.map(ask, range(8)))
        assert max(others) < STALL_S
    finally:
        server.thaw()
    assert wait_for(lambda: is_up(store), 10)


def test_a_host_that_hangs_is_left(server: DatabaseServer) -> None:
    with type(server)() as other:
        create_tables(other.config)
        other.run_sql(_SET_PASSWORD[other.dialect].format(server.password))
        hosts = (*server.config.hosts, *other.config.hosts)
        config = replace(server.config, hosts=hosts)
        with closing(SqlStore(config, ADMIN_ROLE)) as store:
            make_user(store)
            server.freeze()
            try:
                with deadline(1), pytest.raises(DirectoryUnavailable):
                    store.check()
                with deadline(5):
                    assert store.find_user("alice") is None  # the other server has no such user
            finally:
                server.thaw()


def test_the_next_host_is_used_while_the_first_is_down(server: DatabaseServer) -> None:
    (port,) = free_ports(1)
    hosts = ((LOOPBACK, port), *server.config.hosts)
    with closing(SqlStore(replace(server.config, hosts=hosts), ADMIN_ROLE)) as store:
        make_user(store)


def test_a_host_that_takes_connections_and_is_silent_is_left(server: DatabaseServer) -> None:
    with silent_host() as port:
        hosts = ((LOOPBACK, port), *server.config.hosts)
        config = replace(server.config, hosts=hosts, connect_timeout_s=2.0)
        with closing(SqlStore(config, ADMIN_ROLE)) as store, deadline(8):
            make_user(store)


@contextmanager
def silent_host() -> Iterator[int]:
    """A port at which connections are accepted and never answered."""
    with socket.create_server((LOOPBACK, 0)) as listening:
        yield listening.getsockname()[1]


def test_a_standby_is_not_used_for_changes(server: DatabaseServer) -> None:
    make_read_only(server)
    refused = pytest.raises(DirectoryUnavailable)
    with closing(SqlStore(server.config, ADMIN_ROLE)) as store, deadline(3), refused:
        store.create_user("alice")
    with closing(SqlStore(replace(server.config, writable=False), ADMIN_ROLE)) as reading:
        assert reading.user_names().names == ()
        with pytest.raises(ReadOnlyStore):
            reading.create_user("alice")


def test_a_primary_that_becomes_a_standby_is_left(server: DatabaseServer, store: SqlStore) -> None:
    make_user(store)
    make_read_only(server)
    with deadline(3), pytest.raises(DirectoryUnavailable):
        store.create_user("bob")
    assert "bob" not in [name for (name,) in names_in(server)]


def make_read_only(server: DatabaseServer) -> None:
    """The server refuses the changes of the service, as a standby does."""
    if server.dialect == "postgresql":
        server.run_sql("ALTER SYSTEM SET default_transaction_read_only = on")
        server.run_sql("SELECT pg_reload_conf()")
        assert wait_for(lambda: reads_only(server), 10)
    else:
        server.run_sql("SET GLOBAL read_only = 1")


def reads_only(server: DatabaseServer) -> bool:
    with closing(SqlStore(server.config, ADMIN_ROLE)) as store:
        return not is_up(store)


def names_in(server: DatabaseServer) -> list[tuple[str]]:
    with closing(SqlStore(replace(server.config, writable=False), ADMIN_ROLE)) as store:
        return [(name,) for name in store.user_names().names]


@pytest.mark.parametrize("change", [{"password": "wrong"}, {"database": "none"}])
def test_a_refused_account_is_an_outage(server: DatabaseServer, change: dict[str, str]) -> None:
    with closing(SqlStore(replace(server.config, **change), ADMIN_ROLE)) as store:  # type: ignore[arg-type]
        with pytest.raises(DirectoryUnavailable) as raised:
            store.check()
        assert "wrong" not in str(raised.value)


def test_an_account_that_may_only_read_has_a_read_only_store(server: DatabaseServer) -> None:
    with closing(SqlStore(server.config, ADMIN_ROLE)) as store:
        make_user(store)
    statements = [
        "CREATE USER reader@'%' IDENTIFIED BY 'x'",
        f"GRANT SELECT ON {server.config.database}.* TO reader@'%'",
    ]
    if server.dialect == "postgresql":
        statements = [
            "CREATE ROLE reader LOGIN PASSWORD 'x'",
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader",
        ]
    for statement in statements:
        server.tools.write(partial(Connection.execute, statement=text(statement)))
    reader = replace(server.config, username="reader", password="x")
    with closing(SqlStore(reader, ADMIN_ROLE)) as store:
        assert store.user_names().names == ("alice",)
        with pytest.raises(ReadOnlyStore):
            store.create_user("bob")


@pytest.mark.parametrize("trusted", [True, False])
def test_tls_is_verified(server: DatabaseServer, trusted: bool) -> None:
    ca_file = server.certificates.ca_file if trusted else None
    hosts = (("localhost", server.port),)
    config = replace(server.config, hosts=hosts, tls=True, ca_file=ca_file)
    with closing(SqlStore(config, ADMIN_ROLE)) as store:
        if trusted:
            make_user(store)
        else:
            with pytest.raises(DirectoryUnavailable):
                store.check()


@pytest.mark.parametrize("kind", KINDS.values())
def test_a_certificate_of_another_name_is_refused(kind: type[DatabaseServer]) -> None:
    server = kind()
    other = server.certificates.authority.issue_cert("db.example.org")
    other.private_key_pem.write_to_path(server.certificates.key_file)
    other.cert_chain_pems[0].write_to_path(server.certificates.cert_file)
    with server:
        assert_no_connection(server)


@pytest.mark.parametrize("kind", KINDS.values())
def test_a_server_without_tls_is_refused(kind: type[DatabaseServer]) -> None:
    server = kind()
    server.offers_tls = False
    with server:
        assert_no_connection(server)


def assert_no_connection(server: DatabaseServer) -> None:
    """There is none with TLS, and one without."""
    create_tables(server.config)
    config = replace(
        server.config,
        hosts=(("localhost", server.port),),
        tls=True,
        ca_file=server.certificates.ca_file,
    )
    with closing(SqlStore(config, ADMIN_ROLE)) as store, pytest.raises(DirectoryUnavailable):
        store.check()
