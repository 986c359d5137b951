"""Each failure of TLS has a sentence of its own, and nothing is sent after it."""

from __future__ import annotations

import datetime
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from mi_ldap.deadline import deadline
from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.embedded.slapd_process import wait_for
from mi_ldap.errors import ConfigurationError, DirectoryUnavailable
from mi_ldap.ldap import tls
from mi_ldap.ldap.deadline_socket import SILENCE_S
from tests.hosts.process import free_ports
from tests.ldap.connectors import connector
from tests.ldap.tls_servers import (
    Recording,
    Talk,
    context_of,
    context_with,
    handshake,
    self_signed,
    serving,
)
from tests.stopwatch import within
from tests.subtree import Tool

NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)
ACCOUNT = ("cn=service,dc=mi", "the-secret-of-the-service")


def refusal(url: str, **more: Any) -> str:
    connecting = connector(url, account=ACCOUNT, **more)
    with deadline(2), pytest.raises(DirectoryUnavailable) as caught:
        connecting.bound()
    connecting.close()
    said = str(caught.value)
    assert "localhost" not in said
    assert "dc=mi" not in said
    return said


def refusal_of(talk: Talk, **more: Any) -> str:
    with serving(talk) as port:
        return refusal(f"ldaps://localhost:{port}", **more)


def test_a_certificate_for_another_host(authority: trustme.CA, ca_file: Path) -> None:
    talk = handshake(context_of(authority.issue_cert("elsewhere.example")))
    assert refusal_of(talk, ca_file=ca_file) == tls.ANOTHER_HOST
    with serving(talk) as port:
        assert refusal(f"ldaps://127.0.0.1:{port}", ca_file=ca_file) == tls.ANOTHER_HOST


@pytest.mark.parametrize(
    ("begins", "ends", "said"),
    [(-2 * DAY, -DAY, tls.EXPIRED), (DAY, 2 * DAY, tls.NOT_YET_VALID)],
    ids=["expired", "not yet valid"],
)
def test_an_expired_or_future_certificate(
    authority: trustme.CA,
    ca_file: Path,
    begins: datetime.timedelta,
    ends: datetime.timedelta,
    said: str,
) -> None:
    issued = authority.issue_cert("localhost", not_before=NOW + begins, not_after=NOW + ends)
    assert refusal_of(handshake(context_of(issued)), ca_file=ca_file) == said


def test_a_certificate_of_an_unknown_ca(authority: trustme.CA, ca_file: Path) -> None:
    stranger = handshake(context_of(trustme.CA().issue_cert("localhost")))
    assert refusal_of(stranger, ca_file=ca_file) == tls.UNKNOWN_AUTHORITY
    ours = handshake(context_of(authority.issue_cert("localhost")))
    assert refusal_of(ours) == tls.UNKNOWN_AUTHORITY


def test_a_self_signed_certificate(ca_file: Path, tmp_path: Path) -> None:
    certificate, key = self_signed("localhost")
    talk = handshake(context_with(certificate, key, tmp_path))
    assert refusal_of(talk, ca_file=ca_file) == tls.SELF_SIGNED


def test_a_server_without_tls(embedded: EmbeddedDirectory, ca_file: Path) -> None:
    assert refusal(f"ldaps://localhost:{embedded.port}", ca_file=ca_file) in (
        tls.NO_TLS,
        tls.CLOSED_IN_HANDSHAKE,
    )


