"""Logging in: one bind, the throttle before it, and a time that tells nothing after it."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass

from mi_ldap.admins import Admins
from mi_ldap.audit import AuditLog
from mi_ldap.bootstrap import Applicant, Bootstrap
from mi_ldap.deadline import remaining_s
from mi_ldap.errors import AmbiguousName, LoginRefused
from mi_ldap.model import MAX_NAME_BYTES, Proof, User, folded, without_primary
from mi_ldap.store import UserStore
from mi_ldap.throttle import Attempt, Throttle
from mi_ldap.tokens import SCOPE_ADMIN, SCOPE_CHANGE_PASSWORD, SCOPE_DEFAULT
from mi_ldap.users import find_user


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A proved login: the user as it is now, and the scope of its token."""

    user: User
    scope: str


class Floor:
    """The least time that a refusal takes: what a wrong password costs the directory, and more.

    A slow hash runs for names that exist only; waiting up to a floor that follows the recent cost
    of real refusals hides which they are. It moves in steps, so that it tells nothing either.
    """

    STEP_S = 0.01
    MOST_S = 1.0

    def __init__(self) -> None:
        self._costs_s: deque[float] = deque([0.01], maxlen=64)
        self._lock = threading.Lock()

    def learn(self, cost_s: float) -> None:
        """Take in what one refused bind cost, in seconds."""
        with self._lock:
            self._costs_s.append(cost_s)

    def wait(self, since_s: float) -> None:
        """Sleep until the floor is reached, counted from `since_s` (`time.monotonic()`)."""
        with self._lock:
            floor_s = (max(self._costs_s) // self.STEP_S + 2) * self.STEP_S
        left_s = min(floor_s, self.MOST_S) - (time.monotonic() - since_s)
        time.sleep(max(0.0, min(left_s, remaining_s())))


class Login:
    """Proves who somebody is, and makes the first admin while there is none."""

    def __init__(
        self,
        store: UserStore,
        admins: Admins,
        bootstrap: Bootstrap,
        throttle: Throttle,
        audit: AuditLog,
    ) -> None:
        self._store = store
        self._admins = admins
        self._bootstrap = bootstrap
        self._throttle = throttle
        self._audit = audit
        self._floor = Floor()

    def login(self, applicant: Applicant) -> LoggedIn:
        """Prove the credentials.

        Raises:
            LoginRefused: with the same words and in the same time for whatever is wrong.
            TooManyFailures: nothing was tried.
        """
        since_s = time.monotonic()
        self._throttle.check_address(applicant.client)
        try:
            logged_in = self._prove(applicant)
        except LoginRefused as error:
            self._audit.write(
                applicant.name[:MAX_NAME_BYTES],
                "login",
                "session",
                {},
                outcome="refused",
                reason=error.reason,
            )
            self._floor.wait(since_s)
            raise
        self._audit.write(logged_in.user.name, "login", "session", {}, outcome="done")
        return logged_in

    def _prove(self, applicant: Applicant) -> LoggedIn:
        user = self._find(applicant.name)
        name = folded(without_primary(applicant.name))
        attempt = Attempt(user.id if user else name, applicant.client)
        self._throttle.check(attempt)
        try:
            if not applicant.password:
                raise LoginRefused
            if self._bootstrap.is_open() and self._bootstrap.admits(applicant):
                return self._first_login(applicant, user)
            return self._ordinary_login(user, applicant.password)
        except LoginRefused:
            self._throttle.failed(attempt)
            raise

    def _find(self, name: str) -> User | None:
        try:
            return find_user(self._store, name)
        except AmbiguousName as error:
            raise LoginRefused(f"{error} Ask an administrator.", "ambiguous") from error

    def _first_login(self, applicant: Applicant, user: User | None) -> LoggedIn:
        if user is not None and user.abandoned:
            self._bootstrap.forget_abandoned(user)
            user = None
        if user is None:
            return self._with_scope(self._bootstrap.make(applicant), Proof())
        proof = self._proved(user, applicant.password)
        self._bootstrap.promote(user)
        return self._with_scope(user, proof)

    def _ordinary_login(self, user: User | None, password: str) -> LoggedIn:
        if user is None:
            raise LoginRefused
        proof = self._proved(user, password)
        if not user.enabled:
            raise LoginRefused("The account is disabled. Ask an administrator.", "disabled")
        return self._scoped(user, proof)

    def _proved(self, user: User, password: str) -> Proof:
        started_s = time.monotonic()
        try:
            return self._store.prove(user, password)
        except LoginRefused:
            self._floor.learn(time.monotonic() - started_s)
            raise

    def _with_scope(self, user: User, proof: Proof) -> LoggedIn:
        """As it stands after its promotion, which gave it a new epoch."""
        return self._scoped(self._admins.again(user), proof)

    def _scoped(self, user: User, proof: Proof) -> LoggedIn:
        if proof.must_change:
            return LoggedIn(user, SCOPE_CHANGE_PASSWORD)
        scope = SCOPE_ADMIN if self._admins.is_admin(user) else SCOPE_DEFAULT
        return LoggedIn(user, scope)
