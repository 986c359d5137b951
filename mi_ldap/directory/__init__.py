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

import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog

from mi_ldap.deadline import deadline
from mi_ldap.directory import changes, passwords, profiles, results
from mi_ldap.directory.admin_group import AdminGroup
from mi_ldap.directory.asserting import AssertingPlan
from mi_ldap.directory.connections import Account, Address, Connector, Pool
from mi_ldap.directory.nesting import Nesting
from mi_ldap.directory.operations import Modification, Modify, Operation
from mi_ldap.directory.plans import Guarded
from mi_ldap.directory.profiles import Profile
from mi_ldap.directory.reading import Reader
from mi_ldap.directory.session import Refused, Session
from mi_ldap.directory.swapping import SwappingPlan
from mi_ldap.directory.tree import Tree
from mi_ldap.errors import (
    AmbiguousName,
    BadRequest,
    MiLdapError,
    ReadOnlyStore,
    RoleExists,
    UserExists,
)
from mi_ldap.model import AdminRole, Names, Proof, Role, User, UserDetails
from mi_ldap.store import (
    AddAdminRole,
    Give,
    MarkFirstAdmin,
    RemoveRole,
    RemoveUser,
    Step,
    Take,
    Unchanged,
)

log = structlog.get_logger()

__all__ = ["Access", "Address", "DirectoryStore", "Profile", "Tree"]


