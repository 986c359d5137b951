"""`mi remote`, and the files that it keeps."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from tests.cli.conftest import PASSWORD, Stage
from tests.cli.terminal import Person, ended


def test_the_default_is_there_from_the_start(newcomer: Person) -> None:
    assert newcomer.done("remote", "show").lines == [
        "   REMOTE   ADDRESS                 LOGGED IN  CERTIFICATE",
        "*  default  https://localhost:9164             by the system",
    ]
    assert not newcomer.remotes_file.exists()
    ran = newcomer("user", "show")
    assert (ran.status, ran.sentence) == (
        1,
        "Nobody is logged in to default: log in with 'mi remote login'.",
    )


def test_add_select_update_and_remove_remotes(newcomer: Person) -> None:
    said = newcomer.done("remote", "add", "prod", "mi.example.org", "9164").out
    assert said == "Remote prod was added: https://mi.example.org:9164.\n"
    assert "already" in newcomer("remote", "add", "prod", "other", "1").sentence
    newcomer.done("remote", "select", "prod")
    newcomer.done("remote", "update", "prod", "::1", "9165")
    shown = newcomer.done("remote", "show", "--format", "json").json
    assert [(row["remote"], row["url"], row["selected"]) for row in shown] == [
        ("default", "https://localhost:9164", False),
        ("prod", "https://[::1]:9165", True),
    ]
    said = newcomer.done("remote", "remove", "prod").out
    assert said == "Remote prod was removed. 'default' is selected now.\n"
    assert newcomer.done("remote", "show", "--format", "csv").lines == [
        "remote,url,user,certificate,selected",
        "default,https://localhost:9164,,by the system,true",
    ]


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["remove", "default"], 1, "always exists"),
        (["remove", "none"], 1, "There is no remote 'none'"),
        (["select", "none"], 1, "There is no remote 'none'"),
        (["update", "none", "h", "1"], 1, "There is no remote 'none'"),
        (["show", "--remote", "none", "x"], 2, "unexpected extra argument"),
        (["login", "--remote", "none", "x", "y"], 1, "There is no remote 'none'"),
        (["add", "x", "https://h", "1"], 1, "without https://"),
        (["add", "x", "h/../x", "1"], 1, "is not a host"),
        (["add", "x", "user@h", "1"], 1, "is not a host"),
        (["add", "x", ":::::", "1"], 1, "is not a host"),
        (["add", "x", "256.1.1.1", "1"], 1, "is not a host"),
        (["add", "x", "é_é", "1"], 1, "is not a host"),
        (["add", "x", "münchen..de", "1"], 1, "is not a host"),
        (["add", "x", "a\x7f", "1"], 1, "is not a host"),
        (["add", "x", "h", "0"], 1, "0 is not a port"),
        (["add", "x", "h", "65536"], 1, "is not a port"),
        (["add", "x", "h", "http"], 2, "not a valid integer"),
        (["add", "", "h", "1"], 1, "needs a name"),
        (["add", "x"], 2, "Missing argument 'HOST'"),
        (["logout"], 1, "Nobody is logged in"),
    ],
)
def test_what_can_not_be(newcomer: Person, arguments: list[str], status: int, says: str) -> None:
    ran = newcomer("remote", *arguments)
    assert (ran.status, ran.out, says in ran.sentence) == (status, "", True), ran


def test_a_login_asks_for_what_is_missing(stage: Stage, newcomer: Person) -> None:
    newcomer.done("remote", "update", "default", *stage.address)
    newcomer.done("remote", "trust", "--yes")
    child = newcomer.at_terminal("remote", "login")
    child.expect_exact("User: ")
    child.sendline("root")
    child.expect_exact("Password: ")
    child.sendline(PASSWORD)
    status, shown = ended(child)
    assert status == 0
    assert PASSWORD not in shown
    assert f"Logged in to default (https://localhost:{stage.service.port}) as root." in shown
    newcomer.done("remote", "login", given=f"root\n{PASSWORD}\n")
    ran = newcomer("remote", "login", "root", "wrong")
    assert (ran.status, ran.sentence) == (1, "Invalid credentials.")
    assert newcomer.done("user", "show", "root").status == 0


def test_what_is_kept_is_for_its_owner_and_no_password(mi: Person) -> None:
    mi.done("remote", "login", "root", PASSWORD)
    for file in (mi.tokens_file, mi.remotes_file):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
        assert PASSWORD not in file.read_text()
    assert "token" not in mi.remotes_file.read_text()
    files = {path.name for path in mi.home.rglob("*") if path.is_file()}
    assert files == {"remotes.json", "tokens.json"}


def test_a_logout_ends_the_login_there_too(stage: Stage, mi: Person) -> None:
    mi.done("remote", "login", "root", PASSWORD)
    thief = mi.twin(mi.home.parent / "thief")
    assert mi.done("remote", "logout").out == "Logged out of default.\n"
    assert "Nobody is logged in" in mi("user", "show").sentence
    ran = thief("user", "show")
    assert (ran.status, ran.sentence) == (
        1,
        "The login to default has ended: log in again with 'mi remote login'.",
    )
    assert thief.done("remote", "logout").out == "Logged out of default.\n"


def test_a_remote_that_moves_or_goes_takes_its_login_along(stage: Stage, mi: Person) -> None:
    mi.done("remote", "add", "here", *stage.address)
    mi.done("remote", "trust", "here", "--yes")
    mi.done("remote", "login", "root", PASSWORD, "--remote", "here")
    mi.done("remote", "update", "here", *stage.address)
    mi.done("user", "show", "root", "--remote", "here")
    mi.done("remote", "update", "here", "127.0.0.1", stage.address[1])
    assert "here" not in json.loads(mi.tokens_file.read_text())
    assert "certificate" not in json.loads(mi.remotes_file.read_text())["remotes"]["here"]
    mi.done("remote", "trust", "here", "--yes")
    mi.done("remote", "login", "root", PASSWORD, "--remote", "here")
    mi.done("remote", "remove", "here")
    assert list(json.loads(mi.tokens_file.read_text())) == ["default"]


def test_the_xdg_folders(stage: Stage, tmp_path: Path) -> None:
    folders = {"XDG_CONFIG_HOME": str(tmp_path / "c"), "XDG_STATE_HOME": "relative"}
    person = Person(tmp_path, folders)
    person.done("remote", "update", "default", *stage.address)
    person.done("remote", "trust", "--yes")
    person.done("remote", "login", "root", PASSWORD)
    assert (tmp_path / "c/mi-ldap/remotes.json").exists()
    assert (tmp_path / ".local/state/mi-ldap/tokens.json").exists()


def test_a_damaged_file_is_reported(newcomer: Person) -> None:
    newcomer.remotes_file.parent.mkdir(parents=True)
    kept = '{"remotes": {"x": {"host": "h", "port": %s}}}'
    trust = '{"remotes": {"x": {"host": "h", "port": 1, "%s": 7}}}'
    for content in (
        *("{", "[]", '{"remotes": []}', '{"remotes": {"x": {"host": "h"}}}', "\xff", "[" * 100_000),
        *(kept % port for port in ("1.5", "true", '"1"')),
        *(trust % key for key in ("certificate", "ca_file")),
    ):
        newcomer.remotes_file.write_text(content)
        ran = newcomer("remote", "show")
        assert (ran.status, "is damaged: correct it or delete it" in ran.sentence) == (1, True)


def test_a_file_that_was_changed_by_hand(newcomer: Person) -> None:
    newcomer.remotes_file.parent.mkdir(parents=True)
    odd = {"host": "256.1.1.1", "port": 1, "certificate": "garbage"}
    newcomer.remotes_file.write_text(json.dumps({"selected": [], "remotes": {"odd": odd}}))
    assert newcomer.done("remote", "show").lines[1].startswith("*  default")
    ran = newcomer("remote", "login", "x", "y", "--remote", "odd")
    assert (ran.status, "trusted certificate of odd is damaged" in ran.sentence) == (1, True)
    ran = newcomer("remote", "login", "x", "y", "--remote", "odd", "-k")
    assert (ran.status, "is not valid in a URL" in ran.err) == (1, True)


def test_folders_that_can_not_be_written(newcomer: Person) -> None:
    (newcomer.home / ".config").write_text("a file")
    ran = newcomer("remote", "select", "default")
    assert (ran.status, "can't be used" in ran.sentence) == (1, True)


def test_a_link_stays_a_link(newcomer: Person) -> None:
    newcomer.remotes_file.parent.mkdir(parents=True)
    real = newcomer.home / "dotfiles.json"
    real.write_text("{}")
    newcomer.remotes_file.symlink_to(real)
    newcomer.done("remote", "add", "linked", "h", "1")
    assert newcomer.remotes_file.is_symlink()
    assert "linked" in real.read_text()


def test_concurrent_changes_of_remotes_lose_nothing(newcomer: Person) -> None:
    names = [f"remote {number}" for number in range(8)]
    started = [newcomer.start("remote", "add", name, "h", "1") for name in names]
    for process in started:
        _, err = process.communicate(timeout=60)
        assert (process.returncode, err) == (0, "")
    shown = newcomer.done("remote", "show", "--format", "json").json
    assert {row["remote"] for row in shown} == {"default", *names}
    assert not list(newcomer.remotes_file.parent.glob(".*"))
