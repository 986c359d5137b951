"""A real OpenLDAP for the tests that need one, and what they ask of it.

from tests.directory.slapd_fixture import slapd  # noqa: F401
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ldap3 import BASE, MODIFY_REPLACE, NONE, Connection, Server

from mi_ldap.embedded import EmbeddedDirectory

SUCCESS = 0
PASSWORD = "correct horse"


@pytest.fixture(scope="session")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedDirectory]:
    """One embedded directory for all tests of this process; each makes entries of its own."""
    with EmbeddedDirectory(tmp_path_factory.mktemp("slapd")) as directory:
        yield directory


@contextmanager
def connected(url: str, dn: str | None = None, password: str | None = None) -> Iterator[Connection]:
    """A connection as that account, or anonymous; the bind must succeed."""
    connection = Connection(Server(url, get_info=NONE), dn, password, auto_referrals=False)
    try:
        assert connection.bind(), connection.result
        yield connection
    finally:
        connection.unbind()


@pytest.fixture
def service(slapd: EmbeddedDirectory) -> Iterator[Connection]:
    with connected(slapd.url, slapd.service_dn, slapd.read_service_password()) as connection:
        yield connection


@pytest.fixture
def manager(slapd: EmbeddedDirectory) -> Iterator[Connection]:
    with connected(slapd.url, slapd.manager_dn, slapd.read_manager_password()) as connection:
        yield connection


@pytest.fixture
def user_dn(slapd: EmbeddedDirectory, service: Connection) -> str:
    """A user with `PASSWORD`, of a name of its own."""
    dn = add_user(slapd, service)
    service.extend.standard.modify_password(dn, new_password=PASSWORD)
    assert code_of(service) == SUCCESS
    return dn


@pytest.fixture
def user(slapd: EmbeddedDirectory, user_dn: str) -> Iterator[Connection]:
    with connected(slapd.url, user_dn, PASSWORD) as connection:
        yield connection


def add_user(slapd: EmbeddedDirectory, service: Connection) -> str:
    name = f"u{uuid.uuid4().hex}"
    dn = f"uid={name},{slapd.user_base}"
    service.add(dn, ["inetOrgPerson", "miLdapAccount"], {"cn": name, "sn": name})
    assert code_of(service) == SUCCESS
    return dn


def add_group(slapd: EmbeddedDirectory, service: Connection, *members: str) -> str:
    dn = f"cn=g{uuid.uuid4().hex},{slapd.group_base}"
    service.add(dn, ["groupOfNames", "miLdapAdminRole"], {"member": list(members)})
    assert code_of(service) == SUCCESS
    return dn


def code_of(connection: Connection) -> int:
    code: int = connection.result["result"]
    return code


def read(connection: Connection, dn: str, attribute: str) -> list[Any]:
    """The values, as bytes; none where the entry or the attribute isn't shown."""
    connection.search(dn, "(objectClass=*)", BASE, attributes=[attribute])
    for entry in connection.response or []:
        values: list[Any] = entry["raw_attributes"].get(attribute, [])
        return values
    return []


def replace(connection: Connection, dn: str, attribute: str, *values: str) -> int:
    connection.modify(dn, {attribute: [(MODIFY_REPLACE, list(values))]})
    return code_of(connection)
