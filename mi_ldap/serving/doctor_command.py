"""`mi-ldap doctor`: what the doctor finds, on the terminal or as JSON."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import replace
from typing import TYPE_CHECKING

import click
import structlog

from mi_ldap.checks import Doctor, Finding, Report
from mi_ldap.checks.authorization import examine_authorization
from mi_ldap.checks.hybrid_roles import examine_hybrid_roles
from mi_ldap.checks.icp import examine_icp
from mi_ldap.checks.secondary_stores import examine_secondary_stores
from mi_ldap.errors import MiLdapError
from mi_ldap.services.container import Services
from mi_ldap.serving.findings import print_findings
from mi_ldap.serving.logs import configure_logging
from mi_ldap.serving.state_folder import prepare_state_folder
from mi_ldap.settings import Settings

if TYPE_CHECKING:
    from mi_ldap.checks.database import DatabaseDoctor

OpenServices = Callable[[Settings], AbstractContextManager[Services]]


def examine(
    load: Callable[[], Settings],
    open_services: OpenServices,
    *,
    as_json: bool,
    fix_members: bool,
    yes: bool,
) -> int:
    """Print each finding at once, or all of them as JSON at the end; return the exit status."""
    configure_logging("critical")  # the findings say what the log would say
    findings: list[Finding] = []
    for finding in _findings(load, open_services, fix_members=fix_members, yes=yes, quiet=as_json):
        findings.append(finding)
        if not as_json:
            print_findings([finding])
    report = Report(tuple(_after_fixing(findings)))
    click.echo(report.as_json() if as_json else _summary(report))
    return report.exit_status


def _findings(
    load: Callable[[], Settings],
    open_services: OpenServices,
    *,
    fix_members: bool,
    yes: bool,
    quiet: bool,
) -> Iterator[Finding]:
    """Run the checks; an invalid configuration is a finding too."""
    try:
        settings = load()
        prepare_state_folder(settings.state_dir)
        structlog.contextvars.bind_contextvars(client="local")
        with (
            open_services(settings) as services,
            closing(_doctor(services)) as doctor,
        ):
            for finding in doctor.examine():
                # The remedy is the command that is running.
                is_fixed_next = fix_members and finding.check == "members"
                yield replace(finding, remedy="") if is_fixed_next else finding
            yield from examine_secondary_stores(services)
            yield from examine_hybrid_roles(services)
            yield from examine_authorization(services)
            yield from examine_icp(services)
            if fix_members:
                yield from _fixed(doctor, yes=yes, quiet=quiet)
    except MiLdapError as error:
        yield Finding("configuration", "fail", str(error), "See docs/configuration.md.")


def _doctor(services: Services) -> Doctor | DatabaseDoctor:
    if not services.settings.is_database:
        return Doctor(services, embedded=services.settings.is_embedded)
    from mi_ldap.checks.database import DatabaseDoctor  # loads SQLAlchemy

    return DatabaseDoctor(services)


def _fixed(doctor: Doctor | DatabaseDoctor, *, yes: bool, quiet: bool) -> Iterator[Finding]:
    if not isinstance(doctor, Doctor):
        sentence = "--fix-members is for directories: rows of a database are not removed."
        yield Finding("fix-members", "skip", sentence, "See the check dangling-rows.")
        return
    try:
        agreed = _agreed(doctor, yes=yes, quiet=quiet)
    except click.Abort:
        click.echo()
        sentence = "No answer was given, so nothing was removed."
        yield Finding("fix-members", "skip", sentence, "Add --yes to go on without a question.")
        return
    if agreed:
        yield from doctor.fix_members(f"{getpass.getuser()} on this machine")


def _after_fixing(findings: list[Finding]) -> list[Finding]:
    """Return the findings, with the dangling members as passed if all of them were removed."""
    fixed = [finding for finding in findings if finding.check == "fix-members"]
    if not fixed or any(finding.level != "pass" for finding in fixed):
        return findings
    return [
        replace(each, level="pass") if (each.check, each.level) == ("members", "warn") else each
        for each in findings
    ]


def _agreed(doctor: Doctor, *, yes: bool, quiet: bool) -> bool:
    """Show the dangling members; return whether to remove them."""
    broken = doctor.dangling()
    if not broken or yes or not doctor.may_change_groups:
        return bool(broken)
    if quiet:
        raise click.UsageError("--json asks nothing: add --yes to --fix-members.")
    for each in broken:
        click.echo(f"{each.name}:")
        for member in each.members:
            click.echo(f"    {member}")
    return click.confirm("Remove these members from these groups?")


def _summary(report: Report) -> str:
    counts = {
        word: sum(finding.level == level for finding in report.findings)
        for level, word in (("fail", "failed"), ("warn", "to check"), ("skip", "not determined"))
    }
    counts["corrected"] = sum(
        (finding.check, finding.level) == ("fix-members", "pass") for finding in report.findings
    )
    found = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return f"\n{found or 'No problems found'}. docs/doctor.md describes each check."
