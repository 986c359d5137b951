"""Runs the doctor on a directory of the tests, as `python app.py doctor` does."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from click.testing import Result

from mi_ldap.checks import Doctor, Finding, Report
from mi_ldap.settings import load_settings
from mi_ldap.wiring import services
from tests.hosts.process import DirectoryHost

Command = Callable[..., Result]
"""`mi-ldap` with variables of the environment and arguments, see `tests.checks.conftest`."""


def keys_of(directory: DirectoryHost, state_dir: Path, **more: str) -> dict[str, str]:
    """The environment that makes the service use all of a directory; `more` of `user_store`."""
    account_dn, password = directory.service
    keys = {
        "connection_url": directory.ldaps_url,
        "connection_name": account_dn,
        "connection_password": password,
        "ca_file": str(directory.ca_file),
        "user_search_base": directory.user_base,
        "group_search_base": directory.group_base,
        **more,
    }
    named = {f"MI_LDAP_USER_STORE__{key.upper()}": value for key, value in keys.items() if value}
    return {**named, "MI_LDAP_STATE_DIR": str(state_dir), "MI_LDAP_BOOTSTRAP__MODE": "off"}


@contextmanager
def doctor_with(environment: dict[str, str]) -> Iterator[Doctor]:
    made = services(load_settings(environment))
    doctor = Doctor(made, embedded=False)
    try:
        yield doctor
    finally:
        doctor.close()


def run_doctor(environment: dict[str, str]) -> Report:
    with doctor_with(environment) as doctor:
        return Report(tuple(doctor.examine()))


def findings_of(report: Report, check: str, level: str = "") -> list[Finding]:
    """The findings of one check."""
    return [each for each in report.findings if each.check == check and level in ("", each.level)]


def text_of(report: Report, check: str, level: str) -> str:
    """What one check says at that level, remedies too; nothing where it says nothing."""
    return "\n".join(
        f"{each.sentence}\n{each.remedy}" for each in findings_of(report, check, level)
    )


def problems(report: Report) -> list[Finding]:
    return [each for each in report.findings if each.level in ("warn", "fail")]


def normalized(text: str, *directories: DirectoryHost) -> str:
    """Without what differs from run to run: ports, days."""
    for number, directory in enumerate(directories):
        port = 636 + number * 1000
        text = text.replace(f"127.0.0.1:{directory.tls_port}", f"ldap.example.org:{port}")
        text = text.replace(str(directory.ca_file), "/etc/mi-ldap/ca.pem")
    return re.sub(r"\b\d+ days\b", "300 days", text)
