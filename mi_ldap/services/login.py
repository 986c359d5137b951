"""Login, by a single bind, with a limit on failures and a uniform response time; and logout."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from mi_ldap.deadline import remaining_s
from mi_ldap.errors import (
    AdminRoleUnclear,
    AmbiguousName,
    DirectoryUnavailable,
    Forbidden,
    LoginRefused,
    ReadOnlyStore,
    UserNotFound,
)
from mi_ldap.model import AuthenticationResult, Performer, User
from mi_ldap.name_rules import is_password
from mi_ldap.services.accounts import find_user, reload
from mi_ldap.services.admins import Admins
from mi_ldap.services.bootstrap import AlreadyBootstrapped, Bootstrap, LoginRequest
from mi_ldap.services.failed_logins import FailedLogins
from mi_ldap.services.response_time_floor import ResponseTimeFloor
from mi_ldap.state.audit import AuditLog
from mi_ldap.state.throttle import LoginAttempts
from mi_ldap.state.tokens import SCOPE_ADMIN, SCOPE_CHANGE_PASSWORD, SCOPE_DEFAULT, Revocations
from mi_ldap.store import UserReads, UserStore

_RANDOM = random.SystemRandom()
_PAUSE_S = 0.05
"""Pause before checking again whether another login has created the first admin, in seconds."""
_MAX_MISSES = 3
"""How often a login may find no user after another login interfered, before it is refused."""
_MAX_DENIALS = 3
"""How often the directory may deny rights to a login, before it is refused."""


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A successful login.

    Attributes:
        user: the user as last read.
        scope: the scope of the token.
        warning: a warning of the directory's password policy, or `""`.
    """

    user: User
    scope: str
    warning: str = ""


