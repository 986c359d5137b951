"""Passwords of users, and the creation of users and roles."""

from __future__ import annotations

import secrets
import threading
import time
import uuid
from collections.abc import Callable
from typing import Final, TypeVar

import structlog
from sqlalchemy import Connection

from mi_ldap import account_state
from mi_ldap.deadline import remaining_s
from mi_ldap.errors import Conflict, LoginRefused, RoleExists, UserExists
from mi_ldap.model import AuthenticationResult, Role, User
from mi_ldap.sql import passwords
from mi_ldap.sql.database_errors import Duplicate, NotStorable
from mi_ldap.sql.engine import Database
from mi_ldap.sql.locks import lock, release
from mi_ldap.sql.names import ANONYMOUS, is_same, is_storable
from mi_ldap.sql.passwords import PLACEHOLDER
from mi_ldap.sql.reads import Queries
from mi_ldap.sql.records import PENDING_PASSWORD, PENDING_SALT, STATE, UserRecord
from mi_ldap.sql.rows import Rows
from mi_ldap.sql.tables import NAME_LENGTH
from mi_ldap.store import RunningCreations

log = structlog.get_logger()

T = TypeVar("T")

_RESERVE_S: Final = 1.0
"""Seconds before the deadline at which a request stops waiting for another creation of the name."""

_PAUSE_S: Final = 0.05
"""Seconds from one attempt to create the user to the next."""