def test_a_server_of_another_protocol(ca_file: Path) -> None:
    talk = Recording(lambda said: b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert refusal_of(talk, ca_file=ca_file) == tls.NO_TLS


def test_a_server_that_closes_the_connection(ca_file: Path) -> None:
    assert refusal_of(lambda peer: peer.recv(5), ca_file=ca_file) == tls.CLOSED_IN_HANDSHAKE
    assert refusal_of(reset, ca_file=ca_file) == tls.CLOSED_IN_HANDSHAKE


def reset(peer: socket.socket) -> None:
    peer.recv(5)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


# The alert protocol_version (RFC 5246 §7.2), as a server of yesterday sends it.
TOO_OLD = bytes([21, 3, 1, 0, 2, 2, 70])


def test_a_server_with_old_tls_only(ca_file: Path) -> None:
    assert refusal_of(Recording(lambda said: TOO_OLD), ca_file=ca_file) == tls.TOO_OLD


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_requires_a_client_certificate(
    authority: trustme.CA, ca_file: Path, version: ssl.TLSVersion
) -> None:
    context = context_of(authority.issue_cert("localhost"))
    context.verify_mode, context.maximum_version = ssl.CERT_REQUIRED, version
    authority.configure_trust(context)
    said = refusal_of(handshake(context), ca_file=ca_file)
    assert "client certificate" in said or said == tls.NO_AGREEMENT


def test_a_server_that_rejects_the_client_certificate(
    authority: trustme.CA, ca_file: Path, tmp_path: Path
) -> None:
    context = context_of(authority.issue_cert("localhost"))
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    trustme.CA().issue_cert("client").private_key_and_cert_chain_pem.write_to_path(
        tmp_path / "client.pem"
    )
    with serving(handshake(context)) as port:
        client = {"ca_file": ca_file, "certificate_file": tmp_path / "client.pem"}
        # Its alert may be lost when it hangs up at once.
        said = refusal(f"ldaps://localhost:{port}", **client)
        assert said in (tls.WANTS_CERTIFICATE, tls.CLOSED_IN_HANDSHAKE)


def start_tls_answer(request: bytes, code: int) -> bytes:
    """An extendedResp (RFC 4511 §4.12) to that request, with its own message id."""
    identifier = request[2 : 4 + request[3]]
    body = identifier + bytes([0x78, 7, 0x0A, 1, code, 4, 0, 4, 0])
    return bytes([0x30, len(body)]) + body


def test_nothing_is_sent_after_start_tls_is_refused(ca_file: Path) -> None:
    server = Recording(lambda request: start_tls_answer(request, 53))
    with serving(server) as port:
        url = f"ldap://localhost:{port}"
        said = refusal(url, start_tls=True, ca_file=ca_file)
        assert said == tls.NO_START_TLS
        assert wait_for(lambda: bool(server.heard), 5)
    for heard in server.heard:
        assert_starts_tls(heard)
        assert len(heard) == 2 + heard[1]


def test_nothing_is_sent_unencrypted_after_start_tls_fails(ca_file: Path) -> None:
    server = Recording(lambda request: start_tls_answer(request, 0) + b"this is no TLS" * 10)
    with serving(server) as port:
        refusal(f"ldap://localhost:{port}", start_tls=True, ca_file=ca_file)
        assert wait_for(lambda: bool(server.heard), 5)
    for heard in server.heard:
        assert_starts_tls(heard)
        rest = heard[2 + heard[1] :]
        assert rest[:1] in (b"", HANDSHAKE, ALERT)
        assert ACCOUNT[1].encode() not in rest


# The types of TLS records (RFC 8446 §5.1).
HANDSHAKE, ALERT = bytes([22]), bytes([21])


def assert_starts_tls(heard: bytes) -> None:
    """First an extendedReq with the name of StartTLS and no value (RFC 4511 §4.14.1)."""
    message = heard[: 2 + heard[1]]
    name = b"1.3.6.1.4.1.1466.20037"
    operation = message[4 + message[3] :]
    assert operation == bytes([0x77, 2 + len(name), 0x80, len(name)]) + name


def test_a_server_without_start_tls(embedded: EmbeddedDirectory, ca_file: Path) -> None:
    said = refusal(embedded.urls[1], start_tls=True, ca_file=ca_file)
    assert said == tls.NO_START_TLS


def test_a_slow_response_over_tls_is_read(authority: trustme.CA, ca_file: Path) -> None:
    context = context_of(authority.issue_cert("localhost"))

    def talk(peer: socket.socket) -> None:
        with context.wrap_socket(peer, server_side=True) as near:
            request = near.recv(65536)
            answer = bind_answer(request)
            for piece in (answer[:1], answer[1:5], answer[5:]):
                time.sleep(1.5 * SILENCE_S)
                near.sendall(piece)
            near.recv(65536)

    with serving(talk) as port:
        session = connector(f"ldaps://localhost:{port}", ca_file=ca_file, account=ACCOUNT).bound()
        assert session.usable
        session.close()


def bind_answer(request: bytes) -> bytes:
    """A bindResponse of success (RFC 4511 §4.2.2) to that request."""
    identifier = request[2 : 4 + request[3]]
    body = identifier + bytes([0x61, 7, 0x0A, 1, 0, 4, 0, 4, 0])
    return bytes([0x30, len(body)]) + body


# Names, sockets and files


def test_an_unknown_host_name() -> None:
    assert refusal("ldap://nobody.invalid") == tls.NO_NAME
    assert refusal(f"ldap://{'x' * 70}.invalid") == tls.NO_NAME


def test_a_missing_ldapi_socket(tmp_path: Path) -> None:
    assert refusal(ldapi(tmp_path / "none")) == tls.NO_SOCKET
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(str(tmp_path / "left"))
    assert refusal(ldapi(tmp_path / "left")) == tls.NO_SOCKET


def ldapi(path: Path) -> str:
    return f"ldapi://{str(path).replace('/', '%2F')}"


def test_an_ldapi_socket_without_permission() -> None:
    assert tls.sentence_for_socket(PermissionError(13, "no")) == tls.NO_PERMISSION
    assert tls.sentence_for_socket(TimeoutError()) == tls.UNREACHABLE


@pytest.mark.parametrize("content", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nx\n"])
def test_files_that_are_not_certificates_are_a_configuration_error(
    tmp_path: Path, content: str
) -> None:
    file = tmp_path / "file.pem"
    file.write_text(content)
    with pytest.raises(ConfigurationError, match=r"user_store\.ca_file"):
        tls.verifying_context(file)
    with pytest.raises(ConfigurationError, match=r"user_store\.client_certificate_file"):
        tls.verifying_context(None, file)


def test_a_key_that_belongs_to_another_certificate(authority: trustme.CA, tmp_path: Path) -> None:
    one, other = authority.issue_cert("one"), authority.issue_cert("other")
    one.cert_chain_pems[0].write_to_path(tmp_path / "certificate.pem")
    other.private_key_pem.write_to_path(tmp_path / "key.pem")
    with pytest.raises(ConfigurationError, match=r"user_store\.client_key_file"):
        tls.verifying_context(None, tmp_path / "certificate.pem", tmp_path / "key.pem")


# With a real directory


@pytest.fixture
def encrypted(authority: trustme.CA, ca_file: Path, tmp_path: Path) -> Iterator[EmbeddedDirectory]:
    """A slapd with StartTLS, as `localhost`; who shows "the-service" is the service's account."""
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    (port,) = free_ports(1)
    with EmbeddedDirectory(tmp_path / "directory", port=port) as directory:
        tool = Tool(directory.url, directory.manager_dn, directory.read_manager_password())
        tool.replace(
            "cn=config",
            olcTLSCACertificateFile=str(ca_file),
            olcTLSCertificateKeyFile=str(tmp_path / "key.pem"),
            olcTLSCertificateFile=str(tmp_path / "cert.pem"),
            olcTLSVerifyClient="try",
            olcAuthzRegexp=f'"cn=the-service,.*" "{directory.service_dn}"',
        )
        tool.close()
        yield directory


Certificate = Callable[[str], Path]


@pytest.fixture
def certificate(authority: trustme.CA, tmp_path: Path) -> Certificate:
    def make(name: str) -> Path:
        file = tmp_path / f"{name}.pem"
        issued = authority.issue_cert(f"{name}.example", common_name=name)
        issued.private_key_and_cert_chain_pem.write_to_path(file)
        return file

    return make


def start_tls_url(directory: EmbeddedDirectory) -> str:
    return f"ldap://localhost:{directory.port}"


def test_without_a_dn_the_client_certificate_is_the_account(
    encrypted: EmbeddedDirectory, ca_file: Path, certificate: Certificate
) -> None:
    demands: dict[str, Any] = {"start_tls": True, "ca_file": ca_file}
    session = connector(
        start_tls_url(encrypted), certificate_file=certificate("the-service"), **demands
    ).bound()
    session.ldap3_connection.extend.standard.who_am_i()
    said = session.ldap3_connection.result["responseValue"]
    assert said.decode() == f"dn:{encrypted.service_dn}"
    session.close()


def test_a_configured_dn_takes_precedence_over_the_certificate(
    encrypted: EmbeddedDirectory, ca_file: Path, certificate: Certificate
) -> None:
    account = encrypted.service_dn, encrypted.read_service_password()
    demands: dict[str, Any] = {"start_tls": True, "ca_file": ca_file, "account": account}
    url = start_tls_url(encrypted)
    session = connector(url, certificate_file=certificate("another"), **demands).bound()
    assert session.read(encrypted.user_base, "(objectClass=*)", ["ou"]) is not None
    session.close()


def test_a_directory_that_requires_a_client_certificate(
    encrypted: EmbeddedDirectory, ca_file: Path, certificate: Certificate
) -> None:
    tool = Tool(encrypted.url, encrypted.manager_dn, encrypted.read_manager_password())
    tool.replace("cn=config", olcTLSVerifyClient="demand")
    tool.close()
    url = start_tls_url(encrypted)
    assert "client certificate" in refusal(url, start_tls=True, ca_file=ca_file)
    file = certificate("the-service")
    connector(url, start_tls=True, ca_file=ca_file, certificate_file=file).bound().close()


def test_an_ldapi_socket_that_never_answers_ends_at_the_deadline(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "ldapi"))
        listening.listen()
        connecting = connector(ldapi(tmp_path / "ldapi"), account=ACCOUNT)
        with within(1), deadline(1), pytest.raises(DirectoryUnavailable):
            connecting.bound()
        connecting.close()  # waits for the health check, which may take longer
