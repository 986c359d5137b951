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
from tests.checks.directories import PASSWORD, add_user, fill, tool_of, user_dn
from tests.checks.doctor_runs import findings_of, keys_of, problems, run_doctor, text_of
from tests.hosts.ad_limits import AdLimits
from tests.hosts.ds389 import Ds389
from tests.hosts.fixtures import ds389, samba  # noqa: F401
from tests.hosts.samba import Samba
from tests.kinds import ACTIVE_DIRECTORY, DS389


@pytest.fixture(scope="module")
def directory_389(ds389: Ds389) -> Ds389:  # noqa: F811
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


def test_389_with_the_shipped_rights(directory_389: Ds389, tmp_path: Path) -> None:
    report = run_doctor(keys_of(directory_389, tmp_path))
    assert problems(report) == []
    assert "create and delete them, set passwords" in text_of(report, "rights", "pass")
    assert findings_of(report, "rights", "skip") == []
    assert "less than a minute" in text_of(report, "clock", "pass")
    assert "and no setting would enable it." in text_of(report, "memory", "pass")


def test_389_rights_in_an_empty_directory(tmp_path: Path, ds389: Ds389) -> None:  # noqa: F811
    with tool_of(ds389) as tool:
        folders = [f"ou=empty,{base}" for base in (ds389.user_base, ds389.group_base)]
        for dn in folders:
            tool.add(dn, ["organizationalUnit"])
        bases = {"user_search_base": folders[0], "group_search_base": folders[1]}
        report = run_doctor(keys_of(ds389, tmp_path, **bases))
        for dn in folders:
            tool.delete(dn)
    assert problems(report) == []
    assert "create and delete them" in text_of(report, "rights", "pass")
    assert "rights-389ds.ldif if you have not" in text_of(report, "rights", "skip")


def test_389_without_the_right_to_change_groups(directory_389: Ds389, tmp_path: Path) -> None:
    denied = (
        '(targetattr="member")(version 3.0; acl "no"; '
        f'deny (write) userdn="ldap:///{directory_389.service_dn}";)'
    )
    with modified(directory_389, directory_389.group_base, aci=[denied]):
        report = run_doctor(keys_of(directory_389, tmp_path))
    assert "lacks: write member" in text_of(report, "rights", "fail")
    assert "rights-389ds.ldif" in text_of(report, "rights", "fail")


def test_389_without_the_right_to_create_users(directory_389: Ds389, tmp_path: Path) -> None:
    denied = (
        f'(version 3.0; acl "no"; deny (add, delete) userdn="ldap:///{directory_389.service_dn}";)'
    )
    with modified(directory_389, directory_389.user_base, aci=[denied]):
        report = run_doctor(keys_of(directory_389, tmp_path))
    assert "On users the account lacks: create and delete" in text_of(report, "rights", "fail")


def test_389_no_right_to_create_users_in_the_search_base(
    directory_389: Ds389, tmp_path: Path
) -> None:
    seen = (
        '(targetattr="objectClass || ou || dc")(version 3.0; acl "seen"; '
        f'allow (read, search) userdn="ldap:///{directory_389.service_dn}";)'
    )
    with modified(directory_389, directory_389.base, aci=[seen]):
        report = run_doctor(keys_of(directory_389, tmp_path, user_search_base=directory_389.base))
    assert f"may not create users in {directory_389.base}" in text_of(report, "rights", "fail")


def test_389_readable_password_hashes_fail(directory_389: Ds389, tmp_path: Path) -> None:
    allowed = (
        '(targetattr="userPassword")(version 3.0; acl "all"; '
        f'allow (read, search) userdn="ldap:///{directory_389.service_dn}";)'
    )
    with modified(directory_389, directory_389.user_base, aci=[allowed]):
        shipped = run_doctor(keys_of(directory_389, tmp_path))
        with without(directory_389, directory_389.user_base, "Hashes are read by nobody"):
            report = run_doctor(keys_of(directory_389, tmp_path))
    assert text_of(shipped, "too-many-rights", "fail") == ""
    assert "userPassword" in text_of(report, "too-many-rights", "fail")
    assert "One of your acis allows it" in text_of(report, "too-many-rights", "fail")


def test_389_directory_manager_as_the_account_warns(directory_389: Ds389, tmp_path: Path) -> None:
    dn, password = directory_389.manager
    keys = keys_of(directory_389, tmp_path, connection_name=dn, connection_password=password)
    report = run_doctor(keys)
    assert "cn=Directory Manager" in text_of(report, "too-many-rights", "warn")
    assert "index add --attr miLdapCustodian" in text_of(report, "indexes", "warn")


def test_389_size_limits(directory_389: Ds389, tmp_path: Path) -> None:
    with tool_of(directory_389) as tool:
        dns = [add_user(tool, directory_389, f"user{number}", DS389) for number in range(6)]
        for limit in LIMITS_OF_389:
            with modified(directory_389, directory_389.service_dn, **{limit: ["5"]}):
                said = text_of(run_doctor(keys_of(directory_389, tmp_path)), "limits", "fail")
            assert "returns only the first 5 users" in said
            assert f"{limit}: -1" in said
        with modified(
            directory_389, directory_389.service_dn, **{name: ["-1"] for name in LIMITS_OF_389}
        ):
            corrected = run_doctor(keys_of(directory_389, tmp_path))
        for dn in dns:
            tool.delete(dn)
    assert "8 users" in text_of(corrected, "limits", "pass")


