"""Deleting, and revoking the admin role: `mi` asks on a terminal, and nowhere else."""

from __future__ import annotations

import pytest

from tests.cli.conftest import PASSWORD, Stage
from tests.cli.terminal import Person, ended


def answered(mi: Person, question: str, answer: str, *command: str) -> tuple[int, str]:
    """The status, and what came after the question."""
    child = mi.at_terminal(*command)
    child.expect_exact(f"{question} [y/N]: ")
    child.sendline(answer)
    return ended(child)


@pytest.mark.parametrize("admin", [False, True])
def test_a_user_is_deleted_after_a_yes(mi: Person, admin: bool) -> None:
    name = f"confirmed {admin}"
    mi.done("user", "create", name, PASSWORD, str(admin).lower())
    kind = "admin" if admin else "user"
    question = f"Delete {kind} {name} and all role memberships? This cannot be undone."
    for answer in ("", "n"):
        status, shown = answered(mi, question, answer, "user", "delete", name.upper())
        assert (status, "Nothing was changed." in shown) == (1, True)
    assert mi("user", "show", name).status == 0
    assert answered(mi, question, "y", "user", "delete", name)[0] == 0
    assert mi("user", "show", name).status == 1


def test_whom_nobody_knows_is_not_asked_about(mi: Person) -> None:
    status, shown = ended(mi.at_terminal("user", "delete", "nobody at all"))
    assert (status, "nobody at all cannot be found" in shown) == (1, True)


def test_a_role_is_deleted_after_a_yes(mi: Person) -> None:
    mi.done("role", "create", "confirmed")
    mi.done("role", "assign", "root", "confirmed")
    question = "Delete role confirmed and its 1 membership? This cannot be undone."
    assert answered(mi, question, "no", "role", "delete", "confirmed")[0] == 1
    assert answered(mi, question, "yes", "role", "delete", "CONFIRMED")[0] == 0
    assert mi("role", "show", "confirmed").status == 1


def test_revoking_the_admin_role_asks_for_confirmation(stage: Stage, mi: Person) -> None:
    mi.done("user", "create", "resigning", PASSWORD, "true")
    mi.done("role", "create", "plainly")
    mi.done("role", "assign", "resigning", "plainly")
    question = "Revoke the admin role from resigning? resigning will be logged out everywhere."
    for name in ("admin", "PRIMARY/Admin"):
        command = ("role", "revoke", "resigning", "plainly", name)
        assert answered(mi, question, "n", *command)[0] == 1
    assert ended(mi.at_terminal("role", "revoke", "resigning", "plainly"))[0] == 0
    self = stage.root.twin(mi.home.parent / "resigning")
    self.done("remote", "login", "resigning", PASSWORD)
    question = "Revoke the admin role from yourself? You will be logged out everywhere."
    assert answered(self, question, "n", "role", "revoke", "resigning", "admin")[0] == 1
    assert answered(self, question, "y", "role", "revoke", "resigning", "admin")[0] == 0
    assert not mi.done("user", "show", "resigning", "--format", "json").json["isAdmin"]


def test_neither_a_script_nor_yes_is_asked(mi: Person) -> None:
    for number in range(2):
        mi.done("user", "create", f"unasked {number}", PASSWORD, "true")
        mi.done("role", "create", f"unasked-{number}")
    mi.done("role", "revoke", "unasked 0", "admin")
    mi.done("role", "delete", "unasked-0")
    mi.done("user", "delete", "unasked 0")
    for command in (
        ("role", "revoke", "unasked 1", "admin"),
        ("role", "delete", "unasked-1"),
        ("user", "delete", "unasked 1"),
    ):
        status, shown = ended(mi.at_terminal(*command, "--yes"))
        assert (status, "[y/N]" in shown) == (0, False)
