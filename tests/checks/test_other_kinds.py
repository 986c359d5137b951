"""The doctor on 389 Directory Server and Active Directory, with the shipped rights and without."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ldap3 import MODIFY_ADD, MODIFY_DELETE

from mi_ldap.checks import custody
from mi_ldap.checks.server import LIMITS_OF_389
from tests.checks.examined import examined, faults, keys_of, of, told
from tests.checks.places import PASSWORD, add_user, fill, tool_of, user_dn
from tests.hosts.ad_limits import AdLimits
from tests.hosts.ds389 import Ds389
from tests.hosts.fixtures import ds389, samba  # noqa: F401
from tests.hosts.samba import Samba
from tests.kinds import ACTIVE_DIRECTORY, DS389


@pytest.fixture(scope="module")
def red_hat(ds389: Ds389) -> Ds389:  # noqa: F811
    fill(ds389, DS389)
    return ds389


@pytest.fixture(scope="module")
def domain(samba: Samba) -> Samba:  # noqa: F811
    fill(samba, ACTIVE_DIRECTORY)
    return samba


@contextmanager
def modified(directory: Ds389, dn: str, **values: list[str]) -> Iterator[None]:
    """Has values more for a while."""
    with directory.connected(*directory.manager) as manager:
        _change(manager, dn, MODIFY_ADD, values)
        try:
            yield
        finally:
            _change(manager, dn, MODIFY_DELETE, values)


@contextmanager
def without(directory: Ds389, dn: str, named: str) -> Iterator[None]:
    """Lacks an aci for a while."""
    with directory.connected(*directory.manager) as manager:
        assert manager.search(dn, "(aci=*)", "BASE", attributes=["aci"])
        values = manager.response[0]["raw_attributes"]["aci"]
        gone = {"aci": [each.decode() for each in values if named in each.decode()]}
        _change(manager, dn, MODIFY_DELETE, gone)
        try:
            yield
        finally:
            _change(manager, dn, MODIFY_ADD, gone)


def _change(manager: Any, dn: str, kind: str, values: dict[str, list[str]]) -> None:
    changes = {name: [(kind, given)] for name, given in values.items()}
    assert manager.modify(dn, changes), manager.result


# 389 Directory Server


def test_389_with_the_shipped_rights(red_hat: Ds389, tmp_path: Path) -> None:
    report = examined(keys_of(red_hat, tmp_path))
    assert faults(report) == []
    assert "make and remove them, set passwords" in told(report, "rights", "pass")
    assert of(report, "rights", "skip") == []
    assert "agree" in told(report, "clock", "pass")
    assert "and nothing there would enable it." in told(report, "memory", "pass")


def test_389_before_there_is_anybody(tmp_path: Path, ds389: Ds389) -> None:  # noqa: F811
    with tool_of(ds389) as tool:
        folders = [f"ou=empty,{base}" for base in (ds389.user_base, ds389.group_base)]
        for dn in folders:
            tool.add(dn, ["organizationalUnit"])
        bases = {"user_search_base": folders[0], "group_search_base": folders[1]}
        report = examined(keys_of(ds389, tmp_path, **bases))
        for dn in folders:
            tool.delete(dn)
    assert faults(report) == []
    assert "make and remove them" in told(report, "rights", "pass")
    assert "rights-389ds.ldif if you have not" in told(report, "rights", "skip")


def test_389_without_the_right_to_change_groups(red_hat: Ds389, tmp_path: Path) -> None:
    denied = (
        '(targetattr="member")(version 3.0; acl "no"; '
        f'deny (write) userdn="ldap:///{red_hat.service_dn}";)'
    )
    with modified(red_hat, red_hat.group_base, aci=[denied]):
        report = examined(keys_of(red_hat, tmp_path))
    assert "lacks: write member" in told(report, "rights", "fail")
    assert "rights-389ds.ldif" in told(report, "rights", "fail")


def test_389_without_the_right_to_make_users(red_hat: Ds389, tmp_path: Path) -> None:
    denied = f'(version 3.0; acl "no"; deny (add, delete) userdn="ldap:///{red_hat.service_dn}";)'
    with modified(red_hat, red_hat.user_base, aci=[denied]):
        report = examined(keys_of(red_hat, tmp_path))
    assert "On users the account lacks: make and remove" in told(report, "rights", "fail")


def test_389_new_users_go_elsewhere(red_hat: Ds389, tmp_path: Path) -> None:
    seen = (
        '(targetattr="objectClass || ou || dc")(version 3.0; acl "seen"; '
        f'allow (read, search) userdn="ldap:///{red_hat.service_dn}";)'
    )
    with modified(red_hat, red_hat.base, aci=[seen]):
        report = examined(keys_of(red_hat, tmp_path, user_search_base=red_hat.base))
    assert f"may not make users in {red_hat.base}" in told(report, "rights", "fail")


def test_389_hashes_that_can_be_read(red_hat: Ds389, tmp_path: Path) -> None:
    allowed = (
        '(targetattr="userPassword")(version 3.0; acl "all"; '
        f'allow (read, search) userdn="ldap:///{red_hat.service_dn}";)'
    )
    with modified(red_hat, red_hat.user_base, aci=[allowed]):
        shipped = examined(keys_of(red_hat, tmp_path))
        with without(red_hat, red_hat.user_base, "Hashes are read by nobody"):
            report = examined(keys_of(red_hat, tmp_path))
    assert told(shipped, "too-many-rights", "fail") == ""
    assert "userPassword" in told(report, "too-many-rights", "fail")
    assert "An aci of yours gives it" in told(report, "too-many-rights", "fail")


def test_389_the_manager_as_the_account(red_hat: Ds389, tmp_path: Path) -> None:
    dn, password = red_hat.manager
    keys = keys_of(red_hat, tmp_path, connection_name=dn, connection_password=password)
    report = examined(keys)
    assert "cn=Directory Manager" in told(report, "too-many-rights", "warn")
    assert "index add --attr miLdapCustodian" in told(report, "indexes", "warn")


def test_389_size_limits(red_hat: Ds389, tmp_path: Path) -> None:
    with tool_of(red_hat) as tool:
        dns = [add_user(tool, red_hat, f"user{number}", DS389) for number in range(6)]
        for limit in LIMITS_OF_389:
            with modified(red_hat, red_hat.service_dn, **{limit: ["5"]}):
                said = told(examined(keys_of(red_hat, tmp_path)), "limits", "fail")
            assert "stops after 5 users" in said
            assert f"{limit}: -1" in said
        with modified(red_hat, red_hat.service_dn, **{name: ["-1"] for name in LIMITS_OF_389}):
            mended = examined(keys_of(red_hat, tmp_path))
        for dn in dns:
            tool.delete(dn)
    assert "8 users" in told(mended, "limits", "pass")


@pytest.mark.parametrize(("right", "level"), [("write", "fail"), ("read", "pass")])
def test_389_marks_where_the_account_may_ask(
    red_hat: Ds389, tmp_path: Path, right: str, level: str
) -> None:
    dn, password = red_hat.manager
    borrowed = {"custodian_attribute": "employeeNumber", "epoch_attribute": "roomNumber"}
    account = {"connection_name": dn, "connection_password": password}
    allowed = (
        '(targetattr="employeeNumber || roomNumber")(version 3.0; acl "own"; '
        f'allow ({right}) userdn="ldap:///self";)'
    )
    marks = {"employeeNumber": ["x"], "roomNumber": ["y"]}
    with (
        modified(red_hat, red_hat.user_base, aci=[allowed]),
        modified(red_hat, user_dn(red_hat, "bob", DS389), **marks),
    ):
        report = examined(keys_of(red_hat, tmp_path, **borrowed, **account))
    assert told(report, "custodian", level)


def test_389_a_wrong_profile(red_hat: Ds389, tmp_path: Path) -> None:
    report = examined(keys_of(red_hat, tmp_path, profile="openldap"))
    assert "says that it is 389 Directory Server" in told(report, "profile", "warn")


def test_389_a_closed_account(red_hat: Ds389, tmp_path: Path) -> None:
    with modified(red_hat, red_hat.service_dn, nsAccountLock=["true"]):
        report = examined(keys_of(red_hat, tmp_path))
    assert "the account is locked or disabled" in told(report, "bind", "fail")


# Active Directory


def test_active_directory_with_the_shipped_rights(domain: Samba, tmp_path: Path) -> None:
    report = examined(keys_of(domain, tmp_path))
    assert faults(report) == []
    assert "make and remove them, write adminDescription" in told(report, "rights", "pass")
    assert "set passwords" in told(report, "rights", "skip")
    assert "in no group of administrators" in told(report, "too-many-rights", "pass")
    assert "agree" in told(report, "clock", "pass")
    assert "Users can't write adminDescription" in told(report, "custodian", "pass")
    assert "no right that it should have would enable it." in told(report, "memory", "pass")


def test_active_directory_without_rights(domain: Samba, tmp_path: Path) -> None:
    keys = {
        "connection_name": user_dn(domain, "bob", ACTIVE_DIRECTORY),
        "connection_password": PASSWORD,
    }
    report = examined(keys_of(domain, tmp_path, **keys))
    assert "On users the account lacks: make and remove" in told(report, "rights", "fail")
    assert "write member" in told(report, "rights", "fail")


def test_active_directory_new_users_go_elsewhere(domain: Samba, tmp_path: Path) -> None:
    report = examined(keys_of(domain, tmp_path, user_search_base=domain.base))
    said = told(report, "rights", "fail").lower()  # the schema names the types of a DN its own way
    assert f"may not make users in {domain.base}".lower() in said


def test_active_directory_administrator_as_the_account(domain: Samba, tmp_path: Path) -> None:
    keys = {
        "connection_name": "administrator@example.test",
        "connection_password": domain.manager_password,
    }
    said = told(examined(keys_of(domain, tmp_path, **keys)), "too-many-rights", "warn")
    assert "Domain Admins" in said


def test_active_directory_marks_of_personal_information(domain: Samba, tmp_path: Path) -> None:
    borrowed = {"custodian_attribute": "info", "epoch_attribute": "telephoneNumber"}
    report = examined(keys_of(domain, tmp_path, **borrowed))
    assert "Users can write info, telephoneNumber" in told(report, "custodian", "fail")


def test_active_directory_wants_tls(domain: Samba, tmp_path: Path) -> None:
    keys = {"connection_url": domain.url, "ca_file": ""}
    said = told(examined(keys_of(domain, tmp_path, **keys)), "bind", "fail")
    assert "(code 8): the server requires TLS" in said
    assert "user_store.start_tls = true" in said


def test_active_directory_names_of_the_account(domain: Samba, tmp_path: Path) -> None:
    keys = keys_of(domain, tmp_path, connection_name="mi-ldap", connection_password="wrong")
    assert "user@domain or DOMAIN\\user" in told(examined(keys), "bind", "fail")


def test_active_directory_pages_are_no_limit(domain: Samba, tmp_path: Path) -> None:
    with tool_of(domain) as tool, AdLimits(domain, page=5) as limited:
        dns = [add_user(tool, domain, f"user{number}", ACTIVE_DIRECTORY) for number in range(6)]
        report = examined(keys_of(domain, tmp_path, connection_url=limited.ldaps_url))
        for dn in dns:
            tool.delete(dn)
    assert "8 users" in told(report, "limits", "pass")


def test_active_directory_what_people_write_of_themselves(domain: Samba) -> None:
    """What the doctor knows by heart is what the server says."""
    bob = user_dn(domain, "bob", ACTIVE_DIRECTORY)
    with domain.connected(bob, PASSWORD) as connection:
        asked = ["allowedAttributesEffective"]
        assert connection.search(bob, "(objectClass=*)", "BASE", attributes=asked)
        given = connection.response[0]["raw_attributes"]["allowedAttributesEffective"]
    allowed = {value.decode().lower() for value in given}
    assert not allowed & {"admindescription", "admindisplayname"}
    assert allowed >= {"info", "assistant", "telephonenumber", "mobile", "streetaddress"}
    others = allowed - custody.SELF_WRITTEN["active_directory"]
    assert {name for name in others if not name.startswith(("ms", "personal"))} == set()
