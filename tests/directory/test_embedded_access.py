"""What the embedded directory lets whom do, and how it treats passwords."""

from __future__ import annotations

import subprocess
import uuid
from pathlib import Path

import pytest
from ldap3 import MODIFY_REPLACE, NONE, Connection, Server

from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.embedded.configuration import find_installation
from mi_ldap.ldap import controls
from tests.directory.slapd_fixture import (
    PASSWORD,
    SUCCESS,
    code_of,
    connected,
    manager,
    read,
    replace,
    service,
    slapd,
    user,
    user_dn,
)

__all__ = ["manager", "service", "slapd", "user", "user_dn"]

CONSTRAINT, INVALID_CREDENTIALS, NO_RIGHT = 19, 49, 50


def log_in(slapd: EmbeddedDirectory, dn: str, password: str) -> tuple[int, str | None]:
    """The result code of a bind, and the password policy's reason."""
    connection = Connection(Server(slapd.url, get_info=NONE), dn, password)
    connection.open()
    connection.bind(controls=[controls.PASSWORD_POLICY.with_value().for_ldap3()])
    policy = (connection.result["controls"] or {}).get(controls.PASSWORD_POLICY.oid, {})
    code = code_of(connection)
    connection.unbind()
    return code, controls.password_policy(policy.get("value")).error


# Access


def test_anonymous_sees_the_root_dse_and_nothing_else(slapd: EmbeddedDirectory) -> None:
    with connected(slapd.url) as nobody:
        assert read(nobody, "", "supportedControl")
        nobody.search(slapd.suffix, "(objectClass=*)", attributes=["*"])
        assert nobody.response == []


def test_a_user_reads_its_own_entry_only(
    user: Connection, user_dn: str, slapd: EmbeddedDirectory
) -> None:
    assert read(user, user_dn, "uid")
    for other in (slapd.user_base, slapd.group_base, slapd.service_dn, slapd.suffix):
        assert read(user, other, "objectClass") == []


@pytest.mark.parametrize("attribute", ["miLdapCustodian", "miLdapEpoch", "userPassword"])
def test_a_user_does_not_read_of_itself(
    attribute: str, user: Connection, user_dn: str, service: Connection
) -> None:
    if attribute != "userPassword":
        assert replace(service, user_dn, attribute, "x") == SUCCESS
    assert read(user, user_dn, attribute) == []


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("miLdapCustodian", "me"),
        ("miLdapEpoch", "old"),
        ("sn", "Other"),
        ("objectClass", "inetOrgPerson"),
        ("pwdPolicySubentry", "cn=services,ou=policies,dc=mi"),
        ("authzTo", "dn.regex:.*"),
    ],
)
def test_a_user_does_not_write_of_itself(
    attribute: str, value: str, user: Connection, user_dn: str
) -> None:
    assert replace(user, user_dn, attribute, value) == NO_RIGHT


def test_a_user_changes_its_own_password(
    user: Connection, user_dn: str, slapd: EmbeddedDirectory
) -> None:
    user.extend.standard.modify_password(user_dn, PASSWORD, "another one")
    assert code_of(user) == SUCCESS
    assert log_in(slapd, user_dn, PASSWORD)[0] == INVALID_CREDENTIALS
    assert log_in(slapd, user_dn, "another one")[0] == SUCCESS


def test_the_service_writes_passwords_but_does_not_read_them(
    service: Connection, user_dn: str, manager: Connection
) -> None:
    assert read(service, user_dn, "userPassword") == []
    service.compare(user_dn, "userPassword", PASSWORD)
    assert code_of(service) == NO_RIGHT
    assert read(manager, user_dn, "userPassword")


@pytest.mark.parametrize("attribute", ["entryUUID", "entryCSN", "pwdChangedTime"])
def test_the_service_reads_what_the_directory_keeps(
    attribute: str, service: Connection, user_dn: str
) -> None:
    assert read(service, user_dn, attribute)


@pytest.mark.parametrize(
    ("rdn", "attribute", "value"),
    [
        ("cn=people,ou=policies", "pwdMinLength", "1"),
        ("cn=mi-ldap,ou=services", "description", "me"),
        ("cn=mi-ldap,ou=services", "userPassword", "mine"),
        ("cn=mi-ldap,ou=services", "authzTo", "dn.regex:.*"),
        ("cn=manager", "userPassword", "mine"),
        ("ou=people", "description", "mine"),
    ],
)
def test_the_service_does_not_write(
    rdn: str, attribute: str, value: str, service: Connection, slapd: EmbeddedDirectory
) -> None:
    assert replace(service, f"{rdn},{slapd.suffix}", attribute, value) == NO_RIGHT


