"""`mi` with `--domain` and hybrid roles: a read-only directory, beside it a database `wso2.com`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.terminal import COMMAND, Person
from tests.mixed_stores import HYBRID_ADMIN_ROLE, PASSWORD, read_only_directory
from tests.service import running

READ_ONLY = "Invalid operation. User store is read only"
HERE = ("--domain", "wso2.com")


@pytest.fixture(scope="module")
def admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Person]:
    """`admin`, logged in; `eve` and the role `partners` are in `wso2.com`."""
    folder = tmp_path_factory.mktemp("mixed")
    with read_only_directory(folder, has_secondary=True) as env, running(env) as service:
        person = Person(tmp_path_factory.mktemp("home"))
        person.done("remote", "update", "default", "localhost", str(service.port))
        person.done("remote", "trust", "--yes")
        person.done("remote", "login", "admin", given=f"{PASSWORD}\n")
        person.done("user", "create", "eve", PASSWORD, "no", *HERE)
        person.done("role", "create", "partners", *HERE)
        person.done("role", "create", "testers", "--domain", "Internal")
        yield person


@pytest.fixture
def mi(admin: Person, tmp_path: Path) -> Person:
    return admin.twin(tmp_path / "home")


def completed(person: Person, *words: str) -> list[str]:
    """What bash is told for the last word."""
    line = {"COMP_WORDS": " ".join(("mi", *words)), "COMP_CWORD": str(len(words))}
    more = {"_MI_COMPLETE": "bash_complete", "COMP_WORD": words[-1], **line}
    asked = Person(person.home, more)
    ran = subprocess.run(
        COMMAND, env=asked.environment, capture_output=True, encoding="utf-8", check=True
    )
    return [line.removeprefix("plain,") for line in ran.stdout.split()]


def test_lists_of_a_domain(mi: Person) -> None:
    assert mi.done("user", "show", *HERE).lines == ["USER", "WSO2.COM/eve"]
    primary = mi.done("user", "show", "--domain", "primary").lines
    assert primary == ["USER", "admin", "alice", "bob", "carol"]
    assert mi.done("user", "show").lines == [*primary, "WSO2.COM/eve"]
    assert mi.done("role", "show", *HERE).lines == ["ROLE", "WSO2.COM/partners"]
    hybrid = mi.done("role", "show", "--domain", "internal").lines
    assert hybrid == ["ROLE", HYBRID_ADMIN_ROLE, "Internal/everyone", "Internal/testers"]


def test_users_and_roles_are_named_with_and_without_their_domain(mi: Person) -> None:
    for name in (["eve", *HERE], ["WSO2.COM/eve", *HERE], ["wso2.com/eve"]):
        assert mi.done("user", "show", *name, "--format", "json").json["userId"] == "WSO2.COM/eve"
    internal = ("--domain", "internal")
    for name in (["testers", *internal], ["Internal/testers", *internal], ["internal/Testers"]):
        assert mi.done("role", "show", *name, "--format", "json").json["role"] == "Internal/testers"


def test_roles_of_a_domain_and_hybrid_ones_are_assigned_together(mi: Person) -> None:
    said = mi.done("role", "assign", "eve", "partners", "Internal/testers", *HERE).out
    assert said == "eve now has the roles partners and Internal/testers.\n"
    for role in ("partners", "Internal/testers"):
        assert mi.done("user", "show", "-r", role, *HERE).lines == ["USER", "WSO2.COM/eve"]
    mi.done("role", "assign", "bob", "Internal/testers")
    shown = mi.done("role", "show", "testers", "--domain", "Internal").lines
    assert shown == ["Role   Internal/testers", "Users  bob", "       WSO2.COM/eve"]
    mi.done("role", "revoke", "eve", "partners", "Internal/testers", *HERE)
    mi.done("role", "revoke", "bob", "Internal/testers")
    assert mi.done("role", "show", "Internal/testers", "--format", "json").json["users"] == []


def test_admins_of_a_read_only_directory(mi: Person) -> None:
    mi.done("role", "assign", "bob", HYBRID_ADMIN_ROLE)
    lines = mi.done("user", "show", "bob").lines
    assert "Admin       yes" in lines
    assert "Created by  admin" in lines
    mi.done("role", "revoke", "bob", HYBRID_ADMIN_ROLE)
    assert "Admin       no" in mi.done("user", "show", "bob").lines


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["user", "create", "new", PASSWORD, "no"], READ_ONLY),
        (["user", "delete", "bob"], READ_ONLY),
        (["user", "password", "bob"], READ_ONLY),
        (["role", "create", "new"], READ_ONLY),
        (["role", "delete", "developers"], READ_ONLY),
        (["role", "revoke", "bob", "developers"], READ_ONLY),
        (["role", "assign", "eve", HYBRID_ADMIN_ROLE, *HERE], "Only a user of the primary user"),
        (["user", "create", "new", PASSWORD, "yes", *HERE], "Only a user of the primary user"),
        (["role", "assign", "bob", "WSO2.COM/partners"], "users of that store only"),
        (["role", "assign", "bob", "t", "--domain", "Internal"], "name the role Internal/t."),
        (["role", "delete", HYBRID_ADMIN_ROLE], "The admin role Internal/admin cannot be deleted."),
        (["user", "show", "--domain", "Internal"], "given domain Internal"),
    ],
)
def test_one_sentence_says_why_not(mi: Person, command: list[str], says: str) -> None:
    ran = mi(*command, given="another horse\nanother horse\n")
    assert ran.status != 0
    assert says in ran.sentence


def test_ones_own_password_is_that_of_the_login(mi: Person) -> None:
    mi.done("user", "create", "admin", PASSWORD, "no", *HERE)
    ran = mi("user", "password", *HERE, given=f"{PASSWORD}\nanother horse\n")
    assert ran.sentence == READ_ONLY  # and not the one of that name
    mi.done("remote", "login", "wso2.com/admin", given=f"{PASSWORD}\n")
    said = mi.done("user", "password", "admin", *HERE, given=f"{PASSWORD}\nanother horse\n").out
    assert said == "The password of admin was changed.\n"
    assert mi("user", "show").sentence.startswith("403 Forbidden")  # it is logged in again
    mi.done("remote", "login", "admin", given=f"{PASSWORD}\n")
    mi.done("user", "delete", "admin", *HERE)


def test_a_dry_run_foretells_an_import_into_several_stores(mi: Person) -> None:
    file = mi.home / "people.csv"
    lines = (
        "user,password,admin,roles",
        f"ann,{PASSWORD},,Internal/testers",
        f"wso2.com/ann,{PASSWORD},,WSO2.COM/partners;Internal/testers",
        f"WSO2.COM/boss,{PASSWORD},true,",
        f"WSO2.COM/eve,{PASSWORD},,",
        f"carol,{PASSWORD},,Internal/testers",
    )
    file.write_text("\n".join(lines), encoding="utf-8")
    foretold, done = (
        [line.split(",")[2] for line in mi("user", "import", str(file), *more).lines[1:]]
        for more in (["--format", "csv", "--dry-run"], ["--format", "csv"])
    )
    assert foretold == ["failed", "new", "failed", "exists", "exists"]
    assert done == ["failed", "added", "failed", "exists", "completed"]
    mi.done("role", "revoke", "carol", "Internal/testers")
    mi.done("user", "delete", "ann", *HERE)


def test_an_import_into_a_domain(mi: Person) -> None:
    file = mi.home / "people.csv"
    head, line = "user,password,roles", f"ian,{PASSWORD},partners;Internal/testers"
    file.write_text(f"{head}\n{line}\n", encoding="utf-8")
    command = ("user", "import", str(file), *HERE)
    said = [mi.done(*command, *more).out for more in (["--dry-run"], [], [], ["--dry-run"])]
    assert said == ["1 new\n", "1 created\n", "1 exists\n", "1 exists\n"]
    mi.done("user", "delete", "ian", *HERE)


def test_completion_of_names_with_domains(mi: Person) -> None:
    assert completed(mi, "user", "show", "W") == ["WSO2.COM/eve"]
    assert completed(mi, "user", "show", "WSO2.COM/e") == ["WSO2.COM/eve"]
    assert completed(mi, "user", "show", "--domain", "wso2.com", "e") == ["eve"]
    assert completed(mi, "role", "show", "--domain", "Internal", "tes") == ["testers"]
    assert completed(mi, "role", "show", "Internal/t") == ["Internal/testers"]
    of_user = ("role", "assign", "--domain", "wso2.com", "eve")
    assert completed(mi, *of_user, "p") == ["partners"]
    assert completed(mi, *of_user, "Internal/t") == ["Internal/testers"]


def test_a_store_that_is_down_leaves_the_others(tmp_path: Path) -> None:
    role = "Internal/testers"
    with read_only_directory(tmp_path, has_secondary=True) as env:
        (tmp_path / "home").mkdir()
        person = Person(tmp_path / "home")
        for is_down in (False, True):
            with running(env) as service:
                person.done("remote", "update", "default", "localhost", str(service.port))
                person.done("remote", "trust", "--yes")
                person.done("remote", "login", "admin", given=f"{PASSWORD}\n")
                if not is_down:
                    person.done("user", "create", "sue", PASSWORD, "no", *HERE)
                    person.done("role", "create", role)
                    person.done("role", "assign", "sue", role, *HERE)
                    person.done("role", "assign", "bob", role)
                else:
                    for command in (["user", "show"], ["role", "show", role]):
                        ran = person.done(*command)
                        assert "bob" in ran.out
                        assert "sue" not in ran.out
                        assert ran.sentence.startswith("The list is incomplete: a user store is")
                    ran = person("user", "show", "sue", *HERE)
                    assert (ran.status, "cannot be reached" in ran.sentence) == (1, True)
            for file in tmp_path.glob("secondary.sqlite*"):
                file.unlink()
