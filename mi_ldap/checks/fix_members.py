"""`doctor --fix-members`: members that are nobody are taken out of their groups."""

from __future__ import annotations

from collections.abc import Iterator

from mi_ldap.checks.content import Dangling, is_nobody
from mi_ldap.checks.context import CheckContext
from mi_ldap.checks.findings import Finding, counted
from mi_ldap.directory import ldap_errors
from mi_ldap.ldap.connection import LdapConnection, LdapError
from mi_ldap.ldap.operations import Modification, Modify
from mi_ldap.ldap.result_codes import ResultCode


def take_out(patient: CheckContext, broken: list[Dangling], operator: str) -> Iterator[Finding]:
    """Take them out, one modification each; a line in the audit log for each group.

    Args:
        patient: where.
        broken: the groups, as they were shown to the operator.
        operator: who does it, for the audit log.

    Raises:
        AuditUnavailable: the line could not be written; nothing more was changed.
    """
    for each in broken:
        info = {"role": each.name, "removedMembers": list(each.members)}
        with patient.services.audit.change(operator, "updated", "role", info):
            mended = _mended(patient, each)
        yield mended


def _mended(patient: CheckContext, each: Dangling) -> Finding:
    with patient.session() as session:
        taken = [member for member in each.members if _take(patient, session, each, member)]
    left = [member for member in each.members if member not in taken]
    if not left:
        sentence = f"{counted(len(taken), 'members')} taken out of {each.name}."
        return Finding("fix-members", "pass", sentence)
    return Finding(
        "fix-members",
        "warn",
        f"{counted(len(taken), 'members')} taken out of {each.name}, {len(left)} left.",
        "Run it again: somebody of that name has come, or the account may not change the group.",
    )


def _take(patient: CheckContext, session: LdapConnection, each: Dangling, member: str) -> bool:
    """False where the member is somebody by now, or the server refuses."""
    if not is_nobody(patient, session, member):
        return False
    gone = Modify(each.group.dn, (Modification("delete", patient.tree.member, (member,)),))
    try:
        _do(patient, session, each, gone)
    except LdapError as refused:
        return ldap_errors.canonical(refused, patient.tree.profile).code in ldap_errors.GONE
    return True


def _do(patient: CheckContext, session: LdapConnection, each: Dangling, gone: Modify) -> None:
    """Where the class wants a member, and this is the last, the placeholder takes its place."""
    try:
        session.do(gone)
    except LdapError as refused:
        wants = patient.tree.shape.wants_a_member
        if refused.code != ResultCode.OBJECT_CLASS_VIOLATION or not wants:
            raise
        session.do(patient.tree.placeholder_in(patient.tree.role_from(each.group)))
        session.do(gone)
