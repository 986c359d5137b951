"""What the settings and the kind of the directory make of each other."""

from __future__ import annotations

from pathlib import Path

import pytest

from mi_ldap.directory.layout.builder import build_layout
from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.layout.profiles import ACTIVE_DIRECTORY, DS389, OPENLDAP, Profile
from mi_ldap.settings import load_settings

BASES = {
    "CONNECTION_URL": "ldaps://ldap.example.org",
    "CONNECTION_NAME": "cn=svc,dc=x",
    "CONNECTION_PASSWORD": "secret",
    "USER_SEARCH_BASE": "ou=people,dc=x#ou=guests,dc=x",
    "GROUP_SEARCH_BASE": "ou=groups,dc=x",
}


def laid_out(tmp_path: Path, profile: Profile, **settings: str) -> DirectoryLayout:
    given = {f"MI_LDAP_USER_STORE__{key}": value for key, value in {**BASES, **settings}.items()}
    loaded = load_settings({**given, "MI_LDAP_STATE_DIR": str(tmp_path)})
    return build_layout(loaded.user_store, profile)


def test_what_is_not_configured_is_as_the_kind_has_it(tmp_path: Path) -> None:
    tree = laid_out(tmp_path, ACTIVE_DIRECTORY)
    assert tree.user_filter == (
        "(&(&(objectCategory=person)(objectClass=user)(!(showInAdvancedViewOnly=TRUE)))"
        "(sAMAccountName=?))"
    )
    assert tree.role_list_filter == "(objectClass=group)"
    assert (tree.rdn_attribute, tree.user_id) == ("cn", "objectGUID")
    assert (tree.custodian, tree.first_admin) == ("adminDescription", "adminDescription")
    assert (tree.epoch, tree.revision) == ("adminDisplayName", "adminDisplayName")


def test_every_key_wins_over_the_kind(tmp_path: Path) -> None:
    tree = laid_out(
        tmp_path,
        OPENLDAP,
        USER_ENTRY_OBJECT_CLASS="person",
        USER_NAME_ATTRIBUTE="mail",
        GROUP_ENTRY_OBJECT_CLASS="group",
        GROUP_NAME_ATTRIBUTE="ou",
    )
    assert tree.user_filter == "(&(objectClass=person)(mail=?))"
    assert tree.user_list_filter == "(objectClass=person)"
    assert tree.role_filter == "(&(objectClass=group)(ou=?))"
    assert tree.role_list_filter == "(objectClass=group)"
    assert tree.rdn_attribute == "mail"


@pytest.mark.parametrize(
    ("role_class", "member", "by_name", "requires_member"),
    [
        ("groupOfNames", "member", False, True),
        ("groupOfUniqueNames", "uniqueMember", False, True),
        ("groupOfMembers", "member", False, False),
        ("posixGroup", "memberUid", True, False),
    ],
)
def test_the_class_of_groups_tells_how_they_hold_members(
    tmp_path: Path, role_class: str, member: str, by_name: bool, requires_member: bool
) -> None:
    shape = laid_out(tmp_path, OPENLDAP, GROUP_ENTRY_OBJECT_CLASS=role_class).group_schema
    assert (shape.member, shape.by_name) == (member, by_name)
    assert shape.requires_member is requires_member
    assert not laid_out(
        tmp_path, DS389, GROUP_ENTRY_OBJECT_CLASS=role_class
    ).group_schema.requires_member


@pytest.mark.parametrize("profile", [OPENLDAP, DS389])
def test_borrowed_attributes_serve_on_groups_too(tmp_path: Path, profile: Profile) -> None:
    borrowed = {"CUSTODIAN_ATTRIBUTE": "employeeNumber", "EPOCH_ATTRIBUTE": "displayName"}
    tree = laid_out(tmp_path, profile, **borrowed)
    assert (tree.own_classes, tree.revision) == (False, "displayName")
    assert (tree.account_class, tree.admin_role_class) == ("", "extensibleObject")