class ProcessCreations:
    """The creations of users that are running in this process; their marks share a prefix."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tag = secrets.token_hex(4)
        self._running: set[str] = set()

    def begin(self) -> str:
        """Return a unique mark, which is running until `end`."""
        mark = self._tag + secrets.token_hex(4)
        with self._lock:
            self._running.add(mark)
        return mark

    def end(self, mark: str) -> None:
        with self._lock:
            self._running.discard(mark)

    def is_running(self, mark: str) -> bool | None:
        """Whether the creation is running; None if unknown, as in another process."""
        with self._lock:
            return mark in self._running if mark.startswith(self._tag) else None

    def close(self) -> None:
        with self._lock:
            self._running.clear()


class Accounts:
    """Creates users and roles, and checks and sets passwords.

    Args:
        database: the connections.
        queries: the reads.
        creations: shows whether an unfinished user is still being created.
    """

    def __init__(self, database: Database, queries: Queries, creations: RunningCreations) -> None:
        self._database = database
        self._queries = queries
        self._creations = creations
        self._config = queries.schema.config

    # Creation

    def create_user(self, name: str) -> User:
        """Create an unfinished user; wait while another creation of the name is running.

        Raises:
            UserExists: a finished user has the name, or the other creation did not end in time.
        """
        _ensure_storable(name)
        if is_same(name, ANONYMOUS, ignores_case=True):
            raise UserExists(name)
        mark = self._creations.begin()
        try:
            return self._create_user(name, mark)
        except BaseException:
            self._creations.end(mark)
            raise

    def _create_user(self, name: str, mark: str) -> User:
        give_up_at = time.monotonic() + remaining_s() - _RESERVE_S
        while True:
            try:
                user = self._write(lambda connection: self._insert_user(connection, name, mark))
            except Duplicate as error:  # by the unique index of the old layout
                raise UserExists(name) from error
            if user:
                return user
            if time.monotonic() > give_up_at:
                raise UserExists(name)
            time.sleep(_PAUSE_S)

    def _insert_user(self, connection: Connection, name: str, mark: str) -> User | None:
        """Insert the user; return None while another creation of the name is running."""
        lock(connection, self._queries)
        present = self._queries.records_named(connection, name)
        if not all(record.is_unfinished for record in present):
            raise UserExists(name)
        rows = Rows(connection, self._queries)
        for record in present:
            if not self._has_ended(record):
                return None
            log.warning("unfinished_user_removed", user=record.name)
            rows.delete_user(record)
        key = rows.add_user(name, str(uuid.uuid4()), passwords.placeholder())
        # Where the foreign keys are not enforced, rows of a former user may have the key.
        rows.delete_references(key)
        (record,) = self._queries.records(connection, self._queries.tables.user.c.um_id == key)
        rows.set_attribute(record, STATE, account_state.unfinished(mark))
        return record.user()

    def create_role(self, name: str) -> Role:
        """Create a role without members.

        Raises:
            RoleExists: a role of that name exists.
        """
        _ensure_storable(name)
        try:
            return self._write(lambda connection: self._insert_role(connection, name))
        except Duplicate as error:
            raise RoleExists(name) from error

    def _insert_role(self, connection: Connection, name: str) -> Role:
        lock(connection, self._queries)
        if self._queries.roles_named(connection, name):
            raise RoleExists(name)
        Rows(connection, self._queries).add_role(name)
        role = self._queries.find_role(connection, name)
        if role is None:
            raise Conflict
        return role

    def discard(self, user: User) -> None:
        """Delete a new user, unless it was deleted or finished meanwhile."""

        def delete(connection: Connection) -> None:
            record = self._locked(connection, user)
            if record and record.state == user.revision and record.is_unfinished:
                Rows(connection, self._queries).delete_user(record)

        self._write(delete)

    def is_still_unfinished(self, user: User) -> bool:
        record = self._database.read(lambda connection: self._queries.record(connection, user))
        return record is not None and record.is_unfinished and record.state == user.revision

    def end_creation(self, user: User) -> None:
        self._creations.end(account_state.creation_mark(user.revision))

    def clean_up(self) -> None:
        """Delete unfinished users that are older than a minute and whose creation has ended."""
        column = self._queries.tables.user.c.um_user_password
        is_placeholder = column.like(f"{PLACEHOLDER}%")
        found = self._database.read(
            lambda connection: self._queries.records(connection, is_placeholder)
        )
        for record in found:
            if account_state.is_old(record.state) and self._has_ended(record):
                log.warning("unfinished_user_removed", user=record.name)
                self.discard(record.user())

    def _has_ended(self, record: UserRecord) -> bool:
        mark = account_state.creation_mark(record.state)
        is_running = self._creations.is_running(mark)
        return account_state.is_old(record.state) if is_running is None else not is_running

    # Passwords

    def authenticate(self, user: User, password: str) -> AuthenticationResult:
        """Verify a password.

        Raises:
            LoginRefused: it is wrong, or the user is gone.
        """
        return AuthenticationResult(self._verified(user, password).must_change())

    def reset_password(self, user: User, password: str) -> None:
        """Set a password; for an unfinished user it becomes valid when the creation is finished."""
        new = passwords.stored(self._config, password)

        def reset(connection: Connection) -> None:
            record, rows = self._locked(connection, user), Rows(connection, self._queries)
            if record is None:
                raise Conflict
            if record.is_unfinished:
                rows.set_attribute(record, PENDING_PASSWORD, new.value)
                rows.set_attribute(record, PENDING_SALT, new.salt)
            else:
                rows.set_password(record, new)

        self._write(reset)

    def change_password(
        self, user: User, old: str, new: str, on_verified: Callable[[], object]
    ) -> None:
        """Set a password if the present one is `old`; the write checks that again.

        Args:
            user: the user.
            old: the present password.
            new: the new one.
            on_verified: called after the first check, before the write.

        Raises:
            LoginRefused: `old` is wrong, or the user is gone.
        """
        verified = self._verified(user, old)
        stored = passwords.stored(self._config, new)
        on_verified()

        def change(connection: Connection) -> bool:
            rows = Rows(connection, self._queries)
            return rows.set_password(verified, stored, instead_of=verified.password.value)

        if not self._write(change):
            raise LoginRefused

    def _verified(self, user: User, password: str) -> UserRecord:
        record = self._database.read(lambda connection: self._queries.record(connection, user))
        if record is None or record.name == ANONYMOUS or not self._matches(record, password):
            raise LoginRefused
        return record

    def _matches(self, record: UserRecord, password: str) -> bool:
        return bool(password) and passwords.matches(self._config, password, record.password)

    def _locked(self, connection: Connection, user: User) -> UserRecord | None:
        """Lock a user's row; return its present state."""
        record = self._queries.record(connection, user)
        if record is None:
            return None
        Rows(connection, self._queries).lock_users([record.key])
        return self._queries.record(connection, user)

    def _write(self, action: Callable[[Connection], T]) -> T:
        return self._database.write(action, release)


def _ensure_storable(name: str) -> None:
    if not is_storable(name) or len(name) > NAME_LENGTH:
        raise NotStorable
