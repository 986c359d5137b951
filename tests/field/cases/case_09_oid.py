"""The configuration names attributes by OID."""

from __future__ import annotations

from tests.field.case import Case

CASE = Case(
    name="09-names-of-attributes",
    title="Attributes by OID",
    config="oid.toml",
    admins=("alice",),
    others=("bob",),
)
