"""The doctor on OpenLDAP: all well with the shipped rights, and each fault is told."""

from __future__ import annotations

from pathlib import Path

from mi_ldap.checks import format_findings
from tests.checks.directories import (
    add_group,
    add_user,
    apply_remedies,
    change_rules,
    fill,
    overlay_dn,
    put_rule_first,
    show_configuration,
    tool_of,
    user_dn,
)
from tests.checks.doctor_runs import findings_of, keys_of, problems, run_doctor, text_of
from tests.hosts.openldap import OpenLdap, Setup
from tests.kinds import PLAIN_OPENLDAP

SERVICE = "cn=mi-ldap,ou=services"


def test_the_shipped_rights_are_sufficient_and_minimal(healthy: OpenLdap, state: Path) -> None:
    report = run_doctor(keys_of(healthy, state))
    assert problems(report) == []
    assert report.exit_status == 0
    assert "create and delete them, set passwords" in text_of(report, "rights", "pass")
    assert "has 1 admin, 1 enabled: alice" in text_of(report, "admins", "pass")
    assert findings_of(report, "rights", "skip") == []


def test_nothing_is_changed(healthy: OpenLdap, state: Path) -> None:
    with tool_of(healthy) as tool:
        before = {dn: tool.read(dn) for dn in tool.dns_below(healthy.base)}
        run_doctor(keys_of(healthy, state))
        assert {dn: tool.read(dn) for dn in tool.dns_below(healthy.base)} == before


def test_no_secret_is_printed(directory: OpenLdap, state: Path) -> None:
    change_rules(directory, r"=w by self =xw", "manage by self =xw")
    report = run_doctor(keys_of(directory, state))
    text = report.as_json() + format_findings(report.findings)
    assert "read the password hashes" in text
    assert directory.service_password not in text
    assert "SSHA" not in text


def test_a_wrong_password(healthy: OpenLdap, state: Path) -> None:
    report = run_doctor(keys_of(healthy, state, connection_password="wrong"))
    assert report.exit_status == 2
    assert [each.check for each in problems(report)] == ["bind"]
    said = text_of(report, "bind", "fail")
    assert "code 49" in said
    assert "user_store.connection_password" in said
    assert "wrong" not in said


def test_a_wrong_base(healthy: OpenLdap, state: Path) -> None:
    nowhere = f"ou=nowhere,{healthy.base}"
    report = run_doctor(keys_of(healthy, state, user_search_base=nowhere))
    assert [each.check for each in problems(report)] == ["bases"]
    assert "user_store.user_search_base" in text_of(report, "bases", "fail")
    assert f"nearest existing entry is {healthy.base}" in text_of(report, "bases", "fail")
    not_checked = text_of(report, "bases", "skip")
    assert "until this is corrected: filters, limits, memory, rights" in not_checked
    assert len([each for each in report.findings if "Not checked" in each.sentence]) == 1


def test_a_filter_that_matches_nothing(healthy: OpenLdap, state: Path) -> None:
    report = run_doctor(keys_of(healthy, state, user_entry_object_class="account"))
    assert {each.check for each in problems(report)} == {"filters", "new-users"}
    assert "inetOrgPerson (2)" in text_of(report, "filters", "fail")
    assert "user_store.user_entry_object_class" in text_of(report, "filters", "fail")


def test_swapped_bases(healthy: OpenLdap, state: Path) -> None:
    swapped = {
        "user_search_base": healthy.group_base,
        "group_search_base": healthy.user_base,
    }
    said = text_of(run_doctor(keys_of(healthy, state, **swapped)), "filters", "fail")
    assert "user_search_base and group_search_base may be swapped" in said
    assert f'user_search_base = "{healthy.user_base}"' in said


def test_a_search_filter_that_finds_another_attribute(healthy: OpenLdap, state: Path) -> None:
    wrong = "(&(objectClass=inetOrgPerson)(mail=?))"
    report = run_doctor(keys_of(healthy, state, user_name_search_filter=wrong))
    assert "user_store.user_name_search_filter" in text_of(report, "filters", "fail")


def test_a_missing_schema(tmp_path: Path, state: Path) -> None:
    with OpenLdap(tmp_path / "bare", Setup(own_schema=False)) as directory:
        fill(directory)
        said = text_of(run_doctor(keys_of(directory, state)), "schema", "fail")
        assert "miLdapCustodian" in said
        assert "config/schema/mi-ldap.ldif" in said
        reading = run_doctor(keys_of(directory, state, type="read_only_ldap"))
        assert findings_of(reading, "schema", "fail") == []
        borrowed = {"custodian_attribute": "title", "epoch_attribute": "employeeType"}
        report = run_doctor(keys_of(directory, state, **borrowed))
        assert "title may have several values" in text_of(report, "schema", "fail")


