"""The directories that the tests start: they run, they end, and the service's account is held."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from ldap3 import BASE, MODIFY_REPLACE, SASL
from ldap3.core.exceptions import LDAPException

from tests.hosts.ds389 import Ds389
from tests.hosts.fixtures import ds389, openldap, samba  # noqa: F401
from tests.hosts.openldap import OpenLdap, Setup, replicating_pair
from tests.hosts.process import DirectoryHost, wait_for
from tests.hosts.samba import Samba
from tests.hosts.tls import VerifyingTls, opened
from tests.subtree import Tool

SUCCESS, NO_SUCH_OBJECT, INSUFFICIENT_RIGHTS = 0, 32, 50
KINDS = {"openldap": OpenLdap, "ds389": Ds389, "samba": Samba}
PASSWORD = "correct horse"


@pytest.fixture(params=KINDS)
def host(request: pytest.FixtureRequest) -> DirectoryHost:
    """Each kind in turn."""
    found: DirectoryHost = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def service(host: DirectoryHost) -> Iterator[Any]:
    with host.connected(*host.service) as connection:
        yield connection


@pytest.fixture
def manager(host: DirectoryHost) -> Iterator[Any]:
    with host.connected(*host.manager) as connection:
        yield connection


@pytest.fixture
def user_dn(host: DirectoryHost, service: Any) -> Iterator[str]:
    """A user whom the service made."""
    dn = add_user(host, service, "alice")
    yield dn
    assert service.delete(dn), service.result


def add_user(host: DirectoryHost, service: Any, name: str) -> str:
    if isinstance(host, Samba):
        dn = f"CN={name},{host.user_base}"
        password = f'"{PASSWORD}"'.encode("utf-16-le")
        given = {"sAMAccountName": name, "userAccountControl": "512", "unicodePwd": password}
        assert service.add(dn, ["user"], given), service.result
        return dn
    dn = f"uid={name},{host.user_base}"
    given = {"cn": name, "sn": name, "userPassword": PASSWORD}
    assert service.add(dn, ["inetOrgPerson", "miLdapAccount"], given), service.result
    return dn


def code_of(connection: Any) -> int:
    code: int = connection.result["result"]
    return code


def replace(connection: Any, dn: str, attribute: str, value: str) -> int:
    connection.modify(dn, {attribute: [(MODIFY_REPLACE, [value])]})
    return code_of(connection)


@pytest.mark.parametrize("kind", KINDS)
def test_data_outlives_a_stop_and_a_kill(kind: str, tmp_path: Path) -> None:
    with KINDS[kind](tmp_path / kind) as host:
        for end in (host.kill, host.stop):
            with host.connected(*host.service) as service:
                add_user(host, service, end.__name__)
            end()
            assert not host.is_running()
            assert not host.takes(*host.service)
            host.start()
        with host.connected(*host.service) as service:
            service.search(host.user_base, f"(cn={host.kill.__name__})")
            assert len(service.response) == 1


OWNER = """
import sys, time
from pathlib import Path
from tests.hosts.test_hosts import KINDS
host = KINDS[sys.argv[1]](Path(sys.argv[2]))
host.start()
print("started", flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_of_a_killed_owner(kind: str, tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, kind, tmp_path / "mine"],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
    )
    with owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == b"started\n"
        assert processes_that_name(tmp_path / "mine")
        os.kill(owner.pid, signal.SIGKILL)
    assert wait_for(lambda: not processes_that_name(tmp_path / "mine"), 5)


def processes_that_name(folder: Path) -> list[int]:
    return [
        int(process.name)
        for process in Path("/proc").iterdir()
        if process.name.isdigit() and bytes(folder) in read(process / "cmdline")
    ]


def read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


