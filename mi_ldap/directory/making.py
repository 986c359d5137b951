"""Making users and roles, and taking back what was made."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog

from mi_ldap.creation_locks import CreationLocks
from mi_ldap.deadline import UNDO_S, deadline, remaining_s
from mi_ldap.directory import epochs, names, results
from mi_ldap.directory.changing import Changer
from mi_ldap.directory.controls import assertion
from mi_ldap.directory.leftovers import Leftovers
from mi_ldap.directory.operations import Add, Delete, Operation
from mi_ldap.directory.reading import Reader
from mi_ldap.directory.session import Refused
from mi_ldap.errors import (
    AmbiguousName,
    BadRequest,
    Conflict,
    DirectoryUnavailable,
    MiLdapError,
    RoleExists,
    UserExists,
)
from mi_ldap.model import Role, User
from mi_ldap.store import RemoveUser, Unchanged

_NOT_FOUND_AGAIN = (
    "Error processing the request. The directory took the entry, but the configured filters do not "
    "find it."
)

_LAGS = (
    "The directory took the entry, but the replica that the service reads from does not show it "
    "yet: it lags, or its access rules hide new entries."
)

RESERVE_S: Final = 1.0
"""What a request keeps of its time when it waits for another creation of the same name."""

UNSEEN_LIMIT: Final = 2
"""So often an entry that exists and is not found may have been removed in between."""

LAG_PAUSE_S: Final = 0.05
"""Between looks whether a replica has the entry by now."""

LAG_REST_S: Final = 1.0
"""With less than this left of the request's time it is said that the replica lags."""

log = structlog.get_logger()

Entity = TypeVar("Entity", User, Role)


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes entries, as `UserStore` promises for `add_user`, `add_role` and `discard`."""

    reader: Reader
    changer: Changer
    creation_locks: CreationLocks
    leftovers: Leftovers

    def make_user(self, name: str) -> User:
        """A user without a password, whom no group names: nothing is left of a former life."""
        mark = self.creation_locks.begin()
        try:
            return self._make_user(name, mark)
        except BaseException:
            self.creation_locks.end(mark)
            raise

    def _make_user(self, name: str, mark: str) -> User:
        tree = self.reader.tree
        wanted = tree.new_user(name, mark)
        try:
            self._add_user(name, wanted)
            user = self._only_user(name, wanted.dn)
            self.leftovers.take_memberships(tree.member_value(user))
        except BaseException:
            self._withdraw(wanted.dn, wanted.attributes[tree.epoch][0])
            raise
        return user

    def _add_user(self, name: str, wanted: Add) -> None:
        """Add the entry once no unfinished user is in its way.

        Raises:
            UserExists: a finished user is, or one whose creation may go on elsewhere.
        """
        exists, unseen = UserExists(name), 0
        give_up_at = time.monotonic() + remaining_s() - RESERVE_S
        while True:
            try:
                return self._add(wanted, exists)
            except UserExists:
                found = self.reader.users_named(name)
                unseen += not found  # gone meanwhile; or an entry that the filters do not find
                if unseen > UNSEEN_LIMIT or not all(user.unfinished for user in found):
                    raise
            if not self._remove_ended(found):
                if time.monotonic() > give_up_at:
                    raise exists
                time.sleep(LAG_PAUSE_S)

    def _remove_ended(self, unfinished: Sequence[User]) -> bool:
        """Remove those of the users whose creation has ended; whether that was all of them."""
        ended = [user for user in unfinished if self.has_ended(user)]
        for user in ended:
            log.warning("unfinished_user_removed", user=user.name)
            self.discard(user)
        return bool(ended) and len(ended) == len(unfinished)

    def remove_unfinished(self) -> None:
        """Remove what crashes have left, as `UserStore` promises."""
        found = self.reader.unfinished_users()
        self._remove_ended([user for user in found if epochs.is_old(user.revision)])

    def has_ended(self, user: User) -> bool:
        """Whether no request goes on with the creation of an unfinished user."""
        is_running = self.creation_locks.is_running(epochs.creation_mark(user.revision))
        return epochs.is_old(user.revision) if is_running is None else not is_running

    def make_role(self, name: str) -> Role:
        """An empty role, which no other role names: nothing is left of a former life."""
        wanted = self.reader.tree.new_role(name)
        self._add(wanted, RoleExists(name))
        role = self._found_again(lambda: self.reader.find_role(name), wanted.dn)
        if not self.reader.tree.shape.by_name:
            self.leftovers.take_memberships(role.locator)
        self.leftovers.clear_member_of(role.locator)
        return role

    def discard(self, user: User) -> None:
        """Remove what was made, unless it is gone, or finished."""
        with suppress(Conflict):
            self.changer.apply((Unchanged(user), RemoveUser(user)))

    def _add(self, operation: Operation, exists: MiLdapError) -> None:
        with self.changer.session() as session:
            try:
                session.do(operation)
            except Refused as refused:
                if refused.code in results.EXISTS or results.is_duplicate(refused):
                    raise exists from refused
                raise

    def _only_user(self, name: str, dn: str) -> User:
        """The user just made, who must be the only one that the name finds."""
        try:
            return self._found_again(lambda: self._unfinished_user(name), dn)
        except AmbiguousName as error:
            raise UserExists(name) from error

    def _unfinished_user(self, name: str) -> User | None:
        found = self.reader.users_named(name)
        if len(found) > 1:
            raise AmbiguousName("user", name)
        return found[0] if found else None

    def _found_again(self, find: Callable[[], Entity | None], dn: str) -> Entity:
        """The entry just made, as soon as the server shows it.

        A replica that passes changes on to its provider (overlay chain) shows it only once it was
        replicated.

        Raises:
            BadRequest: the entry is there, and the filters do not find it.
            DirectoryUnavailable: it is not there within the request's time.
        """
        while True:
            found = find()
            if found is None and self.reader.exists(dn):
                found = find()  # it may have come in between
                if found is None:
                    raise BadRequest(_NOT_FOUND_AGAIN)
            if found is not None:
                return found
            if remaining_s() < LAG_REST_S:
                raise DirectoryUnavailable(_LAGS)
            time.sleep(LAG_PAUSE_S)

    def _withdraw(self, dn: str, mark: str) -> None:
        """Remove what this very request may have made, known by the mark in its epoch.

        The mark is random, so that no other entry has it, whatever stands at the DN by now. A
        replica that lags does not show the entry yet: where the server can, its provider compares.
        """
        ours = names.equals(self.reader.tree.epoch, mark)
        with (
            deadline(UNDO_S),
            suppress(Exception),
            self.changer.session() as session,
        ):
            if self.reader.tree.profile.asserts:
                session.do(Delete(dn), assertion(ours))
            elif session.read(dn, ours, ["1.1"]):
                session.do(Delete(dn))
