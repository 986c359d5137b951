"""The pool of connections."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mi_ldap.deadline import deadline
from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.connection_pool import Pool
from mi_ldap.ldap.operations import Delete
from mi_ldap.ldap.result_codes import LdapError
from tests.ldap.connectors import connector
from tests.stopwatch import within


@pytest.fixture
def opened() -> list[LdapConnection]:
    return []


@pytest.fixture
def pool(embedded: EmbeddedDirectory, opened: list[LdapConnection]) -> Iterator[Pool]:
    """Two sessions at most; every one that was opened is noted."""

    def connect() -> LdapConnection:
        opened.append(connector(embedded.url).anonymous())
        return opened[-1]

    made_pool = Pool(connect, 2)
    yield made_pool
    made_pool.close()


def look(session: LdapConnection) -> None:
    session.read("", "(objectClass=*)", ["supportedExtension"])


def test_a_session_is_reused(pool: Pool, opened: list[LdapConnection]) -> None:
    for _ in range(5):
        with pool.connection() as session:
            look(session)
    assert len(opened) == 1


def test_the_size_bounds_the_sessions_and_others_wait(
    pool: Pool, opened: list[LdapConnection]
) -> None:
    def use(_: int) -> None:
        with pool.connection() as session:
            look(session)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(use, range(100)))
    assert len(opened) <= 2


def test_waiting_longer_than_the_deadline_is_an_outage(pool: Pool) -> None:
    with pool.connection(), pool.connection():
        busy = pytest.raises(DirectoryUnavailable, match="busy")
        with within(0.1), deadline(0.1), busy, pool.connection():
            pytest.fail("there was a third one")
    with pool.connection() as session:
        look(session)


def test_a_broken_session_is_not_reused(pool: Pool, opened: list[LdapConnection]) -> None:
    def look_at_a_closed_one() -> None:
        with pool.connection() as session:
            session.ldap3_connection.socket.close()
            look(session)

    with pytest.raises(DirectoryUnavailable):
        look_at_a_closed_one()
    with pool.connection() as session:
        look(session)
    assert len(opened) == 2


def test_a_session_is_reused_after_a_rejected_operation(
    pool: Pool, opened: list[LdapConnection]
) -> None:
    with pytest.raises(LdapError), pool.connection() as session:
        session.do(Delete("uid=nobody,dc=mi"))
    with pool.connection() as session:
        look(session)
    assert len(opened) == 1


def test_a_session_that_the_server_closed_is_replaced(
    pool: Pool, opened: list[LdapConnection], tmp_path: Path
) -> None:
    with pool.connection() as session:
        look(session)
        session.ldap3_connection.socket.shutdown(socket.SHUT_RD)
    with pool.connection() as session:
        look(session)
    assert len(opened) == 2


def test_a_session_that_was_idle_too_long_is_replaced(
    pool: Pool, opened: list[LdapConnection]
) -> None:
    with pool.connection() as session:
        look(session)
    session.idle_since -= 3600
    with pool.connection() as session:
        look(session)
    assert len(opened) == 2


def test_a_slot_is_free_again_when_connecting_failed() -> None:
    def fail() -> LdapConnection:
        raise DirectoryUnavailable

    pool = Pool(fail, 1)
    for _ in range(3):
        with pytest.raises(DirectoryUnavailable), pool.connection():
            pytest.fail("there was one")
