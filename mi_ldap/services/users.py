"""The rules of users: listing, showing, making, removing, passwords."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass, field

from mi_ldap import model
from mi_ldap.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    LoginRefused,
    PasswordChangeFirst,
    ReadOnlyStore,
    UserExists,
    UserNotFound,
)
from mi_ldap.model import EVERYONE, AdminRole, Names, Performer, User
from mi_ldap.services.accounts import (
    Rules,
    end_tokens,
    ensure_not_own_account,
    find_role,
    find_user,
    get_user,
    new_user,
    reload,
)
from mi_ldap.services.admins import Admins, refusal
from mi_ldap.services.failed_logins import FailedLogins
from mi_ldap.services.queries import Query, Selection
from mi_ldap.services.response_time_floor import ResponseTimeFloor
from mi_ldap.services.retry import retry_on_conflict
from mi_ldap.state.audit import AuditLog, Change, ChangeAttempts
from mi_ldap.store import RemoveUser, RenewEpoch, RevokeRole, Step, Unchanged, UserStore


@dataclass(frozen=True, slots=True)
class NewUser:
    """What a person sent to make a user."""

    name: str
    password: str = field(repr=False)
    is_admin: bool = False


@dataclass(frozen=True, slots=True)
class NewPassword:
    """What a person sent to change a password; `old` is None where it was not given."""

    new: str = field(repr=False)
    old: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Shown:
    """A user as it is shown; `roles` are all effective ones, `Internal/everyone` first."""

    name: str
    is_admin: bool
    roles: tuple[str, ...]
    created_by: str | None


@dataclass(frozen=True, slots=True)
class Permissions:
    """Why a performer may not do something to a user; `""` where it may."""

    remove: str
    reset: str


class Users:
    """The users of the primary store."""

    def __init__(
        self,
        store: UserStore,
        admins: Admins,
        audit: AuditLog,
        failed_logins: FailedLogins,
        floor: ResponseTimeFloor,
        rules: Rules,
    ) -> None:
        self._store = store
        self._admins = admins
        self._audit = audit
        self._failed_logins = failed_logins
        self._floor = floor
        self._rules = rules

    def select(self, query: Query) -> Selection:
        """The users that a query selects; none for an unknown role."""
        return query.select(self._candidates(query))

    def show(self, name: str, admin_role: AdminRole | None = None) -> Shown:
        """A user with its roles and its custodian's present name.

        Args:
            name: as typed.
            admin_role: as it was read for this request, if it was.
        """
        view = self._store.view
        user = get_user(view, name)
        details = view.details(user)
        effective = (*details.roles, *details.inherited)
        roles = {role.name for role in effective} - {EVERYONE}
        is_admin = self._admins.holds(admin_role or view.admin_role(), user)
        custodian = details.custodian if is_admin else None
        return Shown(
            name=user.name,
            is_admin=is_admin,
            roles=(EVERYONE, *model.sorted_names(roles)),
            created_by=custodian.name if custodian else None,
        )

    @property
    def closed(self) -> str:
        """Why no user can be made or changed, `""` where that is not so."""
        return "" if self._store.writable else str(ReadOnlyStore())

    def verdict(self, performer: Performer, name: str) -> Permissions:
        """What would be said to `remove`, and to `set_password` without the old one."""
        target = get_user(self._store, name)
        return Permissions(
            remove=self.closed or refusal(lambda: self._removal(performer, target)),
            reset=self.closed or refusal(lambda: self._may_reset(performer, target)),
        )

    def create(self, performer: Performer, wanted: NewUser) -> str:
        """Make a user, an admin whose custodian is the performer where that is wanted; its name.

        Raises:
            UserExists, BadRequest, PolicyRefused: nothing was made.
        """
        name = self._rules.new_user_name(model.without_primary(wanted.name))
        password = self._rules.new_password(wanted.password)
        if find_user(self._store, name) is not None:
            raise UserExists(name)
        info = {"userId": name, "isAdmin": wanted.is_admin}
        with (
            self._audit.change(performer.name, "created", "user", info),
            new_user(self._store, name, password) as user,
            self._audit.attempts(performer.name) as attempts,
        ):
            retry_on_conflict(
                lambda: self._finish(performer, user, attempts, is_admin=wanted.is_admin)
            )
        return name

    def remove(self, performer: Performer, name: str) -> User:
        """Remove a user; an admin only by its custodian.

        Raises:
            Forbidden, CustodyRefused: the rules say no.
        """
        target = get_user(self._store, name)
        _must_be_somebody_else(performer, target)
        with (
            self._audit.refusals(performer.name, {"userId": target.name}),
            self._audit.attempts(performer.name) as attempts,
        ):
            retry_on_conflict(lambda: self._remove(performer, target, attempts))
        return target

    def set_password(self, performer: Performer, name: str, wanted: NewPassword) -> User:
        """Change a password: by the old one, or in an admin's right without it."""
        target = find_user(self._store, name)
        if performer.must_change_password and (target is None or target.id != performer.user.id):
            raise PasswordChangeFirst
        new = self._rules.new_password(wanted.new)
        if wanted.old is not None:
            return self._change_password(performer, name, target, NewPassword(new, wanted.old))
        if target is None or target.id != performer.user.id:
            self._admins.role_for(performer.user)
        if target is None:
            raise UserNotFound(name)
        return self._reset_password(performer, target, new)

    def _candidates(self, query: Query) -> Names:
        view = self._store.view
        if model.full_role_name(query.role) in ("", EVERYONE):
            return view.user_names(query.like)
        found = find_role(view, query.role)
        return view.member_names(found) if found else Names(())

    def _finish(
        self, performer: Performer, user: User, attempts: ChangeAttempts, *, is_admin: bool
    ) -> None:
        """What has its password becomes a user, or an admin, in one change."""
        if not self._store.is_still_unfinished(user):
            raise BadRequest(
                "Error processing the request. The user was changed by someone else while it was "
                "being created."
            )
        with self._admins.serialized(changes_admins=is_admin):
            promotion: list[Step] = []
            if is_admin:
                admin_role = self._admins.role_for(performer.user)
                promotion = self._admins.promotion(performer.user, user, admin_role)
            if promotion:
                steps = [*promotion[:-1], RenewEpoch(user), promotion[-1]]
                self._admins.apply(attempts, user, steps)
            else:
                self._store.apply(Unchanged(user), RenewEpoch(user))

    def _remove(self, performer: Performer, target: User, attempts: ChangeAttempts) -> None:
        changes_admins = self._admins.may_be_admin(performer, target)
        with self._admins.serialized(changes_admins=changes_admins):
            steps = self._removal(performer, target)
            deletion = Change("deleted", "user", {"userId": target.name})
            self._admins.apply(attempts, target, steps, deletion)

    def _removal(self, performer: Performer, target: User) -> list[Step]:
        _must_be_somebody_else(performer, target)
        ensure_not_own_account(self._store, target)
        admin_role = self._admins.role_for(performer.user)
        present = reload(self._store, target)
        roles = self._store.roles_of(present)
        others = [r for r in roles if r.id != admin_role.role.id and not r.is_dynamic]
        return [
            *self._admins.removal(performer.user, present, admin_role),
            *(RevokeRole(role, present) for role in others),
            RemoveUser(present),
        ]

    def _change_password(
        self, performer: Performer, name: str, target: User | None, wanted: NewPassword
    ) -> User:
        """By the old password, whoever gives it; failures count as those of a login do."""
        since_s = time.monotonic()
        try:
            with self._failed_logins.attempt(name, performer.client) as tried:
                tried.name = target.name if target else ""
                if target is None and self._admins.is_admin(performer.user):
                    raise UserNotFound(name)
                return self._change_by_old(performer, target, wanted)
        except LoginRefused as error:
            self._floor.wait(since_s)
            is_plain = str(error) == str(LoginRefused())  # as a login says it, whatever the reason
            why = "'oldPassword' is wrong." if is_plain else str(error)
            field = "old" if is_plain else ""
            raise BadRequest(f"Error processing the request. {why}", field) from None

    def _change_by_old(
        self, performer: Performer, target: User | None, wanted: NewPassword
    ) -> User:
        """A name that nobody has is told from a wrong password to admins only.

        The old password is proved once: an expired one may have few logins left.
        """
        if target is None or not model.is_password(wanted.old or ""):
            raise LoginRefused
        ensure_not_own_account(self._store, target)
        line = self._audit.change(performer.name, "updated", "user", {"userId": target.name})
        with ExitStack() as changing:
            with self._floor.learning():
                self._store.change_password(
                    target, wanted.old or "", wanted.new, lambda: changing.enter_context(line)
                )
            end_tokens(self._store, target, keeps_mark=True)
        return target

    def _reset_password(self, performer: Performer, target: User, new: str) -> User:
        """In an admin's right. Tokens die before the password changes, and once more after it."""
        info = {"userId": target.name}
        with self._audit.refusals(performer.name, info):
            retry_on_conflict(lambda: self._may_reset(performer, target))
            with self._audit.change(performer.name, "updated", "user", info):
                with self._audit.attempts(performer.name) as attempts:
                    retry_on_conflict(lambda: self._begin_reset(performer, target, attempts))
                try:
                    self._store.reset_password(target, new)
                finally:
                    end_tokens(self._store, target)
        return target

    def _begin_reset(self, performer: Performer, target: User, attempts: ChangeAttempts) -> None:
        """Mark the user, so that no admin promotes it until its password is set."""
        changes_admins = self._admins.may_be_admin(performer, target)
        with self._admins.serialized(changes_admins=changes_admins):
            self._admins.apply(attempts, target, self._reset_steps(performer, target))

    def _may_reset(self, performer: Performer, target: User) -> None:
        self._reset_steps(performer, target, is_done=False)

    def _reset_steps(
        self, performer: Performer, target: User, *, is_done: bool = True
    ) -> list[Step]:
        ensure_not_own_account(self._store, target)
        if target.id == performer.user.id and not self._admins.is_admin(performer.user):
            raise BadRequest(
                "Error processing the request. Give 'oldPassword' to change your own password."
            )
        admin_role = self._admins.role_for(performer.user)
        present = self._settled(target)
        return self._admins.reset(performer.user, present, admin_role, is_done=is_done)

    def _settled(self, target: User) -> User:
        """The user as it is now, once nobody else is making it or setting its password."""
        present = reload(self._store, target)
        if present.busy:
            raise Conflict
        return present


def _must_be_somebody_else(performer: Performer, target: User) -> None:
    if target.id == performer.user.id:
        raise Forbidden(
            "Attempt to delete the logged in user. Operation not allowed. "
            "Please login from another user."
        )
