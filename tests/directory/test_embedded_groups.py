"""How the embedded directory keeps groups and their members true, also within transactions."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from ldap3 import MODIFY_ADD, MODIFY_DELETE, MODIFY_REPLACE, Connection

from mi_ldap.directory import controls
from mi_ldap.directory.embedded import EmbeddedDirectory
from mi_ldap.directory.slapd_process import wait_for
from mi_ldap.settings import load_settings
from mi_ldap.store import Give, Take, Unchanged
from mi_ldap.wiring import services
from tests.contract.words import make_user
from tests.directory.slapd_fixture import (
    SUCCESS,
    add_group,
    code_of,
    manager,
    read,
    replace,
    service,
    slapd,
    user_dn,
)

__all__ = ["manager", "service", "slapd", "user_dn"]

CONSTRAINT, ASSERTION_FAILED = 19, 122


def in_transaction(service: Connection, *changes: tuple[Any, ...]) -> int:
    """The code of the commit; each change is (dn, changes) or (dn, changes, assertion)."""
    service.extended(controls.TRANSACTION_START)
    transaction = bytes(service.result["responseValue"])
    for dn, modification, *guards in changes:
        asked = [controls.in_transaction(transaction), *map(controls.assertion, guards)]
        service.modify(dn, modification, controls=asked)
        assert code_of(service) == SUCCESS
    end = controls.transaction_end(transaction, commit=True)
    service.extended(controls.TRANSACTION_END, end)
    return code_of(service)


def promote(service: Connection, user_dn: str, group_dn: str, user_csn: str) -> int:
    group_csn = read(service, group_dn, "entryCSN")[0].decode()
    return in_transaction(
        service,
        (user_dn, {"miLdapCustodian": [(MODIFY_REPLACE, ["x"])]}, f"(entryCSN={user_csn})"),
        (group_dn, {"miLdapRevision": [(MODIFY_REPLACE, ["2"])]}, f"(entryCSN={group_csn})"),
        (group_dn, {"member": [(MODIFY_ADD, [user_dn])]}),
    )


def test_a_guarded_transaction_changes_all_and_keeps_member_of_true(
    service: Connection, slapd: EmbeddedDirectory, user_dn: str
) -> None:
    group_dn = add_group(slapd, service, "")
    csn = read(service, user_dn, "entryCSN")[0].decode()
    assert promote(service, user_dn, group_dn, csn) == SUCCESS
    assert read(service, user_dn, "miLdapCustodian") == [b"x"]
    assert read(service, user_dn, "memberOf") == [group_dn.encode()]
    assert user_dn.encode() in read(service, group_dn, "member")


def test_a_transaction_whose_guard_fails_changes_nothing(
    service: Connection, slapd: EmbeddedDirectory, user_dn: str
) -> None:
    group_dn = add_group(slapd, service, "")
    csn = read(service, user_dn, "entryCSN")[0].decode()
    assert replace(service, user_dn, "sn", "Changed") == SUCCESS
    assert promote(service, user_dn, group_dn, csn) == ASSERTION_FAILED
    assert read(service, user_dn, "miLdapCustodian") == []
    assert read(service, user_dn, "memberOf") == []
    assert read(service, group_dn, "member") == [b""]
    assert read(service, group_dn, "miLdapRevision") == []


def test_transactions_that_end_at_once_leave_it_alive(
    slapd: EmbeddedDirectory, manager: Connection, tmp_path: Path
) -> None:
    assert read(manager, "cn=config", "olcThreads") == [b"3"]
    made = services(load_settings({"MI_LDAP_STATE_DIR": str(tmp_path)}), slapd)

    def give_and_take(name: str) -> None:
        user, role = make_user(made.store, name), made.store.add_role(name)
        for _ in range(100):
            made.store.apply(Unchanged(user), Give(role, user))
            made.store.apply(Unchanged(user), Take(role, user))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(give_and_take, (f"u{uuid.uuid4().hex}" for _ in range(2))))
    made.store.check()
    made.close()


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
