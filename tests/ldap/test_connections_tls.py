"""Encrypted connections, and the verification of certificates."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from mi_ldap.deadline import deadline
from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.errors import DirectoryUnavailable
from tests.hosts.process import free_ports
from tests.ldap.connectors import connector
from tests.subtree import Tool


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


def certified(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def test_ldaps_accepts_a_certificate_of_the_configured_ca(
    embedded: EmbeddedDirectory, authority: trustme.CA, ca_file: Path
) -> None:
    with encrypting(embedded.urls[1], certified(authority, "localhost")) as port:
        session = connector(f"ldaps://localhost:{port}", ca_file=ca_file).anonymous()
        session.bind(embedded.service_dn, embedded.read_service_password())
        session.close()


def test_ldaps_rejects_a_certificate_of_an_unknown_ca(
    embedded: EmbeddedDirectory, authority: trustme.CA, ca_file: Path
) -> None:
    stranger = certified(trustme.CA(), "localhost")
    for context, file in ((stranger, ca_file), (certified(authority, "localhost"), None)):
        with encrypting(embedded.urls[1], context) as port, pytest.raises(DirectoryUnavailable):
            connector(f"ldaps://localhost:{port}", ca_file=file).anonymous()


def test_ldaps_rejects_a_certificate_of_another_host(
    embedded: EmbeddedDirectory, authority: trustme.CA, ca_file: Path
) -> None:
    with encrypting(embedded.urls[1], certified(authority, "elsewhere.example")) as port:
        for host in ("localhost", "127.0.0.1"):
            with pytest.raises(DirectoryUnavailable):
                connector(f"ldaps://{host}:{port}", ca_file=ca_file).anonymous()


def test_ldaps_rejects_a_server_without_tls(embedded: EmbeddedDirectory, ca_file: Path) -> None:
    with deadline(0.5), pytest.raises(DirectoryUnavailable):
        connector(f"ldaps://127.0.0.1:{embedded.port}", ca_file=ca_file).anonymous()


def test_nothing_is_sent_if_the_server_refuses_start_tls(
    embedded: EmbeddedDirectory, ca_file: Path
) -> None:
    account = embedded.service_dn, embedded.read_service_password()
    with pytest.raises(DirectoryUnavailable):
        connector(embedded.urls[1], account=account, start_tls=True, ca_file=ca_file).bound()


@pytest.fixture
def start_tls(authority: trustme.CA, tmp_path: Path) -> Iterator[EmbeddedDirectory]:
    """A directory that offers StartTLS, as `localhost`."""
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    (port,) = free_ports(1)
    with EmbeddedDirectory(tmp_path / "directory", port=port) as directory:
        tool = Tool(directory.url, directory.manager_dn, directory.read_manager_password())
        tool.replace(
            "cn=config",
            olcTLSCertificateKeyFile=str(tmp_path / "key.pem"),
            olcTLSCertificateFile=str(tmp_path / "cert.pem"),
        )
        tool.close()
        yield directory


def test_start_tls_verifies_as_ldaps_does(start_tls: EmbeddedDirectory, ca_file: Path) -> None:
    port = start_tls.port
    account = start_tls.service_dn, start_tls.read_service_password()
    demands: dict[str, Any] = {"start_tls": True, "account": account}
    session = connector(f"ldap://localhost:{port}", ca_file=ca_file, **demands).bound()
    assert session.read(start_tls.user_base, "(objectClass=*)", ["ou"]) is not None
    assert session.ldap3_connection.tls_started
    session.close()
    for host, file in (("127.0.0.1", ca_file), ("localhost", None)):
        with pytest.raises(DirectoryUnavailable):
            connector(f"ldap://{host}:{port}", ca_file=file, **demands).bound()
