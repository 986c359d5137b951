"""Where hybrid roles are stored, and whether the service's account can read and change them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from mi_ldap.checks.database.connection import connection_findings, is_usable
from mi_ldap.checks.database.tables import missing_columns, missing_hybrid
from mi_ldap.checks.findings import Finding, Level, listed
from mi_ldap.errors import MiLdapError
from mi_ldap.services.container import Services
from mi_ldap.sql import SqlHybridRoles
from mi_ldap.sql.attempts import Right
from mi_ldap.sql.config import DatabaseConfig
from mi_ldap.sql.hybrid_inspection import HybridInspection
from mi_ldap.sql.reachability import reach
from mi_ldap.sql.schema import SchemaReport, hybrid_tables
from mi_ldap.sql.tables import define_tables, sequence_of

_CHECK: Final = "hybrid-roles"
_CREATE: Final = "mi-ldap database create"
_OTHER_ACCOUNT: Final = (
    "To create them with another account than that of the service, set "
    "MI_LDAP_DATASOURCE__USERNAME and MI_LDAP_DATASOURCE__PASSWORD_FILE for this command, and then "
    "give the account of the service its rights:"
)


def storage_findings(services: Services, hybrid: SqlHybridRoles) -> Iterator[Finding]:
    """Report the place of hybrid roles, its tables, and the account's rights there.

    A database that only hybrid roles are in is also tested for its connection.
    """
    config = hybrid.database.config
    if services.settings.has_hybrid_database:
        states = reach(config)
        for finding in connection_findings(config, states):
            # `user_store.ca_file` is for the directory's certificate.
            remedy = finding.remedy.replace("user_store.ca_file", "sslrootcert in datasource.url")
            yield replace(finding, check=_CHECK, remedy=remedy)
        if not any(is_usable(config, state) for state in states):
            yield Finding(_CHECK, "skip", "Nothing of the hybrid roles was examined.")
            return
    elif services.settings.is_database and not _can_read_users(services):
        sentence = "Not examined until the database can be used: see the findings above."
        yield Finding(_CHECK, "skip", sentence)
        return
    yield Finding(_CHECK, "pass", f"Hybrid roles are stored in {_place(services, config)}.")
    yield from _tables(services, hybrid)


def _can_read_users(services: Services) -> bool:
    try:
        services.primary.check()
    except MiLdapError:
        return False
    return True


def _place(services: Services, config: DatabaseConfig) -> str:
    """Return a phrase for where hybrid roles are stored."""
    if file := services.settings.hybrid_roles_file:
        return f"the file {file}, with the admins and their custodians: include it in backups"
    if services.settings.is_database:
        return "the database of the users"
    kind = "file" if config.dialect == "sqlite" else "database"
    return f"the {kind} {config.database} (datasource.url)"


def _tables(services: Services, hybrid: SqlHybridRoles) -> Iterator[Finding]:
    """Report whether the tables are complete, and can be read and changed."""
    inspection = HybridInspection(hybrid.database)
    report = inspection.report()
    if services.settings.is_database and missing_hybrid(report):
        return  # the check `layout` has reported them
    if report.missing_columns:
        yield Finding(_CHECK, "fail", *missing_columns(report))
        return
    try:
        hybrid.check()
    except MiLdapError as error:
        yield Finding(_CHECK, "fail", str(error), _grants(inspection.config))
        return
    if not hybrid.writable:
        sentence = "Hybrid roles are only read, as configured with user_store.read_only."
        yield Finding(_CHECK, "pass", sentence)
        return
    yield from _changes(services, inspection, report)


def _changes(
    services: Services, inspection: HybridInspection, report: SchemaReport
) -> Iterator[Finding]:
    """Report whether the account can change hybrid roles, or create the missing tables."""
    if engines := inspection.tables_without_transactions():
        # A change that is tried could not be rolled back.
        sentence = f"These tables have no transactions: {listed(engines)}."
        remedy = f"Run for each: ALTER TABLE {engines[0]} ENGINE = InnoDB"
        yield Finding(_CHECK, "fail", sentence, remedy)
        return
    rights = inspection.rights(has_all_tables=not report.missing_tables)
    # Without these rights no admin can be changed if the admin role is a hybrid one.
    level: Level = "fail" if services.settings.is_admin_role_hybrid else "warn"
    if not report.missing_tables:
        yield _rights(inspection.config, rights, level)
    elif not services.settings.hybrid_roles_file:
        yield _missing_tables(inspection.config, report, rights, level)
    elif not rights or not all(right.held for right in rights):
        sentence = "The tables of hybrid roles cannot be created in that file."
        yield Finding(_CHECK, "fail", sentence, _grants(inspection.config))


def _missing_tables(
    config: DatabaseConfig, report: SchemaReport, rights: list[Right], level: Level
) -> Finding:
    """Return the finding for missing tables: whether the first change can create them."""
    names = listed(report.missing_tables)
    sentence = f"Tables are missing, or the account cannot see them: {names}."
    remedy = f"{_CREATE}\n{_OTHER_ACCOUNT}\n{_grants(config)}"
    if not rights or any(right.held is False for right in rights):
        return Finding(_CHECK, level, f"{sentence} The account may not create them.", remedy)
    if any(right.held is None for right in rights):
        sentence += " The first change creates them, if the account may."
        return Finding(_CHECK, "warn", sentence, remedy)
    sentence = f"The first change creates the missing tables: {names}."
    return Finding(_CHECK, "pass", sentence, f"To create them now: {_CREATE}")


def _rights(config: DatabaseConfig, rights: list[Right], level: Level) -> Finding:
    """Return the finding for the account's rights; `level` is for missing ones."""
    if not rights:
        sentence = "The database takes no changes, so hybrid roles cannot be changed."
        return Finding(_CHECK, level, sentence, _grants(config))
    lacks = [right.what for right in rights if right.held is False]
    if not lacks:
        return Finding(_CHECK, "pass", "The account may change hybrid roles.")
    sentence = f"The account cannot change hybrid roles. It may not: {', '.join(lacks)}."
    return Finding(_CHECK, level, sentence, _grants(config))


def _grants(config: DatabaseConfig) -> str:
    """Return the statements that give the account its rights."""
    if config.dialect == "sqlite":
        return f"Let the service's account write the file {config.database} and its folder."
    names = [table.name for table in hybrid_tables(define_tables(config.dialect))]
    what = "GRANT SELECT, INSERT, UPDATE, DELETE ON"
    if config.dialect == "mysql":
        return "\n".join(
            f"{what} {config.database}.{name} TO {config.username}@'%';" for name in names
        )
    account = config.username
    if not re.fullmatch("[a-z_][a-z0-9_]*", account):
        account = '"' + account.replace('"', '""') + '"'
    sequences = ", ".join(map(sequence_of, names))
    return "\n".join(
        [
            f"{what} {', '.join(names)} TO {account};",
            f"GRANT USAGE ON SEQUENCE {sequences} TO {account};",
        ]
    )
