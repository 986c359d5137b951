"""How the embedded directory keeps groups and their members true."""

from __future__ import annotations

import uuid

import pytest
from ldap3 import MODIFY_ADD, MODIFY_DELETE, Connection

from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.embedded.slapd_process import wait_for
from tests.directory.slapd_fixture import (
    SUCCESS,
    add_group,
    code_of,
    manager,
    read,
    service,
    slapd,
    user_dn,
)

__all__ = ["manager", "service", "slapd", "user_dn"]

CONSTRAINT = 19


def test_an_empty_group_holds_the_empty_name(
    service: Connection, slapd: EmbeddedDirectory, user_dn: str
) -> None:
    group_dn = add_group(slapd, service, "")
    for change in (MODIFY_ADD, MODIFY_DELETE):
        service.modify(group_dn, {"member": [(change, [user_dn])]})
        assert code_of(service) == SUCCESS
    assert read(service, group_dn, "member") == [b""]
    assert read(service, user_dn, "memberOf") == []
    service.delete(group_dn)
    assert code_of(service) == SUCCESS


@pytest.mark.parametrize("others", [(), ("",)])
def test_a_removed_user_leaves_its_groups_also_as_their_last_member(
    others: tuple[str, ...], service: Connection, slapd: EmbeddedDirectory, user_dn: str
) -> None:
    group_dn = add_group(slapd, service, user_dn, *others)
    service.delete(user_dn)
    assert code_of(service) == SUCCESS
    assert wait_for(lambda: read(service, group_dn, "member") == [b""], 5)


def test_a_renamed_user_stays_a_member(
    service: Connection, slapd: EmbeddedDirectory, user_dn: str
) -> None:
    group_dn = add_group(slapd, service, user_dn)
    new_rdn = f"uid=u{uuid.uuid4().hex}"
    new_dn = f"{new_rdn},{slapd.user_base}"
    service.modify_dn(user_dn, new_rdn)
    assert wait_for(lambda: read(service, group_dn, "member") == [new_dn.encode()], 5)
    assert read(service, new_dn, "memberOf") == [group_dn.encode()]


def test_names_are_unique_below_their_base(
    service: Connection, slapd: EmbeddedDirectory, user_dn: str
) -> None:
    name = user_dn.partition("=")[2].partition(",")[0]
    second = {"cn": "x", "sn": "x", "uid": name.upper()}
    service.add(f"mail={name}@x,{slapd.user_base}", ["inetOrgPerson"], second)
    assert code_of(service) == CONSTRAINT
