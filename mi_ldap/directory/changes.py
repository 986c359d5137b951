"""Carrying out a plan, all or nothing: in one transaction, or one by one with undoing."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from mi_ldap.deadline import UNDO_S, deadline
from mi_ldap.directory import results
from mi_ldap.directory.plans import Guarded
from mi_ldap.directory.profiles import Profile
from mi_ldap.directory.session import Refused, Session
from mi_ldap.errors import MiLdapError

log = structlog.get_logger()

Connect = Callable[[], Session]


def in_one_transaction(session: Session, operations: list[Guarded]) -> None:
    """Carry out the operations as one transaction (RFC 5805), checked at commit.

    Raises:
        Refused: one of them cannot be done; nothing was.
    """
    if len(operations) < 2:  # one is all or nothing by itself, and none is done
        for guarded in operations:
            session.do(guarded.operation, *guarded.controls)
        return
    with session.transaction() as transaction:
        for guarded in operations:
            session.do(guarded.operation, *guarded.controls, transaction)


def one_by_one(
    session: Session, again: Connect, profile: Profile, operations: list[Guarded]
) -> None:
    """Carry out the operations in their order; what was done is undone when one fails.

    When the session is cut off, `again` opens the one on which that is undone.

    Raises:
        Refused: one of them cannot be done.
    """
    done: list[Guarded] = []
    for guarded in operations:
        try:
            _do(session, profile, guarded)
        except Refused:
            _undo(session, profile, done)
            raise
        except MiLdapError:
            _undo_cut_off(again, profile, [*done, guarded])  # the last one may have been done, too
            raise
        done.append(guarded)


def _do(session: Session, profile: Profile, guarded: Guarded) -> None:
    try:
        session.do(guarded.operation, *guarded.controls)
    except Refused as refused:
        if guarded.swaps and any(saying.fits(refused) for saying in profile.second_value):
            # A second value of a single-valued attribute: somebody else has set it meanwhile.
            raise Refused(results.VALUE_EXISTS, refused.message) from refused
        if guarded.changes_members:
            raise results.canonical(refused, profile) from refused
        raise


def _undo_cut_off(again: Connect, profile: Profile, done: list[Guarded]) -> None:
    with deadline(UNDO_S):
        try:
            session = again()
        except MiLdapError as error:
            log.error("nothing_undone", error=str(error))
            return
        _undo(session, profile, done)
        session.close()


def _undo(session: Session, profile: Profile, done: list[Guarded]) -> None:
    """Latest first; where one can't be told the earlier ones stay, which are its foundation."""
    with deadline(UNDO_S):
        for guarded in reversed(done):
            try:
                _undo_one(session, profile, guarded.undo)
            except Refused as refused:
                log.error("undoing_given_up", code=refused.code)
                return
            except MiLdapError as error:
                log.error("undoing_given_up", error=str(error))
                return


def _undo_one(session: Session, profile: Profile, undo: tuple[Guarded, ...]) -> None:
    """What somebody else has changed since stays as it is.

    Raises:
        Refused: the server does not let it be undone.
    """
    for guarded in undo:
        try:
            _do(session, profile, guarded)
        except Refused as refused:
            if refused.code not in results.CHANGED_MEANWHILE:
                raise
            kind = type(guarded.operation).__name__
            log.warning("not_undone", operation=kind, code=refused.code)
            if guarded is undo[0]:
                return
