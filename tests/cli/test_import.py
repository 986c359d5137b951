"""`mi user import`."""

from __future__ import annotations

import re
import signal
import stat
import time
from pathlib import Path

import pytest

from tests.cli.conftest import PASSWORD, Stage
from tests.cli.terminal import Person, ended


def people(mi: Person, text: str, name: str = "people.csv") -> Path:
    path = mi.home / name
    path.write_bytes(text.encode())
    return path


def test_import_of_all_kinds_of_lines_and_its_repetition(mi: Person) -> None:
    mi.done("role", "create", "imp one")
    mi.done("role", "create", "imp two")
    file = people(
        mi,
        "\ufeffUser,Password,admin,roles\r\n"
        f'"Imp, First",{PASSWORD},,imp one;imp two\r\n'
        f'imp 日本,"pass""word, 1",no,\r\n'
        "\r\n"
        f"imp-boss,{PASSWORD},true, imp one\r\n"
        f"imp-bad,{PASSWORD},maybe,\r\n"
        f"imp-none,,,\r\n"
        f"imp-role,{PASSWORD},no,no such role\r\n"
        f"IMP-BOSS,{PASSWORD},no,\r\n"
        f"a/b,{PASSWORD},no,\r\n",
    )
    ran = mi("user", "import", str(file))
    assert ran.status == 1
    assert ran.out == "3 created, 5 failed\n"
    report = file.with_name("people.csv.failed")
    assert stat.S_IMODE(report.stat().st_mode) == 0o600
    assert report.read_text().splitlines()[:4] == [
        "line,user,error",
        "6,imp-bad,The column admin is neither true nor false.",
        "7,imp-none,The user or the password is missing.",
        '8,imp-role,"The user was created; its roles: '
        'Requested resource not found. Role: no such role cannot be found."',
    ]
    assert PASSWORD not in report.read_text() + ran.err
    shown = mi.done("user", "show", "Imp, First", "--format", "json").json
    assert shown["roles"] == ["Internal/everyone", "imp one", "imp two"]
    assert mi.done("user", "show", "imp-boss", "--format", "json").json["createdBy"] == "root"
    mi.done("remote", "login", "imp 日本", 'pass"word, 1')
    mi.done("remote", "login", "root", PASSWORD)

    mi.done("role", "create", "no such role")
    mi.done("role", "revoke", "imp-boss", "imp one", "admin")
    ran = mi("user", "import", str(file), "--format", "json")
    counts = {word: ran.json[word] for word in ("exists", "completed", "failed")}
    assert counts == {"exists": 2, "completed": 2, "failed": 4}
    assert mi.done("user", "show", "imp-boss", "--format", "json").json["isAdmin"]


def test_an_import_without_failures_deletes_the_old_report(mi: Person) -> None:
    file = people(mi, f"user,password\nimp-good,{PASSWORD}\n")
    report = file.with_name("people.csv.failed")
    report.write_text("line,user,error\n2,imp-good,of old\n")
    ran = mi.done("user", "import", str(file), "--format", "csv")
    assert ran.lines == ["line,user,outcome,error", "2,imp-good,added,"]
    assert ran.sentence == f"{report} of an earlier run was deleted."
    assert not report.exists()
    report.write_text("somebody's own")
    assert mi.done("user", "import", str(file)).err == ""
    assert report.exists()


def test_names_are_compared_as_the_directory_does(mi: Person) -> None:
    file = people(
        mi,
        "user,password,roles\n"
        f"imp-straße,{PASSWORD},internal/Everyone\n"
        f"imp-strasse,{PASSWORD},\n"
        f"ＩＭＰ-strasse,{PASSWORD},\n"
        f'"imp-two\nlines",{PASSWORD},\n'
        f"primary/imp-straße,{PASSWORD},\n",
    )
    ran = mi("user", "import", str(file), "--format", "csv")
    assert ran.lines[1:4] == [
        "2,imp-straße,added,",
        "3,imp-strasse,added,",
        "4,ＩＭＰ-strasse,failed,The same user is on line 3.",
    ]
    assert [line.partition(",")[0] for line in ran.lines[4:]] == ["5", "7"]
    assert "The same user is on line 2" in ran.lines[-1]
    assert "2 exists" in mi("user", "import", str(file), "--dry-run").out
    ran = mi("user", "import", str(file), "--dry-run", "--domain", "nowhere")
    assert (ran.status, "domain nowhere" in ran.sentence) == (1, True)


