"""Members that are nobody: told, and taken out after a yes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mi_ldap.checks import Report
from tests.checks.directories import add_group, change_rules, fill, put_rule_first, tool_of, user_dn
from tests.checks.doctor_runs import doctor_with, keys_of, run_doctor, text_of
from tests.hosts.openldap import OpenLdap, Setup
from tests.kinds import RFC_2307


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[OpenLdap]:
    with OpenLdap(tmp_path / "openldap", Setup(refint=False)) as made:
        fill(made)
        yield made


@pytest.fixture
def state(tmp_path: Path) -> Path:
    folder = tmp_path / "state"
    folder.mkdir()
    return folder


def fix_members(environment: dict[str, str]) -> Report:
    with doctor_with(environment) as doctor:
        list(doctor.examine())
        return Report(tuple(doctor.fix_members("root on this machine")))


def members_of(directory: OpenLdap, role: str, attribute: str = "member") -> list[str]:
    with tool_of(directory) as tool:
        return sorted(tool.read(f"cn={role},{directory.group_base}", attribute)[attribute])


def test_dangling_members_are_reported_and_removed(directory: OpenLdap, state: Path) -> None:
    gone, outside = user_dn(directory, "gone"), f"uid=far,ou=others,{directory.base}"
    with tool_of(directory) as tool:
        add_group(tool, directory, "devs", user_dn(directory, "bob"), gone, outside)
        add_group(tool, directory, "empty", user_dn(directory, "long gone"))
    keys = keys_of(directory, state)
    said = text_of(run_doctor(keys), "members", "warn")
    assert f"1 member of devs cannot be found: {gone}" in said
    assert "1 member of empty" in said
    assert outside not in said
    assert "doctor --fix-members" in said
    assert fix_members(keys).status == "pass"
    assert members_of(directory, "devs") == sorted([user_dn(directory, "bob"), outside])
    assert members_of(directory, "empty") == [""]
    assert text_of(run_doctor(keys), "members", "warn") == ""
    audited = [json.loads(line) for line in (state / "audit.log").read_text().splitlines()]
    assert [line["performedBy"] for line in audited] == ["root on this machine"] * 2
    assert json.loads(audited[0]["info"]) == {"role": "devs", "removedMembers": [gone]}


def test_hidden_entries_are_not_dangling(directory: OpenLdap, state: Path) -> None:
    hidden = user_dn(directory, "bob")
    with tool_of(directory) as tool:
        add_group(tool, directory, "devs", hidden)
    put_rule_first(directory, f'to dn.base="{hidden}" by * none')
    keys = keys_of(directory, state)
    assert text_of(run_doctor(keys), "members", "warn") == ""
    fix_members(keys)
    assert members_of(directory, "devs") == [hidden]


def test_a_member_that_was_created_again_is_kept(directory: OpenLdap, state: Path) -> None:
    gone = user_dn(directory, "carol")
    with tool_of(directory) as tool:
        add_group(tool, directory, "devs", user_dn(directory, "bob"), gone)
        with doctor_with(keys_of(directory, state)) as doctor:
            list(doctor.examine())
            findings = doctor.fix_members("root")
            person = {"cn": "carol", "sn": "carol", "uid": "carol"}
            tool.add(gone, ["inetOrgPerson"], **person)
            list(findings)
    assert gone in members_of(directory, "devs")


def test_fix_members_without_write_access_removes_nothing(directory: OpenLdap, state: Path) -> None:
    gone = user_dn(directory, "gone")
    with tool_of(directory) as tool:
        add_group(tool, directory, "devs", user_dn(directory, "bob"), gone)
    change_rules(directory, r"ou=groups,\S+ by dn.exact=\S*mi-ldap", None)
    report = fix_members(keys_of(directory, state))
    assert "Removed 0 members from devs; 1 left" in text_of(report, "fix-members", "warn")
    assert gone in members_of(directory, "devs")


def test_fix_members_with_read_only_groups_fails(directory: OpenLdap, state: Path) -> None:
    gone = user_dn(directory, "gone")
    with tool_of(directory) as tool:
        add_group(tool, directory, "devs", gone)
    report = fix_members(keys_of(directory, state, write_groups="false"))
    assert "only reads groups" in text_of(report, "fix-members", "fail")
    assert members_of(directory, "devs") == [gone]


def test_member_uids_without_a_user(directory: OpenLdap, state: Path) -> None:
    machines = "cn=root-of-machines"
    with tool_of(directory) as tool:
        dn = f"{machines},ou=services,{directory.base}"
        tool.add(dn, ["inetOrgPerson"], sn="x", uid="daemon")
        posix = {"gidNumber": "4711", "memberUid": ["alice", "daemon", "gone"]}
        tool.add(f"cn=unix,{directory.group_base}", ["posixGroup"], cn="unix", **posix)
    settings = {"group_entry_object_class": RFC_2307.group_classes[0]}
    keys = keys_of(directory, state, **settings)
    assert "1 member of unix cannot be found: gone" in text_of(run_doctor(keys), "members", "warn")
    fix_members(keys)
    assert members_of(directory, "unix", "memberUid") == ["alice", "daemon"]


@pytest.mark.parametrize(
    ("attribute", "values", "member"),
    [
        ("mail", {"uid": "nora", "mail": "nora@corp.example"}, "nora"),
        ("uid", {"uid": ["nora", "n2"]}, "n2"),
        ("uid", {"uid": "nora"}, "Nora"),
    ],
    ids=["members by uid, logins by mail", "a second uid", "other capitals"],
)
def test_member_uids_by_another_attribute_are_not_dangling(
    directory: OpenLdap, state: Path, attribute: str, values: dict[str, str], member: str
) -> None:
    with tool_of(directory) as tool:
        dn = f"uid=nora,{directory.user_base}"
        tool.add(dn, ["inetOrgPerson"], cn="nora", sn="x", **values)
        posix = {"gidNumber": "4711", "memberUid": [member]}
        tool.add(f"cn=unix,{directory.group_base}", ["posixGroup"], cn="unix", **posix)
    settings = {
        "group_entry_object_class": RFC_2307.group_classes[0],
        "user_name_attribute": attribute,
    }
    keys = keys_of(directory, state, **settings)
    said = text_of(run_doctor(keys), "members", "warn")
    assert f"a value other than the login name ({attribute})" in said
    fix_members(keys)
    assert members_of(directory, "unix", "memberUid") == [member]


def test_unfinished_users_are_counted(directory: OpenLdap, state: Path) -> None:
    fresh = f"unfinished:{time.time():.0f}:0123456789abcdef"
    for name, mark in (("left", "unfinished:1600000000:0123456789abcdef"), ("fresh", fresh)):
        values = {"uid": name, "cn": name, "sn": name, "miLdapEpoch": mark}
        with tool_of(directory) as tool:
            tool.add(user_dn(directory, name), ("inetOrgPerson", "miLdapAccount"), **values)
    report = run_doctor(keys_of(directory, state))
    assert "creation of 1 user: left." in text_of(report, "unfinished-users", "warn")
