"""`mi user`: every command, names of all kinds, every form."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.cli.conftest import PASSWORD, Stage
from tests.cli.terminal import Person, ended


def test_all_may_be_given(mi: Person) -> None:
    ran = mi.done("user", "create", "given", PASSWORD, "true")
    assert (ran.out, ran.err) == ("Admin given was created.\n", "")
    ran = mi.done("user", "create", "given too", PASSWORD, "N")
    assert ran.out == "User given too was created.\n"
    ran = mi("user", "create", "other", PASSWORD, "perhaps")
    said = "IS-ADMIN is true or false, not 'perhaps'. See 'mi user create --help'."
    assert (ran.status, ran.sentence) == (2, said)
    assert "[PASSWORD] [IS-ADMIN]\n" in mi.done("user", "create", "--help").out


def test_a_password_on_the_command_line_is_remarked_on_at_a_terminal(mi: Person) -> None:
    status, shown = ended(mi.at_terminal("user", "create", "remarked", PASSWORD, "no"))
    assert (status, "can see a password" in shown) == (0, True)


NAMES = ["Last, First", "50%", "日本", "q?mark", "#hash", "a+b&c=%41;", "-x"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_with_special_characters_works_in_all_commands(mi: Person, name: str) -> None:
    added = mi.done("user", "create", "--format", "json", "--", name, given=f"{PASSWORD}\n")
    assert added.json == {"userId": name, "status": "Added"}
    mi.done("role", "create", "--", name)
    mi.done("role", "assign", "--", name, name)
    shown = mi.done("role", "show", "--format", "json", "--", name)
    assert shown.json == {"role": name, "users": [name]}
    assert mi.done("user", "show", f"--role={name}").lines == ["USER", name]
    assert mi.done("user", "delete", "--", name).out == f"User {name} was deleted.\n"
    gone = mi("user", "show", "--", name)
    assert (gone.status, gone.sentence) == (
        1,
        f"Requested resource not found. User: {name} cannot be found.",
    )


@pytest.mark.parametrize("name", ["made/elsewhere", "..", "."])
def test_names_that_only_other_tools_create(stage: Stage, mi: Person, name: str) -> None:
    refused = mi("user", "create", name, PASSWORD, "no")
    assert (refused.status, "not allowed" in refused.sentence) == (1, True)
    stage.place.add_user(name)
    assert mi.done("user", "show", name, "--format", "json").json["userId"] == name
    mi.done("user", "delete", name)
    assert mi("user", "show", name).status == 1


def test_terminal_escapes_in_names_are_escaped(stage: Stage, mi: Person) -> None:
    stage.place.add_user("\x1b[31mred\u202e")
    status, shown = ended(mi.at_terminal("user", "show", "-p", "*red*"))
    assert (status, "\\x1b[31mred\\u202e" in shown, "\x1b[31m" in shown) == (0, True, False)


@pytest.mark.parametrize("command", [["show"], ["remove"], ["password"]])
def test_an_empty_name_is_rejected(mi: Person, command: list[str]) -> None:
    ran = mi("user", *command, " ", given="old\nnew\n")
    assert (ran.status, ran.sentence) == (1, "A name can't be empty.")


def test_show_by_conditions(mi: Person) -> None:
    for name in ("Cond-Mia", "cond-emil", "cond-zoe"):
        mi.done("user", "create", name, PASSWORD, "no")
    shown = [
        mi.done("user", "show", *options).lines[1:]
        for options in (
            ["-p", "cond-*mi*"],
            ["--pattern", "COND-???"],
            ["-x", "^cond-"],
            ["--regex", "^cond-", "-p", "*o*", "-r", "Internal/everyone"],
            ["-r", "nobody holds this"],
        )
    ]
    assert shown == [
        ["cond-emil", "Cond-Mia"],
        ["Cond-Mia", "cond-zoe"],
        ["cond-emil", "cond-zoe"],
        ["cond-emil", "cond-zoe"],
        [],
    ]
    for option in ("-r", "-p", "-x"):
        ran = mi("user", "show", option, "")
        assert (ran.status, f"{option} is empty" in ran.sentence) == (2, True)
    assert mi("user", "show", "-x", "(").status == 1
    assert mi("user", "show", "cond-zoe", "-p", "*").status == 2


def test_output_formats(mi: Person) -> None:
    mi.done("user", "create", "form, the", PASSWORD, "no")
    mi.done("role", "create", "forms")
    mi.done("role", "assign", "form, the", "forms")
    assert mi.done("user", "show", "-p", "form*", "--format", "json").json == {
        "count": 1,
        "list": [{"userId": "form, the"}],
    }
    listed = mi.done("--format", "csv", "user", "show", "-p", "form*")
    assert listed.out == 'userId\n"form, the"\n'
    one = mi.done("user", "show", "form, the", "--format", "csv")
    assert list(csv.DictReader(io.StringIO(one.out))) == [
        {
            "userId": "form, the",
            "isAdmin": "false",
            "roles": "Internal/everyone;forms",
            "createdBy": "",
        }
    ]
    assert mi.done("user", "show", "form, the").lines == [
        "User        form, the",
        "Admin       no",
        "Roles       Internal/everyone",
        "            forms",
        "Created by  not recorded",
    ]


def test_control_characters_in_names_are_escaped_in_all_formats(stage: Stage, mi: Person) -> None:
    stage.place.add_user("cr\rlf\x9b")
    shown = mi.done("user", "show", "-p", "cr*", "--format", "csv").out
    assert shown == "userId\ncr\\rlf\\x9b\n"
    shown = mi.done("user", "show", "-p", "cr*", "--format", "json").out
    assert "\x9b" not in shown
    assert json.loads(shown)["list"] == [{"userId": "cr\rlf\x9b"}]
    status, shown = ended(mi.at_terminal("user", "show", "-p", "cr*", "--format", "json"))
    assert (status, "\x9b" in shown) == (0, False)
    assert json.loads(shown)["list"] == [{"userId": "cr\rlf\x9b"}]
    latin = stage.root.twin(mi.home.parent / "latin", PYTHONIOENCODING="iso-8859-1")
    shown = in_process(latin, "user", "show", "-p", "cr*", "--format", "json")
    assert json.loads(shown)["list"] == [{"userId": "cr\rlf\x9b"}]


def in_process(person: Person, *arguments: str) -> str:
    """What a process of its own says, for what is settled when one starts."""
    return person.start(*arguments).communicate(timeout=60)[0]


def test_long_and_wide_names_are_whole_in_a_pipe_and_folded_on_a_terminal(mi: Person) -> None:
    name = "日本" * 35 + "x"
    mi.done("user", "create", name, PASSWORD, "no")
    assert mi.done("user", "show", name).lines[0] == f"User        {name}"
    status, shown = ended(mi.at_terminal("user", "show", name, columns=60))
    assert status == 0
    plain = shown.replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert max(len(line) for line in plain.splitlines()) < 60
    assert name in "".join(line[12:] for line in plain.splitlines())


@pytest.mark.parametrize("more", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_plain_text_where_it_is_wanted(stage: Stage, tmp_path: Path, more: dict[str, str]) -> None:
    mi = stage.root.twin(tmp_path, **more)
    for command in (["user", "show"], ["user", "show", "root"], ["remote", "show"]):
        status, shown = ended(mi.at_terminal(*command))
        assert (status, "\x1b" in shown) == (0, False)
    _, styled = ended(stage.root.at_terminal("user", "show"))
    assert "\x1b[1mUSER" in styled


def test_ones_own_password_and_one_stays_logged_in(stage: Stage, mi: Person) -> None:
    mi.done("user", "create", "owner", PASSWORD, "no")
    owner = stage.root.twin(mi.home.parent / "owner")
    owner.done("remote", "login", "owner", given=f"{PASSWORD}\n")
    child = owner.at_terminal("user", "password")
    for question, answer in (
        ("Current password of owner", PASSWORD),
        ("New password of owner", "battery staple"),
        ("Repeat password", "battery staple"),
    ):
        child.expect_exact(question)
        child.sendline(answer)
    status, shown = ended(child)
    assert (status, "The password of owner was changed." in shown) == (0, True)
    owner.done("user", "password", given="battery staple\nthird one\n")
    owner.done(
        "user", "password", "PRIMARY/ OWNER", "--domain", "Primary", given="third one\nfourth one\n"
    )
    owner.done("user", "password", given="fourth one\nthird one\n")
    wrong = owner("user", "password", given="not that one\nfourth one\n")
    assert (wrong.status, "'oldPassword' is wrong" in wrong.sentence) == (1, True)
    owner.done("remote", "logout")
    owner.done("remote", "login", "owner", "third one")


def test_somebody_elses_password(stage: Stage, mi: Person) -> None:
    mi.done("user", "create", "reset", PASSWORD, "no")
    mi.done("user", "password", "reset", given="battery staple\n")
    mi.done("user", "password", "--old", "reset", given="battery staple\nthird one\n")
    stage.root.twin(mi.home.parent / "reset").done("remote", "login", "reset", "third one")


def test_custody_speaks_for_itself(stage: Stage, mi: Person) -> None:
    mi.done("user", "create", "kept", PASSWORD, "yes")
    mi.done("user", "create", "stranger", PASSWORD, "yes")
    stranger = stage.root.twin(mi.home.parent / "stranger")
    stranger.done("remote", "login", "stranger", PASSWORD)
    ran = stranger("user", "delete", "kept")
    assert ran.status == 1
    assert ran.sentence.startswith("Only the creator of admin user 'kept' can remove it.")


def test_who_is_no_admin_is_told_so(stage: Stage, mi: Person) -> None:
    mi.done("user", "create", "plain", PASSWORD, "no")
    plain = stage.root.twin(mi.home.parent / "plain")
    plain.done("remote", "login", "plain", PASSWORD)
    for command in (["user", "show"], ["role", "create", "x"], ["user", "delete", "root"]):
        ran = plain(*command)
        assert (ran.status, ran.sentence) == (1, "403 Forbidden. Only admins may do this.")


def test_the_domain_is_sent(mi: Person) -> None:
    for command in (
        ["user", "show", "x"],
        ["user", "create", "x", PASSWORD, "no"],
        ["user", "delete", "x"],
        ["role", "create", "x"],
        ["role", "assign", "x", "y"],
    ):
        ran = mi(*command, "--domain", "nowhere")
        assert (ran.status, "domain nowhere" in ran.sentence) == (1, True), command
    for kind in ("user", "role"):
        assert "domain nowhere" in mi(kind, "show", "--domain", "nowhere").sentence
    shown = mi.done("role", "show", "--domain", "internal", "--format", "json").json
    assert shown == {"count": 1, "list": [{"role": "Internal/everyone"}]}
    assert mi.done("user", "show", "root", "--domain", "primary").lines[0].endswith("root")
    ran = mi("user", "password", "x", "--domain", "nowhere", given="some password\n")
    assert "domain nowhere" in ran.sentence