def test_no_right_to_change_groups(directory: OpenLdap, state: Path) -> None:
    change_rules(directory, r"ou=groups,\S+ by dn.exact=\S*mi-ldap", None)
    report = run_doctor(keys_of(directory, state))
    said = text_of(report, "rights", "fail")
    assert "On groups the account lacks: create and delete them, write member" in said
    assert "config/ldif/rights.ldif" in said
    assert "On users the account may: create and delete them" in text_of(report, "rights", "pass")


def test_ids_and_members_that_are_hidden(directory: OpenLdap, state: Path) -> None:
    put_rule_first(directory, f'to dn.children="{directory.base}" attrs=entryUUID,member by * none')
    said = text_of(run_doctor(keys_of(directory, state)), "rights", "fail")
    assert "entryUUID of 2 of 2 users" in said
    assert "member of 1 of 1 groups" in said


def test_writable_password_policy_warns(directory: OpenLdap, state: Path) -> None:
    change_rules(directory, r"attrs=pwdAccountLockedTime", None)
    report = run_doctor(keys_of(directory, state))
    assert "rights-ppolicy.ldif" in text_of(report, "too-many-rights", "warn")


def test_write_access_of_a_read_only_configuration_warns(healthy: OpenLdap, state: Path) -> None:
    report = run_doctor(keys_of(healthy, state, type="read_only_ldap"))
    assert report.status == "warn"
    assert {each.check for each in problems(report)} == {"rights"}


def test_readable_password_hashes_fail(directory: OpenLdap, state: Path) -> None:
    change_rules(directory, r"=w by self =xw", "write by self =xw")
    report = run_doctor(keys_of(directory, state))
    assert "userPassword" in text_of(report, "too-many-rights", "fail")


def test_the_directory_manager_as_the_account_warns(healthy: OpenLdap, state: Path) -> None:
    dn, password = healthy.manager
    keys = keys_of(healthy, state, connection_name=dn, connection_password=password)
    report = run_doctor(keys)
    assert "bypasses the password policy" in text_of(report, "too-many-rights", "warn")
    (hashes,) = findings_of(report, "too-many-rights", "fail")
    assert hashes.remedy == "Create an account for the service alone."


def test_no_right_to_create_users_in_the_search_base(healthy: OpenLdap, state: Path) -> None:
    base = {"user_search_base": healthy.base, "user_entry_object_class": "inetOrgPerson"}
    said = text_of(run_doctor(keys_of(healthy, state, **base)), "rights", "fail")
    assert f"may not create users in {healthy.base}, where the service creates them" in said
    assert "Set user_store.user_dn_pattern" in said
    pattern = {"user_dn_pattern": f"uid={{0}},{healthy.user_base}"}
    assert text_of(run_doctor(keys_of(healthy, state, **base, **pattern)), "rights", "fail") == ""


def test_user_dn_pattern_names_a_writable_parent(directory: OpenLdap, state: Path) -> None:
    put_rule_first(
        directory, f'to dn.base="{directory.base}" by dn.exact="{directory.service_dn}" write'
    )
    with tool_of(directory) as tool:
        before = tool.dns_below(directory.base)
        report = run_doctor(keys_of(directory, state, user_search_base=directory.base))
        assert tool.dns_below(directory.base) == before
    assert text_of(report, "rights", "fail") == ""


def test_rights_in_an_empty_directory(tmp_path: Path, state: Path) -> None:
    with OpenLdap(tmp_path / "new") as directory:
        said = text_of(run_doctor(keys_of(directory, state)), "rights", "skip")
    assert "There is no user yet to test the rights on." in said
    assert "Load config/ldif/rights.ldif if you have not; run the doctor again" in said


def test_a_size_limit(tmp_path: Path, state: Path) -> None:
    setup = Setup(service_limits="size.soft=5 size.hard=5 size.prtotal=5")
    with OpenLdap(tmp_path / "small", setup) as directory:
        with tool_of(directory) as tool:
            for number in range(8):
                add_user(tool, directory, f"user{number}")
        said = text_of(run_doctor(keys_of(directory, state)), "limits", "fail")
        assert "returns only the first 5 users" in said
        assert f'olcLimits: {{0}}dn.exact="{SERVICE},' in said
        with tool_of(directory) as tool:
            tool.replace("olcDatabase={1}mdb,cn=config", olcLimits=[])
        apply_remedies(directory, said)
        assert "8 users" in text_of(run_doctor(keys_of(directory, state)), "limits", "pass")


