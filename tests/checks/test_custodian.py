"""Whether users could write the service's marks: what OpenLDAP shows, and how it is tried."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from mi_ldap.checks import format_findings
from tests.checks.directories import PASSWORD, change_rules, put_rule_first, show_configuration
from tests.checks.doctor_runs import findings_of, keys_of, run_doctor, text_of
from tests.hosts.installed import program
from tests.hosts.openldap import OpenLdap


def test_markers_that_users_can_write_fail(directory: OpenLdap, state: Path) -> None:
    show_configuration(directory)
    change_rules(directory, r"attrs=miLdapCustodian", None)
    change_rules(directory, r"to \* by users read", "to * by self write by users read")
    report = run_doctor(keys_of(directory, state))
    assert "can escape custody" in text_of(report, "custodian", "fail")


@pytest.mark.parametrize(("right", "level"), [("write", "fail"), ("read", "pass")])
def test_markers_are_probed_with_proxied_authorization(
    directory: OpenLdap, state: Path, right: str, level: str
) -> None:
    change_rules(directory, r"attrs=miLdapCustodian", None)
    put_rule_first(directory, f"to attrs=miLdapCustodian,miLdapEpoch by users {right}")
    directory.configure(olcAuthzPolicy="to")
    people = f"dn.subtree:{directory.user_base}"
    directory.configure(directory.service_dn, authzTo=people)
    assert text_of(run_doctor(keys_of(directory, state)), "custodian", level)


BORROWED = {"custodian_attribute": "employeeNumber", "epoch_attribute": "preferredLanguage"}


def test_borrowed_attributes_that_are_often_self_writable(healthy: OpenLdap, state: Path) -> None:
    said = text_of(run_doctor(keys_of(healthy, state, **BORROWED)), "custodian", "skip")
    assert "preferredLanguage is often writable by users. Whether it is so here cannot" in said
    assert "Put employeeNumber and preferredLanguage into rule 1" in said


def test_borrowed_attributes_that_access_rules_protect(directory: OpenLdap, state: Path) -> None:
    show_configuration(directory)
    put_rule_first(
        directory,
        "to attrs=employeeNumber,preferredLanguage "
        f'by dn.exact="{directory.service_dn}" write by * none',
    )
    assert text_of(run_doctor(keys_of(directory, state, **BORROWED)), "custodian", "pass")


@pytest.mark.parametrize("start_tls", [False, True])
def test_the_printed_ldapmodify_command_works(
    healthy: OpenLdap, state: Path, tmp_path: Path, start_tls: bool
) -> None:
    keys = {"connection_url": healthy.url, "start_tls": "true"} if start_tls else {}
    report = run_doctor(keys_of(healthy, state, **keys))
    told_lines = format_findings(findings_of(report, "custodian")).splitlines()
    begin = next(at for at, line in enumerate(told_lines) if line.endswith("<<'EOF'"))
    command = "\n".join(told_lines[begin : told_lines.index("EOF") + 1])
    assert (" -ZZ " in command) is start_tls
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    command = command.replace(" -W ", f" -y {shlex.quote(str(password))} ")
    folder = Path(program("ldapmodify")).parent
    ran = subprocess.run(
        ["bash", "-c", command],
        env={"PATH": f"{folder}:{os.environ['PATH']}"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert ran.stderr.count("Insufficient access (50)") == 2, ran.stderr
