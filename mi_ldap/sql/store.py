"""`SqlStore`: the user store in a database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection

from mi_ldap.errors import MiLdapError, ReadOnlyStore
from mi_ldap.forwarded_reads import Prefetched
from mi_ldap.model import (
    AdminRole,
    AuthenticationResult,
    Names,
    ReadSource,
    Role,
    User,
    UserDetails,
)
from mi_ldap.sql.accounts import Accounts, ProcessCreations
from mi_ldap.sql.config import DatabaseConfig
from mi_ldap.sql.database_errors import NotStorable
from mi_ldap.sql.discovery import discover, probe
from mi_ldap.sql.engine import Database
from mi_ldap.sql.locks import lock, release
from mi_ldap.sql.name_cache import NameCache
from mi_ldap.sql.read_cache import ReadCache
from mi_ldap.sql.reads import Queries, only_user
from mi_ldap.sql.records import UserRecord, role_key
from mi_ldap.sql.transaction import Transaction
from mi_ldap.sql.view import CachedReads, UserQueries, View
from mi_ldap.store import (
    AssignRole,
    CreateAdminRole,
    DeleteRole,
    DependentsOf,
    FindRole,
    FindUser,
    MarkFirstAdmin,
    Read,
    ReadAdminRole,
    ReadUser,
    RenewRevision,
    RevokeRole,
    RolesOf,
    RunningCreations,
    Step,
    UserReads,
)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Context:
    """The parts of the store that depend on the tables."""

    queries: Queries
    accounts: Accounts
    user_queries: UserQueries


class SqlStore:
    """Implements `mi_ldap.store.UserStore`, whose docstrings specify each method.

    The layout of the tables is read at the first use of the store, not in the constructor: a
    service starts while its database is down.

    Args:
        config: the database.
        admin_role: the name of the admin role.
        observe: called with the kind of each statement when it is sent.
        creations: the running creations of users; by default those of this process.
    """

    def __init__(
        self,
        config: DatabaseConfig,
        admin_role: str,
        observe: Callable[[str], None] = lambda operation: None,
        creations: RunningCreations | None = None,
    ) -> None:
        self.config = config
        self.admin_role_name = admin_role
        self.writable = config.writable
        self.roles_writable = self.admins_writable = config.writable and config.roles_writable
        self.database = Database(config, observe)
        self._name_cache = NameCache(self.database)
        self._read_cache = ReadCache(self.database)
        self._creations = creations or ProcessCreations()
        self._lock = threading.Lock()
        self._discovered: _Context | None = None

    def close(self) -> None:
        self.database.close()
        self._creations.close()

    def view(self) -> UserReads:
        context = self._context()
        return View(self, self._read_cache, context.queries, context.user_queries)

    def authority(self, *, changes: bool) -> UserReads:
        if changes or not self.database.can_detect_changes:
            return self
        return CachedReads(self, self._read_cache, self._queries())

    def prefetch(self, *reads: Read) -> UserReads:
        queries = self._queries()
        wanted = [*dict.fromkeys(reads)]

        def carry_out(connection: Connection) -> dict[Read, Callable[[], Any]]:
            ids = [read.user_id for read in wanted if isinstance(read, ReadUser)]
            users = queries.users(connection, ids)
            return {
                read: _outcome(partial(_answer, queries, connection, read, users))
                for read in wanted
            }

        if len(wanted) < 2:
            return self
        try:
            # Not one round trip, but one use of a connection.
            return Prefetched(self, self.database.read(carry_out))
        except MiLdapError:
            return self  # each read raises its own error when it is called

    def read_source(self) -> ReadSource:
        return ReadSource("database")

    @property
    def account_warning(self) -> str:
        return ""

    def check(self) -> None:
        tables = self._queries().tables
        self.database.read(lambda connection: probe(connection, tables))

    def find_user(self, name: str) -> User | None:
        queries = self._queries()
        return self._find(lambda connection: queries.find_user(connection, name))

    def user(self, user_id: str) -> User | None:
        queries = self._queries()
        return self._find(lambda connection: queries.user(connection, user_id))

    def user_names(self, like: str | None = None) -> Names:
        queries = self._queries()
        return self._name_cache.names(
            "users",
            lambda connection: queries.user_names(connection, None),
            (lambda connection: queries.user_names(connection, like)) if like else None,
        )

    def details(self, user: User) -> UserDetails:
        queries = self._queries()

        def read(connection: Connection) -> UserDetails:
            custodian_id = user.custodian_id
            custodian = queries.user(connection, custodian_id) if custodian_id else None
            return UserDetails(queries.roles_of(connection, user), custodian)

        return self.database.read(read)

    def roles_of(self, user: User) -> tuple[Role, ...]:
        queries = self._queries()
        return self.database.read(lambda connection: queries.roles_of(connection, user))

    def membership_path(self, user: User, role: Role) -> tuple[Role, ...]:
        """Return no roles: in a database roles have no roles as members."""
        return ()

    def find_role(self, name: str) -> Role | None:
        queries = self._queries()
        return self._find(lambda connection: queries.find_role(connection, name))

    def role_names(self) -> Names:
        return self._name_cache.names("roles", self._queries().role_names)

    def member_names(self, role: Role) -> Names:
        queries, key = self._queries(), role_key(role)
        if key is None:
            return Names(())
        return self._name_cache.names(
            ("members", key), lambda connection: queries.member_names(connection, key)
        )

    def dependents_of(self, user: User) -> tuple[User, ...]:
        queries = self._queries()
        return self.database.read(lambda connection: queries.dependents_of(connection, user))

    def admin_role(self) -> AdminRole | None:
        return self.database.read(self._queries().admin_role)

    def is_holder(self, admin_role: AdminRole, user: User) -> bool:
        return user.locator in admin_role.holders

    def holds_through_others(self, admin_role: AdminRole, user: User) -> bool:
        return False

    def other_holder(self, admin_role: AdminRole, user: User) -> User | None:
        others = self.holder_users(admin_role)
        return next((other for other in others if other.id != user.id), None)

    def holder_users(self, admin_role: AdminRole) -> tuple[User, ...]:
        queries = self._queries()
        found = self.database.read(lambda connection: queries.holders(connection, admin_role))
        return tuple(record.user() for record in found)

    def password_min_length(self) -> int | None:
        return None

    def is_own_account(self, user: User) -> bool:
        return False

    @property
    def writable_user_domains(self) -> tuple[str, ...]:
        return ("",) if self.writable else ()

    @property
    def writable_role_domains(self) -> tuple[str, ...]:
        return ("",) if self.roles_writable else ()

    def finds_users_by_roles(self) -> bool:
        return False

    def would_hide(self, user: User, assigned: Sequence[Role], revoked: Sequence[Role]) -> bool:
        return False

    def authenticate(self, user: User, password: str) -> AuthenticationResult:
        return self._context().accounts.authenticate(user, password)

    def create_user(self, name: str) -> User:
        return self._writing().accounts.create_user(name)

    def discard(self, user: User) -> None:
        self._writing().accounts.discard(user)

    def is_still_unfinished(self, user: User) -> bool:
        return self._context().accounts.is_still_unfinished(user)

    def end_creation(self, user: User) -> None:
        self._context().accounts.end_creation(user)

    def clean_up(self) -> None:
        if self.writable:
            self._writing().accounts.clean_up()

    def create_role(self, name: str) -> Role:
        return self._writing(roles=True).accounts.create_role(name)

    def reset_password(self, user: User, password: str) -> None:
        self._writing().accounts.reset_password(user, password)

    def change_password(
        self, user: User, old: str, new: str, on_verified: Callable[[], object] = lambda: None
    ) -> None:
        self._writing().accounts.change_password(user, old, new, on_verified)

    def apply(self, *steps: Step) -> None:
        queries = self._writing(roles=any(isinstance(s, _ROLE_STEPS) for s in steps)).queries
        if not steps:
            return

        def carry_out(connection: Connection) -> None:
            admin_key = lock(connection, queries)
            Transaction(connection, queries, admin_key).carry_out(steps)

        self.database.write(carry_out, release)

    def _writing(self, *, roles: bool = False) -> _Context:
        """Return the context for a change.

        Raises:
            ReadOnlyStore: the store takes no such changes.
        """
        if not (self.roles_writable if roles else self.writable):
            raise ReadOnlyStore
        return self._context()

    def _find(self, action: Callable[[Connection], T | None]) -> T | None:
        """Return what a read by a name finds; None for a name that the database cannot store."""
        try:
            return self.database.read(action)
        except NotStorable:
            return None

    def _queries(self) -> Queries:
        return self._context().queries

    def _context(self) -> _Context:
        if self._discovered is None:
            with self._lock:
                self._discovered = self._discovered or self._discover()
        return self._discovered

    def _discover(self) -> _Context:
        schema = self.database.read(lambda connection: discover(connection, self.config))
        queries = Queries(schema, self.admin_role_name)
        accounts = Accounts(self.database, queries, self._creations)
        return _Context(queries, accounts, UserQueries(queries))


_ROLE_STEPS = (AssignRole, RevokeRole, RenewRevision, DeleteRole, CreateAdminRole, MarkFirstAdmin)


def _answer(
    queries: Queries, connection: Connection, read: Read, users: Mapping[str, list[UserRecord]]
) -> Any:
    """Return the result of a read; `users` has the users of all `ReadUser`, by id."""
    match read:
        case FindUser(name):
            return queries.find_user(connection, name)
        case ReadUser(user_id):
            return only_user(users.get(user_id, ()))
        case FindRole(name):
            return queries.find_role(connection, name)
        case ReadAdminRole():
            return queries.admin_role(connection)
        case RolesOf(user):
            return queries.roles_of(connection, user)
        case DependentsOf(user):
            return queries.dependents_of(connection, user)


def _outcome(carry_out: Callable[[], Any]) -> Callable[[], Any]:
    """Carry out a read; return a function that returns its result, or raises its error."""
    try:
        answer = carry_out()
    except MiLdapError as error:
        return partial(_raise, error)
    return lambda: answer


def _raise(error: MiLdapError) -> None:
    raise error
