"""Whether the server maintains `user_store.member_of_attribute`."""

from __future__ import annotations

from collections.abc import Iterator

from mi_ldap.checks.context import CheckContext
from mi_ldap.checks.findings import Finding
from mi_ldap.ldap.names import parsed_dn

_REMEDY = (
    "Load the overlay memberof (OpenLDAP) or enable the plugin (389), or remove "
    "user_store.member_of_attribute. The service works without it."
)


def member_of(context: CheckContext) -> Iterator[Finding]:
    """Warn if a user is a member of a group and its attribute is empty."""
    attribute = context.layout.member_of
    user_dn = _member_of_a_group(context)
    if not attribute or user_dn is None:
        return
    with context.session() as session:
        entry = session.read(user_dn, "(objectClass=*)", [attribute])
    if entry is not None and not entry.all(attribute):
        sentence = (
            f"{attribute} is not maintained: {user_dn} is in a group, but has no value of it."
        )
        yield Finding("member-of", "warn", sentence, _REMEDY)


def _member_of_a_group(context: CheckContext) -> str | None:
    """Return the DN of any user who is a member of a group; None if there is none."""
    # memberUid holds names, from which no server derives memberOf.
    if context.layout.group_schema.by_name:
        return None
    users = {parsed_dn(entry.dn): entry.dn for entry in context.users.entries}
    members = (dn for group in context.groups.entries for dn in context.layout.members(group))
    return next((users[each] for each in map(parsed_dn, members) if each in users), None)