def test_the_certificate_is_the_ca_s(host: DirectoryHost, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "stranger.pem")
    stranger = VerifyingTls(tmp_path / "stranger.pem")
    with (
        opened(host.ldaps_url, stranger, *host.service) as connection,
        pytest.raises(LDAPException, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        connection.open()
    assert host.takes(*host.service)


def test_start_tls(host: DirectoryHost) -> None:
    with opened(host.url, host.tls, *host.service) as connection:
        assert connection.start_tls()
        assert connection.bind(), connection.result


def test_the_service_sees_no_password(host: DirectoryHost, service: Any, user_dn: str) -> None:
    service.search(
        user_dn, "(objectClass=*)", BASE, attributes=["*", "+", "userPassword", "unicodePwd"]
    )
    seen = service.response[0]["raw_attributes"]
    assert not seen.get("userPassword")
    assert not seen.get("unicodePwd")
    assert host.takes(user_dn, PASSWORD)


def test_the_service_sees_which_entry_it_is(service: Any, user_dn: str) -> None:
    names = ["entryUUID", "nsUniqueId", "objectGUID"]
    service.search(user_dn, "(objectClass=*)", BASE, attributes=names)
    assert any(service.response[0]["raw_attributes"].get(name) for name in names)


def test_the_service_resets_passwords(host: DirectoryHost, service: Any, user_dn: str) -> None:
    if isinstance(host, Samba):
        service.extend.microsoft.modify_password(user_dn, "another horse")
    else:
        service.extend.standard.modify_password(user_dn, new_password="another horse")
    assert code_of(service) == SUCCESS
    assert host.takes(user_dn, "another horse")
    assert not host.takes(user_dn, PASSWORD)


def test_the_service_makes_groups(host: DirectoryHost, service: Any, user_dn: str) -> None:
    dn = f"cn=testers,{host.group_base}"
    group_class = "group" if isinstance(host, Samba) else "groupOfNames"
    assert service.add(dn, [group_class], {"member": [user_dn]}), service.result
    service.search(user_dn, "(objectClass=*)", BASE, attributes=["memberOf"])
    assert service.response[0]["raw_attributes"]["memberOf"]
    assert service.delete(dn), service.result


def test_the_service_writes_nothing_elsewhere(host: DirectoryHost, service: Any) -> None:
    for dn in (host.user_base, host.group_base, host.base, host.service_dn):
        assert replace(service, dn, "description", "mine") == INSUFFICIENT_RIGHTS, dn
    assert not service.delete(host.user_base)
    assert code_of(service) == INSUFFICIENT_RIGHTS
    service.add(f"ou=mine,{host.base}", ["organizationalUnit"])
    assert code_of(service) == INSUFFICIENT_RIGHTS


def test_a_user_cannot_move_the_service_s_marks(
    host: DirectoryHost, service: Any, user_dn: str
) -> None:
    mark = "adminDescription" if isinstance(host, Samba) else "miLdapCustodian"
    assert replace(service, user_dn, mark, "somebody") == SUCCESS
    with host.connected(user_dn, PASSWORD) as user:
        assert replace(user, user_dn, mark, "nobody") == INSUFFICIENT_RIGHTS


def test_what_openldap_leaves_out(tmp_path: Path) -> None:
    setup = Setup(
        member_of=False, refint=False, ppolicy=False, unique=False, nis=False, own_schema=False
    )
    with OpenLdap(tmp_path / "bare", setup) as host, host.connected(*host.service) as service:
        service.add(f"uid=a,{host.user_base}", ["inetOrgPerson"], {"cn": "a", "sn": "a"})
        assert code_of(service) == SUCCESS
        service.modify(
            f"uid=a,{host.user_base}", {"objectClass": [("MODIFY_ADD", ["miLdapAccount"])]}
        )
        assert code_of(service) != SUCCESS


def test_what_389_leaves_out(tmp_path: Path) -> None:
    bare = Ds389(
        tmp_path, member_of=False, referential_integrity=False, unique=False, own_schema=False
    )
    with bare as host, host.connected(*host.service) as service:
        for name in ("one", "two"):
            given = {"cn": name, "sn": name, "uid": ["same", name]}
            assert service.add(f"uid={name},{host.user_base}", ["inetOrgPerson"], given)
        group = {"member": [f"uid=one,{host.user_base}"]}
        assert service.add(f"cn=g,{host.group_base}", ["groupOfNames"], group)
        service.search(host.user_base, "(memberOf=*)")
        assert not service.response


def test_size_limit_of_the_service(tmp_path: Path) -> None:
    setup = Setup(service_limits="size.soft=2 size.hard=2")
    with OpenLdap(tmp_path / "small", setup) as host, host.connected(*host.service) as service:
        service.search(host.base, "(objectClass=*)")
        assert len(service.response) == 2


def test_client_certificate_and_local_socket(tmp_path: Path) -> None:
    with OpenLdap(tmp_path / "certified", Setup(verify_client="try")) as host:
        tls = VerifyingTls(host.ca_file, host.certificates.issue_client("mi-ldap"))
        for url in (host.ldaps_url, host.ldapi_url):
            with opened(url, tls, None, None) as connection:
                connection.authentication = SASL
                connection.sasl_mechanism, connection.sasl_credentials = "EXTERNAL", ""
                assert connection.bind(), connection.result
                assert connection.extend.standard.who_am_i() == f"dn:{host.service_dn}"


def test_a_pair_replicates(tmp_path: Path) -> None:
    with replicating_pair(tmp_path) as (first, second):
        for one, other in ((first, second), (second, first)):
            with one.connected(*one.service) as service:
                dn = add_user(one, service, one.folder.name)
            assert wait_for(lambda other=other, dn=dn: other.takes(dn, PASSWORD), 10)  # type: ignore[misc]


def test_lockout_of_samba(tmp_path: Path) -> None:
    with Samba(tmp_path / "locking") as host, host.connected(*host.service) as service:
        host.set_lockout(2)
        dn = add_user(host, service, "alice")
        for _ in range(2):
            assert not host.takes(dn, "wrong")
        assert not host.takes(dn, PASSWORD)
        assert replace(service, dn, "lockoutTime", "0") == SUCCESS
        assert host.takes(dn, PASSWORD)


def test_expired_password_of_samba(samba: Samba) -> None:  # noqa: F811
    with samba.connected(*samba.service) as service:
        dn = add_user(samba, service, "expired")
    samba.let_password_expire(dn)
    with opened(samba.ldaps_url, samba.tls, dn, PASSWORD) as connection:
        assert not connection.bind()
        assert "data 532," in connection.result["message"]
    samba.set_password_policy(max_pwd_age=0)
    assert samba.takes(dn, PASSWORD)


def test_a_tool_outlives_an_idle_connection(tmp_path: Path) -> None:
    with OpenLdap(tmp_path) as directory:
        directory.configure("cn=config", olcIdleTimeout="1")
        tool = Tool(directory.ldaps_url, *directory.manager, ca_file=directory.ca_file)
        time.sleep(3)
        with pytest.raises(LDAPException):
            tool.exists(directory.base)
        tool.rebind_if_closed()
        assert tool.exists(directory.base)
        tool.close()
