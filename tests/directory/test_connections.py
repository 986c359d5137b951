"""Connections: what goes wrong on them, TLS, the pool."""

from __future__ import annotations

import inspect
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from ldap3.core import exceptions as ldap3_exceptions
from pyasn1.error import PyAsn1Error

from mi_ldap.deadline import deadline
from mi_ldap.directory import Access
from mi_ldap.directory.connections import Address, Connector, Pool
from mi_ldap.directory.embedded import EmbeddedDirectory
from mi_ldap.directory.operations import Add, Delete, Modification, Modify
from mi_ldap.directory.session import Refused, Session
from mi_ldap.directory.wire import Wire
from mi_ldap.errors import DirectoryUnavailable
from tests.subtree import Tool

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
    socket: Wire
    result: Any = None
    response: Any = None

    @property
    def extend(self) -> Any:
        raise self.error

    def fail(self, *_: Any, **__: Any) -> None:
        raise self.error

    search = add = delete = modify = extended = send = post_send_single_response = unbind = fail


@contextmanager
def broken(error: Exception) -> Iterator[Session]:
    """A session over such a connection."""
    with socket.socket() as plain:
        connection: Any = BrokenConnection(error, Wire(plain, time.monotonic()))
        yield Session(connection)


ACTS: list[Callable[[Session], object]] = [
    lambda session: session.search("dc=x", "(uid=a)", ["uid"]),
    lambda session: session.read("dc=x", "(uid=a)", ["uid"]),
    lambda session: session.bind("uid=a", "password"),
    lambda session: session.do(Add("uid=a", ("person",), {})),
    lambda session: session.do(Modify("uid=a", (Modification("add", "cn", ("a",)),))),
    lambda session: session.do(Delete("uid=a")),
    lambda session: session.set_password("uid=a", "new"),
    lambda session: session.transaction().__enter__(),
]


def test_whatever_goes_wrong_on_the_wire_is_an_outage_and_ends_the_session() -> None:
    for kind in WIRE_ERRORS:
        for act in ACTS:
            with broken(made(kind)) as session:
                with pytest.raises(DirectoryUnavailable) as caught:
                    act(session)
                assert "alice" not in str(caught.value), kind
                assert not session.usable, kind


def test_there_are_as_many_as_the_library_has() -> None:
    assert len(ldap3_errors()) > 100


def test_an_error_of_our_own_ends_the_session_too() -> None:
    with broken(KeyError("ours")) as session:
        with pytest.raises(KeyError):
            session.search("dc=x", "(uid=a)", ["uid"])
        assert not session.usable


def test_an_empty_password_never_reaches_the_server() -> None:
    sent = AssertionError("it was sent")
    with broken(sent) as session, pytest.raises(ValueError, match="empty password"):
        session.bind("uid=a", "")


def test_when_the_time_is_over_nothing_is_sent() -> None:
    sent = AssertionError("it was sent")
    with broken(sent) as session, deadline(0), pytest.raises(DirectoryUnavailable):
        session.search("dc=x", "(uid=a)", ["uid"])


def test_no_secret_is_printed() -> None:
    address = Address(("ldap://127.0.0.1:1",))
    assert "hush" not in repr(Access(address, "cn=x", "hush"))


# Servers that do not answer


def connector(*urls: str, **more: Any) -> Connector:
    return Connector(Address(urls, **more), lambda operation: None)


def test_a_closed_port_is_an_outage_at_once() -> None:
    began_s = time.monotonic()
    with pytest.raises(DirectoryUnavailable):
        connector("ldap://127.0.0.1:1").anonymous()
    assert time.monotonic() - began_s < 1


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"ldap://127.0.0.1:{listening.getsockname()[1]}"


def test_a_silent_server_is_given_up_when_the_request_is_over(silent: str) -> None:
    session = connector(silent).anonymous()
    began_s = time.monotonic()
    with deadline(0.2), pytest.raises(DirectoryUnavailable):
        session.search("dc=x", "(objectClass=*)", ["cn"])
    assert 0.1 < time.monotonic() - began_s < 1
    session.close()


