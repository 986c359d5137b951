"""Execution of a plan: its operations in order, undone if one of them fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby

import structlog

from mi_ldap import account_state
from mi_ldap.deadline import UNDO_S, deadline
from mi_ldap.directory import ldap_errors
from mi_ldap.directory.layout.profiles import Profile
from mi_ldap.directory.writes.plans import GuardedOperation, UserLock
from mi_ldap.errors import unforeseen
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.operations import AssertOnly, Delete
from mi_ldap.ldap.result_codes import LdapError, ResultCode

log = structlog.get_logger()

Connect = Callable[[], LdapConnection]


def carry_out(
    connection: LdapConnection,
    reconnect: Connect,
    profile: Profile,
    operations: list[GuardedOperation],
) -> None:
    """Carry out the operations in order; undo those that were done if one fails.

    Assertions that follow each other are sent together.

    Args:
        connection: carries out the operations, and the undo if the server rejects one.
        reconnect: opens another connection for the undo if that one failed.
        profile: interprets the server's result codes.
        operations: the operations of a plan.

    Raises:
        LdapError: the server rejected one of them.
    """
    # Not in a transaction (RFC 5805): slapd 2.5.13 aborts (assertion in `connection_destroy`) when
    # a connection closes while its StartTXN is unanswered, and deadlocks when a commit meets a
    # checkpoint of syncprov or an addition under `unique serialize`.
    done: list[GuardedOperation] = []
    for batch in _batches(operations):
        try:
            _do_batch(connection, profile, batch)
        except LdapError:
            _undo(connection, profile, done, batch[0])
            raise
        except BaseException:
            # No response to the last operation was read, so it may have been carried out.
            undo_on_new_connection(reconnect, profile, done + batch)
            raise
        done += batch


def _batches(operations: list[GuardedOperation]) -> Iterator[list[GuardedOperation]]:
    """Yield the operations in order, each alone, but assertions that follow each other together."""
    for are_assertions, each in groupby(operations, _is_assertion):
        if are_assertions:
            yield [*each]
        else:
            yield from ([guarded] for guarded in each)


def _is_assertion(guarded: GuardedOperation) -> bool:
    return isinstance(guarded.operation, AssertOnly)


def _do_batch(connection: LdapConnection, profile: Profile, batch: list[GuardedOperation]) -> None:
    if len(batch) == 1:
        _do(connection, profile, batch[0])
    else:
        connection.assert_all([(each.operation.dn, each.controls) for each in batch])


def _do(connection: LdapConnection, profile: Profile, guarded: GuardedOperation) -> None:
    try:
        connection.do(guarded.operation, *guarded.controls)
    except LdapError as error:
        if guarded.swaps and any(pattern.matches(error) for pattern in profile.second_value_errors):
            # A second value of a single-valued attribute: another client has set it meanwhile.
            raise LdapError(ResultCode.ATTRIBUTE_OR_VALUE_EXISTS, error.message) from error
        if guarded.changes_members:
            raise ldap_errors.with_standard_code(error, profile) from error
        raise


def undo_on_new_connection(
    reconnect: Connect, profile: Profile, done: list[GuardedOperation]
) -> None:
    """Undo operations, latest first; a failure is only logged."""
    with deadline(UNDO_S):
        try:
            connection = reconnect()
        except Exception as error:
            log.error("rollback_skipped", error=str(error), exc_info=unforeseen(error))
            return
        _undo(connection, profile, done, done[-1])
        connection.close()


def _undo(
    connection: LdapConnection,
    profile: Profile,
    done: list[GuardedOperation],
    failed: GuardedOperation,
) -> None:
    """Undo the operations, latest first; if one can't be undone, those before it are kept too."""
    with deadline(UNDO_S):
        try:
            # A deletion is the last operation of a change. If its entry does not exist any more,
            # whoever deleted it, an undo would assign roles and dependents to nobody.
            if isinstance(failed.operation, Delete) and _is_deleted(connection, failed.operation):
                return
            for guarded in reversed(done):
                _undo_one(connection, profile, guarded)
        except LdapError as error:
            log.error("rollback_failed", code=int(error.code))
        except Exception as error:
            log.error("rollback_failed", error=str(error), exc_info=unforeseen(error))


def _is_deleted(connection: LdapConnection, deletion: Delete) -> bool:
    return connection.read(deletion.dn, "(objectClass=*)", ["1.1"]) is None


def _undo_one(connection: LdapConnection, profile: Profile, done: GuardedOperation) -> None:
    """Undo one operation; keep values that another client has changed since.

    Raises:
        LdapError: the server rejected the undo.
    """
    if done.undo_lock is None:
        _do_undo(connection, profile, done.undo)
    elif unlock := _lock_user(connection, profile, done.undo_lock):
        _do_undo(connection, profile, done.undo)
        _do_undo(connection, profile, (unlock,))


def _do_undo(
    connection: LdapConnection, profile: Profile, undo: tuple[GuardedOperation, ...]
) -> None:
    for guarded in undo:
        try:
            _do(connection, profile, guarded)
        except LdapError as error:
            _note_conflict(guarded, error)
            if guarded is undo[0]:
                return


def _lock_user(
    connection: LdapConnection, profile: Profile, lock: UserLock
) -> GuardedOperation | None:
    """Lock a user; return the operation that unlocks it, or None if it cannot be locked."""
    stored = lock.stored
    # A client that has set the user's password meanwhile would know the password of an admin. That
    # renews the epoch. A change of the custodian does not, but swaps the rest of the stored value.
    while True:
        locking, unlocking = lock.operations(stored)
        try:
            _do(connection, profile, locking)
        except LdapError as error:
            entry = connection.read(lock.dn, "(objectClass=*)", [lock.attribute])
            present = (entry.first(lock.attribute) if entry else None) or ""
            if present == stored or not account_state.is_same_epoch(present, lock.stored):
                _note_conflict(locking, error)
                return None
            stored = present
        else:
            return unlocking


def _note_conflict(guarded: GuardedOperation, error: LdapError) -> None:
    """Log that another client has changed the entry; raise any other error."""
    if error.code not in ldap_errors.CHANGED_MEANWHILE:
        raise error
    kind = type(guarded.operation).__name__
    log.warning("rollback_conflict", operation=kind, code=int(error.code))
