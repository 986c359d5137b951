"""The first admin: while there is no admin, the first successful login creates one.

An unreadable directory or group never counts as "no admin": an outage raises, a group whose
members are hidden is an error, and the step that creates the admin role fails if an unreadable
group of that name exists.
"""

from __future__ import annotations

import hmac
import math
import time
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
from mi_ldap.model import AdminRole, User
from mi_ldap.name_folding import folded
from mi_ldap.name_rules import without_primary
from mi_ldap.services.accounts import Rules, find_user, new_user
from mi_ldap.services.custody import Custody
from mi_ldap.services.retry import retry_on_conflict
from mi_ldap.state.audit import AuditLog, ChangeAttempts
from mi_ldap.state.database import Metadata
from mi_ldap.state.machine_lock import MachineLock
from mi_ldap.store import (
    AssignRole,
    CreateAdminRole,
    MarkFirstAdmin,
    RenewEpoch,
    RevokeRole,
    SetCustodian,
    Step,
    Unchanged,
    UserStore,
)

log = structlog.get_logger()


FIRST_ADMIN_KEY = "first_admin_made"
"""Prefix of the metadata key that records that a directory has had a first admin."""

SETTLING_S = 1.0
"""Seconds after which a promotion by another process, whose role was seen, counts as ended."""


@dataclass(frozen=True, slots=True)
class BootstrapPolicy:
    """Who may become the first admin.

    Attributes:
        mode: `first_login`, `configured` (only the configured account) or `off`.
        users: the names that may become the first admin; empty for any name.
        creates_users: whether a login from any address may create the user (the embedded
            directory); otherwise only a login from this machine, or with a name in `users`.
        configured_name, configured_password: `super_admin` of the settings.
        directory_key: identifies the directory and the admin role in the keys of the metadata.
    """

    mode: Literal["first_login", "configured", "off"]
    users: tuple[str, ...] = ()
    creates_users: bool = False
    configured_name: str = ""
    configured_password: str = field(default="", repr=False)
    directory_key: str = ""


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """The credentials of a login, and where it comes from."""

    name: str
    password: str = field(repr=False)
    client: str
    is_local: bool


class AlreadyBootstrapped(Exception):
    """Another login is creating the first admin, or has created it; the caller decides again."""


