"""The tables: their layout, their indexes, and what the service's account may do with them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from mi_ldap.checks.database.context import DatabaseContext
from mi_ldap.checks.findings import Finding, listed
from mi_ldap.sql.schema import SchemaReport

_CREATE: Final = "mi-ldap database create"
_TABLES: Final = "UM_USER, UM_ROLE, UM_USER_ROLE and UM_USER_ATTRIBUTE"
_OF_HYBRID_ROLES: Final = frozenset({"um_domain", "um_hybrid_role", "um_hybrid_user_role"})


def layout_findings(report: SchemaReport) -> Iterator[Finding]:
    """Report which of MI's two layouts the tables have, and what is missing."""
    if report.layout is None:
        sentence = "The database has no user tables, or the account cannot see them."
        yield Finding("layout", "fail", sentence, _CREATE)
        return
    which = "current" if report.layout == "current" else "older (without UM_USER_ID)"
    yield Finding("layout", "pass", f"The table of users has MI's {which} layout.")
    hybrid = missing_hybrid(report)
    needed = [name for name in report.missing_tables if name not in hybrid]
    if needed:
        yield Finding("layout", "fail", f"Tables are missing: {listed(needed)}.", _CREATE)
    if hybrid:
        sentence = (
            f"Tables of hybrid roles are missing, or the account cannot see them: {listed(hybrid)}."
        )
        yield Finding("layout", "warn", sentence, f"{_CREATE}, or grant SELECT on them.")
    if report.missing_columns:
        yield Finding("layout", "fail", *missing_columns(report))


def indexes(context: DatabaseContext) -> Iterator[Finding]:
    """Report indexes without which requests become slow as users are added."""
    return index_findings(context.report)


def missing_hybrid(report: SchemaReport) -> list[str]:
    """Return the missing tables of hybrid roles, which the service can do without."""
    return [name for name in report.missing_tables if name.lower() in _OF_HYBRID_ROLES]


def hybrid_table_findings(report: SchemaReport) -> Iterator[Finding]:
    """Report what is missing of the tables of hybrid roles beside a directory."""
    if report.missing_tables:
        missing = listed(report.missing_tables)
        sentence = f"Tables are missing, or the account cannot see them: {missing}."
        yield Finding("hybrid-roles", "fail", sentence, _CREATE)
    if report.missing_columns:
        yield Finding("hybrid-roles", "fail", *missing_columns(report))
    if not (report.missing_tables or report.missing_columns):
        yield Finding("hybrid-roles", "pass", "The database has all tables of hybrid roles.")


def missing_columns(report: SchemaReport) -> tuple[str, str]:
    """Return the sentence and the remedy for columns that are missing."""
    sentence = f"Columns are missing: {listed(report.missing_columns)}."
    return sentence, "Add them as MI's script for this database has them."


def index_findings(report: SchemaReport) -> Iterator[Finding]:
    """Report indexes without which requests become slow as users are added."""
    missing = report.missing_indexes
    if not missing:
        yield Finding("indexes", "pass", "The tables have all indexes that are used.")
        return
    # An index is named like "um_user(lower(um_user_name))".
    targets = (name.partition("(") for name in missing)
    remedy = "\n".join(
        f"CREATE INDEX mi_ldap_index_{number} ON {table} ({column};"
        for number, (table, _, column) in enumerate(targets, 1)
    )
    sentence = f"With many users, requests are slow without indexes: {listed(missing)}."
    yield Finding("indexes", "warn", sentence, remedy)


def rights(context: DatabaseContext) -> Iterator[Finding]:
    """Report what the account may change."""
    engines = context.inspection.tables_without_transactions()
    if engines:
        # A change that is tried could not be rolled back.
        sentence = f"These tables have no transactions: {listed(engines)}."
        remedy = f"Run for each: ALTER TABLE {engines[0]} ENGINE = InnoDB"
        yield Finding("rights", "fail", sentence, remedy)
        return
    found = context.inspection.rights()
    has = ", ".join(right.what for right in found if right.held)
    lacks = ", ".join(right.what for right in found if right.held is False)
    if not context.config.writable:
        yield _unneeded(has)
        return
    if lacks:
        remedy = f"Grant the rights of docs/stores/database.md on {_TABLES} to the account."
        yield Finding("rights", "fail", f"The account cannot: {lacks}.", remedy)
    if has:
        yield Finding("rights", "pass", f"The account may: {has}.")


def _unneeded(has: str) -> Finding:
    if not has:
        return Finding("rights", "pass", "The account can only read, as configured.")
    return Finding(
        "rights",
        "warn",
        f"The configuration only reads, but the account may: {has}.",
        "Revoke these rights from the account, so that nobody can use them through it.",
    )