@dataclass(frozen=True, slots=True)
class Access:
    """How the store gets into the directory, and what it may do there.

    Attributes:
        account_dn: who the service is; `""` for an anonymous one.
        profile: the kind of directory, `"auto"` for what its root DSE tells.
        pool_size: connections for reads and changes, and as many for proving passwords.
        writable: False for a directory that is configured as read-only.
        roles_writable: False where groups may be read only.
        transactions: whether RFC 5805 is used where the server offers it.
    """

    address: Address
    account_dn: str
    password: str = field(repr=False)
    profile: str = "auto"
    pool_size: int = 8
    writable: bool = True
    roles_writable: bool = True
    transactions: bool = True


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known once the server has told what it is."""

    tree: Tree
    reader: Reader
    nesting: Nesting
    admin_group: AdminGroup


class DirectoryStore:
    """`mi_ldap.store.UserStore` over a directory; see there for what each method promises.

    Args:
        access: where the directory is and who asks.
        lay_out: how a directory of that kind is laid out.
        admin_role: the name of the admin role's group.
        observe: told the name of each LDAP operation as it is sent.
    """

    def __init__(
        self,
        access: Access,
        lay_out: Callable[[Profile], Tree],
        admin_role: str,
        observe: Callable[[str], None] = lambda operation: None,
    ) -> None:
        account = Account(access.account_dn, access.password)
        self._connector = connector = Connector(access.address, account, observe)
        self.writable = access.writable
        self.roles_writable = access.writable and access.roles_writable
        self._access = access
        self._lay_out = lay_out
        self._admin_role = admin_role
        self._connect_to_undo = lambda: connector.bound(patient=True)
        self._pool = Pool(connector.bound, access.pool_size, connector.fits)
        self._proving = Pool(connector.anonymous, access.pool_size, connector.fits)
        self._knowing = threading.Lock()
        self._all_known: _Known | None = None

    def close(self) -> None:
        """Close the connections that nobody uses, and look after the servers no more."""
        self._connector.close()
        self._pool.close()
        self._proving.close()

    @property
    def tree(self) -> Tree:
        """The layout, once the server has told what it is."""
        return self._known.tree

    def check(self) -> None:
        self._known.reader.check()

    def find_user(self, name: str) -> User | None:
        return self._known.reader.find_user(name)

    def user(self, user_id: str) -> User | None:
        return self._known.reader.user(user_id)

    def user_names(self, like: str | None = None) -> Names:
        return self._known.reader.user_names(like)

    def details(self, user: User) -> UserDetails:
        known = self._known
        held = known.reader.roles_naming([known.tree.member_value(user)])
        inherited = known.nesting.inherited(user, held)
        custodian = known.reader.user(user.custodian_id) if user.custodian_id else None
        return UserDetails(tuple(held), custodian, tuple(inherited))

    def way(self, user: User, role: Role) -> tuple[Role, ...]:
        return tuple(self._known.nesting.way(user, role))

    def find_role(self, name: str) -> Role | None:
        return self._known.reader.find_role(name)

    def role_names(self) -> Names:
        return self._known.reader.role_names()

    def member_names(self, role: Role) -> Names:
        return self._known.nesting.member_names(role)

    def charges_of(self, user: User) -> tuple[User, ...]:
        return self._known.reader.charges_of(user)

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

    def prove(self, user: User, password: str) -> Proof:
        profile = self.tree.profile
        with self._proving.session() as session:
            return passwords.prove(session, profile, user, password)

    def add_user(self, name: str) -> User:
        known = self._known
        wanted = known.tree.new_user(name)
        try:
            self._add(wanted, UserExists(name))
            user = self._only_user(name)
            for role in known.reader.roles_naming([known.tree.member_value(user)]):
                self._take_if_held(role, user)
        except MiLdapError:
            self._withdraw(wanted.dn, wanted.attributes.get(known.tree.epoch, [""])[0])
            raise
        return user

    def discard(self, user: User) -> None:
        with self._changing() as session:
            try:
                self._carry_out(session, (Unchanged(user), RemoveUser(user)))
            except Refused as refused:
                if refused.code not in results.GONE:
                    raise

    def reset_password(self, user: User, password: str) -> None:
        tree = self.tree
        with self._changing() as session:
            passwords.reset(session, tree, user, password)

    def change_password(self, user: User, old: str, new: str) -> None:
        self._must_be_writable()
        tree = self.tree
        with self._proving.session() as session:
            proof = passwords.prove(session, tree.profile, user, old)
            if tree.profile.binds_to_change or not proof.must_change:
                return passwords.change(session, tree, user, old, new)
        with self._changing() as session:
            return passwords.change(session, tree, user, old, new)

    def add_role(self, name: str) -> Role:
        self._roles_must_be_writable()
        self._add(self.tree.new_role(name), RoleExists(name))
        role = self.find_role(name)
        if role is None:
            raise BadRequest(_NOT_FOUND_AGAIN)
        return role

    def apply(self, *steps: Step) -> None:
        if any(isinstance(step, _ROLE_STEPS) for step in steps):
            self._roles_must_be_writable()
        with self._changing() as session:
            try:
                self._carry_out(session, steps)
            except Refused as refused:
                if not self._may_lack_room(refused):
                    raise
                self._make_room_for_emptiness(session, steps)
                self._carry_out(session, steps)

    @property
    def _known(self) -> _Known:
        """Asked of the server once; never while a session is held, for it may need the last one."""
        if self._all_known is None:
            with self._knowing:
                self._all_known = self._all_known or self._get_to_know()
        return self._all_known

    def _get_to_know(self) -> _Known:
        with self._pool.session() as session:
            try:
                profile = profiles.found_in(session, self._access.profile)
            except Refused as refused:
                raise results.unexpected(refused) from refused
        tree = self._lay_out(profile)
        log.info("directory_layout", **tree.described)
        reader = Reader(self._pool, tree)
        nesting = Nesting(reader)
        return _Known(tree, reader, nesting, AdminGroup(reader, nesting, self._admin_role))

    def _carry_out(self, session: Session, steps: tuple[Step, ...]) -> None:
        profile = self.tree.profile
        if profile.transactions and self._access.transactions:
            try:
                return changes.in_one_transaction(session, self._planned(steps, swaps=False))
            except Refused as refused:
                # OpenLDAP 2.5 fails to delete the only entry of a folder inside a transaction.
                if refused.code != results.OTHER:
                    raise
        planned = self._planned(steps, swaps=True)
        return changes.one_by_one(session, self._connect_to_undo, profile, planned)

    def _planned(self, steps: tuple[Step, ...], *, swaps: bool) -> list[Guarded]:
        tree = self.tree
        if tree.profile.asserts:
            return AssertingPlan(tree, self._admin_role, steps, swaps=swaps).operations
        return SwappingPlan(tree, self._admin_role, steps).operations

    def _may_lack_room(self, refused: Refused) -> bool:
        return refused.code == results.OBJECT_CLASS_VIOLATION and self.tree.shape.wants_a_member

    def _make_room_for_emptiness(self, session: Session, steps: tuple[Step, ...]) -> None:
        """A group made by another tool is about to lose its last member, which it may not."""
        for step in steps:
            if isinstance(step, Take):
                _do_unless(session, self.tree.placeholder_in(step.role), results.EXISTS)

    def _only_user(self, name: str) -> User:
        """The user just made, who must be the only one that the name finds."""
        try:
            user = self.find_user(name)
        except AmbiguousName as error:
            raise UserExists(name) from error
        if user is None:
            raise BadRequest(_NOT_FOUND_AGAIN)
        return user

    def _withdraw(self, dn: str, mark: str) -> None:
        """Remove what this very request may have made, known by the mark in its epoch."""
        if not mark:
            return
        made = User(id="", name="", locator=dn, revision=mark, epoch="")
        with deadline(changes.UNDO_S), contextlib.suppress(MiLdapError):
            self.discard(made)

    def _take_if_held(self, role: Role, user: User) -> None:
        tree = self.tree
        member = Modification("delete", tree.member, (tree.member_value(user),))
        with self._changing() as session:
            if tree.shape.wants_a_member:
                _do_unless(session, tree.placeholder_in(role), results.EXISTS)
            gone = results.GONE | tree.profile.is_no_member
            _do_unless(session, Modify(tree.target(role), (member,)), gone)

    def _add(self, operation: Operation, exists: MiLdapError) -> None:
        with self._changing() as session:
            try:
                session.do(operation)
            except Refused as refused:
                if refused.code in results.EXISTS or results.is_duplicate(refused):
                    raise exists from refused
                raise

    def _must_be_writable(self) -> None:
        if not self.writable:
            raise ReadOnlyStore

    def _roles_must_be_writable(self) -> None:
        if not self.roles_writable:
            raise ReadOnlyStore

    @contextmanager
    def _changing(self) -> Iterator[Session]:
        """A session for changes; what the server refuses becomes our errors."""
        self._must_be_writable()
        with self._known.reader.pool.session() as session:
            try:
                yield session
            except Refused as refused:
                raise results.change_error(refused) from refused


_ROLE_STEPS = (Give, Take, RemoveRole, AddAdminRole, MarkFirstAdmin)

_NOT_FOUND_AGAIN = (
    "Error processing the request. The directory took the entry, but the configured filters do not "
    "find it."
)


def _do_unless(session: Session, operation: Operation, codes: frozenset[int]) -> None:
    """Carry out the operation; the codes say that there was nothing to do."""
    try:
        session.do(operation)
    except Refused as refused:
        if refused.code not in codes:
            raise
