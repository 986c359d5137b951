"""What the checks of a database share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mi_ldap.checks.findings import Finding
from mi_ldap.services.container import Services
from mi_ldap.sql.config import DatabaseConfig
from mi_ldap.sql.inspection import Inspection
from mi_ldap.sql.schema import SchemaReport


@dataclass(frozen=True, slots=True)
class DatabaseContext:
    """The database as the checks see it, through the first host that works.

    Attributes:
        report: tables, columns and indexes that are missing.
        inspection: the reads of the checks.
    """

    services: Services
    config: DatabaseConfig
    report: SchemaReport
    inspection: Inspection


@dataclass(frozen=True, slots=True)
class DatabaseCheck:
    """A check: `name` is the heading in docs/doctor.md; `examine` yields the findings."""

    name: str
    examine: Callable[[DatabaseContext], Iterator[Finding]]