@pytest.mark.parametrize(("right", "level"), [("write", "fail"), ("read", "pass")])
def test_389_markers_by_effective_rights(
    directory_389: Ds389, tmp_path: Path, right: str, level: str
) -> None:
    dn, password = directory_389.manager
    borrowed = {"custodian_attribute": "employeeNumber", "epoch_attribute": "roomNumber"}
    account = {"connection_name": dn, "connection_password": password}
    allowed = (
        '(targetattr="employeeNumber || roomNumber")(version 3.0; acl "own"; '
        f'allow ({right}) userdn="ldap:///self";)'
    )
    marks = {"employeeNumber": ["x"], "roomNumber": ["y"]}
    with (
        modified(directory_389, directory_389.user_base, aci=[allowed]),
        modified(directory_389, user_dn(directory_389, "bob", DS389), **marks),
    ):
        report = run_doctor(keys_of(directory_389, tmp_path, **borrowed, **account))
    assert text_of(report, "custodian", level)


def test_389_a_wrong_profile(directory_389: Ds389, tmp_path: Path) -> None:
    report = run_doctor(keys_of(directory_389, tmp_path, profile="openldap"))
    assert "detected server type is 389 Directory Server" in text_of(report, "profile", "warn")


def test_389_a_locked_account(directory_389: Ds389, tmp_path: Path) -> None:
    with modified(directory_389, directory_389.service_dn, nsAccountLock=["true"]):
        report = run_doctor(keys_of(directory_389, tmp_path))
    assert "the account is locked or disabled" in text_of(report, "bind", "fail")


# Active Directory


def test_active_directory_with_the_shipped_rights(domain: Samba, tmp_path: Path) -> None:
    report = run_doctor(keys_of(domain, tmp_path))
    assert problems(report) == []
    assert "create and delete them, write adminDescription" in text_of(report, "rights", "pass")
    assert "set passwords" in text_of(report, "rights", "skip")
    assert "in no administrative group" in text_of(report, "too-many-rights", "pass")
    assert "less than a minute" in text_of(report, "clock", "pass")
    assert "Users cannot write adminDescription" in text_of(report, "custodian", "pass")
    assert "no right that it should have would enable it." in text_of(report, "memory", "pass")


def test_active_directory_without_rights(domain: Samba, tmp_path: Path) -> None:
    keys = {
        "connection_name": user_dn(domain, "bob", ACTIVE_DIRECTORY),
        "connection_password": PASSWORD,
    }
    report = run_doctor(keys_of(domain, tmp_path, **keys))
    assert "On users the account lacks: create and delete" in text_of(report, "rights", "fail")
    assert "write member" in text_of(report, "rights", "fail")


def test_active_directory_no_right_to_create_users_in_the_search_base(
    domain: Samba, tmp_path: Path
) -> None:
    report = run_doctor(keys_of(domain, tmp_path, user_search_base=domain.base))
    said = text_of(
        report, "rights", "fail"
    ).lower()  # the schema names the types of a DN its own way
    assert f"may not create users in {domain.base}".lower() in said


def test_active_directory_administrator_as_the_account(domain: Samba, tmp_path: Path) -> None:
    keys = {
        "connection_name": "administrator@example.test",
        "connection_password": domain.manager_password,
    }
    said = text_of(run_doctor(keys_of(domain, tmp_path, **keys)), "too-many-rights", "warn")
    assert "Domain Admins" in said


def test_active_directory_markers_in_personal_information_fail(
    domain: Samba, tmp_path: Path
) -> None:
    borrowed = {"custodian_attribute": "info", "epoch_attribute": "telephoneNumber"}
    report = run_doctor(keys_of(domain, tmp_path, **borrowed))
    assert "Users can write info, telephoneNumber" in text_of(report, "custodian", "fail")


def test_active_directory_requires_tls(domain: Samba, tmp_path: Path) -> None:
    keys = {"connection_url": domain.url, "ca_file": ""}
    said = text_of(run_doctor(keys_of(domain, tmp_path, **keys)), "bind", "fail")
    assert "(code 8): the server requires TLS" in said
    assert "user_store.start_tls = true" in said


def test_active_directory_names_of_the_account(domain: Samba, tmp_path: Path) -> None:
    keys = keys_of(domain, tmp_path, connection_name="mi-ldap", connection_password="wrong")
    assert "user@domain or DOMAIN\\user" in text_of(run_doctor(keys), "bind", "fail")


def test_active_directory_max_page_size_does_not_truncate_lists(
    domain: Samba, tmp_path: Path
) -> None:
    with tool_of(domain) as tool, AdLimits(domain, page=5) as limited:
        dns = [add_user(tool, domain, f"user{number}", ACTIVE_DIRECTORY) for number in range(6)]
        report = run_doctor(keys_of(domain, tmp_path, connection_url=limited.ldaps_url))
        for dn in dns:
            tool.delete(dn)
    assert "8 users" in text_of(report, "limits", "pass")


def test_active_directory_self_writable_attributes(domain: Samba) -> None:
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
