"""`doctor --fix-members`: removal of dangling members from their groups."""

from __future__ import annotations

from collections.abc import Iterator

from mi_ldap.checks.context import CheckContext
from mi_ldap.checks.findings import Finding, counted
from mi_ldap.checks.members import Dangling, is_dangling
from mi_ldap.directory import ldap_errors
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.operations import Modification, Modify
from mi_ldap.ldap.result_codes import LdapError, ResultCode


def remove_dangling_members(
    context: CheckContext, groups: list[Dangling], operator: str
) -> Iterator[Finding]:
    """Remove each dangling member by one modification; write one audit line for each group.

    Args:
        context: the directory.
        groups: the groups as they were shown to the operator.
        operator: who runs the command, for the audit log.

    Raises:
        AuditUnavailable: the audit line could not be written; nothing more was changed.
    """
    # Group by group, so that each audit line precedes its own changes.
    for group in groups:
        info = {"role": group.name, "removedMembers": list(group.members)}
        with context.services.audit.change(operator, "updated", "role", info):
            finding = _fix_group(context, group)
        yield finding


def _fix_group(context: CheckContext, group: Dangling) -> Finding:
    with context.session() as session:
        removed = [
            member for member in group.members if _remove_member(context, session, group, member)
        ]
    left = [member for member in group.members if member not in removed]
    if not left:
        sentence = f"Removed {counted(len(removed), 'members')} from {group.name}."
        return Finding("fix-members", "pass", sentence)
    return Finding(
        "fix-members",
        "warn",
        f"Removed {counted(len(removed), 'members')} from {group.name}; {len(left)} left.",
        "Run the command again. Either an entry of that name was created in the meantime, or the "
        "account may not change the group.",
    )


def _remove_member(
    context: CheckContext, session: LdapConnection, group: Dangling, member: str
) -> bool:
    """Remove the member; return False if its entry exists by now, or the server refuses."""
    # The entry may have been created since the report was shown.
    if not is_dangling(context, session, member):
        return False
    removal = Modify(group.entry.dn, (Modification("delete", context.layout.member, (member,)),))
    try:
        _apply(context, session, group, removal)
    except LdapError as error:
        # A member that someone else has removed in the meantime is removed, too.
        return (
            ldap_errors.with_standard_code(error, context.layout.profile).code in ldap_errors.GONE
        )
    return True


def _apply(
    context: CheckContext, session: LdapConnection, group: Dangling, removal: Modify
) -> None:
    """Apply the removal; first add the placeholder if the class requires a member."""
    try:
        session.do(removal)
    except LdapError as error:
        wants = context.layout.group_schema.requires_member
        if error.code != ResultCode.OBJECT_CLASS_VIOLATION or not wants:
            raise
        # groupOfNames needs at least one member (RFC 4519 §3.5).
        session.do(context.layout.placeholder_addition(context.layout.role_from(group.entry)))
        session.do(removal)
