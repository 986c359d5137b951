"""The user store in an LDAP directory.

Words, as RFC 4511 and RFC 4512 use them:

    entry     one object of the directory, `dn` its name: `"uid=alice,ou=people,dc=example,dc=org"`
    RDN       the first part of a DN, `"uid=alice"`; the rest is the DN of the parent
    base      the DN below which is searched
    filter    the condition of a search, `"(&(objectClass=person)(uid=alice))"`
    bind      proving who a connection is, by DN and password
    group     an entry whose `member` values are DNs; here a role
    entryCSN  the stamp that OpenLDAP gives an entry with every change
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from mi_ldap.deadline import deadline
from mi_ldap.directory import changes, names, results
from mi_ldap.directory import controls as ctl
from mi_ldap.directory.admin_group import AdminGroup
from mi_ldap.directory.connections import Address, Connector, Pool
from mi_ldap.directory.operations import Add, Delete, Modification, Modify, Operation
from mi_ldap.directory.plans import Guarded, Plan
from mi_ldap.directory.reading import Reader
from mi_ldap.directory.session import Refused, Session
from mi_ldap.directory.tree import Tree
from mi_ldap.errors import (
    BadRequest,
    LoginRefused,
    MiLdapError,
    ReadOnlyStore,
    RoleExists,
    UserExists,
)
from mi_ldap.model import AdminRole, Names, Proof, Role, User, UserDetails
from mi_ldap.store import AddAdminRole, Give, MarkFirstAdmin, RemoveRole, Step, Take

__all__ = ["Access", "Address", "DirectoryStore", "Tree"]


@dataclass(frozen=True, slots=True)
class Access:
    """How the store gets into the directory, and what it may do there.

    Attributes:
        account_dn: who the service is; `""` for an anonymous one.
        pool_size: connections for reads and changes, and as many for proving passwords.
        writable: False for a directory that is configured as read-only.
        roles_writable: False where groups may be read only.
        transactions: whether RFC 5805 is used where the server offers it.
    """

    address: Address
    account_dn: str
    password: str = field(repr=False)
    pool_size: int = 8
    writable: bool = True
    roles_writable: bool = True
    transactions: bool = True


class DirectoryStore:
    """`mi_ldap.store.UserStore` over a directory; see there for what each method promises.

    Args:
        access: where the directory is and who asks.
        tree: how it is laid out.
        admin_role: the name of the admin role's group.
        observe: told the name of each LDAP operation as it is sent.
    """

    def __init__(
        self,
        access: Access,
        tree: Tree,
        admin_role: str,
        observe: Callable[[str], None] = lambda operation: None,
    ) -> None:
        connector = Connector(access.address, observe)
        self.writable = access.writable
        self.roles_writable = access.writable and access.roles_writable
        self._access = access
        self._offers_transactions: bool | None = None
        self._tree = tree
        self._connect = lambda: connector.bound(access.account_dn, access.password)
        self._pool = Pool(self._connect, access.pool_size)
        self._proving = Pool(connector.anonymous, access.pool_size)
        self._reader = Reader(self._pool, tree)
        self._admin_group = AdminGroup(self._reader, admin_role)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        self._pool.close()
        self._proving.close()

    def check(self) -> None:
        self._reader.check()

    def find_user(self, name: str) -> User | None:
        return self._reader.find_user(name)

    def user(self, user_id: str) -> User | None:
        return self._reader.user(user_id)

    def user_names(self, like: str | None = None) -> Names:
        return self._reader.user_names(like)

    def details(self, user: User) -> UserDetails:
        roles, custodian = self._reader.roles_and_custodian(user)
        return UserDetails(tuple(roles), custodian)

    def find_role(self, name: str) -> Role | None:
        return self._reader.find_role(name)

    def role_names(self) -> Names:
        return self._reader.role_names()

    def member_names(self, role: Role) -> Names:
        return self._reader.member_names(role)

    def charges_of(self, user: User) -> tuple[User, ...]:
        return self._reader.charges_of(user)

    def admin_role(self) -> AdminRole | None:
        return self._admin_group.read()

    def is_holder(self, admin_role: AdminRole, user: User) -> bool:
        return self._admin_group.holds(admin_role, user)

    def holds_through_others(self, admin_role: AdminRole, user: User) -> bool:
        return self._admin_group.holds_through_others(admin_role, user)

    def other_holder(self, admin_role: AdminRole, user: User) -> User | None:
        others = self._admin_group.users(admin_role)
        return next((other for other in others if other.enabled and other.id != user.id), None)

    def holder_users(self, admin_role: AdminRole) -> tuple[User, ...]:
        return tuple(self._admin_group.users(admin_role))

    def prove(self, user: User, password: str) -> Proof:
        with self._proving.session() as session:
            return _proved(session, user, password)

    def add_user(self, name: str) -> User:
        wanted = self._tree.new_user(name)
        try:
            self._add(wanted, UserExists(name))
            user = self._reader.user_at(wanted.dn)
            if user is None:
                raise BadRequest(_NOT_FOUND_AGAIN)
            for role in self._reader.roles_naming(user.locator):
                self._take_if_held(role, user)
        except UserExists:
            raise
        except MiLdapError:
            self._withdraw(wanted)
            raise
        return user

    def discard(self, user: User) -> None:
        as_made = ctl.assertion(self._tree.as_made(user))
        with self._changing() as session:
            try:
                session.do(Delete(user.locator), as_made)
            except Refused as refused:
                if refused.code not in results.GONE:
                    raise

    def reset_password(self, user: User, password: str) -> None:
        with self._changing() as session:
            _set_password(session, user, password)

    def change_password(self, user: User, old: str, new: str) -> None:
        self._must_be_writable()
        with self._proving.session() as session:
            _proved(session, user, old)
            try:
                _set_password(session, user, new, old)
            except Refused as refused:
                raise results.password_error(refused) from refused

    def add_role(self, name: str) -> Role:
        self._roles_must_be_writable()
        self._add(self._tree.new_role(name), RoleExists(name))
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
                if refused.code != results.OBJECT_CLASS_VIOLATION:
                    raise
                self._make_room_for_emptiness(session, steps)
                self._carry_out(session, steps)

    def _uses_transactions(self, session: Session) -> bool:
        """Whether it is told to and the server offers RFC 5805 (RFC 4512 §5.1), asked once.

        On the session at hand: who waits for a second one while holding one may wait for ever.
        """
        if not self._access.transactions:
            return False
        if self._offers_transactions is None:
            root = session.read("", "(objectClass=*)", ["supportedExtension"])
            offered = root.all("supportedExtension") if root else []
            self._offers_transactions = ctl.TRANSACTION_START in offered
        return self._offers_transactions

    def _carry_out(self, session: Session, steps: tuple[Step, ...]) -> None:
        if self._uses_transactions(session):
            try:
                return changes.in_one_transaction(session, self._planned(steps, swaps=False))
            except Refused as refused:
                # OpenLDAP 2.5 fails to delete the only entry of a folder inside a transaction.
                if refused.code != results.OTHER:
                    raise
        return changes.one_by_one(session, self._connect, self._planned(steps, swaps=True))

    def _planned(self, steps: tuple[Step, ...], *, swaps: bool) -> list[Guarded]:
        return Plan(self._tree, self._admin_group.name, steps, swaps=swaps).operations

    def _make_room_for_emptiness(self, session: Session, steps: tuple[Step, ...]) -> None:
        """A group made by another tool is about to lose its last member, which it may not."""
        for step in steps:
            if isinstance(step, Take):
                _do_unless(session, self._tree.placeholder_in(step.role), results.EXISTS)

    def _withdraw(self, wanted: Add) -> None:
        """Remove what this very request may have made, known by the mark in its epoch."""
        mark = wanted.attributes.get(self._tree.epoch)
        if not mark:
            return
        its_own = ctl.assertion(names.equals(self._tree.epoch, mark[0]))
        with (
            deadline(changes.UNDO_S),
            contextlib.suppress(MiLdapError),
            self._changing() as session,
        ):
            session.do(Delete(wanted.dn), its_own)

    def _take_if_held(self, role: Role, user: User) -> None:
        member = Modification("delete", self._tree.member, (user.locator,))
        with self._changing() as session:
            _do_unless(session, self._tree.placeholder_in(role), results.EXISTS)
            _do_unless(session, Modify(role.locator, (member,)), results.GONE)

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
        with self._pool.session() as session:
            try:
                yield session
            except Refused as refused:
                raise results.change_error(refused) from refused


_ROLE_STEPS = (Give, Take, RemoveRole, AddAdminRole, MarkFirstAdmin)

_NOT_FOUND_AGAIN = (
    "Error processing the request. The directory took the entry, but the configured filters do not "
    "find it."
)


def _proved(session: Session, user: User, password: str) -> Proof:
    if not password:
        raise LoginRefused
    try:
        said = session.bind(user.locator, password)
    except Refused as refused:
        raise results.login_error(refused) from refused
    return Proof(must_change=said == "changeAfterReset")


def _set_password(session: Session, user: User, new: str, old: str | None = None) -> None:
    try:
        session.set_password(user.locator, new, old)
    except Refused as refused:
        raise results.password_error(refused) from refused


def _do_unless(session: Session, operation: Operation, codes: frozenset[int]) -> None:
    """Carry out the operation; the codes say that there was nothing to do."""
    try:
        session.do(operation)
    except Refused as refused:
        if refused.code not in codes:
            raise
