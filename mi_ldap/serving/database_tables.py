"""`mi-ldap database create` and `mi-ldap database check`: the tables of users and roles.

Beside a directory, `only_hybrid`, these are the tables of hybrid roles.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import click

from mi_ldap.checks.database.connection import connection_findings, is_usable
from mi_ldap.checks.database.tables import (
    hybrid_table_findings,
    index_findings,
    layout_findings,
)
from mi_ldap.checks.findings import Finding, Report
from mi_ldap.deadline import deadline
from mi_ldap.serving.findings import print_findings
from mi_ldap.serving.logs import configure_logging
from mi_ldap.sql import schema
from mi_ldap.sql.config import DatabaseConfig
from mi_ldap.sql.reachability import reach

TIMEOUT_S = 60.0
"""Timeout of each command, in seconds: other transactions can hold a lock."""


def create_tables(config: DatabaseConfig, *, only_hybrid: bool = False) -> None:
    """Create the tables that are missing, and print their names.

    Raises:
        MiLdapError: the database cannot be reached, or refuses.
    """
    os.umask(0o077)  # for the file of SQLite
    with deadline(TIMEOUT_S):
        created = schema.create_tables(config, only_hybrid=only_hybrid)
    for name in created:
        click.echo(f"Created {name}.")
    if not created:
        click.echo("All tables exist. Nothing was created.")


def check_tables(config: DatabaseConfig, *, only_hybrid: bool = False) -> int:
    """Print what is missing, with remedies; return the exit status, as that of the doctor."""
    configure_logging("critical")  # the findings say what the log would say
    with deadline(TIMEOUT_S):
        findings = [*_findings(config, only_hybrid=only_hybrid)]
    print_findings(findings)
    return Report(tuple(findings)).exit_status


def _findings(config: DatabaseConfig, *, only_hybrid: bool) -> Iterator[Finding]:
    states = reach(config)
    if not any(is_usable(config, state) for state in states):
        yield from connection_findings(config, states)
        return
    found = schema.inspect(config, only_hybrid=only_hybrid)
    if only_hybrid:
        yield from hybrid_table_findings(found)
        return
    yield from layout_findings(found)
    if found.layout is not None:
        yield from index_findings(found)