def test_duplicate_login_names(tmp_path: Path, state: Path) -> None:
    with OpenLdap(tmp_path / "loose", Setup(unique=False)) as directory:
        fill(directory)
        with tool_of(directory) as tool:
            person = {**PLAIN_OPENLDAP.person_of("Alice", ""), "cn": "second"}
            tool.add(f"cn=second,{directory.user_base}", ["inetOrgPerson"], **person)
        said = text_of(run_doctor(keys_of(directory, state)), "duplicates", "warn")
        assert "2 users are named" in said
        assert f"cn=second,{directory.user_base}" in said


# What the configuration shows


def test_readable_cn_config_is_evaluated(directory: OpenLdap, state: Path) -> None:
    show_configuration(directory)
    directory.configure(overlay_dn(directory, "refint"), olcRefintNothing=[])
    report = run_doctor(keys_of(directory, state))
    assert "olcDbIndex: miLdapCustodian eq" in text_of(report, "indexes", "warn")
    assert "add: olcRefintNothing" in text_of(report, "overlays", "warn")
    assert "unique without `serialize`" in text_of(report, "overlays", "warn")
    assert "Users cannot write miLdapCustodian" in text_of(report, "custodian", "pass")
    apply_remedies(directory, *(each.remedy for each in problems(report)))
    corrected = run_doctor(keys_of(directory, state))
    assert problems(corrected) == []
    assert "No problems found in" in text_of(corrected, "overlays", "pass")


# Admins


def test_admins_of_nested_groups_are_counted(directory: OpenLdap, state: Path) -> None:
    with tool_of(directory) as tool:
        inner = add_group(tool, directory, "inner", user_dn(directory, "bob"))
        tool.add_values(f"cn=admin,{directory.group_base}", member=inner)
        gone = "8a3d1872-7a1f-1041-82f4-05905a505f39"
        bob = user_dn(directory, "bob")
        tool.add_values(bob, objectClass="miLdapAccount")
        tool.replace(bob, miLdapCustodian=gone)
    report = run_doctor(keys_of(directory, state))
    assert "has 2 admins, 1 through 1 group in it" in text_of(report, "admins", "pass")
    assert "The custodian of bob was deleted" in text_of(report, "admins", "warn")
    assert "recover-admin NAME --adopt" in text_of(report, "admins", "warn")


def test_a_custodian_who_is_not_an_admin_warns(directory: OpenLdap, state: Path) -> None:
    with tool_of(directory) as tool:
        bob, ghost = user_dn(directory, "bob"), user_dn(directory, "ghost")
        tool.add(ghost, ["inetOrgPerson"], uid="ghost", cn="ghost", sn="ghost")
        tool.add_values(f"cn=admin,{directory.group_base}", member=bob)
        tool.add_values(bob, objectClass="miLdapAccount")
        tool.replace(bob, miLdapCustodian=tool.read(ghost, "entryUUID")["entryUUID"])
    report = run_doctor(keys_of(directory, state))
    assert "The custodian of bob was deleted or is not an admin" in text_of(
        report, "admins", "warn"
    )


def test_first_admin_rules_are_reported(tmp_path: Path, state: Path) -> None:
    with OpenLdap(tmp_path / "new") as directory:
        keys = keys_of(directory, state) | {"MI_LDAP_BOOTSTRAP__MODE": "first_login"}
        assert "whoever logs in first" in text_of(run_doctor(keys), "first-admin", "warn")
        keys["MI_LDAP_BOOTSTRAP__USERS"] = "alice"
        said = text_of(run_doctor(keys), "first-admin", "fail")
        assert "alice does not exist: whoever first logs in with this name" in said
        assert "Correct bootstrap.users" in said
        with tool_of(directory) as tool:
            add_user(tool, directory, "alice")
        assert "the first of alice" in text_of(run_doctor(keys), "first-admin", "warn")


def test_memory_needs_syncprov(directory: OpenLdap, state: Path) -> None:
    (before,) = findings_of(run_doctor(keys_of(directory, state)), "memory", "pass")
    assert "does not report its changes" in before.sentence
    apply_remedies(directory, before.remedy)
    assert "from memory" in text_of(run_doctor(keys_of(directory, state)), "memory", "pass")
