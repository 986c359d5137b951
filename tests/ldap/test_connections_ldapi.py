"""ldapi: SASL EXTERNAL as the user of the process."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.embedded.configuration import find_installation
from mi_ldap.embedded.slapd_process import spawn_slapd, wait_for
from mi_ldap.errors import DirectoryUnavailable
from tests.ldap.connectors import connector
from tests.subtree import Tool


@pytest.fixture
def directory(tmp_path: Path) -> EmbeddedDirectory:
    """To whom this process is the service's account."""
    with EmbeddedDirectory(tmp_path / "directory") as directory:
        tool = Tool(directory.url, directory.manager_dn, directory.read_manager_password())
        peer = f"gidNumber={os.getgid()}[+]uidNumber={os.getuid()},cn=peercred,cn=external,cn=auth"
        # Its configuration wants SASL to be as safe as encryption; a socket has to be declared so.
        tool.replace("cn=config", olcLocalSSF="256")
        tool.replace("cn=config", olcAuthzRegexp=f'"{peer}" "{directory.service_dn}"')
        tool.close()
    return directory


@pytest.fixture
def url(directory: EmbeddedDirectory, tmp_path: Path) -> Iterator[str]:
    """Where it listens: a socket in the file system alone."""
    socket_file = tmp_path / "ldapi"
    url = f"ldapi://{str(socket_file).replace('/', '%2F')}"
    lock = os.open(directory.folder / "lock", os.O_RDWR)
    process = spawn_slapd(
        find_installation().slapd,
        urls=[url],
        config_dir=directory.folder / "slapd.d",
        log_file=directory.log_file,
        lock=lock,
    )
    assert wait_for(lambda: is_listening(socket_file), 5)
    yield url
    process.terminate()
    process.wait()
    os.close(lock)


def is_listening(file: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as caller:
        return caller.connect_ex(str(file)) == 0


def test_without_a_dn_the_process_is_the_account(directory: EmbeddedDirectory, url: str) -> None:
    session = connector(url).bound()
    session.ldap3_connection.extend.standard.who_am_i()
    said = session.ldap3_connection.result["responseValue"]
    assert said.decode() == f"dn:{directory.service_dn}"
    assert not session.is_stale()
    session.close()


def test_a_configured_dn_is_the_account(directory: EmbeddedDirectory, url: str) -> None:
    account = directory.service_dn, directory.read_service_password()
    session = connector(url, account=account).bound()
    assert session.read(directory.user_base, "(objectClass=*)", ["ou"]) is not None
    session.close()
    with pytest.raises(DirectoryUnavailable, match="own account"):
        connector(url, account=(directory.service_dn, "wrong")).bound()


def test_start_tls_is_not_used_over_ldapi(directory: EmbeddedDirectory, url: str) -> None:
    session = connector(url, start_tls=True).bound()
    assert session.read(directory.user_base, "(objectClass=*)", ["ou"]) is not None
    session.close()
