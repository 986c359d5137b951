"""The doctor on the way to the directory: addresses, certificates, replicas."""

from __future__ import annotations

import datetime
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checks.directories import PASSWORD, add_user, fill, tool_of, user_dn
from tests.checks.doctor_runs import keys_of, problems, run_doctor, text_of
from tests.hosts.openldap import OpenLdap, replicating_pair
from tests.hosts.process import free_ports, wait_for
from tests.ldap.tls_servers import context_of, handshake, serving

_DATABASE = "olcDatabase={1}mdb,cn=config"


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenLdap]:
    """For tests that change nothing in it."""
    with OpenLdap(tmp_path_factory.mktemp("healthy")) as made:
        fill(made)
        yield made


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


def test_a_certificate_that_expires_soon_warns(tmp_path: Path, state: Path) -> None:
    directory = OpenLdap(tmp_path / "old")
    files = directory.certificates
    ends_at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=9, hours=1)
    issued = files.authority.issue_cert("localhost", "127.0.0.1", not_after=ends_at)
    issued.private_key_pem.write_to_path(files.key_file)
    issued.cert_chain_pems[0].write_to_path(files.cert_file)
    with directory:
        report = run_doctor(keys_of(directory, state))
        assert "valid for 9 days" in text_of(report, "certificate", "warn")


@pytest.mark.parametrize(
    ("host", "days", "remedy"),
    [
        ("127.0.0.1", -1, "Renew it on the directory's server"),
        ("elsewhere.example", 9, "Write the name that it is for in user_store.connection_url"),
    ],
)
def test_an_invalid_certificate_fails(
    healthy: OpenLdap, state: Path, host: str, days: int, remedy: str
) -> None:
    now = datetime.datetime.now(datetime.UTC)
    begins_at, ends_at = (now + datetime.timedelta(days=each) for each in (-5, days))
    issued = healthy.certificates.authority.issue_cert(
        host, not_before=begins_at, not_after=ends_at
    )
    with serving(handshake(context_of(issued))) as port:
        url = f"ldaps://127.0.0.1:{port}"
        report = run_doctor(keys_of(healthy, state, connection_url=url))
    assert [each.check for each in problems(report)] == ["address"]
    assert remedy in text_of(report, "address", "fail")


def test_connection_refused(healthy: OpenLdap, state: Path) -> None:
    (port,) = free_ports(1)
    url = f"ldaps://127.0.0.1:{port}"
    report = run_doctor(keys_of(healthy, state, connection_url=url))
    assert f"connection refused at 127.0.0.1:{port}" in text_of(report, "address", "fail")
    assert "Check that the server runs" in text_of(report, "address", "fail")


def test_a_server_that_does_not_answer(healthy: OpenLdap, state: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"ldaps://127.0.0.1:{silent.getsockname()[1]}"
        keys = keys_of(healthy, state, connection_url=url, ldap_connection_timeout="1000")
        said = text_of(run_doctor(keys), "address", "fail")
    assert "127.0.0.1 does not answer within 1 s" in said


def test_connection_name_is_not_a_dn(healthy: OpenLdap, state: Path) -> None:
    report = run_doctor(keys_of(healthy, state, connection_name="mi-ldap"))
    assert "(code 34): `mi-ldap` is not a DN" in text_of(report, "bind", "fail")


def test_start_tls(healthy: OpenLdap, state: Path) -> None:
    keys = keys_of(healthy, state, connection_url=healthy.url, start_tls="true")
    report = run_doctor(keys)
    assert problems(report) == []
    assert "valid for" in text_of(report, "certificate", "pass")


def test_plaintext_on_loopback_passes(healthy: OpenLdap, state: Path) -> None:
    report = run_doctor(keys_of(healthy, state, connection_url=healthy.url, ca_file=""))
    assert problems(report) == []
    assert "is on this machine" in text_of(report, "certificate", "pass")


def test_one_of_two_servers_is_down(tmp_path: Path, state: Path) -> None:
    with replicating_pair(tmp_path) as (first, second):
        fill(first)
        assert wait_for(lambda: second.takes(user_dn(first, "bob"), PASSWORD), 10)
        urls = f"{first.ldaps_url} {second.ldaps_url}"
        report = run_doctor(keys_of(first, state, connection_url=urls))
        assert problems(report) == []
        assert "The 2 servers have the same data" in text_of(report, "replicas", "pass")
        second.configure(_DATABASE, olcReadOnly="TRUE")
        report = run_doctor(keys_of(first, state, connection_url=urls))
        assert f"{second.ldaps_url} does not accept changes" in text_of(report, "replicas", "warn")
        second.stop()
        with tool_of(first) as tool:
            add_user(tool, first, "carol")
        report = run_doctor(keys_of(first, state, connection_url=urls))
        assert [each.check for each in problems(report)] == ["address"]
        assert second.ldaps_url in text_of(report, "address", "warn")


def test_servers_with_different_data_warn(tmp_path: Path, state: Path) -> None:
    first = OpenLdap(tmp_path / "one")
    second = OpenLdap(tmp_path / "two", authority=first.certificates.authority)
    second.service_password = first.service_password
    with first, second:
        fill(first)
        urls = f"{first.ldaps_url} {second.ldaps_url}"
        report = run_doctor(keys_of(first, state, connection_url=urls))
        assert "do not have the same data" in text_of(report, "replicas", "warn")