class Bootstrap:
    """Creates the first admin, once for each directory."""

    def __init__(
        self,
        store: UserStore,
        audit: AuditLog,
        rules: Rules,
        policy: BootstrapPolicy,
        metadata: Metadata,
        lock: MachineLock,
        pin_super_admin: Callable[[], None],
    ) -> None:
        self._lock = lock
        self._store = store
        self._audit = audit
        self._rules = rules
        self._policy = policy
        self._metadata = metadata
        self._pin_super_admin = pin_super_admin
        # By time.monotonic(); inf while no admin was seen, -inf if the promotion has ended.
        self._settled_at = math.inf
        self._first_admin_id = ""

    @property
    def is_over(self) -> bool:
        """Whether there has been an admin, and the first promotion has ended, as is known here."""
        # A promotion assigns the role first. Until it has ended, the user may be hidden, and the
        # epoch may be renewed, so that a token of the old one would not be valid.
        return time.monotonic() >= self._settled_at or self._policy.mode == "off"

    def read_record(self) -> None:
        """Read whether there has been an admin. Call it before the process answers logins."""
        with suppress(StateUnavailable):
            if self.has_record():
                self._settled_at = -math.inf

    def may_be_promoting(self, user: User) -> bool:
        """Whether another process may still be promoting the user."""
        # Without a mark on the group, it is not known whose promotion made the first admin.
        is_settling = time.monotonic() < self._settled_at < math.inf
        return is_settling and self._first_admin_id in ("", user.id)

    def is_open(self) -> bool:
        """Whether the next successful login creates the first admin."""
        if self._settled_at < math.inf or self._policy.mode == "off":
            return False
        # The record saves a read of the directory for each login.
        if record := self._metadata.get(self._key):
            self._note_admin(record)
            return False
        try:
            admin_role = self._store.admin_role()
        except AdminRoleUnclear:
            return False
        if admin_role is None or _has_no_admin(admin_role):
            # During an outage the group may seem missing; this read raises then.
            self._store.check()
            return self._store.admins_writable
        if admin_role.first_admin_id or self._store.holder_users(admin_role):
            self._note_admin(admin_role.first_admin_id or "")
            self._record(admin_role.first_admin_id or admin_role.role.id)
        return False

    def has_record(self) -> bool:
        """Whether the state database says that this directory has had an admin."""
        return self._metadata.get(self._key) is not None

    def may_bootstrap(self, request: LoginRequest, user: User | None) -> bool:
        """Whether this login may create the first admin; existing users are compared by entry."""
        if user is None:
            return self._store.writable and self._is_allowed_name(request)
        # Only users of the primary store are admins.
        if user.domain or self._store.is_own_account(user):
            return False
        if self._policy.mode == "configured":
            return self._is_one_of((self._policy.configured_name,), user)
        return not self._policy.users or self._is_one_of(self._policy.users, user)

    def create_first_admin(self, request: LoginRequest) -> User:
        """Create a user with the credentials of the login, as the first admin.

        Raises:
            LoginRefused: this login may not create a user, or the directory rejected the name or
                the password; the user was deleted again.
            AlreadyBootstrapped: another login was first; the user was deleted again.
        """
        if not self._may_create(request):
            raise LoginRefused
        try:
            name = self._rules.new_user_name(without_primary(request.name))
            password = self._rules.new_password(request.password)
            with (
                new_user(self._store, name, password) as user,
                # Audited after the creation: a name that the directory rejects may be a password
                # that was typed into the wrong field.
                self._audit.change(name, "bootstrap", "admin", {"userId": name}),
            ):
                self._promote_first_admin(user)
        except (UserExists, Conflict) as error:
            raise AlreadyBootstrapped from error
        except BadRequest as error:
            raise LoginRefused(f"The first admin was not created. {error}", "bootstrap") from error
        return user

    def promote(self, user: User) -> None:
        """Assign the admin role to the user with the verified password, if there is still no admin.

        Raises:
            AlreadyBootstrapped: another user has the role by now, or the password was changed.
        """
        present = self._store.user(user.id)
        # The epoch changes with each password, so the verified password may be outdated.
        if present is None or present.epoch != user.epoch:
            raise AlreadyBootstrapped
        if not _has_no_admin(self._store.admin_role()):
            raise AlreadyBootstrapped
        with self._audit.change(user.name, "bootstrap", "admin", {"userId": user.name}):
            self._promote_first_admin(user)

    def _promote_first_admin(self, user: User) -> None:
        """Assign the admin role for the first time.

        Raises:
            AlreadyBootstrapped: another user has the role by now.
            AdminRoleUnclear: a group of its name exists, but the service's account cannot read it.
        """
        try:
            with self._audit.attempts(user.name) as attempts:
                retry_on_conflict(lambda: self._try_promote(user, attempts))
        except Conflict:
            # `CreateAdminRole` fails if there is a group of the name that the account cannot read.
            log.error("admin_role_unreadable", hint="the account may not read the group")
            raise AdminRoleUnclear from None
        log.warning("first_admin_made", user=user.name)
        self._settled_at = -math.inf
        self._record(user.id)
        try:
            self._pin_super_admin()
        except MiLdapError as error:
            log.warning("super_admin_not_pinned", error=str(error), hint="restart the service")

    def _try_promote(self, user: User, attempts: ChangeAttempts) -> None:
        with self._lock.hold():
            admin_role = self._store.admin_role()
            present = self._store.user(user.id)
            # `store.user` does not find a user that this request is still creating.
            if present is None and user.unfinished and self._store.is_still_unfinished(user):
                present = user
            if present is None or not _has_no_admin(admin_role):
                raise AlreadyBootstrapped
            custody = Custody(self._store, self._audit)
            reassignments = custody.reassign_dependents(present, admin_role)
            steps = _first_admin_steps(admin_role, present, reassignments)
            custody.apply(attempts, present, steps)
            if admin_role is not None:
                self._ensure_visible(admin_role, present)

    def _ensure_visible(self, admin_role_before: AdminRole, user: User) -> None:
        """Check that the new admin can be read as a member of the admin role.

        Raises:
            AdminRoleUnclear: the members are hidden; the assignment was undone.
        """
        # Until it has a member, a group whose members are hidden looks like an empty one.
        admin_role = self._store.admin_role()
        if admin_role is not None and self._store.is_holder(admin_role, user):
            return
        log.error("admin_role_hides_members", hint="the account may not read the group's members")
        self._store.apply(RevokeRole(admin_role_before.role, user))
        raise AdminRoleUnclear

    def _is_one_of(self, names: Iterable[str], user: User) -> bool:
        """Whether one of the names is the user's, by the directory's matching rule."""
        found = (find_user(self._store, name) for name in names)
        return any(known is not None and known.id == user.id for known in found)

    def _is_allowed_name(self, request: LoginRequest) -> bool:
        """Whether a user of the typed name may be created."""
        typed = without_primary(request.name)
        if self._policy.mode == "configured":  # `_may_create` compares the password, too
            return folded(typed) == folded(without_primary(self._policy.configured_name))
        # Compared exactly: a similar name can be a different one to the directory. For 389 DS
        # `\uff41lice`, with a full-width letter, is not `alice`.
        listed = [without_primary(name) for name in self._policy.users]
        return not listed or typed in listed

    def _may_create(self, request: LoginRequest) -> bool:
        if self._policy.mode == "configured":
            passwords = request.password.encode(), self._policy.configured_password.encode()
            # In constant time, so that the response time reveals nothing about the password.
            return hmac.compare_digest(*passwords)
        if not self._is_allowed_name(request):
            return False
        # Otherwise the first person to reach the service could add an account of their own to the
        # company's directory, as an admin.
        return self._policy.creates_users or request.is_local or bool(self._policy.users)

    def _note_admin(self, first_admin_id: str) -> None:
        self._first_admin_id = first_admin_id
        self._settled_at = min(self._settled_at, time.monotonic() + SETTLING_S)

    def _record(self, value: str) -> None:
        """Record that there has been an admin, to save reads; the group's mark is authoritative."""
        # Without the record the next login reads the mark on the group instead.
        with suppress(StateUnavailable):
            self._metadata.set_default(self._key, value)

    @property
    def _key(self) -> str:
        return f"{FIRST_ADMIN_KEY} {self._policy.directory_key}"


def _has_no_admin(admin_role: AdminRole | None) -> bool:
    """Whether the role has no members, and no mark that it ever had any."""
    return admin_role is None or not (admin_role.holders or admin_role.first_admin_id)


def _first_admin_steps(
    admin_role: AdminRole | None, user: User, reassignments: list[Step]
) -> list[Step]:
    """Return the steps that make the user the first admin, without custodian and dependents."""
    role = admin_role.role if admin_role else None
    guard: list[Step] = [Unchanged(role)] if role else []
    assign: list[Step] = [CreateAdminRole(user)]
    if role:
        assign = [AssignRole(role, user), MarkFirstAdmin(role, user)]
    if reassignments or user.custodian_id or user.busy or user.unfinished:
        cleared = [Unchanged(user), *reassignments, SetCustodian(user, None), RenewEpoch(user)]
        return [*guard, *cleared, *assign]
    # With nothing to clear the user is changed last. So of several concurrent logins only the one
    # that assigned the role renews the epoch, and the tokens of the others stay valid.
    return [*guard, *assign, Unchanged(user), RenewEpoch(user)]