class Login:
    """Authenticates users, and creates the first admin while there is none."""

    def __init__(
        self,
        store: UserStore,
        admins: Admins,
        bootstrap: Bootstrap,
        failed_logins: FailedLogins,
        floor: ResponseTimeFloor,
        audit: AuditLog,
        revocations: Revocations,
        domains: Sequence[str] = (),
    ) -> None:
        self._store = store
        self._admins = admins
        self._bootstrap = bootstrap
        self._failed_logins = failed_logins
        self._floor = floor
        self._audit = audit
        self._revocations = revocations
        self._domains = domains

    def login(self, request: LoginRequest) -> LoggedIn:
        """Verify the credentials.

        Raises:
            LoginRefused: after a time that is independent of the reason; the message contains the
                reason only if the directory reports it to everyone (a locked account) or the
                password was correct.
            TooManyFailures: the password was not verified.
        """
        since_s = time.monotonic()
        try:
            logged_in = self._attempt_login(request)
        except LoginRefused:
            # Otherwise the response time would reveal whether the name exists.
            self._floor.wait(since_s)
            raise
        # Before the token is issued: a login that cannot be audited fails.
        self._audit.write(logged_in.user.name, "login", "session", {}, outcome="done")
        return logged_in

    def logout(self, performer: Performer, jti: str, expires_at: float) -> None:
        """Revoke the token in every worker.

        Raises:
            AuditUnavailable, StateUnavailable: the token was not revoked.
        """
        with self._audit.change(performer.name, "logout", "session", {}):
            self._revocations.revoke(jti, expires_at)

    def _attempt_login(self, request: LoginRequest) -> LoggedIn:
        attempts = LoginAttempts()
        try:
            with self._failed_logins.attempt(request.name, request.client) as attempts:
                # Known before the user is read: otherwise the user could be promoted in between,
                # and the token would have an epoch that is no longer valid.
                is_bootstrap_over = self._bootstrap.is_over
                # Read before the bind, never after it: a token's epoch must not be newer than the
                # password that was verified.
                user = self._find(self._store.authority(changes=False), request.name)
                attempts.name = user.name if user else ""
                if is_bootstrap_over or not is_password(request.password):
                    return self._ordinary_login(user, request.password)
                return self._login_without_admin(request)
        except LoginRefused as error:
            self._failed_logins.audit_refused_login(request.name, attempts, error.reason)
            raise

    def _find(self, reads: UserReads, name: str) -> User | None:
        """Return the user of the first store that knows the name, or None.

        Raises:
            DirectoryUnavailable: a store before that one is down, and may know the name.
        """
        names = [name]
        if "/" not in name:
            names += (f"{domain}/{name.strip()}" for domain in self._domains)
        try:
            found = (find_user(reads, each) for each in names)
            return next((user for user in found if user), None)
        except AmbiguousName as error:
            raise LoginRefused(f"{error} Ask an administrator.", "ambiguous") from error

    def _login_without_admin(self, request: LoginRequest) -> LoggedIn:
        """Log in while there is no admin; wait if another login is creating the first admin.

        Raises:
            LoginRefused: as in an ordinary login; or the first admin was not created.
            Forbidden: the directory does not let the service's account create the first admin.
            DirectoryUnavailable: another login took longer to create the first admin than this
                request may last.
        """
        give_up_at = time.monotonic() + remaining_s()
        misses = denials = 0
        while True:
            is_open = self._bootstrap.is_open()
            user = self._find(self._store, request.name)
            if user is None or not user.busy:
                try:
                    if is_open and self._bootstrap.may_bootstrap(request, user):
                        return self._first_login(request, user)
                    logged_in = self._ordinary_login(user, request.password)
                    self._wait_for_promotion(logged_in.user)
                    return logged_in
                except AlreadyBootstrapped:
                    misses += user is None
                except ReadOnlyStore:
                    raise
                except Forbidden:
                    # Some of 16 first logins at once on a busy 389 Directory Server 2.3 were denied
                    # rights that the account has.
                    denials += 1
                    if denials > _MAX_DENIALS:
                        raise
            # A random pause, so that logins that wait for each other do not stay in step.
            pause_s = _RANDOM.uniform(0.5, 1) * _PAUSE_S
            if misses > _MAX_MISSES:  # an entry outside the filters has the name
                raise LoginRefused
            if time.monotonic() + 2 * pause_s > give_up_at:
                # Not `LoginRefused`: the password was not verified, so it may be right.
                raise DirectoryUnavailable("The first admin is being created. Try again later.")
            time.sleep(pause_s)

    def _first_login(self, request: LoginRequest, user: User | None) -> LoggedIn:
        """Raise `AlreadyBootstrapped` if another login changed the state that this one needs."""
        if user is None:
            return self._as_promoted(
                self._bootstrap.create_first_admin(request), AuthenticationResult()
            )
        result = self._verify_password(user, request.password)
        self._bootstrap.promote(user)
        return self._as_promoted(user, result)

    def _wait_for_promotion(self, user: User) -> None:
        """Wait while another process may be promoting the user.

        Raises:
            AlreadyBootstrapped: the epoch has been renewed, or the user was deleted.
        """
        give_up_at = time.monotonic() + remaining_s() / 2  # the answer needs time, too
        while True:
            # Asked before the user is read, since the promotion may end in between.
            may_be_promoting = self._bootstrap.may_be_promoting(user)
            present = self._store.user(user.id)
            if present is None or present.epoch != user.epoch:
                raise AlreadyBootstrapped
            if not may_be_promoting or time.monotonic() > give_up_at:
                return
            time.sleep(_PAUSE_S)

    def _as_promoted(self, user: User, result: AuthenticationResult) -> LoggedIn:
        """Return the login with the user's state after its promotion, which set a new epoch."""
        try:
            return self._scoped(reload(self._store, user), result)
        except UserNotFound:  # its creation was undone
            raise LoginRefused from None

    def _ordinary_login(self, user: User | None, password: str) -> LoggedIn:
        # A bind with an empty password is anonymous and succeeds (RFC 4513 §5.1.2).
        if user is None or not is_password(password):
            raise LoginRefused
        return self._scoped(user, self._verify_password(user, password))

    def _verify_password(self, user: User, password: str) -> AuthenticationResult:
        result = self._floor.authenticate(self._store, user, password)
        if not user.enabled:
            raise LoginRefused("The account is disabled. Ask an administrator.", "disabled")
        return result

    def _scoped(self, user: User, result: AuthenticationResult) -> LoggedIn:
        if result.must_change:
            return LoggedIn(user, SCOPE_CHANGE_PASSWORD, "Change your password first.")
        scope = SCOPE_ADMIN if self._is_admin(user) else SCOPE_DEFAULT
        return LoggedIn(user, scope, _warning(result))

    def _is_admin(self, user: User) -> bool:
        """Whether the user is an admin, for the scope of the token."""
        try:
            return self._admins.holds(self._store.authority(changes=False).admin_role(), user)
        except AdminRoleUnclear:
            # The scope grants nothing, so users can still log in while the role is unclear.
            return False


def _warning(result: AuthenticationResult) -> str:
    if result.grace_logins is not None:
        return f"The password has expired. {_grace_logins_left(result.grace_logins)}"
    if result.expires_in_s is not None:
        days = max(1, result.expires_in_s // 86400)
        when = f"{days} days" if days > 1 else "1 day"
        return f"Your password expires in {when}. Change it before then."
    return ""


def _grace_logins_left(logins: int) -> str:
    """Describe the remaining grace logins."""
    # Without one even the user cannot change the password: the old one is verified by a bind.
    if not logins:
        return "This was the last grace login. Ask an administrator for a new password."
    return f"{logins} grace {'login' if logins == 1 else 'logins'} left. Change your password now."
