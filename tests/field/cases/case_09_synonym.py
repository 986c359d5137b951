"""The configuration names attributes by a synonym."""

from __future__ import annotations

from tests.field.case import Case

CASE = Case(
    name="09-names-of-attributes",
    title="Attributes by synonym (`userid`)",
    config="synonym.toml",
    admins=("alice",),
    others=("bob",),
)
