"""What is asked for, and what counts as an answer."""

from __future__ import annotations

from tests.cli.conftest import PASSWORD
from tests.cli.terminal import Person, ended


def test_create_asks_for_missing_arguments(mi: Person) -> None:
    child = mi.at_terminal("user", "create", "asked")
    child.expect_exact("Password of asked: ")
    child.sendline(PASSWORD)
    child.expect_exact("Repeat password: ")
    child.sendline(PASSWORD)
    child.expect_exact("Is asked an admin [y/N]: ")
    child.sendline("y")
    status, shown = ended(child)
    assert (status, shown) == (0, "y\nAdmin asked was created.\n")
    assert mi.done("user", "show", "asked", "--format", "json").json == {
        "userId": "asked",
        "isAdmin": True,
        "roles": ["Internal/everyone", "admin"],
        "createdBy": "root",
    }


def test_nobody_sees_the_password_and_only_a_yes_is_one(mi: Person) -> None:
    child = mi.at_terminal("user", "create", "unseen")
    before = ""
    for question, answer in (("Password", PASSWORD), ("Repeat", PASSWORD), ("[y/N]", "")):
        child.expect_exact(question)
        before += str(child.before)
        child.sendline(answer)
    status, shown = ended(child)
    assert status == 0
    assert PASSWORD not in before + shown
    assert "User unseen was created." in shown


def test_passwords_that_differ_create_no_user(mi: Person) -> None:
    child = mi.at_terminal("user", "create", "differing")
    child.expect_exact("Password of differing: ")
    child.sendline(PASSWORD)
    child.expect_exact("Repeat password: ")
    child.sendline("something else")
    status, shown = ended(child)
    assert (status, "do not match" in shown) == (1, True)
    assert mi("user", "show", "differing").status == 1


def test_lines_of_stdin_answer_the_questions(mi: Person) -> None:
    assert (
        mi.done("user", "create", "lines", given=f"{PASSWORD}\ny\n").out
        == "Admin lines was created.\n"
    )
    ran = mi("user", "create", "lines 2", given=f"{PASSWORD}\nperhaps\n")
    assert (ran.status, "'perhaps' is neither yes nor no." in ran.sentence) == (2, True)
    assert mi("user", "show", "lines 2").status == 1
    assert mi("remote", "login", given=f"\n{PASSWORD}\n").status == 2


def test_no_answer_makes_nobody_and_an_unclear_one_is_asked_for_again(mi: Person) -> None:
    for given, missing in (([], "PASSWORD"), ([PASSWORD, PASSWORD], "IS-ADMIN")):
        child = mi.at_terminal("user", "create", "unsaid")
        for answer in given:
            child.expect(["Password of unsaid: ", "Repeat password: "])
            child.sendline(answer)
        child.expect(["Password of unsaid: ", r"\[y/N\]: "])
        child.sendeof()
        status, shown = ended(child)
        assert status == 2
        assert shown.lstrip() == f"Missing argument '{missing}'. See 'mi user create --help'.\n"
        assert shown.startswith("\n")
    child = mi.at_terminal("user", "create", "unsaid", PASSWORD)
    for answer in ("maybe", "y"):
        child.expect_exact("[y/N]: ")
        child.sendline(answer)
    assert ended(child)[1].endswith("Admin unsaid was created.\n")
    child = mi.at_terminal("remote", "login")
    for answer in ("", "root"):
        child.expect_exact("User: ")
        child.sendline(answer)
    child.expect_exact("Password: ")
    child.sendintr()


def test_what_no_argument_and_no_line_says_is_a_matter_of_usage(mi: Person) -> None:
    ran = mi("user", "create", "nothing")
    assert (ran.status, ran.sentence) == (
        2,
        "Missing argument 'PASSWORD'. See 'mi user create --help'.",
    )
