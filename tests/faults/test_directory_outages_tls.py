"""The way to the directory: verified TLS or none at all, and never a wait without an end."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme

from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.embedded.configuration import find_installation
from mi_ldap.embedded.slapd_process import is_listening, spawn_slapd, wait_for
from tests.hosts.process import free_ports
from tests.service import Answer, LocalCaller, local
from tests.stopwatch import within
from tests.subtree import Subtree, Tool, host_of

PASSWORD = "correct horse"
DEADLINE_S = 1.0


@dataclass(frozen=True, slots=True)
class Encrypted:
    """A slapd whose certificate is for `localhost` alone; `ca` and `stranger` are authorities."""

    place: Subtree
    plain_port: int
    tls_port: int
    ca: Path
    stranger: Path


@pytest.fixture(scope="module")
def encrypted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Encrypted]:
    folder = tmp_path_factory.mktemp("encrypted")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    trustme.CA().cert_pem.write_to_path(folder / "stranger.pem")
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(folder / "certificate.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    plain_port, tls_port = free_ports(2)
    directory = EmbeddedDirectory(folder / "directory", port=plain_port)
    with directory:
        place = prepare(directory, folder)
    with slapd_at(directory, [*directory.urls, f"ldaps://127.0.0.1:{tls_port}"]):
        wait_for(lambda: is_listening(directory.socket_file), 5)
        yield Encrypted(place, plain_port, tls_port, folder / "ca.pem", folder / "stranger.pem")


def prepare(directory: EmbeddedDirectory, folder: Path) -> Subtree:
    """Give it the certificate, and a place."""
    tool = Tool(directory.url, directory.manager_dn, directory.read_manager_password())
    tool.replace(
        "cn=config",
        olcTLSCertificateFile=str(folder / "certificate.pem"),
        olcTLSCertificateKeyFile=str(folder / "key.pem"),
    )
    place = Subtree(host_of(directory), tool)
    for base_dn in (place.user_base, place.group_base):
        tool.add(base_dn, ["organizationalUnit"], ou=place.name)
    tool.close()
    return place


@contextmanager
def slapd_at(directory: EmbeddedDirectory, urls: list[str]) -> Iterator[None]:
    """The stopped directory, on addresses that it does not offer by itself."""
    lock = os.open(directory.folder / "lock", os.O_RDWR)
    process = spawn_slapd(
        find_installation().slapd,
        urls=urls,
        config_dir=directory.folder / "slapd.d",
        log_file=directory.log_file,
        lock=lock,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()
        os.close(lock)


@dataclass
class Between:
    """Somebody on the wire, who hears what the client says and passes the answers on by `pass_on`.

    What it heard is in `heard`, when it is over.
    """

    to_port: int
    pass_on: Callable[[socket.socket, bytes], object] = socket.socket.sendall
    heard: bytearray = field(default_factory=bytearray)
    port: int = 0

    def __call__(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self.to_port))
                threading.Thread(target=self._relay, args=(client, server), daemon=True).start()

    def _relay(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError), client, server:
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    data = ready.recv(65536)
                    if not data:
                        return
                    if ready is client:
                        self.heard += data
                        server.sendall(data)
                    else:
                        self.pass_on(client, data)


@contextmanager
def listening(between: Between) -> Iterator[Between]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        between.port = listener.getsockname()[1]
        threading.Thread(target=between, args=(listener,), daemon=True).start()
        yield between
        listener.shutdown(socket.SHUT_RDWR)


def drop_by_drop(client: socket.socket, data: bytes) -> None:
    for at in range(len(data)):
        client.sendall(data[at : at + 1])
        time.sleep(0.15)


@contextmanager
def service_at(place: Subtree, folder: Path, url: str, **more: str) -> Iterator[LocalCaller]:
    settings = place.settings(
        folder,
        **{
            "USER_STORE__CONNECTION_URL": url,
            "SERVER__REQUEST_DEADLINE_S": str(DEADLINE_S),
            "USER_STORE__ALLOW_PLAINTEXT": "false",
            **more,
        },
    )
    with local(settings) as call:
        yield call


def log_in(call: LocalCaller) -> Answer:
    return call("GET", "/login", basic=f"root:{PASSWORD}")


def test_ldaps_with_the_authority_that_is_named(encrypted: Encrypted, tmp_path: Path) -> None:
    url = f"ldaps://localhost:{encrypted.tls_port}"
    ca = {"USER_STORE__CA_FILE": str(encrypted.ca)}
    with service_at(encrypted.place, tmp_path, url, **ca) as call:
        assert log_in(call).status == 200


def test_start_tls_with_the_authority_that_is_named(encrypted: Encrypted, tmp_path: Path) -> None:
    account_password = encrypted.place.host.account[1]
    with listening(Between(encrypted.plain_port)) as between:
        url = f"ldap://localhost:{between.port}"
        more = {"USER_STORE__CA_FILE": str(encrypted.ca), "USER_STORE__START_TLS": "true"}
        with service_at(encrypted.place, tmp_path, url, **more) as call:
            assert log_in(call).status == 200
        assert between.heard
        for secret in (account_password, PASSWORD):
            assert secret.encode() not in between.heard


REFUSED = [
    pytest.param("ldaps://localhost", "stranger", False, id="ldaps, unknown authority"),
    pytest.param("ldaps://localhost", "", False, id="ldaps, authority not named"),
    pytest.param("ldaps://127.0.0.1", "ca", False, id="ldaps, other name"),
    pytest.param("ldap://localhost", "stranger", True, id="StartTLS, unknown authority"),
    pytest.param("ldap://localhost", "", True, id="StartTLS, authority not named"),
    pytest.param("ldap://127.0.0.1", "ca", True, id="StartTLS, other name"),
]


@pytest.mark.parametrize(("url", "authority", "start_tls"), REFUSED)
def test_who_is_not_proved_to_be_the_directory_is_told_no_secret(
    encrypted: Encrypted, tmp_path: Path, url: str, authority: str, start_tls: bool
) -> None:
    more = {"USER_STORE__START_TLS": str(start_tls).lower()}
    if authority:
        more["USER_STORE__CA_FILE"] = str(getattr(encrypted, authority))
    to_port = encrypted.plain_port if start_tls else encrypted.tls_port
    with listening(Between(to_port)) as between:
        with service_at(encrypted.place, tmp_path, f"{url}:{between.port}", **more) as call:
            assert_outage_in_time(call)
        assert_nothing_secret(between, encrypted.place)


@pytest.mark.parametrize(("scheme", "start_tls"), [("ldap", "true"), ("ldaps", "false")])
def test_where_no_tls_is_offered_plaintext_is_no_way_out(
    embedded: EmbeddedDirectory,
    subtree: Subtree,
    encrypted: Encrypted,
    tmp_path: Path,
    scheme: str,
    start_tls: str,
) -> None:
    assert embedded.port
    more = {"USER_STORE__START_TLS": start_tls, "USER_STORE__CA_FILE": str(encrypted.ca)}
    with listening(Between(embedded.port)) as between:
        url = f"{scheme}://localhost:{between.port}"
        with service_at(subtree, tmp_path, url, **more) as call:
            assert_outage_in_time(call)
        assert_nothing_secret(between, subtree)


@pytest.mark.parametrize("start_tls", ["false", "true"])
def test_a_directory_that_answers_drop_by_drop_holds_nobody(
    encrypted: Encrypted, tmp_path: Path, start_tls: str
) -> None:
    more = {"USER_STORE__START_TLS": start_tls, "USER_STORE__CA_FILE": str(encrypted.ca)}
    with listening(Between(encrypted.plain_port, drop_by_drop)) as between:
        url = f"ldap://localhost:{between.port}"
        with service_at(encrypted.place, tmp_path, url, **more) as call:
            assert_outage_in_time(call)


def test_a_server_that_takes_connections_and_says_nothing_holds_nobody(
    encrypted: Encrypted, tmp_path: Path
) -> None:
    more = {"USER_STORE__CA_FILE": str(encrypted.ca)}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ldaps://localhost:{silent.getsockname()[1]}"
        with service_at(encrypted.place, tmp_path, url, **more) as call:
            assert_outage_in_time(call)


def assert_outage_in_time(call: LocalCaller) -> None:
    with within(DEADLINE_S):
        answer = log_in(call)
    assert answer.status == 503, answer
    assert answer.headers["Retry-After"]


def assert_nothing_secret(between: Between, place: Subtree) -> None:
    assert between.heard, "the service has not even tried"
    for secret in (*place.host.account, PASSWORD):
        assert secret.encode() not in between.heard
