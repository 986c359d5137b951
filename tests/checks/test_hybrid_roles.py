"""The doctor on hybrid roles, and on directories that nobody may write."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from mi_ldap.store import AssignRole
from mi_ldap.wiring import services
from tests.api.client import PASSWORD
from tests.checks.doctor_runs import Command
from tests.checks.hybrid import (
    become_admin,
    examined,
    fill,
    of_database,
    of_directory,
    settings_of,
)
from tests.directory.readers import HOSTS, readable_place
from tests.hosts.openldap import OpenLdap, Setup
from tests.kinds import OPENLDAP
from tests.sql.stores import Place
from tests.subtree import Subtree, hybrid_base_in

MEMBER = (
    "INSERT INTO UM_HYBRID_USER_ROLE (UM_USER_NAME, UM_ROLE_ID, UM_DOMAIN_ID, UM_TENANT_ID) "
    "SELECT :name, UM_ID, UM_DOMAIN_ID, -1234 FROM UM_HYBRID_ROLE, UM_DOMAIN "
    "WHERE UM_ROLE_NAME = :role AND UM_DOMAIN_NAME = :domain"
)
ROLE = "INSERT INTO UM_HYBRID_ROLE (UM_ROLE_NAME, UM_TENANT_ID) VALUES (:name, -1234)"
DOMAIN = "INSERT INTO UM_DOMAIN (UM_DOMAIN_NAME, UM_TENANT_ID) VALUES (:name, -1234)"


@pytest.mark.parametrize("name", HOSTS)
def test_a_read_only_directory_with_admins_passes(
    name: str, tmp_path: Path, state: Path, command: Command
) -> None:
    with readable_place(name, tmp_path, fill) as place:
        keys = of_directory(place, state)
        before = examined(command, keys)
        assert before.problems() == ["There is no admin: whoever logs in first becomes one."]
        assert "There is no role Internal/admin yet." in before.said("admins", "pass")
        assert "There are no hybrid roles yet." in before.said("hybrid-roles", "pass")
        become_admin(place, state)
        report = examined(command, keys)
    assert (report.status, report.problems()) == (0, [])
    assert report.said("admins", "pass").startswith(
        "The role Internal/admin has 1 admin, 1 enabled: alice."
    )
    stored = report.said("hybrid-roles", "pass")
    assert f"stored in the file {state}/hybrid-roles.sqlite" in stored
    assert "The account may change hybrid roles." in stored
    assert "There are 2 hybrid roles with 2 members." in stored
    assert "stored with the hybrid roles" in report.said("custodian", "pass")
    # Nothing that the operator would have to look up or change in the directory.
    everything = json.dumps(report.findings)
    for attribute in ("miLdap", "adminDescription", "adminDisplayName", "epoch_attribute"):
        assert attribute not in everything


def test_a_read_only_directory_needs_no_schema_of_the_service(
    tmp_path: Path, state: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        HOSTS, "openldap", (OPENLDAP, lambda folder: OpenLdap(folder, Setup(own_schema=False)))
    )
    with readable_place("openldap", tmp_path, fill) as place:
        become_admin(place, state)
        report = examined(command, of_directory(place, state))
    assert (report.status, report.said("schema", "skip")) == (0, "")
    assert "knows all attributes" in report.said("schema", "pass")


def test_names_that_cannot_become_the_first_admin_are_reported(
    read_only: Subtree, state: Path, command: Command
) -> None:
    keys = of_directory(read_only, state, BOOTSTRAP__USERS="alice, newcomer")
    said = examined(command, keys).said("first-admin", "warn")
    assert said.startswith("newcomer does not exist, and the user store is read-only")
    configured = {
        "MI_LDAP_BOOTSTRAP__MODE": "configured",
        "MI_LDAP_SUPER_ADMIN__USERNAME": "newcomer",
        "MI_LDAP_SUPER_ADMIN__PASSWORD": PASSWORD,
    }
    said = examined(command, {**of_directory(read_only, state), **configured}).said(
        "first-admin", "warn"
    )
    assert said.startswith("newcomer does not exist")


def test_lost_admins_are_reported_with_the_place_to_restore(
    read_only: Subtree, state: Path, command: Command
) -> None:
    become_admin(read_only, state)
    file = state / "hybrid-roles.sqlite"
    for each in state.glob(f"{file.name}*"):
        each.unlink()
    said = examined(command, of_directory(read_only, state)).said("admins", "fail")
    assert "There is no role Internal/admin, although an admin was created before" in said
    assert f"Restore the file {file}" in said
    recovered = command(of_directory(read_only, state), "recover-admin", "bob", "--yes")
    assert recovered.exit_code == 0, recovered.output
    report = examined(command, of_directory(read_only, state))
    assert "1 enabled: bob" in report.said("admins", "pass")


def test_a_file_that_is_no_database_is_reported(
    read_only: Subtree, state: Path, command: Command
) -> None:
    file = state / "hybrid-roles.sqlite"
    file.write_text("this is no database " * 100, encoding="utf-8")
    report = examined(command, of_directory(read_only, state))
    assert report.status == 2
    assert f"Check {file}" in report.said("hybrid-roles", "fail")
    assert "see hybrid-roles below" in report.said("admins", "skip")
    assert report.said("first-admin", "pass") == ""


# Members


@pytest.fixture
def filled(read_only: Subtree, state: Path, bare: Place, command: Command) -> dict[str, str]:
    """The environment of the directory with hybrid roles in a database of each kind."""
    more = of_database(bare.config)
    keys = of_directory(read_only, state, **more)
    assert command(keys, "database", "create").exit_code == 0
    become_admin(read_only, state, **more)
    return keys


def test_members_in_a_database_are_examined(
    filled: dict[str, str], read_only: Subtree, bare: Place, state: Path, command: Command
) -> None:
    healthy = examined(command, filled)
    assert (healthy.status, healthy.problems()) == (0, [])
    database = bare.config.database
    assert f"{database} (datasource.url)" in healthy.said("hybrid-roles", "pass")
    if bare.config.password:
        assert bare.config.password not in json.dumps(healthy.findings)
    # What MI writes, and members that are gone.
    bare.execute(ROLE, name="ops")
    bare.execute(DOMAIN, name="OLD.COM")
    for name, role, domain in (
        ("bob", "ops", "PRIMARY"),
        ("nobody", "ops", "PRIMARY"),
        ("carol", "ops", "OLD.COM"),
    ):
        bare.execute(MEMBER, name=name, role=role, domain=domain)
    dn = read_only.add_user("dave", PASSWORD)
    with closing(services(read_only.settings(state, **settings_of(filled)))) as found:
        ops, dave = found.store.find_role("Internal/ops"), found.store.find_user("dave")
        assert ops
        assert dave
        found.store.apply(AssignRole(ops, dave))
    read_only.tool.delete(dn)
    report = examined(command, filled)
    assert report.status == 1
    warned = report.said("hybrid-roles", "warn")
    assert "are not found in their user store any more: dave (Internal/ops)." in warned
    assert "there are no such users: nobody (Internal/ops)." in warned
    assert "There is no user store OLD.COM, so these members have no effect: OLD.COM/carol" in (
        warned
    )
    # bob's id was stored with Internal/testers, so no member is known by its name alone.
    assert "by name" not in report.said("hybrid-roles", "pass")


def test_whoever_would_become_an_admin_by_a_name_is_a_failure(
    filled: dict[str, str], bare: Place, read_only: Subtree, command: Command
) -> None:
    bare.execute(MEMBER, name="nobody", role="admin", domain="PRIMARY")
    dn = read_only.add_user("erin", PASSWORD)
    bare.execute(MEMBER, name="erin", role="testers", domain="PRIMARY")
    report = examined(command, filled)
    read_only.tool.delete(dn)
    assert report.status == 2
    assert "nobody (Internal/admin)" in report.said("hybrid-roles", "fail")
    assert "MI has written 1 member by name." in report.said("hybrid-roles", "pass")


def test_members_of_groups_in_the_directory_are_examined(
    read_only: Subtree, state: Path, command: Command
) -> None:
    with hybrid_base_in(read_only) as base:
        read_only.tool.add(
            f"cn=Internal/testers,{base}",
            ["groupOfNames", "miLdapHybridRole"],
            member=read_only.user_dn("alice"),
            miLdapMember="OLD.COM/1234",
        )
        stored = {"SUPER_ADMIN__ADMIN_ROLE": "admin", "USER_STORE__HYBRID_ROLE_BASE": base}
        report = examined(command, of_directory(read_only, state, **stored))
    assert "There is 1 hybrid role with 2 members." in report.said("hybrid-roles", "pass")
    said = report.said("hybrid-roles", "warn")
    assert "these members have no effect: OLD.COM/1234 (Internal/testers)." in said
    assert "or remove these values of miLdapMember" in said
    assert "UM_HYBRID" not in said


def test_groups_named_like_hybrid_roles_are_reported(
    tmp_path: Path, state: Path, command: Command
) -> None:
    def with_groups(place: Subtree) -> None:
        fill(place)
        place.add_group("Internal/dev", place.user_dn("alice"))

    with readable_place("openldap", tmp_path, with_groups) as place:
        said = examined(command, of_directory(place, state)).said("hybrid-roles", "warn")
        assert "named like hybrid roles: Internal/dev. They are not shown" in said
        as_admin_role = of_directory(place, state, SUPER_ADMIN__ADMIN_ROLE="Internal/dev")
        assert "Internal/dev" in examined(command, as_admin_role).said("hybrid-roles", "fail")
        without = of_directory(place, state, SUPER_ADMIN__ADMIN_ROLE="admin")
        report = examined(command, without)
        assert "Hybrid roles are not stored" in report.said("hybrid-roles", "pass")
        assert report.said("hybrid-roles", "warn") == ""