def test_a_silent_server_is_given_up_after_its_own_time(silent: str) -> None:
    session = connector(silent, answer_s=0.2).anonymous()
    with pytest.raises(DirectoryUnavailable):
        session.bind("uid=a", "password")
    session.close()


def test_a_server_that_talks_rubbish_is_an_outage() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        session = connector(f"ldap://127.0.0.1:{listening.getsockname()[1]}").anonymous()
        peer, _ = listening.accept()
        peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)
        with deadline(0.5), pytest.raises(DirectoryUnavailable):
            session.search("dc=x", "(objectClass=*)", ["cn"])
        peer.close()
        session.close()


def test_the_next_address_is_tried(embedded: EmbeddedDirectory) -> None:
    session = connector("ldap://127.0.0.1:1", embedded.url).anonymous()
    assert session.bind(embedded.service_dn, embedded.service_password) is None
    session.close()


def test_a_refused_account_is_an_outage_and_no_wrong_password(
    embedded: EmbeddedDirectory,
) -> None:
    for dn in (embedded.service_dn, "cn=nobody,dc=mi", "no dn"):
        with pytest.raises(DirectoryUnavailable, match="own account"):
            connector(embedded.url).bound(dn, "wrong")


# TLS


@contextmanager
def encrypting(url: str, context: ssl.SSLContext) -> Iterator[int]:
    """A port that speaks TLS for the directory behind it."""
    port = int(url.rpartition(":")[2])
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_serve, args=(listening, port, context), daemon=True).start()
        yield int(listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)


def _serve(listening: socket.socket, port: int, context: ssl.SSLContext) -> None:
    while True:
        try:
            plain, _ = listening.accept()
        except OSError:
            return
        try:
            _relay(plain, port, context)
        except OSError:
            continue


def _relay(plain: socket.socket, port: int, context: ssl.SSLContext) -> None:
    """One request and its answers at a time, which is how a session speaks."""
    with (
        plain,
        context.wrap_socket(plain, server_side=True) as near,
        socket.create_connection(("127.0.0.1", port)) as far,
    ):
        while request := near.recv(65536):
            far.sendall(request)
            near.sendall(far.recv(65536))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(file)
    return file