def test_a_dry_run_does_nothing(mi: Person) -> None:
    file = people(mi, f"user,password\nroot,{PASSWORD}\nimp-dry,{PASSWORD}\nimp-bad,\n")
    ran = mi("user", "import", str(file), "--dry-run")
    assert (ran.status, ran.out) == (1, "1 exists, 1 new, 1 failed\n")
    assert mi("user", "show", "imp-dry").status == 1
    assert not file.with_name("people.csv.failed").exists()


def test_a_dry_run_reports_every_failure_with_its_line(stage: Stage, mi: Person) -> None:
    """What a dry run calls new is added, and what it calls failed fails."""
    mi.done("role", "create", "foretold")
    lines = [
        f"dry-good,{PASSWORD},foretold;INTERNAL/everyone",
        f"dry:colon,{PASSWORD},",
        f"dry/slash,{PASSWORD},",
        f"dry\u200bunseen,{PASSWORD},",
        f"..,{PASSWORD},",
        f"{'x' * 241},{PASSWORD},",
        f"???,{PASSWORD},",
        "dry-short,1234,",
        "dry-tab,tab\tinside,",
        "dry-marks,??????,",
        f"dry-role,{PASSWORD},foretold;no such role here",
        "root,1,",
        f"ROOT,{PASSWORD},none such",
        "dry-enough,12345,",
    ]
    file = people(mi, "user,password,roles\n" + "".join(f"{line}\n" for line in lines))
    foretold = mi("user", "import", str(file), "--dry-run", "--format", "csv")
    assert foretold.status == 1
    outcomes = [line.split(",")[2] for line in foretold.lines[1:]]
    wanted = ["new", *["failed"] * 10, "exists", "failed", "new"]
    assert outcomes == wanted
    shown = mi("user", "import", str(file), "--dry-run")
    assert shown.err.count("Line ") == wanted.count("failed")
    assert "Line 9, dry-short: The password has fewer than 5 characters." in shown.err
    assert "Line 12, dry-role: Role: no such role here" in shown.err
    assert mi("user", "show", "dry-good").status == 1
    done = mi("user", "import", str(file), "--format", "csv")
    happened = [line.split(",")[2] for line in done.lines[1:]]
    assert [word.replace("added", "new") for word in happened] == wanted


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"", "first line must name the columns"),
        (b"name,password\n", "first line must name the columns"),
        (b"user;password\n", "separated by commas"),
        (b"user,password,user\n", "first line must name the columns"),
        (b"user,password\n\xff,x\n", "is not valid UTF-8"),
        (b'user,password\n"x,y\n', "line 2 is not valid CSV"),
    ],
)
def test_files_that_are_none(mi: Person, text: bytes, says: str) -> None:
    (mi.home / "bad.csv").write_bytes(text)
    ran = mi("user", "import", "bad.csv")
    assert (ran.status, says in ran.sentence) == (1, True), ran


def test_who_may_not_is_told_once(stage: Stage, mi: Person) -> None:
    mi.done("user", "create", "imp-plain", PASSWORD, "no")
    mi.done("remote", "login", "imp-plain", PASSWORD)
    file = people(mi, f"user,password\nx,{PASSWORD}\ny,{PASSWORD}\n")
    ran = mi("user", "import", str(file))
    assert (ran.status, ran.out, ran.sentence) == (1, "", "403 Forbidden. Only admins may do this.")


def test_import_shows_a_progress_bar_on_a_terminal(mi: Person) -> None:
    lines = "".join(f"imp-bar-{number},{PASSWORD}\n" for number in range(30))
    file = people(mi, f"user,password\n{lines}")
    status, shown = ended(mi.at_terminal("user", "import", str(file)))
    assert status == 0
    assert "Users" in shown
    assert shown.rstrip().endswith("30 created")


def test_an_interrupted_import_continues(mi: Person) -> None:
    lines = "".join(f"imp-cut-{number},{PASSWORD}\n" for number in range(300))
    file = people(mi, f"user,password\n{lines}unreadable\n")
    process = mi.start("user", "import", str(file))
    until = time.monotonic() + 30
    while time.monotonic() < until:
        if mi.done("user", "show", "-p", "imp-cut-*").out.count("\n") > 5:
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert re.search(r"Stopped after \d+ of 300: run the same command again to continue", err)
    assert "Traceback" not in err
    ran = mi("user", "import", str(file), "--format", "json")
    assert ran.json["exists"] > 0
    assert ran.json["exists"] + ran.json["added"] == 300
