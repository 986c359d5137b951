"""The port `UserStore` in memory: what the rules are tested on, and what a store owes them."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec, TypeVar

from mi_ldap.errors import (
    Conflict,
    DirectoryUnavailable,
    LoginRefused,
    PolicyRefused,
    ReadOnlyStore,
    RoleExists,
    UserExists,
)
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
    MarkFirstAdmin,
    NotMember,
    Read,
    RenewEpoch,
    RenewRevision,
    RevokeRole,
    SetCustodian,
    Step,
    Unchanged,
)
from tests.memory_content import (
    Account,
    Content,
    Group,
    as_role,
    as_user,
    role_locator,
    user_locator,
)

MIN_PASSWORD = 5

__all__ = ["MemoryStore", "role_locator", "user_locator"]

P = ParamSpec("P")
R = TypeVar("R")


def _locked(
    method: Callable[Concatenate[MemoryStore, P], R],
) -> Callable[Concatenate[MemoryStore, P], R]:
    """One thread at a time, and nobody while the store is down."""

    def call(store: MemoryStore, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with store.lock:
            if store.is_down:
                raise DirectoryUnavailable
            return method(store, *args, **kwargs)

    return call


class MemoryStore:
    """`mi_ldap.store.UserStore`; see there for what each method promises."""

    def __init__(self, admin_role: str = "admin") -> None:
        self.writable = True
        self._roles_writable = True
        self.is_down = False
        self.complete = True
        self.wanted_role = ""  # who loses the role of that name would be hidden by a filter
        self.lock = threading.RLock()
        self.content = Content()
        self._creations: set[str] = set()
        self._admin_role = role_locator(admin_role)
        self._admin_role_name = admin_role

    @property
    def roles_writable(self) -> bool:
        return self.writable and self._roles_writable

    @roles_writable.setter
    def roles_writable(self, value: bool) -> None:
        self._roles_writable = value

    @property
    def admins_writable(self) -> bool:
        return self.roles_writable

    @property
    def writable_user_domains(self) -> tuple[str, ...]:
        return ("",) if self.writable else ()

    @property
    def writable_role_domains(self) -> tuple[str, ...]:
        return ("",) if self.roles_writable else ()

    def close(self) -> None:
        pass

    def view(self) -> MemoryStore:
        return self

    def authority(self, *, changes: bool) -> MemoryStore:
        return self

    def prefetch(self, *reads: Read) -> MemoryStore:
        return self

    @property
    def account_warning(self) -> str:
        return ""

    def read_source(self) -> ReadSource:
        return ReadSource("memory")

    @_locked
    def check(self) -> None:
        pass

    def is_own_account(self, user: User) -> bool:
        return False

    def finds_users_by_roles(self) -> bool:
        return bool(self.wanted_role)

    def would_hide(self, user: User, assigned: Sequence[Role], revoked: Sequence[Role]) -> bool:
        return any(role.name == self.wanted_role for role in revoked)

    @_locked
    def find_user(self, name: str) -> User | None:
        return self._user_at(user_locator(name))

    @_locked
    def user(self, user_id: str) -> User | None:
        return next((user for user in self._users() if user.id == user_id), None)

    @_locked
    def user_names(self, like: str | None = None) -> Names:
        return Names(tuple(user.name for user in self._users()), self.complete)

    @_locked
    def details(self, user: User) -> UserDetails:
        held = self.content.roles_naming(user.locator)
        within = {at: self.content.roles_in(at) for at in self.content.roles}
        inherited = [at for at in within if at not in held and set(within[at]) & set(held)]
        custodian = self.user(user.custodian_id) if user.custodian_id else None
        return UserDetails(self._roles_at(held), custodian, self._roles_at(inherited))

    @_locked
    def roles_of(self, user: User) -> tuple[Role, ...]:
        return self._roles_at(self.content.roles_naming(user.locator))

    @_locked
    def membership_path(self, user: User, role: Role) -> tuple[Role, ...]:
        return self._roles_at(self.content.membership_path(user.locator, role.locator))

    @_locked
    def find_role(self, name: str) -> Role | None:
        return self._role_at(role_locator(name))

    @_locked
    def role_names(self) -> Names:
        return Names(tuple(group.name for group in self.content.roles.values()), self.complete)

    @_locked
    def member_names(self, role: Role) -> Names:
        users = self.content.users
        members = self._members(role.locator, *self.content.roles_in(role.locator))
        found = [users[at] for at in members if at in users]
        named = (account.name for account in found if not account.is_unfinished)
        return Names(tuple(named), self.complete)

    @_locked
    def admin_role(self) -> AdminRole | None:
        role = self._role_at(self._admin_role)
        if role is None:
            return None
        nested = self.content.roles_in(role.locator)
        return AdminRole(
            role,
            holders=self._members(role.locator, *nested),
            nested=frozenset(self.content.roles[at].id for at in nested),
            nested_holders=self._members(*nested),
            first_admin_id=self.content.roles[role.locator].first_admin_id,
        )

    def is_holder(self, admin_role: AdminRole, user: User) -> bool:
        return user.locator in admin_role.holders

    def holds_through_others(self, admin_role: AdminRole, user: User) -> bool:
        return user.locator in admin_role.nested_holders

    def other_holder(self, admin_role: AdminRole, user: User) -> User | None:
        others = [other for other in self.holder_users(admin_role) if other.enabled]
        return next((other for other in others if other.id != user.id), None)

    @_locked
    def holder_users(self, admin_role: AdminRole) -> tuple[User, ...]:
        found = (self._user_at(locator) for locator in admin_role.holders)
        return tuple(user for user in found if user)

    @_locked
    def dependents_of(self, user: User) -> tuple[User, ...]:
        return tuple(other for other in self._users() if other.custodian_id == user.id)

    def password_min_length(self) -> int | None:
        return None

    @_locked
    def authenticate(self, user: User, password: str) -> AuthenticationResult:
        account = self._account(user)
        if account is None or not account.password or account.password != password:
            raise LoginRefused
        if account.closed:
            raise LoginRefused(f"The account is {account.closed}.", account.closed)
        return AuthenticationResult(account.must_change)

    @_locked
    def create_user(self, name: str) -> User:
        self._must_be_writable()
        locator = user_locator(name)
        found = self.content.users.get(locator)
        if found and (not found.is_unfinished or found.mark in self._creations):
            raise UserExists(name)
        for group in self.content.roles.values():
            group.members.discard(locator)
        account = Account(name)
        self.content.users[locator] = account
        self._creations.add(account.mark)
        return as_user(locator, account)

    @_locked
    def is_still_unfinished(self, user: User) -> bool:
        account = self._account(user)
        return account is not None and account.mark == user.revision

    @_locked
    def clean_up(self) -> None:
        kept = {
            at: account
            for at, account in self.content.users.items()
            if not account.is_unfinished or account.mark in self._creations or not account.is_old
        }
        self.content.users = kept

    def end_creation(self, user: User) -> None:
        self._creations.discard(user.revision)

    @_locked
    def discard(self, user: User) -> None:
        self._must_be_writable()
        if self._account(user):
            del self.content.users[user.locator]

    @_locked
    def reset_password(self, user: User, password: str) -> None:
        self._must_be_writable()
        account = self._account(user)
        if account is None:
            raise Conflict
        if len(password) < MIN_PASSWORD:
            raise PolicyRefused("The directory refuses the password: it is too short.")
        account.password = password
        account.password_changes += 1

    @_locked
    def change_password(
        self, user: User, old: str, new: str, on_verified: Callable[[], object] = lambda: None
    ) -> None:
        self._must_be_writable()
        self.authenticate(user, old)
        on_verified()
        self.reset_password(user, new)

    @_locked
    def create_role(self, name: str) -> Role:
        self._roles_must_be_writable()
        locator = role_locator(name)
        if locator in self.content.roles:
            raise RoleExists(name)
        self.content.roles[locator] = Group(name)
        return as_role(locator, self.content.roles[locator])

    @_locked
    def apply(self, *steps: Step) -> None:
        self._must_be_writable()
        if any(isinstance(step, _ROLE_STEPS) for step in steps):
            self._roles_must_be_writable()
        before = copy.deepcopy(self.content)
        try:
            for step in steps:
                self._do(step)
        except Conflict:
            self.content = before
            raise

    def account(self, name: str) -> Account:
        """The account under that name, for a test to look at or to change."""
        return self.content.users[user_locator(name)]

    def _do(self, step: Step) -> None:
        match step:
            case Unchanged(User() as user):
                _demand(self._found(user).mark == user.revision)
                _demand(self._found(user).custodian_id == user.custodian_id)
            case Unchanged(Role() as role):
                _demand(str(self._group(role).revision) == role.revision)
            case NotMember(role, user):
                _demand(user.locator not in self._group(role).members)
            case AssignRole(role, user):
                _demand(user.locator not in self._group(role).members)
                self._touched(role).members.add(user.locator)
            case RevokeRole(role, user):
                _demand(user.locator in self._group(role).members)
                self._touched(role).members.remove(user.locator)
            case SetCustodian(user, custodian_id, appoints):
                _demand(self._found(user).custodian_id == user.custodian_id)
                self._found(user).set_custodian(custodian_id, appoints=appoints)
            case RenewEpoch(user, for_reset, keeps_mark):
                _demand(self._found(user).mark == user.revision)
                self._found(user).renew(for_reset=for_reset, keeps_mark=keeps_mark)
            case RenewRevision(role):
                _demand(str(self._group(role).revision) == role.revision)
                self._touched(role)
            case DeleteUser(user):
                self._found(user)
                del self.content.users[user.locator]
            case DeleteRole(role):
                self._group(role)
                del self.content.roles[role.locator]
            case CreateAdminRole(user):
                _demand(self._admin_role not in self.content.roles)
                made = Group(self._admin_role_name, {user.locator}, first_admin_id=user.id)
                self.content.roles[self._admin_role] = made
            case MarkFirstAdmin(role, user):
                self._touched(role).first_admin_id = user.id

    def _touched(self, role: Role) -> Group:
        group = self._group(role)
        group.revision += 1
        return group

    def _found(self, user: User) -> Account:
        account = self._account(user)
        if account is None:
            raise Conflict
        return account

    def _account(self, user: User) -> Account | None:
        account = self.content.users.get(user.locator)
        return account if account and account.id == user.id else None

    def _group(self, role: Role) -> Group:
        group = self.content.roles.get(role.locator)
        if group is None or group.id != role.id:
            raise Conflict
        return group

    def _members(self, *roles: str) -> frozenset[str]:
        """The members of all of them."""
        return frozenset().union(*(self.content.roles[at].members for at in roles))

    def _roles_at(self, locators: list[str]) -> tuple[Role, ...]:
        return tuple(as_role(at, self.content.roles[at]) for at in locators)

    def _users(self) -> list[User]:
        found = self.content.users.items()
        return [as_user(at, account) for at, account in found if not account.is_unfinished]

    def _user_at(self, locator: str) -> User | None:
        account = self.content.users.get(locator)
        return as_user(locator, account) if account and not account.is_unfinished else None

    def _role_at(self, locator: str) -> Role | None:
        group = self.content.roles.get(locator)
        return as_role(locator, group) if group else None

    def _must_be_writable(self) -> None:
        if not self.writable:
            raise ReadOnlyStore

    def _roles_must_be_writable(self) -> None:
        if not (self.writable and self.roles_writable):
            raise ReadOnlyStore


_ROLE_STEPS = (AssignRole, RevokeRole, RenewRevision, DeleteRole, CreateAdminRole, MarkFirstAdmin)


def _demand(holds: bool) -> None:
    if not holds:
        raise Conflict
