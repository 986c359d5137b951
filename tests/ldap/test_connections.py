"""Errors of connections become outages."""

from __future__ import annotations

import inspect
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from ldap3.core import exceptions as ldap3_exceptions
from pyasn1.error import PyAsn1Error

from mi_ldap.deadline import deadline
from mi_ldap.directory.config import DirectoryConfig
from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.connection_pool import Address
from mi_ldap.ldap.deadline_socket import DeadlineSocket
from mi_ldap.ldap.exchanges import ReadStopped
from mi_ldap.ldap.operations import Add, Delete, Modification, Modify
from tests.ldap.connectors import connector
from tests.stopwatch import within

# Every error of the library's


def ldap3_errors() -> list[type[Exception]]:
    found = [
        kind
        for _, kind in inspect.getmembers(ldap3_exceptions, inspect.isclass)
        if issubclass(kind, Exception)
    ]
    return sorted(found, key=lambda kind: kind.__name__)


WIRE_ERRORS = [
    *ldap3_errors(),
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    UnicodeDecodeError,
    RecursionError,
    MemoryError,
    OSError,
    TimeoutError,
    ConnectionResetError,
    ssl.SSLError,
    PyAsn1Error,
]


def made(kind: type[Exception]) -> Exception:
    error = kind.__new__(kind)
    error.args = ("uid=alice,ou=people: secret detail",)
    return error


@dataclass
class BrokenConnection:
    """A connection on which everything fails with the same error."""

    error: Exception
    socket: DeadlineSocket
    result: Any = None
    response: Any = None

    @property
    def extend(self) -> Any:
        raise self.error

    def fail(self, *_: Any, **__: Any) -> None:
        raise self.error

    search = add = delete = modify = extended = send = post_send_single_response = unbind = fail


@dataclass
class BrokenSocket:
    """A socket on which everything fails with the same error."""

    error: Exception

    def fail(self, *_: Any) -> None:
        raise self.error

    setblocking = settimeout = recv = send = shutdown = close = fail


@contextmanager
def broken(error: Exception) -> Iterator[LdapConnection]:
    """A session over such a connection."""
    plain: Any = BrokenSocket(error)
    connection: Any = BrokenConnection(error, DeadlineSocket(plain, time.monotonic() + 5))
    yield LdapConnection(connection)


ACTS: list[Callable[[LdapConnection], object]] = [
    lambda session: session.search("dc=x", "(uid=a)", ["uid"]),
    lambda session: session.read("dc=x", "(uid=a)", ["uid"]),
    lambda session: session.bind("uid=a", "password"),
    lambda session: session.do(Add("uid=a", ("person",), {})),
    lambda session: session.do(Modify("uid=a", (Modification("add", "cn", ("a",)),))),
    lambda session: session.do(Delete("uid=a")),
    lambda session: session.set_password("uid=a", "new"),
]


def test_any_connection_error_is_an_outage_and_ends_the_session() -> None:
    for kind in WIRE_ERRORS:
        for act in ACTS:
            with broken(made(kind)) as session:
                with pytest.raises(DirectoryUnavailable) as caught:
                    act(session)
                assert "alice" not in str(caught.value), kind
                assert not session.usable, kind


def test_all_exceptions_of_ldap3_are_tried() -> None:
    assert len(ldap3_errors()) > 100


def test_stopping_to_read_a_response_ends_the_session() -> None:
    with broken(ReadStopped("enough")) as session:
        with pytest.raises(ReadStopped, match="enough"):
            session.search("dc=x", "(uid=a)", ["uid"])
        assert not session.usable


def test_an_empty_password_is_not_sent() -> None:
    sent = AssertionError("it was sent")
    with broken(sent) as session, pytest.raises(ValueError, match="empty password"):
        session.bind("uid=a", "")


def test_nothing_is_sent_after_the_deadline() -> None:
    sent = AssertionError("it was sent")
    with broken(sent) as session, deadline(0), pytest.raises(DirectoryUnavailable):
        session.search("dc=x", "(uid=a)", ["uid"])


def test_no_secret_is_printed() -> None:
    address = Address(("ldap://127.0.0.1:1",))
    assert "hush" not in repr(DirectoryConfig(address, "cn=x", "hush"))


# Servers that do not answer


def test_a_closed_port_is_an_outage_at_once() -> None:
    with within(1), pytest.raises(DirectoryUnavailable):
        connector("ldap://127.0.0.1:1").anonymous()


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"ldap://127.0.0.1:{listening.getsockname()[1]}"


def test_a_silent_server_is_dropped_at_the_deadline_of_the_request(silent: str) -> None:
    session = connector(silent).anonymous()
    began_s = time.monotonic()
    with within(0.2), deadline(0.2), pytest.raises(DirectoryUnavailable):
        session.search("dc=x", "(objectClass=*)", ["cn"])
    assert time.monotonic() - began_s > 0.1
    session.close()


def test_a_silent_server_is_dropped_after_the_response_timeout(silent: str) -> None:
    session = connector(silent, response_timeout_s=0.2).anonymous()
    with pytest.raises(DirectoryUnavailable):
        session.bind("uid=a", "password")
    session.close()


RUBBISH_MEETS: list[Callable[[LdapConnection], object]] = [
    lambda session: session.search("dc=x", "(objectClass=*)", ["cn"]),
    lambda session: session.bind("uid=a", "password"),
]


@pytest.mark.parametrize("act", RUBBISH_MEETS)
def test_a_server_that_does_not_speak_ldap_is_an_outage(
    act: Callable[[LdapConnection], object],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        session = connector(f"ldap://127.0.0.1:{listening.getsockname()[1]}").anonymous()
        peer, _ = listening.accept()
        peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)
        with deadline(0.5), pytest.raises(DirectoryUnavailable):
            act(session)
        assert not session.usable
        peer.close()
        session.close()


def test_the_next_address_is_tried(embedded: EmbeddedDirectory) -> None:
    session = connector("ldap://127.0.0.1:1", embedded.url).anonymous()
    session.bind(embedded.service_dn, embedded.read_service_password())
    session.close()


def test_a_refused_account_is_an_outage_and_no_wrong_password(
    embedded: EmbeddedDirectory,
) -> None:
    for dn in (embedded.service_dn, "cn=nobody,dc=mi", "no dn"):
        with pytest.raises(DirectoryUnavailable, match="own account"):
            connector(embedded.url, account=(dn, "wrong")).bound()
