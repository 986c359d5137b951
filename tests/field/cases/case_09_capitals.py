"""The configuration names attributes in capitals."""

from __future__ import annotations

from tests.field.case import Case

CASE = Case(
    name="09-names-of-attributes",
    title="Attributes and classes in capitals",
    config="capitals.toml",
    admins=("alice",),
    others=("bob",),
)
