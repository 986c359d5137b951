"""Whether the server fills the configured attribute of users with their groups."""

from __future__ import annotations

from collections.abc import Iterator

from mi_ldap.checks.context import CheckContext
from mi_ldap.checks.findings import Finding
from mi_ldap.ldap.names import parsed_dn

_REMEDY = (
    "Load the overlay memberof (OpenLDAP) or enable the plugin (389), or remove "
    "user_store.member_of_attribute. The service works without it."
)


def member_of(patient: CheckContext) -> Iterator[Finding]:
    """Compare the attribute of one user with the groups that name the user."""
    attribute = patient.tree.member_of
    user_dn = _member_of_a_group(patient)
    if not attribute or user_dn is None:
        return
    with patient.session() as session:
        entry = session.read(user_dn, "(objectClass=*)", [attribute])
    if entry is not None and not entry.all(attribute):
        sentence = f"{attribute} is not filled: {user_dn} is in a group and has no value of it."
        yield Finding("member-of", "warn", sentence, _REMEDY)


def _member_of_a_group(patient: CheckContext) -> str | None:
    """The DN of a user whom a group names."""
    if patient.tree.shape.by_name:
        return None
    users = {parsed_dn(entry.dn): entry.dn for entry in patient.users.entries}
    members = (dn for group in patient.groups.entries for dn in patient.tree.members(group))
    return next((users[each] for each in map(parsed_dn, members) if each in users), None)
