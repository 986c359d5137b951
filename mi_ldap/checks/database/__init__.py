"""The doctor of databases: a list of checks of its own, with the findings of `checks.findings`.

Statements are in `mi_ldap.sql.inspection`. The checks change nothing: rights are tried in a
transaction that is rolled back.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mi_ldap.checks.database import admins, connection, content, tables
from mi_ldap.checks.database.context import DatabaseCheck, DatabaseContext
from mi_ldap.checks.findings import Finding
from mi_ldap.deadline import deadline
from mi_ldap.errors import MiLdapError
from mi_ldap.services.container import Services
from mi_ldap.sql import SqlStore
from mi_ldap.sql.engine import Database
from mi_ldap.sql.inspection import Inspection
from mi_ldap.sql.reachability import reach
from mi_ldap.sql.schema import inspect

CHECK_S: Final = 60.0
"""Time limit of one check in seconds."""

DATABASE_CHECKS: Final = (
    DatabaseCheck("indexes", tables.indexes),
    DatabaseCheck("rights", tables.rights),
    DatabaseCheck("duplicates", content.duplicates),
    DatabaseCheck("dangling-rows", content.dangling_rows),
    DatabaseCheck("digests", content.digests),
    DatabaseCheck("admins", admins.admins),
)
"""Run in this order, if the tables can be used."""


class DatabaseDoctor:
    """One run of all checks of a database.

    Args:
        services: the services over the database to check; `close` closes them.
    """

    def __init__(self, services: Services) -> None:
        assert isinstance(services.primary, SqlStore)  # noqa: S101 - services() makes no other
        self._services, self._config = services, services.primary.config
        self._database = Database(self._config)

    def close(self) -> None:
        """Close the connections of the checks, and the services."""
        self._database.close()
        self._services.close()

    def examine(self) -> Iterator[Finding]:
        """Run all checks; yield each finding as soon as it is known."""
        with deadline(CHECK_S):
            states = reach(self._config)
        yield from connection.connection_findings(self._config, states)
        if not any(connection.is_usable(self._config, state) for state in states):
            yield Finding("layout", "skip", "Nothing in the database was checked.")
            return
        yield from self._check_tables()

    def _check_tables(self) -> Iterator[Finding]:
        try:
            with deadline(CHECK_S):
                report = inspect(self._config)
        except MiLdapError as error:
            yield _failure("layout", error)
            return
        found = list(tables.layout_findings(report))
        yield from found
        if report.layout is None or any(finding.level == "fail" for finding in found):
            names = ", ".join(check.name for check in DATABASE_CHECKS)
            yield Finding("layout", "skip", f"Not checked until this is corrected: {names}.")
            return
        has_hybrid_roles = not tables.missing_hybrid(report)
        inspection = Inspection(self._database, report.layout, has_hybrid_roles=has_hybrid_roles)
        context = DatabaseContext(self._services, self._config, report, inspection)
        for check in DATABASE_CHECKS:
            yield from _run(check, context)


def _run(check: DatabaseCheck, context: DatabaseContext) -> list[Finding]:
    found: list[Finding] = []
    try:
        with deadline(CHECK_S):
            found.extend(check.examine(context))
    except MiLdapError as error:  # a check that fails must not end the report
        found.append(_failure(check.name, error))
    return found


def _failure(check: str, error: MiLdapError) -> Finding:
    remedy = f"See the database's log, and {check} in docs/doctor.md."
    return Finding(check, "fail", str(error), remedy)