def certified(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def test_ldaps_with_a_certificate_of_the_configured_authority(
    embedded: EmbeddedDirectory, authority: trustme.CA, ca_file: Path
) -> None:
    with encrypting(embedded.url, certified(authority, "localhost")) as port:
        session = connector(f"ldaps://localhost:{port}", ca_file=ca_file).anonymous()
        assert session.bind(embedded.service_dn, embedded.service_password) is None
        session.close()


def test_ldaps_with_a_certificate_of_nobody_we_know(
    embedded: EmbeddedDirectory, authority: trustme.CA, ca_file: Path
) -> None:
    stranger = certified(trustme.CA(), "localhost")
    for context, file in ((stranger, ca_file), (certified(authority, "localhost"), None)):
        with encrypting(embedded.url, context) as port, pytest.raises(DirectoryUnavailable):
            connector(f"ldaps://localhost:{port}", ca_file=file).anonymous()


def test_ldaps_with_a_certificate_of_another_host(
    embedded: EmbeddedDirectory, authority: trustme.CA, ca_file: Path
) -> None:
    with encrypting(embedded.url, certified(authority, "elsewhere.example")) as port:
        for host in ("localhost", "127.0.0.1"):
            with pytest.raises(DirectoryUnavailable):
                connector(f"ldaps://{host}:{port}", ca_file=ca_file).anonymous()


def test_ldaps_with_a_server_that_speaks_plain(embedded: EmbeddedDirectory, ca_file: Path) -> None:
    port = embedded.url.rpartition(":")[2]
    with deadline(0.5), pytest.raises(DirectoryUnavailable):
        connector(f"ldaps://127.0.0.1:{port}", ca_file=ca_file).anonymous()


def test_start_tls_where_the_server_has_none_sends_nothing_more(
    embedded: EmbeddedDirectory, ca_file: Path
) -> None:
    with pytest.raises(DirectoryUnavailable):
        connector(embedded.url, start_tls=True, ca_file=ca_file).bound(
            embedded.service_dn, embedded.service_password
        )


@pytest.fixture
def start_tls(authority: trustme.CA, tmp_path: Path) -> Iterator[EmbeddedDirectory]:
    """A directory that offers StartTLS, as `localhost`."""
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    with EmbeddedDirectory(tmp_path / "directory") as directory:
        tool = Tool(directory.url, directory.manager_dn, directory.manager_password)
        tool.replace(
            "cn=config",
            olcTLSCertificateKeyFile=str(tmp_path / "key.pem"),
            olcTLSCertificateFile=str(tmp_path / "cert.pem"),
        )
        tool.close()
        yield directory


def test_start_tls_verifies_as_ldaps_does(start_tls: EmbeddedDirectory, ca_file: Path) -> None:
    port = start_tls.url.rpartition(":")[2]
    account = start_tls.service_dn, start_tls.service_password
    session = connector(f"ldap://localhost:{port}", start_tls=True, ca_file=ca_file).bound(*account)
    assert session.read(start_tls.user_base, "(objectClass=*)", ["ou"]) is not None
    assert session.connection.tls_started
    session.close()
    for host, file in (("127.0.0.1", ca_file), ("localhost", None)):
        with pytest.raises(DirectoryUnavailable):
            connector(f"ldap://{host}:{port}", start_tls=True, ca_file=file).bound(*account)


# The pool


@pytest.fixture
def opened() -> list[Session]:
    return []


@pytest.fixture
def pool(embedded: EmbeddedDirectory, opened: list[Session]) -> Iterator[Pool]:
    """Two sessions at most; every one that was opened is noted."""

    def connect() -> Session:
        opened.append(connector(embedded.url).anonymous())
        return opened[-1]

    made_pool = Pool(connect, 2)
    yield made_pool
    made_pool.close()


def look(session: Session) -> None:
    session.read("", "(objectClass=*)", ["supportedExtension"])


def test_a_session_is_used_again(pool: Pool, opened: list[Session]) -> None:
    for _ in range(5):
        with pool.session() as session:
            look(session)
    assert len(opened) == 1


def test_no_more_are_opened_than_allowed_and_the_others_wait(
    pool: Pool, opened: list[Session]
) -> None:
    def use(_: int) -> None:
        with pool.session() as session:
            look(session)

    with ThreadPoolExecutor(16) as threads:
        list(threads.map(use, range(100)))
    assert len(opened) <= 2


def test_who_waits_too_long_is_told(pool: Pool) -> None:
    with pool.session(), pool.session():
        began_s = time.monotonic()
        with deadline(0.1), pytest.raises(DirectoryUnavailable, match="busy"), pool.session():
            pytest.fail("there was a third one")
        assert time.monotonic() - began_s < 1
    with pool.session() as session:
        look(session)


def test_a_broken_session_is_not_given_to_the_next(pool: Pool, opened: list[Session]) -> None:
    def look_at_a_closed_one() -> None:
        with pool.session() as session:
            session.connection.socket.close()
            look(session)

    with pytest.raises(DirectoryUnavailable):
        look_at_a_closed_one()
    with pool.session() as session:
        look(session)
    assert len(opened) == 2


def test_a_refusal_breaks_nothing(pool: Pool, opened: list[Session]) -> None:
    with pytest.raises(Refused), pool.session() as session:
        session.do(Delete("uid=nobody,dc=mi"))
    with pool.session() as session:
        look(session)
    assert len(opened) == 1


def test_a_session_that_the_server_closed_is_replaced(
    pool: Pool, opened: list[Session], tmp_path: Path
) -> None:
    with pool.session() as session:
        look(session)
        session.connection.socket.shutdown(socket.SHUT_RD)
    with pool.session() as session:
        look(session)
    assert len(opened) == 2


def test_a_session_that_lay_idle_for_long_is_replaced(pool: Pool, opened: list[Session]) -> None:
    with pool.session() as session:
        look(session)
    session.idle_since -= 3600
    with pool.session() as session:
        look(session)
    assert len(opened) == 2


def test_a_slot_is_free_again_when_connecting_failed() -> None:
    def fail() -> Session:
        raise DirectoryUnavailable

    pool = Pool(fail, 1)
    for _ in range(3):
        with pytest.raises(DirectoryUnavailable), pool.session():
            pytest.fail("there was one")
