"""Creation of users and roles, and the removal of unfinished users."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import structlog

from mi_ldap import account_state
from mi_ldap.deadline import UNDO_S, deadline, remaining_s
from mi_ldap.directory import ldap_errors
from mi_ldap.directory.layout.new_entries import new_role, new_user
from mi_ldap.directory.reads import queries
from mi_ldap.directory.reads.queries import Query
from mi_ldap.directory.reads.reader import Reader
from mi_ldap.directory.writes.cleanup import MembershipCleanup
from mi_ldap.directory.writes.creation_locks import CreationLocks
from mi_ldap.directory.writes.writer import Writer
from mi_ldap.errors import (
    BadRequest,
    Conflict,
    DirectoryUnavailable,
    MiLdapError,
    RoleExists,
    UserExists,
)
from mi_ldap.ldap import names
from mi_ldap.ldap.controls import assertion
from mi_ldap.ldap.operations import Add, Delete, Operation
from mi_ldap.ldap.result_codes import LdapError
from mi_ldap.model import Role, User
from mi_ldap.store import DeletedEntry, DeleteUser, Unchanged

_NOT_FOUND = "The directory created the entry, but the configured filters do not find it."

_LAGS = (
    "The directory created the entry, but the replica that the service reads from does not return "
    "it yet: it lags, or its access rules hide new entries."
)

RESERVE_S: Final = 1.0
"""A request stops waiting for another creation of the name so many seconds before its deadline."""

NOT_FOUND_LIMIT: Final = 2
"""How often an entry that exists but is not found is assumed to have been deleted in between."""

LAG_PAUSE_S: Final = 0.05
"""Pause between checks whether a replica has the entry, in seconds."""

LAG_REST_S: Final = 1.0
"""A request with fewer seconds left than this fails, because the replica lags."""

log = structlog.get_logger()

Entity = TypeVar("Entity", User, Role)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class EntryCreator:
    """Creates entries, as `UserStore` specifies for `create_user`, `create_role`, `discard`.

    Attributes:
        reads_may_lag: False if the server is known to keep the entries itself. An OpenLDAP consumer
            that forwards changes to its provider (overlay chain) shows them only after replication.
    """

    reader: Reader
    writer: Writer
    creation_locks: CreationLocks
    cleanup: MembershipCleanup
    reads_may_lag: bool = True

    def create_user(self, name: str) -> User:
        """Create a user without a password and roles; no role may name it from an earlier entry."""
        mark = self.creation_locks.begin()
        try:
            return self._create_user(name, mark)
        except BaseException:
            self.creation_locks.end(mark)
            raise

    def _create_user(self, name: str, mark: str) -> User:
        layout = self.reader.layout
        addition = new_user(layout, name, mark)
        try:
            self._add_user(name, addition)
            return self._created_user(name, addition.dn)
        except BaseException:
            self._delete_if_created(addition.dn, addition.attributes[layout.epoch][0])
            raise

    def _add_user(self, name: str, addition: Add) -> None:
        """Add the entry as soon as no unfinished user has its name.

        Raises:
            UserExists: a finished user has it, or one that may still be being created elsewhere.
        """
        # `exists` is raised by the server's own check at the moment of the addition: two requests
        # that create the same name at once can't both succeed.
        exists, not_found = UserExists(name), 0
        give_up_at = time.monotonic() + remaining_s() - RESERVE_S
        while True:
            try:
                return self._add(addition, exists)
            except UserExists:
                found = self.reader.users_named(name)
                # An entry that is not found was deleted meanwhile, or the filters do not match it.
                not_found += 0 if found else 1
                if not_found > NOT_FOUND_LIMIT or not all(user.unfinished for user in found):
                    raise
            if not self._delete_ended(found):
                if time.monotonic() > give_up_at:
                    raise exists
                time.sleep(LAG_PAUSE_S)

    def _delete_ended(self, unfinished: Sequence[User]) -> bool:
        """Remove the users whose creation has ended; return whether these were all of them."""
        ended = [user for user in unfinished if self.has_ended(user)]
        for user in ended:
            log.warning("unfinished_user_removed", user=user.name)
            self.discard(user)
        return bool(ended) and len(ended) == len(unfinished)

    def delete_unfinished(self) -> None:
        """Remove users that crashes left unfinished, as specified by `UserStore`."""
        found = self.reader.unfinished_users()
        self._delete_ended([user for user in found if account_state.is_old(user.revision)])

    def has_ended(self, user: User) -> bool:
        """Whether no request is still creating an unfinished user."""
        is_running = self.creation_locks.is_running(account_state.creation_mark(user.revision))
        return account_state.is_old(user.revision) if is_running is None else not is_running

    def create_role(self, name: str) -> Role:
        """Create an empty role; no other role may name it from an earlier entry."""
        addition = new_role(self.reader.layout, name)
        self._add(addition, RoleExists(name))
        query = queries.role_named(self.reader.layout, name)
        return self._created(query, DeletedEntry(addition.dn, addition.dn))

    def discard(self, user: User) -> None:
        """Delete a new user, unless it was deleted or finished meanwhile."""
        with suppress(Conflict):
            self.writer.apply((Unchanged(user), DeleteUser(user)))

    def _add(self, operation: Operation, exists: MiLdapError) -> None:
        with self.writer.connection() as connection:
            try:
                connection.do(operation)
            except LdapError as error:
                if error.code in ldap_errors.EXISTS or ldap_errors.is_duplicate(error):
                    raise exists from error
                raise

    def _created_user(self, name: str, dn: str) -> User:
        """Return the new user, which must be the only one with the name."""
        layout = self.reader.layout

        def only(found: list[User]) -> User | None:
            if len(found) > 1:
                raise UserExists(name)
            return found[0] if found else None

        member = name if layout.group_schema.by_name else dn
        return self._created(queries.users_named(layout, name).then(only), DeletedEntry(dn, member))

    def _created(self, query: Query[Entity | None], former: DeletedEntry) -> Entity:
        """Return the new entry, once nothing names it from an earlier entry at its DN."""

        def find() -> tuple[Entity, list[Callable[[], Any]]] | None:
            found, *leftovers = self.reader.answer_together(
                [query, *self.cleanup.queries_of(former)]
            )
            present: Entity | None = found()
            return None if present is None else (present, leftovers)

        entity, leftovers = self._wait_until_visible(find, former.dn)
        # Groups keep the DN of a deleted entry unless the server removes it (refint): a new entry
        # at the DN must not inherit these roles.
        self.cleanup.remove(former, *(leftover() for leftover in leftovers))
        return entity

    def _wait_until_visible(self, find: Callable[[], T | None], dn: str) -> T:
        """Wait until the server returns the new entry.

        Raises:
            BadRequest: the entry exists, but the filters do not find it.
            DirectoryUnavailable: it does not appear within the request's time.
        """
        # An OpenLDAP consumer that forwards changes to its provider (overlay chain) returns the
        # entry only after replication.
        while True:
            found = find()
            if found is None and self.reader.exists(dn):
                # It may have appeared between the two reads.
                found = find()
                if found is None:
                    raise BadRequest(_NOT_FOUND)
            if found is not None:
                return found
            if remaining_s() < LAG_REST_S:
                raise DirectoryUnavailable(_LAGS)
            time.sleep(LAG_PAUSE_S)

    def wait_until_finished(self, user: User) -> None:
        """Wait, where reads may lag behind changes, until they show the finished user."""
        # Else the login that follows the creation could be refused: reads leave out such users.
        # The change is done, so that neither a long lag nor a failed read is an error.
        with suppress(MiLdapError):
            while self.reads_may_lag and remaining_s() > LAG_REST_S:
                present = self.reader.users_named(user.name)
                if not any(each.id == user.id and each.unfinished for each in present):
                    return
                time.sleep(LAG_PAUSE_S)

    def _delete_if_created(self, dn: str, mark: str) -> None:
        """Delete the entry that this request may have created, identified by its random mark."""
        # With an assertion the provider compares the mark: a consumer that forwards the deletion
        # may not have the entry yet, so reading it there would prove nothing.
        ours = names.equals(self.reader.layout.epoch, mark)
        with (
            deadline(UNDO_S),
            suppress(Exception),
            self.writer.connection() as connection,
        ):
            if self.reader.layout.profile.supports_assertions:
                connection.do(Delete(dn), assertion(ours))
            elif connection.read(dn, ours, ["1.1"]):
                connection.do(Delete(dn))
