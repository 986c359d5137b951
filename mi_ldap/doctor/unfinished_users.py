"""Users whose creation was cut off by a crash."""

from __future__ import annotations

from collections.abc import Iterator

from mi_ldap.directory import epochs
from mi_ldap.directory.tree import shown_name
from mi_ldap.doctor.findings import Finding, counted
from mi_ldap.doctor.patient import Patient

SHOWN = 10


def unfinished_users(patient: Patient) -> Iterator[Finding]:
    """How many there are whose creation cannot go on any more."""
    tree = patient.tree
    found = sorted(
        shown_name(entry, tree.user_name)
        for entry in patient.users.entries
        if tree.is_unfinished(entry) and epochs.is_old(entry.first(tree.epoch) or "")
    )
    if not found:
        return
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    yield Finding(
        "unfinished-users",
        "warn",
        f"A crash cut off the creation of {counted(len(found), 'users')}: "
        f"{', '.join(found[:SHOWN])}{more}. The service does not show them.",
        "The running service removes them within minutes, if its account may delete users. Their "
        "names can be used at once.",
    )
