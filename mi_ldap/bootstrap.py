"""The first admin: while there is none, the first successful login makes one.

"None" is proved, never assumed: a directory that can't be read raises, a group that hides its
members is unclear, and the change that makes the first admin fails where one stands unseen.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Literal, Protocol

import structlog

from mi_ldap.admins import decided
from mi_ldap.audit import AuditLog
from mi_ldap.errors import AdminRoleUnclear, BadRequest, Conflict, LoginRefused, UserExists
from mi_ldap.model import AdminRole, User, folded
from mi_ldap.store import (
    AddAdminRole,
    Give,
    MarkFirstAdmin,
    RemoveUser,
    RenewEpoch,
    SetCustodian,
    Step,
    Unchanged,
    UserStore,
)
from mi_ldap.users import Rules, make_user, undone_unless_finished

log = structlog.get_logger()


class Facts(Protocol):
    """Small things that are kept once and for all."""

    def fact(self, key: str) -> str | None:
        """What was noted under `key`."""

    def note_fact(self, key: str, value: str) -> str:
        """Keep the first value noted under `key`, and return it."""


@dataclass(frozen=True, slots=True)
class Door:
    """Who may become the first admin.

    Attributes:
        mode: `first_login`, `configured` (only the configured account) or `off`.
        users: names that alone may win, folded; empty for anybody.
        makes_users: whether a login from any address may make the user (the embedded directory);
            else only one from this machine, or a name in `users`.
        configured_name, configured_password: `super_admin` of the settings.
        place: which directory and role this is about; facts are kept by it.
    """

    mode: Literal["first_login", "configured", "off"]
    users: frozenset[str] = frozenset()
    makes_users: bool = False
    configured_name: str = ""
    configured_password: str = field(default="", repr=False)
    place: str = ""


@dataclass(frozen=True, slots=True)
class Applicant:
    """A login that might make the first admin."""

    name: str
    password: str = field(repr=False)
    client: str
    is_local: bool


class Bootstrap:
    """Makes the first admin, once."""

    def __init__(
        self, store: UserStore, audit: AuditLog, rules: Rules, door: Door, facts: Facts
    ) -> None:
        self._store = store
        self._audit = audit
        self._rules = rules
        self._door = door
        self._facts = facts
        self._closed = False

    def is_open(self) -> bool:
        """Whether the next successful login makes the first admin."""
        if self._closed or self._door.mode == "off":
            return False
        if self._facts.fact(self._key):
            self._closed = True
            return False
        admin_role = self._store.admin_role()
        if _is_vacant(admin_role):
            return self._store.writable and self._store.roles_writable
        self._note(admin_role)
        return False

    def admits(self, applicant: Applicant) -> bool:
        """Whether this login may be the one."""
        name = folded(applicant.name)
        if self._door.mode == "configured":
            return name == folded(self._door.configured_name)
        return not self._door.users or name in self._door.users

    def make(self, applicant: Applicant) -> User:
        """The first admin, made with the credentials of a login whose name nobody has.

        Raises:
            LoginRefused: it may not be made, somebody else was first, or the directory does not
                take the name or the password; nothing is left of it.
        """
        if not self._may_make(applicant):
            raise LoginRefused
        try:
            name = self._rules.new_user_name(applicant.name)
            user = make_user(self._store, name, self._rules.new_password(applicant.password))
        except UserExists:
            raise LoginRefused from None
        except BadRequest as error:
            raise LoginRefused(f"The first admin was not made. {error}", "bootstrap") from error
        with undone_unless_finished(self._store, user):
            if not self.promote(user):
                raise LoginRefused
        return user

    def promote(self, user: User) -> bool:
        """Give the admin role to the user if still nobody holds it; False when one does."""
        try:
            won = decided(lambda: self._promote(user))
        except Conflict:
            log.error("admin_role_stands_unseen", hint="the account may not read the group")
            raise AdminRoleUnclear from None
        if won:
            log.warning("first_admin_made", user=user.name)
        return won

    def forget_abandoned(self, user: User) -> None:
        """Remove what a login that was cut off has left under the name."""
        log.warning("abandoned_user_removed", user=user.name)
        self._store.apply(Unchanged(user), RemoveUser(user))

    def _promote(self, user: User) -> bool:
        admin_role = self._store.admin_role()
        present = self._store.user(user.id)
        if present is None or not _is_vacant(admin_role):
            self._note(admin_role)
            return False
        with self._audit.change(user.name, "bootstrap", "admin", {"userId": user.name}):
            self._store.apply(*_first_admin_steps(admin_role, present))
        self._facts.note_fact(self._key, user.id)
        return True

    def _may_make(self, applicant: Applicant) -> bool:
        if self._door.mode == "configured":
            same = applicant.password.encode(), self._door.configured_password.encode()
            return hmac.compare_digest(*same)
        listed = folded(applicant.name) in self._door.users
        return self._door.makes_users or applicant.is_local or listed

    def _note(self, admin_role: AdminRole | None) -> None:
        """Keep that bootstrap is over, once somebody who can log in holds the role."""
        if admin_role and (admin_role.first_admin_id or self._store.holder_users(admin_role)):
            self._facts.note_fact(self._key, admin_role.first_admin_id or admin_role.role.id)

    @property
    def _key(self) -> str:
        return f"first_admin_made {self._door.place}"


def _is_vacant(admin_role: AdminRole | None) -> bool:
    """Nobody holds the role, and nobody ever did as far as its mark tells."""
    return admin_role is None or not (admin_role.holders or admin_role.first_admin_id)


def _first_admin_steps(admin_role: AdminRole | None, user: User) -> list[Step]:
    """The first admin has no custodian, whatever a former life of the entry has left."""
    fresh: list[Step] = [Unchanged(user), SetCustodian(user, None), RenewEpoch(user)]
    if admin_role is None:
        return [*fresh, AddAdminRole(user)]
    role = admin_role.role
    return [Unchanged(role), *fresh, MarkFirstAdmin(role, user), Give(role, user)]
