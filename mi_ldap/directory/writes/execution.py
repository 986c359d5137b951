"""Execution of a plan: its operations in order, undone if one of them fails."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from mi_ldap.deadline import UNDO_S, deadline
from mi_ldap.directory import ldap_errors
from mi_ldap.directory.layout.profiles import Profile
from mi_ldap.directory.writes.plans import Guarded
from mi_ldap.errors import unforeseen
from mi_ldap.ldap.connection import LdapConnection, LdapError
from mi_ldap.ldap.operations import Delete
from mi_ldap.ldap.result_codes import ResultCode

log = structlog.get_logger()

Connect = Callable[[], LdapConnection]


def carry_out(
    session: LdapConnection, reconnect: Connect, profile: Profile, operations: list[Guarded]
) -> None:
    """Carry out the operations in order; undo those that were done if one fails.

    Args:
        session: sends the operations, and their undos if the server refuses one.
        reconnect: opens the session for the undos if the connection of `session` failed.
        profile: interprets the server's result codes.
        operations: the operations of a plan.

    Raises:
        LdapError: the server rejected one of them.
    """
    for number, guarded in enumerate(operations):
        try:
            _do(session, profile, guarded)
        except LdapError:
            _undo(session, profile, operations[:number], guarded)
            raise
        except BaseException:
            # No answer to the last operation was read, so it may have been carried out.
            _undo_cut_off(reconnect, profile, operations[: number + 1])
            raise


def _do(session: LdapConnection, profile: Profile, guarded: Guarded) -> None:
    try:
        session.do(guarded.operation, *guarded.controls)
    except LdapError as refused:
        if guarded.swaps and any(pattern.matches(refused) for pattern in profile.second_value):
            # A second value of a single-valued attribute: another client has set it meanwhile.
            raise LdapError(ResultCode.ATTRIBUTE_OR_VALUE_EXISTS, refused.message) from refused
        if guarded.changes_members:
            raise ldap_errors.canonical(refused, profile) from refused
        raise


def _undo_cut_off(reconnect: Connect, profile: Profile, done: list[Guarded]) -> None:
    with deadline(UNDO_S):
        try:
            session = reconnect()
        except Exception as error:
            log.error("nothing_undone", error=str(error), exc_info=unforeseen(error))
            return
        _undo(session, profile, done, done[-1])
        session.close()


def _undo(session: LdapConnection, profile: Profile, done: list[Guarded], failed: Guarded) -> None:
    """Undo the operations, latest first; when one can't be undone, those before it stay as well.

    A deletion is the last operation of a change. Once its entry is gone, whoever deleted it, the
    change is kept: an undo would assign roles and dependents to an entry that no longer exists.
    """
    with deadline(UNDO_S):
        try:
            if isinstance(failed.operation, Delete) and _is_gone(session, failed.operation):
                return
            for guarded in reversed(done):
                _undo_one(session, profile, guarded.undo)
        except LdapError as refused:
            log.error("undoing_given_up", code=int(refused.code))
        except Exception as error:
            log.error("undoing_given_up", error=str(error), exc_info=unforeseen(error))


def _is_gone(session: LdapConnection, deletion: Delete) -> bool:
    return session.read(deletion.dn, "(objectClass=*)", ["1.1"]) is None


def _undo_one(session: LdapConnection, profile: Profile, undo: tuple[Guarded, ...]) -> None:
    """Undo one operation; keep values that another client has changed since.

    Raises:
        LdapError: the server rejected the undo.
    """
    for guarded in undo:
        try:
            _do(session, profile, guarded)
        except LdapError as refused:
            if refused.code not in ldap_errors.CHANGED_MEANWHILE:
                raise
            kind = type(guarded.operation).__name__
            log.warning("not_undone", operation=kind, code=int(refused.code))
            if guarded is undo[0]:
                return
