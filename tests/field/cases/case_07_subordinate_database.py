"""The people are in a database of their own, glued into the one above (`olcSubordinate`)."""

from __future__ import annotations

from pathlib import Path

from tests.field.case import Case
from tests.hosts.arranged import ArrangedOpenLdap, Arrangement, Database


def glued(case: Case, folder: Path) -> ArrangedOpenLdap:
    people = Database(
        suffix="ou=people,dc=example,dc=org",
        lines="olcSubordinate: TRUE",
        content=(case.folder / "tree-people.ldif").read_text(encoding="utf-8"),
    )
    rest = Database(suffix="dc=example,dc=org", overlays=("syncprov",), content=case.content)
    return ArrangedOpenLdap(folder, Arrangement(databases=[people, rest]))


CASE = Case(
    name="07-subordinate-database",
    title="People in a subordinate database",
    admins=("alice", "mallory"),
    others=("bob", "eve"),
    start=glued,
    memory=False,
)