@pytest.mark.parametrize(
    ("attribute", "value"),
    [("authzTo", "dn.regex:.*"), ("pwdPolicySubentry", "cn=services,ou=policies,dc=mi")],
)
def test_the_service_gives_nobody_rights_or_another_policy(
    attribute: str, value: str, service: Connection, slapd: EmbeddedDirectory, user_dn: str
) -> None:
    assert replace(service, user_dn, attribute, value) == NO_RIGHT
    new_dn = f"uid=u{uuid.uuid4().hex},{slapd.user_base}"
    service.add(new_dn, ["inetOrgPerson"], {"cn": "x", "sn": "x", attribute: value})
    assert code_of(service) == NO_RIGHT


@pytest.mark.parametrize("rdn", ["ou=policies", "ou=services", ""])
def test_the_service_adds_nothing_elsewhere(
    rdn: str, service: Connection, slapd: EmbeddedDirectory
) -> None:
    parent = f"{rdn},{slapd.suffix}".lstrip(",")
    service.add(f"cn=new,{parent}", ["organizationalRole"])
    assert code_of(service) == NO_RIGHT


def test_the_service_removes_neither_folder(service: Connection, slapd: EmbeddedDirectory) -> None:
    for folder in (slapd.user_base, slapd.group_base):
        service.delete(folder)
        assert code_of(service) == NO_RIGHT


def test_only_the_manager_sees_the_configuration_and_the_counters(
    service: Connection, manager: Connection
) -> None:
    for base in ("cn=config", "cn=monitor"):
        assert read(manager, base, "objectClass")
        assert read(service, base, "objectClass") == []


def test_lists_are_complete_beyond_the_size_limit(tmp_path: Path) -> None:
    directory = EmbeddedDirectory(tmp_path)
    with directory:
        pass
    entry = "dn: uid=u{0},ou=people,dc=mi\nobjectClass: inetOrgPerson\nuid: u{0}\ncn: x\nsn: x\n\n"
    many = "".join(entry.format(number) for number in range(600))
    load = ["slapadd", "-q", "-n1", "-F", str(tmp_path / "slapd.d")]
    subprocess.run(load, input=many, executable=find_installation().slapd, text=True, check=True)
    with (
        directory,
        connected(directory.url, directory.service_dn, directory.read_service_password()) as c,
    ):
        c.search(directory.user_base, "(uid=*)", attributes=["1.1"])
        assert len(c.response or []) == 600
        pages = c.extend.standard.paged_search(
            directory.user_base, "(uid=*)", attributes=["1.1"], paged_size=100, generator=True
        )
        assert len(list(pages)) == 600


# Passwords


def test_passwords_are_hashed_with_argon2_however_they_come(
    service: Connection, manager: Connection, user_dn: str, slapd: EmbeddedDirectory
) -> None:
    assert read(manager, user_dn, "userPassword")[0].startswith(b"{ARGON2}$argon2i")
    assert replace(service, user_dn, "userPassword", "in clear text") == SUCCESS
    assert read(manager, user_dn, "userPassword")[0].startswith(b"{ARGON2}$argon2i")
    assert log_in(slapd, user_dn, "in clear text") == (SUCCESS, None)


def test_the_policy_binds_the_service_too(service: Connection, user_dn: str) -> None:
    service.extend.standard.modify_password(user_dn, new_password="four")
    assert code_of(service) == CONSTRAINT
    service.extend.standard.modify_password(user_dn, new_password="five5")
    assert code_of(service) == SUCCESS


def test_no_stranger_can_lock_an_account_and_an_administrator_can(
    user_dn: str, slapd: EmbeddedDirectory, manager: Connection
) -> None:
    for _ in range(30):
        assert log_in(slapd, user_dn, "wrong")[0] == INVALID_CREDENTIALS
    assert log_in(slapd, user_dn, PASSWORD) == (SUCCESS, None)
    closed = {"pwdAccountLockedTime": [(MODIFY_REPLACE, ["000001010000Z"])]}
    assert manager.modify(user_dn, closed)
    assert log_in(slapd, user_dn, PASSWORD) == (INVALID_CREDENTIALS, "accountLocked")


def test_nobody_can_lock_the_service_out(slapd: EmbeddedDirectory) -> None:
    for _ in range(61):
        assert log_in(slapd, slapd.service_dn, "wrong")[0] == INVALID_CREDENTIALS
    assert log_in(slapd, slapd.service_dn, slapd.read_service_password()) == (SUCCESS, None)
