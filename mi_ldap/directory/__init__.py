"""The user store in an LDAP directory.

Words, as RFC 4511 and RFC 4512 use them:

    entry     one object of the directory, `dn` its name: `"uid=alice,ou=people,dc=example,dc=org"`
    RDN       the first part of a DN, `"uid=alice"`; the rest is the DN of the parent
    base      the DN below which is searched
    filter    the condition of a search, `"(&(objectClass=person)(uid=alice))"`
    bind      proving who a connection is, by DN and password
    group     an entry whose `member` values are DNs; here a role
    root DSE  the entry with an empty name in which a server tells what it is
    stamp     an attribute that the server changes with every change of an entry
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from mi_ldap.directory import ldap_errors, password_policy, passwords
from mi_ldap.directory.layout import account_state, profiles
from mi_ldap.directory.layout.directory_layout import (
    ACCOUNT_CLASS,
    ADMIN_ROLE_CLASS,
    DirectoryLayout,
)
from mi_ldap.directory.layout.profiles import Profile
from mi_ldap.directory.reads.admin_group import AdminGroup
from mi_ldap.directory.reads.nesting import Nesting
from mi_ldap.directory.reads.reader import Reader
from mi_ldap.directory.reads.service_account import OwnAccount
from mi_ldap.directory.reads.visibility import Visibility
from mi_ldap.directory.replica import Replica
from mi_ldap.directory.replica.reasons import why_not_held
from mi_ldap.directory.view import View
from mi_ldap.directory.writes.cleanup import Leftovers, NoNotes
from mi_ldap.directory.writes.creation import EntryCreator
from mi_ldap.directory.writes.creation_locks import CreationLocks
from mi_ldap.directory.writes.writer import Writer
from mi_ldap.errors import ReadOnlyStore
from mi_ldap.ldap.connection import LdapError
from mi_ldap.ldap.connection_pool import Account, Address, Connector, Pool
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
    DeleteUser,
    DeletionLog,
    MarkFirstAdmin,
    RenewRevision,
    RevokeRole,
    Step,
    UserReads,
)

log = structlog.get_logger()

__all__ = [
    "ACCOUNT_CLASS",
    "ADMIN_ROLE_CLASS",
    "Address",
    "DirectoryConfig",
    "DirectoryLayout",
    "DirectoryStore",
    "Profile",
]


@dataclass(frozen=True, slots=True)
class DirectoryConfig:
    """How the store gets into the directory, and what it may do there.

    Attributes:
        account_dn: who the service is; `""` for an anonymous one.
        profile: the kind of directory, `"auto"` for what its root DSE tells.
        pool_size: connections for reads and changes, and as many for proving passwords.
        writable: False for a directory that is configured as read-only.
        roles_writable: False where groups may be read only.
        index_limit: how many users and groups are held in memory at most; 0 for none.
        is_private: whether the directory is the embedded one, whose databases are known.
    """

    address: Address
    account_dn: str
    password: str = field(repr=False)
    profile: str = "auto"
    pool_size: int = 8
    writable: bool = True
    roles_writable: bool = True
    index_limit: int = 0
    is_private: bool = False


@dataclass(frozen=True, slots=True)
class _Context:
    """What is known once the server has told what it is."""

    tree: DirectoryLayout
    reader: Reader
    nesting: Nesting
    admin_group: AdminGroup
    changer: Writer
    maker: EntryCreator
    leftovers: Leftovers
    visibility: Visibility
    own_account: OwnAccount
    index: Replica | None

    def note_removal(self, entry: User | Role) -> None:
        if self.index:
            self.index.note_removal(entry)


class DirectoryStore:
    """`mi_ldap.store.UserStore` over a directory; see there for what each method promises.

    Args:
        access: where the directory is and who asks.
        lay_out: how a directory of that kind is laid out.
        admin_role: the name of the admin role's group.
        observe: told the name of each LDAP operation as it is sent.
        creation_locks: tell whether an unfinished user is still being created.
        removal_notes: keep who was removed, for `clean_up`.
    """

    def __init__(
        self,
        access: DirectoryConfig,
        build_layout: Callable[[Profile], DirectoryLayout],
        admin_role: str,
        observe: Callable[[str], None] = lambda operation: None,
        creation_locks: CreationLocks | None = None,
        removal_notes: DeletionLog | None = None,
    ) -> None:
        self._creation_locks = creation_locks or CreationLocks()
        self._removal_notes = removal_notes or NoNotes()
        account = Account(access.account_dn, access.password)
        self._connector = connector = Connector(access.address, account, observe)
        self.writable = access.writable
        self.roles_writable = access.writable and access.roles_writable
        self.access = access
        self.build_layout = build_layout
        self.admin_role_name = admin_role
        self._connect_to_undo = lambda: connector.bound(wait_for_server=True)
        self._pool = Pool(connector.bound, access.pool_size, connector.is_current)
        self._proving = Pool(connector.anonymous, access.pool_size, connector.is_current)
        self._knowing = threading.Lock()
        self._all_known: _Context | None = None

    def close(self) -> None:
        """Close the connections that nobody uses, and look after the servers no more."""
        if self._all_known and self._all_known.index:
            self._all_known.index.close()
        self._connector.close()
        self._pool.close()
        self._proving.close()
        self._creation_locks.close()

    @property
    def tree(self) -> DirectoryLayout:
        """The layout, once the server has told what it is."""
        return self._known.tree

    @property
    def view(self) -> UserReads:
        known = self._known
        if known.index is None:
            return self
        known.index.start()
        return View(known.index, self, known.tree, known.admin_group)

    def authority(self, *, changes: bool) -> UserReads:
        view, memory = self.view, self._known.index
        is_proved = memory is not None and memory.is_proved
        return view if is_proved and not changes else self

    @property
    def reads(self) -> ReadSource:
        known = self._known
        if known.index:
            return known.index.reads
        return ReadSource("directory", why_not_held(known.tree, self.access.index_limit))

    @property
    def account_warning(self) -> str:
        return self._connector.account_policy.warning

    def check(self) -> None:
        self._known.reader.check(self.admin_role_name)

    def find_user(self, name: str) -> User | None:
        return self._known.reader.find_user(name)

    def user(self, user_id: str) -> User | None:
        return self._known.reader.user(user_id)

    def user_names(self, like: str | None = None) -> Names:
        return self._known.reader.user_names(like)

    def details(self, user: User) -> UserDetails:
        known, held = self._known, self.roles_of(user)
        inherited = known.nesting.inherited(user, [*held])
        custodian = known.reader.user(user.custodian_id) if user.custodian_id else None
        return UserDetails(held, custodian, tuple(inherited))

    def roles_of(self, user: User) -> tuple[Role, ...]:
        known = self._known
        return tuple(known.reader.roles_naming([known.tree.member_value(user)]))

    def membership_path(self, user: User, role: Role) -> tuple[Role, ...]:
        return tuple(self._known.nesting.membership_path(user, role))

    def find_role(self, name: str) -> Role | None:
        return self._known.reader.find_role(name)

    def role_names(self) -> Names:
        return self._known.reader.role_names()

    def member_names(self, role: Role) -> Names:
        return self._known.nesting.member_names(role)

    def dependents_of(self, user: User) -> tuple[User, ...]:
        return self._known.reader.dependents_of(user)

    def admin_role(self) -> AdminRole | None:
        return self._known.admin_group.read()

    def is_holder(self, admin_role: AdminRole, user: User) -> bool:
        return self._known.admin_group.holds(admin_role, user)

    def holds_through_others(self, admin_role: AdminRole, user: User) -> bool:
        return self._known.admin_group.holds_through_others(admin_role, user)

    def other_holder(self, admin_role: AdminRole, user: User) -> User | None:
        others = self._known.admin_group.users(admin_role)
        return next((other for other in others if other.enabled and other.id != user.id), None)

    def holder_users(self, admin_role: AdminRole) -> tuple[User, ...]:
        return tuple(self._known.admin_group.users(admin_role))

    def password_min_length(self) -> int | None:
        reader = self._known.reader
        with reader.pool.session() as session:
            return password_policy.min_length(session, reader.tree)

    def is_own_account(self, user: User) -> bool:
        return self._known.own_account.is_user(user)

    @property
    def finds_users_by_roles(self) -> bool:
        return bool(self._known.visibility.memberships)

    def would_hide(self, user: User, assigned: Sequence[Role], revoked: Sequence[Role]) -> bool:
        return self._known.visibility.would_hide(user, assigned, revoked)

    def authenticate(self, user: User, password: str) -> AuthenticationResult:
        profile = self.tree.profile
        with self._proving.session() as session:
            return passwords.authenticate(session, profile, user, password)

    def create_user(self, name: str) -> User:
        with self._writing() as known:
            return known.maker.make_user(name)

    def discard(self, user: User) -> None:
        with self._writing() as known:
            known.maker.discard(user)
            known.note_removal(user)

    def is_still_unfinished(self, user: User) -> bool:
        present = self._known.reader.users_named(user.name)
        return any(found.id == user.id and found.revision == user.revision for found in present)

    def end_creation(self, user: User) -> None:
        self._creation_locks.end(account_state.creation_mark(user.revision))

    def clean_up(self) -> None:
        with self._writing() as known:
            known.maker.remove_unfinished()
            if self.roles_writable:
                known.leftovers.remove_noted()

    def create_role(self, name: str) -> Role:
        with self._writing(roles=True) as known:
            return known.maker.make_role(name)

    def reset_password(self, user: User, password: str) -> None:
        with self._writing() as known, known.changer.session() as session:
            passwords.reset(session, known.tree, user, password)

    def change_password(
        self, user: User, old: str, new: str, on_verified: Callable[[], object] = lambda: None
    ) -> None:
        with self._writing() as known:
            tree = known.tree
            with self._proving.session() as session:
                proof = passwords.authenticate(session, tree.profile, user, old)
                on_verified()
                if tree.profile.binds_to_change or not proof.must_change:
                    return passwords.change(session, tree, user, old, new)
            with known.changer.session() as session:
                return passwords.change(session, tree, user, old, new)

    def apply(self, *steps: Step) -> None:
        with self._writing(roles=any(isinstance(step, _ROLE_STEPS) for step in steps)) as known:
            with known.leftovers.cleaned_after(steps):
                known.changer.apply(steps)
            for removed in _removed_by(steps):
                known.note_removal(removed)

    @property
    def _known(self) -> _Context:
        """Asked of the server once; never while a session is held, for it may need the last one."""
        if self._all_known is None:
            with self._knowing:
                self._all_known = self._all_known or self._discover()
        return self._all_known

    def _discover(self) -> _Context:
        with self._pool.session() as session:
            try:
                profile = profiles.found_in(session, self.access.profile)
            except LdapError as refused:
                raise ldap_errors.unexpected(refused) from refused
        tree = self.build_layout(profile)
        log.info("directory_layout", **tree.described)
        reader = Reader(self._pool, tree)
        nesting = Nesting(reader)
        changer = Writer(self._pool, self._connect_to_undo, tree, self.admin_role_name)
        leftovers = Leftovers(reader, changer, self._removal_notes)
        return _Context(
            index=self._index_of(reader),
            tree=tree,
            reader=reader,
            nesting=nesting,
            admin_group=AdminGroup(reader, nesting, self.admin_role_name),
            changer=changer,
            maker=EntryCreator(reader, changer, self._creation_locks, leftovers),
            leftovers=leftovers,
            visibility=Visibility(tree, nesting),
            own_account=OwnAccount(reader, self.access.account_dn),
        )

    def _index_of(self, reader: Reader) -> Replica | None:
        limit = self.access.index_limit
        why = why_not_held(reader.tree, limit)
        if why:
            log.info("index_off", why=why)
            return None
        return Replica(self._connector, reader, limit, is_private=self.access.is_private)

    @contextmanager
    def _writing(self, *, roles: bool = False) -> Iterator[_Context]:
        """What is read from memory after this is fresh enough to show it."""
        if not (self.roles_writable if roles else self.writable):
            raise ReadOnlyStore
        known = self._known
        try:
            yield known
        finally:
            if known.index:
                known.index.note_write()


_ROLE_STEPS = (AssignRole, RevokeRole, RenewRevision, DeleteRole, CreateAdminRole, MarkFirstAdmin)


def _removed_by(steps: Iterable[Step]) -> Iterator[User | Role]:
    for step in steps:
        match step:
            case DeleteUser(user):
                yield user
            case DeleteRole(role):
                yield role
