"""`python app.py doctor`: exit status, JSON, marks, and the embedded directory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from structlog.testing import capture_logs

from mi_ldap.checks import Finding, Report, format_findings
from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.serving import doctor_command
from mi_ldap.serving.commands import main
from tests.checks.directories import add_group, fill, tool_of, user_dn
from tests.checks.doctor_runs import keys_of
from tests.hosts.openldap import OpenLdap, Setup

Doctor = Callable[..., Result]
_ROOT = Path(__file__).parents[2]
FINDINGS = (
    Finding("bind", "pass", "Bind succeeded."),
    Finding("clock", "skip", "It can't be seen."),
    Finding("filters", "warn", "Nothing is found.", "Do this:\nand that."),
)


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """`python app.py doctor` in this process, whose logs stay as they are."""
    monkeypatch.setattr(doctor_command, "configure_logging", lambda level: None)
    for name in [name for name in os.environ if name.startswith("MI_LDAP_")]:
        monkeypatch.delenv(name)

    def run(variables: dict[str, str], *options: str, answer: str = "") -> Result:
        with capture_logs():
            return CliRunner().invoke(main, ["doctor", *options], answer, dict(variables))

    return run


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[OpenLdap]:
    with OpenLdap(tmp_path / "openldap", Setup(refint=False)) as made:
        fill(made)
        yield made


def test_a_new_embedded_directory_passes_all_checks(tmp_path: Path, doctor: Doctor) -> None:
    said = doctor({"MI_LDAP_STATE_DIR": str(tmp_path / "state")}, "--json")
    found = json.loads(said.stdout)["findings"]
    assert {each["level"] for each in found} == {"pass"}
    assert said.exit_code == 0
    (door,) = [each["sentence"] for each in found if each["check"] == "first-admin"]
    assert "On this machine whoever logs in first becomes one" in door


def test_an_embedded_directory_on_a_network_address_warns_of_the_first_login(
    tmp_path: Path, doctor: Doctor
) -> None:
    state = {"MI_LDAP_STATE_DIR": str(tmp_path / "state"), "MI_LDAP_SERVER__HOST": "0.0.0.0"}
    found = json.loads(doctor(state, "--json").stdout)["findings"]
    assert [each["check"] for each in found if each["level"] != "pass"] == ["first-admin"]


def test_the_embedded_directory_is_checked_while_the_service_runs(tmp_path: Path) -> None:
    """In a process of its own, where nothing but JSON may be said."""
    keys = {"MI_LDAP_STATE_DIR": str(tmp_path), "MI_LDAP_BOOTSTRAP__MODE": "off"}
    with EmbeddedDirectory(tmp_path / "directory"):
        said = subprocess.run(
            [sys.executable, str(_ROOT / "app.py"), "doctor", "--json"],
            env={"PATH": os.environ["PATH"], **keys},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
    assert (said.returncode, json.loads(said.stdout)["status"]) == (0, "pass")
    assert said.stderr == ""


def test_json_output_and_exit_status(directory: OpenLdap, tmp_path: Path, doctor: Doctor) -> None:
    keys = keys_of(directory, tmp_path / "state")
    said = doctor(keys, "--json")
    assert (said.exit_code, json.loads(said.stdout)["status"]) == (0, "pass")
    wrong = doctor({**keys, "MI_LDAP_USER_STORE__CONNECTION_PASSWORD": "x"}, "--json")
    assert (wrong.exit_code, json.loads(wrong.stdout)["status"]) == (2, "fail")
    assert (said.stderr, wrong.stderr) == ("", "")


def test_an_invalid_configuration_is_a_finding(tmp_path: Path, doctor: Doctor) -> None:
    said = doctor({"MI_LDAP_STATE_DIR": str(tmp_path), "MI_LDAP_USER_STORE__TYPE": "x"}, "--json")
    (finding,) = json.loads(said.stdout)["findings"]
    assert (said.exit_code, finding["check"]) == (2, "configuration")
    assert "user_store.type" in finding["sentence"]


def test_fix_members_asks_for_confirmation(
    directory: OpenLdap, tmp_path: Path, doctor: Doctor
) -> None:
    gone = user_dn(directory, "gone")
    with tool_of(directory) as tool:
        dn = add_group(tool, directory, "devs", user_dn(directory, "bob"), gone)
        keys = keys_of(directory, tmp_path / "state")
        asked = doctor(keys, "--fix-members", answer="n\n")
        assert f"devs:\n    {gone}\n" in asked.stdout
        assert gone in tool.read(dn, "member")["member"]
        assert "doctor --fix-members" not in asked.stdout
        silent = doctor(keys, "--fix-members")
        assert "No answer was given, so nothing was removed." in silent.stdout
        assert "Aborted" not in silent.output
        refused = doctor(keys, "--fix-members", "--json")
        assert "add --yes" in refused.stderr
        assert gone in tool.read(dn, "member")["member"]
        done = doctor(keys, "--fix-members", answer="y\n")
        assert "\033" not in done.stdout
        assert "Removed 1 member from devs." in done.stdout
        assert "1 corrected. docs" in done.stdout
        assert done.exit_code == 0
        assert gone not in tool.read(dn, "member")["member"]
        assert doctor(keys, "--fix-members").exit_code == 0


def test_lines_on_a_utf8_terminal() -> None:
    assert format_findings(FINDINGS) == (
        "✓ bind: Bind succeeded.\n"
        "– clock: It can't be seen.\n"
        "! filters: Nothing is found.\n"
        "    → Do this:\n"
        "      and that.\n"
    )


def test_lines_on_an_ascii_terminal() -> None:
    output = format_findings(FINDINGS, encoding="ascii")
    assert output.startswith("ok bind: Bind succeeded.\n- clock")
    assert "    -> Do this:\n       and that.\n" in output


def test_lines_with_colours() -> None:
    assert format_findings(FINDINGS, colour=True).startswith("\033[32m✓\033[0m bind")


def test_skipped_checks_do_not_change_the_exit_status() -> None:
    assert Report(FINDINGS[:2]).exit_status == 0
    assert Report(FINDINGS).exit_status == 1


def test_the_help_names_the_exit_status(doctor: Doctor) -> None:
    assert "0 pass, 1 warn, 2 fail" in " ".join(doctor({}, "--help").stdout.split())
