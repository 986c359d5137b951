"""The admins, their custodians, and whether the next login creates the first admin."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from mi_ldap.checks.database.context import DatabaseContext
from mi_ldap.checks.findings import Finding
from mi_ldap.checks.first_admin import first_admin
from mi_ldap.checks.store_admins import admins_of_store, exists


def admins(context: DatabaseContext) -> Iterator[Finding]:
    """Report the admins, admins without a custodian, and whether a login can create the first."""
    yield from admins_of_store(context.services)
    yield from first_admin(context.services, partial(exists, context.services), embedded=False)
