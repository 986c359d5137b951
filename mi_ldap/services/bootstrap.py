"""The first admin: while there is none, the first successful login makes one.

"None" is proved, never assumed: a directory that can't be read raises, a group that hides its
members is unclear, and the change that makes the first admin fails where one stands unseen.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

import structlog

from mi_ldap.errors import (
    AdminRoleUnclear,
    BadRequest,
    Conflict,
    LoginRefused,
    MiLdapError,
    StateUnavailable,
    UserExists,
)
from mi_ldap.model import AdminRole, User, folded, without_primary
from mi_ldap.services.accounts import Rules, find_user, new_user
from mi_ldap.services.custody import Custody
from mi_ldap.services.retry import retry_on_conflict
from mi_ldap.state.audit import AuditLog, ChangeAttempts
from mi_ldap.state.database import Metadata
from mi_ldap.state.machine_lock import MachineLock
from mi_ldap.store import (
    AddAdminRole,
    AssignRole,
    MarkFirstAdmin,
    RenewEpoch,
    RevokeRole,
    SetCustodian,
    Step,
    Unchanged,
    UserStore,
)

log = structlog.get_logger()


FIRST_ADMIN_FACT = "first_admin_made"
"""Prefix of the key of the fact that a directory has had a first admin."""


@dataclass(frozen=True, slots=True)
class BootstrapPolicy:
    """Who may become the first admin.

    Attributes:
        mode: `first_login`, `configured` (only the configured account) or `off`.
        users: names that alone may win; empty for anybody.
        makes_users: whether a login from any address may make the user (the embedded directory);
            else only one from this machine, or a name in `users`.
        configured_name, configured_password: `super_admin` of the settings.
        place: which directory and role this is about; what is noted is noted for it.
    """

    mode: Literal["first_login", "configured", "off"]
    users: tuple[str, ...] = ()
    makes_users: bool = False
    configured_name: str = ""
    configured_password: str = field(default="", repr=False)
    place: str = ""


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """A login that might make the first admin."""

    name: str
    password: str = field(repr=False)
    client: str
    is_local: bool


class AlreadyBootstrapped(Exception):
    """Another login is creating the first admin, or has created it; the caller decides again."""


class Bootstrap:
    """Makes the first admin, once."""

    def __init__(
        self,
        store: UserStore,
        audit: AuditLog,
        rules: Rules,
        door: BootstrapPolicy,
        facts: Metadata,
        lock: MachineLock,
        pin_super_admin: Callable[[], None],
    ) -> None:
        self._lock = lock
        self._store = store
        self._audit = audit
        self._rules = rules
        self._door = door
        self._facts = facts
        self._pin_super_admin = pin_super_admin
        self._closed = False

    @property
    def is_over(self) -> bool:
        """Whether this process already knows that no login can create the first admin."""
        return self._closed or self._door.mode == "off"

    def is_open(self) -> bool:
        """Whether the next successful login makes the first admin."""
        if self.is_over:
            return False
        if self._facts.get(self._key):
            self._closed = True
            return False
        try:
            admin_role = self._store.admin_role()
        except AdminRoleUnclear:
            return False
        if admin_role is None or _is_vacant(admin_role):
            self._store.check()  # a group that the account may not see is not missing
            return self._store.writable and self._store.roles_writable
        if admin_role.first_admin_id or self._store.holder_users(admin_role):
            self._note(admin_role.first_admin_id or admin_role.role.id)
        return False

    def has_record(self) -> bool:
        """Whether the state database says that this directory has had an admin."""
        return self._facts.get(self._key) is not None

    def may_bootstrap(self, applicant: LoginRequest, user: User | None) -> bool:
        """Whether this login may be the one; for a user that exists, by the entry it is."""
        if user is None:
            return self._may_be_made(applicant)
        if self._store.is_own_account(user):
            return False
        if self._door.mode == "configured":
            return self._is_one_of((self._door.configured_name,), user)
        return not self._door.users or self._is_one_of(self._door.users, user)

    def make(self, applicant: LoginRequest) -> User:
        """The first admin, made with the credentials of a login whose name nobody has.

        Raises:
            LoginRefused: it may not be made, or the directory does not take the name or the
                password; nothing is left of it.
            AlreadyBootstrapped: another login was first; nothing is left of it.
        """
        if not self._may_make(applicant):
            raise LoginRefused
        try:
            name = self._rules.new_user_name(without_primary(applicant.name))
            password = self._rules.new_password(applicant.password)
            with (
                new_user(self._store, name, password) as user,
                # Not before: a name that the directory refuses may be a mistyped password.
                self._audit.change(name, "bootstrap", "admin", {"userId": name}),
            ):
                self._promote_first_admin(user)
        except (UserExists, Conflict) as error:
            raise AlreadyBootstrapped from error
        except BadRequest as error:
            raise LoginRefused(f"The first admin was not made. {error}", "bootstrap") from error
        return user

    def promote(self, user: User) -> None:
        """Give the admin role to the user, whose password was proved, if still nobody holds it.

        Raises:
            AlreadyBootstrapped: another user has the role by now, or the password was changed.
        """
        present = self._store.user(user.id)
        if present is None or present.epoch != user.epoch:
            raise AlreadyBootstrapped
        if not _is_vacant(self._store.admin_role()):
            raise AlreadyBootstrapped
        with self._audit.change(user.name, "bootstrap", "admin", {"userId": user.name}):
            self._promote_first_admin(user)

    def _promote_first_admin(self, user: User) -> None:
        """Give the admin role for the first time.

        Raises:
            AlreadyBootstrapped: another user has the role by now.
            AdminRoleUnclear: there is a group of its name that the service's account cannot read.
        """
        try:
            with self._audit.attempts(user.name) as attempts:
                retry_on_conflict(lambda: self._try_to_crown_serialized(user, attempts))
        except Conflict:
            log.error("admin_role_stands_unseen", hint="the account may not read the group")
            raise AdminRoleUnclear from None
        log.warning("first_admin_made", user=user.name)
        self._note(user.id)
        try:
            self._pin_super_admin()
        except MiLdapError as error:
            log.warning("super_admin_not_pinned", error=str(error), hint="restart the service")

    def _try_to_crown_serialized(self, user: User, attempts: ChangeAttempts) -> None:
        with self._lock.hold():
            self._try_to_crown(user, attempts)

    def _try_to_crown(self, user: User, attempts: ChangeAttempts) -> None:
        admin_role = self._store.admin_role()
        present = self._store.user(user.id)
        if present is None and user.unfinished and self._store.is_still_unfinished(user):
            present = user
        if present is None or not _is_vacant(admin_role):
            raise AlreadyBootstrapped
        custody = Custody(self._store, self._audit)
        leftovers = custody.reassign_dependents(present, admin_role)
        custody.apply(attempts, present, _first_admin_steps(admin_role, present, leftovers))
        if admin_role is not None:
            self._must_be_seen(admin_role, present)

    def _must_be_seen(self, vacant: AdminRole, user: User) -> None:
        """Where a group may be empty, one whose members are hidden looks vacant: until now.

        Raises:
            AdminRoleUnclear: the user was given the role, and is not seen in it.
        """
        admin_role = self._store.admin_role()
        if admin_role is not None and self._store.is_holder(admin_role, user):
            return
        log.error("admin_role_hides_members", hint="the account may not read the group's members")
        self._store.apply(RevokeRole(vacant.role, user))
        raise AdminRoleUnclear

    def _is_one_of(self, names: Iterable[str], user: User) -> bool:
        """Whether one of the names finds the user, by the directory's matching."""
        found = (find_user(self._store, name) for name in names)
        return any(known is not None and known.id == user.id for known in found)

    def _may_be_made(self, applicant: LoginRequest) -> bool:
        """Whether a user of the typed name may be created; names of the list are compared exactly.

        A similar name can be a different one to the directory: for 389 DS `\uff41lice`, with a
        full-width letter, is not `alice`.
        """
        typed = without_primary(applicant.name)
        if self._door.mode == "configured":  # which also requires the configured password
            return folded(typed) == folded(without_primary(self._door.configured_name))
        listed = [without_primary(name) for name in self._door.users]
        return not listed or typed in listed

    def _may_make(self, applicant: LoginRequest) -> bool:
        if self._door.mode == "configured":
            same = applicant.password.encode(), self._door.configured_password.encode()
            return hmac.compare_digest(*same)
        if not self._may_be_made(applicant):
            return False
        return self._door.makes_users or applicant.is_local or bool(self._door.users)

    def _note(self, value: str) -> None:
        """Keep that bootstrap is over: a shortcut only, the group's own mark decides."""
        self._closed = True
        with suppress(StateUnavailable):
            self._facts.set_default(self._key, value)

    @property
    def _key(self) -> str:
        return f"{FIRST_ADMIN_FACT} {self._door.place}"


def _is_vacant(admin_role: AdminRole | None) -> bool:
    """Nobody holds the role, and nobody ever did as far as its mark tells."""
    return admin_role is None or not (admin_role.holders or admin_role.first_admin_id)


def _first_admin_steps(
    admin_role: AdminRole | None, user: User, leftovers: list[Step]
) -> list[Step]:
    """Return the steps that make the user the first admin, without custodian and dependents.

    A user with nothing to clear is changed last. So of several concurrent logins only the one that
    assigned the role renews the epoch, and the tokens of the others stay valid.
    """
    role = admin_role.role if admin_role else None
    guard: list[Step] = [Unchanged(role)] if role else []
    give: list[Step] = [AddAdminRole(user)]
    if role:
        give = [AssignRole(role, user), MarkFirstAdmin(role, user)]
    if leftovers or user.custodian_id or user.busy or user.unfinished:
        cleared = [Unchanged(user), *leftovers, SetCustodian(user, None), RenewEpoch(user)]
        return [*guard, *cleared, *give]
    return [*guard, *give, Unchanged(user), RenewEpoch(user)]
