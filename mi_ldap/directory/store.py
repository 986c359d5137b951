"""`DirectoryStore`: the user store in an LDAP directory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import structlog

from mi_ldap import account_state
from mi_ldap.directory import ldap_errors, password_policy, passwords
from mi_ldap.directory.config import DirectoryConfig
from mi_ldap.directory.hybrid_roles import DirectoryHybridRoles
from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.layout.profiles import Profile
from mi_ldap.directory.prefetched import prefetch
from mi_ldap.directory.reads import queries, readiness
from mi_ldap.directory.reads.memberships import AdminGroup, Nesting
from mi_ldap.directory.reads.profile_detection import detect_profile
from mi_ldap.directory.reads.reader import Reader
from mi_ldap.directory.reads.service_account import ServiceAccount
from mi_ldap.directory.reads.visibility import Visibility
from mi_ldap.directory.replica import Replica
from mi_ldap.directory.replica.reasons import why_not_replicated
from mi_ldap.directory.view import View
from mi_ldap.directory.writes.cleanup import MembershipCleanup, NoDeletionLog
from mi_ldap.directory.writes.creation import EntryCreator
from mi_ldap.directory.writes.creation_locks import CreationLocks
from mi_ldap.directory.writes.plans import deleted_entries
from mi_ldap.directory.writes.writer import Writer
from mi_ldap.errors import ReadOnlyStore
from mi_ldap.ldap.connection_pool import Account, Connector, Pool
from mi_ldap.ldap.result_codes import LdapError
from mi_ldap.model import (
    AdminRole,
    AuthenticationResult,
    Names,
    ReadSource,
    Role,
    User,
    UserDetails,
)
from mi_ldap.store import (
    AssignRole,
    CreateAdminRole,
    DeleteRole,
    DeletionLog,
    MarkFirstAdmin,
    Read,
    ReadUser,
    RenewEpoch,
    RenewRevision,
    RevokeRole,
    RolesOf,
    Step,
    UserReads,
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Context:
    """The parts of the store that depend on the kind of server."""

    layout: DirectoryLayout
    reader: Reader
    nesting: Nesting
    admin_group: AdminGroup
    writer: Writer
    creator: EntryCreator
    cleanup: MembershipCleanup
    visibility: Visibility
    service_account: ServiceAccount
    replica: Replica | None
    view: UserReads

    def note_deletion(self, entry: User | Role) -> None:
        if self.replica:
            self.replica.note_deletion(entry)


class DirectoryStore:
    """Implements `mi_ldap.store.UserStore`, whose docstrings specify each method.

    Args:
        config: the address of the directory, and the service's account.
        build_layout: returns the layout for the detected kind of server.
        admin_role: the name of the admin role's group.
        observe: called with the name of each LDAP operation when it is sent.
        creation_locks: show whether an unfinished user is still being created.
        deletion_log: stores which users and roles were deleted, for `clean_up`.
    """

    def __init__(
        self,
        config: DirectoryConfig,
        build_layout: Callable[[Profile], DirectoryLayout],
        admin_role: str,
        observe: Callable[[str], None] = lambda operation: None,
        creation_locks: CreationLocks | None = None,
        deletion_log: DeletionLog | None = None,
    ) -> None:
        self._creation_locks = creation_locks or CreationLocks()
        self._deletion_log = deletion_log or NoDeletionLog()
        account = Account(config.account_dn, config.password)
        self._connector = connector = Connector(config.address, account, observe)
        self.writable = config.writable
        self.roles_writable = self.admins_writable = config.writable and config.roles_writable
        self.config = config
        self.build_layout = build_layout
        self.admin_role_name = admin_role
        self._connect_for_undo = lambda: connector.bound(wait_for_server=True)
        self._pool = Pool(connector.bound, config.pool_size, connector.is_current)
        # Binds of users have connections of their own: a bind replaces the identity of its
        # connection (RFC 4511 §4.2.1).
        self._bind_pool = Pool(connector.anonymous, config.pool_size, connector.is_current)
        # The kind of server is detected at the first use of the store, since the service must start
        # while its directory is down.
        self._discovery_lock = threading.Lock()
        self._discovered: _Context | None = None

    def close(self) -> None:
        """Stop the replica and the health checks, and close the idle connections."""
        if self._discovered and self._discovered.replica:
            self._discovered.replica.close()
        self._connector.close()
        self._pool.close()
        self._bind_pool.close()
        self._creation_locks.close()

    def layout(self) -> DirectoryLayout:
        """Return the layout for the detected kind of server."""
        return self._context().layout

    def hybrid_roles(self) -> DirectoryHybridRoles:
        """Return the hybrid roles that are in the directory."""
        return DirectoryHybridRoles(self._context, self._writing, writable=self.roles_writable)

    def view(self) -> UserReads:
        context = self._context()
        if context.replica:
            context.replica.start()
        return context.view

    def authority(self, *, changes: bool) -> UserReads:
        # A user whose deletion or demotion the server does not report must not act any longer.
        view, replica = self.view(), self._context().replica
        is_proved = replica is not None and replica.is_proved
        return view if is_proved and not changes else self

    def prefetch(self, *reads: Read) -> UserReads:
        context = self._context()
        return prefetch(self, context.reader, context.admin_group, reads)

    def read_source(self) -> ReadSource:
        context = self._context()
        if context.replica:
            return context.replica.source
        return ReadSource("directory", why_not_replicated(context.layout, self.config.index_limit))

    @property
    def account_warning(self) -> str:
        return self._connector.account_policy.warning

    def check(self) -> None:
        readiness.check(self._context().reader, self.admin_role_name)

    def find_user(self, name: str) -> User | None:
        return self._context().reader.find_user(name)

    def user(self, user_id: str) -> User | None:
        return self._context().reader.user(user_id)

    def user_names(self, like: str | None = None) -> Names:
        return self._context().reader.user_names(like)

    def details(self, user: User) -> UserDetails:
        # `""` is no entry's id, and nothing is sent for it.
        custodian_id = user.custodian_id or ""
        reads = self.prefetch(RolesOf(user), ReadUser(custodian_id))
        direct, custodian = reads.roles_of(user), reads.user(custodian_id)
        inherited = self._context().nesting.inherited(user, [*direct])
        return UserDetails(direct, custodian, tuple(inherited))

    def roles_of(self, user: User) -> tuple[Role, ...]:
        context = self._context()
        return tuple(context.reader.roles_with_member([context.layout.member_value(user)]))

    def membership_path(self, user: User, role: Role) -> tuple[Role, ...]:
        return tuple(self._context().nesting.membership_path(user, role))

    def find_role(self, name: str) -> Role | None:
        return self._context().reader.find_role(name)

    def role_names(self) -> Names:
        return self._context().reader.role_names()

    def member_names(self, role: Role) -> Names:
        return self._context().nesting.member_names(role)

    def dependents_of(self, user: User) -> tuple[User, ...]:
        context = self._context()
        return context.reader.answer(queries.dependents_of(context.layout, user))

    def admin_role(self) -> AdminRole | None:
        return self._context().admin_group.read()

    def is_holder(self, admin_role: AdminRole, user: User) -> bool:
        return self._context().admin_group.holds(admin_role, user)

    def holds_through_others(self, admin_role: AdminRole, user: User) -> bool:
        return self._context().admin_group.holds_through_others(admin_role, user)

    def other_holder(self, admin_role: AdminRole, user: User) -> User | None:
        others = self._context().admin_group.users(admin_role)
        return next((other for other in others if other.enabled and other.id != user.id), None)

    def holder_users(self, admin_role: AdminRole) -> tuple[User, ...]:
        return tuple(self._context().admin_group.users(admin_role))

    def password_min_length(self) -> int | None:
        reader = self._context().reader
        with reader.pool.connection() as connection:
            return password_policy.min_length(connection, reader.layout)

    def is_own_account(self, user: User) -> bool:
        return self._context().service_account.is_user(user)

    @property
    def writable_user_domains(self) -> tuple[str, ...]:
        return ("",) if self.writable else ()

    @property
    def writable_role_domains(self) -> tuple[str, ...]:
        return ("",) if self.roles_writable else ()

    def finds_users_by_roles(self) -> bool:
        return bool(self._context().visibility.memberships)

    def would_hide(self, user: User, assigned: Sequence[Role], revoked: Sequence[Role]) -> bool:
        return self._context().visibility.would_hide(user, assigned, revoked)

    def authenticate(self, user: User, password: str) -> AuthenticationResult:
        profile = self.layout().profile
        with self._bind_pool.connection() as connection:
            return passwords.authenticate(connection, profile, user, password)

    def create_user(self, name: str) -> User:
        with self._writing() as context:
            return context.creator.create_user(name)

    def discard(self, user: User) -> None:
        with self._writing() as context:
            context.creator.discard(user)
            context.note_deletion(user)

    def is_still_unfinished(self, user: User) -> bool:
        present = self._context().reader.users_named(user.name)
        return any(found.id == user.id and found.revision == user.revision for found in present)

    def end_creation(self, user: User) -> None:
        self._creation_locks.end(account_state.creation_mark(user.revision))

    def clean_up(self) -> None:
        if not self.writable:
            return
        with self._writing() as context:
            context.creator.delete_unfinished()
            if self.roles_writable:
                context.cleanup.clean_up_recent()

    def create_role(self, name: str) -> Role:
        with self._writing(roles=True) as context:
            return context.creator.create_role(name)

    def reset_password(self, user: User, password: str) -> None:
        with self._writing() as context, context.writer.connection() as connection:
            passwords.reset(connection, context.layout, user, password)

    def change_password(
        self, user: User, old: str, new: str, on_verified: Callable[[], object] = lambda: None
    ) -> None:
        with self._writing() as context:
            layout = context.layout
            with self._bind_pool.connection() as connection:
                result = passwords.authenticate(connection, layout.profile, user, old)
                on_verified()
                if layout.profile.can_bind_to_change or not result.must_change:
                    return passwords.change(connection, layout, user, old, new)
            # Active Directory refuses the bind of a user who must change the password, but accepts
            # the change, which contains the old password, on any connection.
            with context.writer.connection() as connection:
                return passwords.change(connection, layout, user, old, new)

    def apply(self, *steps: Step) -> None:
        with self._writing(roles=any(isinstance(step, _ROLE_STEPS) for step in steps)) as context:
            with context.cleanup.cleaned_after(steps):
                context.writer.apply(steps)
            for step in steps:
                if isinstance(step, RenewEpoch) and step.user.unfinished:
                    context.creator.wait_until_finished(step.user)
            for deleted in deleted_entries(steps):
                context.note_deletion(deleted)

    def _context(self) -> _Context:
        """Return the parts that depend on the kind of server, which is detected at the first call.

        Must not be called by a thread that holds a connection of the pool: detection takes one
        itself, and waits for the others to be returned.
        """
        if self._discovered is None:
            with self._discovery_lock:
                self._discovered = self._discovered or self._discover()
        return self._discovered

    def _discover(self) -> _Context:
        with self._pool.connection() as connection:
            try:
                profile = detect_profile(connection, self.config.profile)
            except LdapError as error:
                raise ldap_errors.unexpected(error) from error
        self._connector.can_pipeline = profile.can_pipeline
        layout = self.build_layout(profile)
        log.info("directory_layout", **layout.log_fields)
        reader = Reader(self._pool, layout)
        nesting = Nesting(reader)
        writer = Writer(self._pool, self._connect_for_undo, layout, self.admin_role_name)
        of_all_groups = reader
        if base := layout.hybrid_role_base:
            bases = (*layout.role_bases, base)
            of_all_groups = Reader(self._pool, replace(layout, role_bases=bases))
        cleanup = MembershipCleanup(of_all_groups, writer, self._deletion_log)
        admin_group = AdminGroup(reader, nesting, self.admin_role_name)
        replica = self._replica_of(reader)
        return _Context(
            replica=replica,
            view=View(replica, self, layout, admin_group) if replica else self,
            layout=layout,
            reader=reader,
            nesting=nesting,
            admin_group=admin_group,
            writer=writer,
            creator=EntryCreator(
                reader,
                writer,
                self._creation_locks,
                cleanup,
                reads_may_lag=not self.config.is_embedded,
            ),
            cleanup=cleanup,
            visibility=Visibility(layout, Nesting(of_all_groups)),
            service_account=ServiceAccount(reader, self.config.account_dn),
        )

    def _replica_of(self, reader: Reader) -> Replica | None:
        limit = self.config.index_limit
        reason = why_not_replicated(reader.layout, limit)
        if reason:
            log.info("replica_off", reason=reason)
            return None
        return Replica(self._connector, reader, limit, is_embedded=self.config.is_embedded)

    @contextmanager
    def _writing(self, *, roles: bool = False) -> Iterator[_Context]:
        """Yield the context for a change; later reads from memory contain the change.

        Raises:
            ReadOnlyStore: the store takes no such changes.
        """
        if not (self.roles_writable if roles else self.writable):
            raise ReadOnlyStore
        context = self._context()
        try:
            yield context
        finally:
            if context.replica:
                context.replica.note_write()


_ROLE_STEPS = (AssignRole, RevokeRole, RenewRevision, DeleteRole, CreateAdminRole, MarkFirstAdmin)
