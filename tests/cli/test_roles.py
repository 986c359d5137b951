"""`mi role`."""

from __future__ import annotations

from tests.cli.conftest import PASSWORD
from tests.cli.terminal import Person


def test_create_show_and_delete_a_role(mi: Person) -> None:
    assert mi.done("role", "create", "dev, all").out == "Role dev, all was created.\n"
    assert "dev, all" in mi.done("role", "show").lines
    assert mi.done("role", "show", "dev, all").lines == ["Role   dev, all", "Users  nobody"]
    assert mi("role", "create", "dev, all").sentence == "The role : dev, all already exists"
    assert mi.done("role", "delete", "dev, all").out == "Role dev, all was deleted.\n"
    assert mi("role", "delete", "dev, all").status == 1


def test_a_role_name_that_breaks_the_dashboard_prints_a_warning(
    mi: Person,
) -> None:
    ran = mi.done("role", "create", "two words")
    assert ran.out == "Role two words was created.\n"
    assert ran.sentence.startswith("Warning: The role name contains a space")
    ran = mi.done("role", "create", "three more words", "--format", "json")
    assert set(ran.json) == {"role", "status", "warning"}
    assert mi.done("role", "create", "oneword").err == ""


def test_roles_are_assigned_and_revoked(mi: Person) -> None:
    for user in ("holder a", "holder b"):
        mi.done("user", "create", user, PASSWORD, "no")
    for role in ("one", "two", "three"):
        mi.done("role", "create", role)
    said = mi.done("role", "assign", "holder a", "one", "two", "one", "three").out
    assert said == "holder a now has the roles one, two and three.\n"
    mi.done("role", "assign", "holder b", "one", "--format", "json")
    assert mi.done("role", "show", "one").lines == [
        "Role   one",
        "Users  holder a",
        "       holder b",
    ]
    assert mi.done("role", "show", "one", "--format", "csv").lines == [
        "role,user",
        "one,holder a",
        "one,holder b",
    ]
    said = mi.done("role", "revoke", "holder a", "one", "two").out
    assert said == "Revoked one and two from holder a.\n"
    roles = mi.done("user", "show", "holder a", "--format", "json").json["roles"]
    assert roles == ["Internal/everyone", "three"]


def test_assigning_an_unknown_role_assigns_none(mi: Person) -> None:
    mi.done("user", "create", "all or none", PASSWORD, "no")
    mi.done("role", "create", "there")
    ran = mi("role", "assign", "all or none", "there", "not there")
    assert (ran.status, "not there" in ran.sentence) == (1, True)
    assert mi.done("role", "show", "there", "--format", "json").json["users"] == []
    assert mi("role", "assign", "all or none").status == 2


def test_a_role_with_a_slash(mi: Person) -> None:
    everyone = mi.done("role", "show", "Internal/everyone", "--format", "json").json
    assert (everyone["role"], "root" in everyone["users"]) == ("Internal/everyone", True)
    same = mi.done("role", "show", "everyone", "--domain", "Internal", "--format", "json").json
    assert same["role"] == "Internal/everyone"


def test_add_remove_give_and_take_are_aliases(mi: Person) -> None:
    mi.done("role", "add", "former")
    mi.done("user", "add", "former", PASSWORD, "no")
    assert mi.done("role", "give", "former", "former").out == "former now has the role former.\n"
    assert mi.done("role", "take", "former", "former").out == "Revoked former from former.\n"
    assert mi.done("role", "remove", "former").out == "Role former was deleted.\n"
    assert mi.done("user", "remove", "former").out == "User former was deleted.\n"
    listed = mi.done("role", "--help").out
    assert "assign" in listed
    assert "give" not in listed
