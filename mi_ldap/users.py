"""The rules of users: listing, showing, making, removing, passwords."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

import structlog

from mi_ldap import model
from mi_ldap.admins import Admins, applied
from mi_ldap.audit import AuditLog
from mi_ldap.deadline import deadline
from mi_ldap.errors import (
    BadRequest,
    Forbidden,
    LoginRefused,
    MiLdapError,
    PasswordChangeFirst,
    UserExists,
    UserNotFound,
)
from mi_ldap.model import EVERYONE, Matches, Names, Performer, User
from mi_ldap.queries import Query, Selection
from mi_ldap.store import RemoveUser, RenewEpoch, Step, Take, Unchanged, UserStore
from mi_ldap.throttle import Attempt, Throttle

log = structlog.get_logger()

UNDO_S = 3.0
"""What undoing may take besides the request's own time, which may be over by then."""


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
    """A user as it is shown; `roles` with `Internal/everyone` first, then sorted."""

    name: str
    is_admin: bool
    roles: tuple[str, ...]
    created_by: str | None


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings demand of new names and passwords besides our own rules."""

    user_name: Matches | None = None
    role_name: Matches | None = None
    password: Matches | None = None

    def new_user_name(self, text: str) -> str:
        return model.narrowed(model.new_user_name(text), self.user_name, "user name")

    def new_role_name(self, text: str) -> str:
        return model.narrowed(model.new_role_name(text), self.role_name, "role name")

    def new_password(self, text: str) -> str:
        return model.narrowed(model.new_password(text), self.password, "password")


def find_user(store: UserStore, name: str) -> User | None:
    """The user of that name, as typed; `PRIMARY/` may lead it."""
    return store.find_user(model.without_primary(name))


def make_user(store: UserStore, name: str, password: str) -> User:
    """A user with a password and without roles; nothing is left of it when that fails."""
    user = store.add_user(name)
    with undone_unless_finished(store, user):
        store.reset_password(user, password)
    return user


@contextmanager
def undone_unless_finished(store: UserStore, user: User) -> Iterator[None]:
    """Remove the entry that this request made when what follows fails."""
    try:
        yield
    except BaseException:
        with deadline(UNDO_S):
            try:
                store.discard(user)
            except MiLdapError as error:
                log.error("user_left_unfinished", user=user.name, error=str(error))
        raise


class Users:
    """The users of the primary store."""

    def __init__(
        self, store: UserStore, admins: Admins, audit: AuditLog, throttle: Throttle, rules: Rules
    ) -> None:
        self._store = store
        self._admins = admins
        self._audit = audit
        self._throttle = throttle
        self._rules = rules

    def select(self, query: Query) -> Selection:
        """The users that a query selects; none for an unknown role."""
        return query.select(self._candidates(query))

    def find(self, name: str) -> User:
        """The user that the directory finds under `name`.

        Raises:
            UserNotFound: there is none.
            AmbiguousName: there are two.
        """
        found = find_user(self._store, name)
        if found is None:
            raise UserNotFound(name)
        return found

    def show(self, name: str) -> Shown:
        """A user with its roles and its custodian's present name."""
        user = self.find(name)
        details = self._store.details(user)
        roles = {role.name for role in details.roles} - {EVERYONE}
        custodian = details.custodian if details.is_admin else None
        return Shown(
            name=user.name,
            is_admin=details.is_admin,
            roles=(EVERYONE, *model.sorted_names(roles)),
            created_by=custodian.name if custodian else None,
        )

    def create(self, performer: Performer, wanted: NewUser) -> None:
        """Make a user, an admin whose custodian is the performer where that is wanted.

        Raises:
            UserExists, BadRequest, PolicyRefused: nothing was made.
        """
        name = self._rules.new_user_name(model.without_primary(wanted.name))
        password = self._rules.new_password(wanted.password)
        if find_user(self._store, name) is not None:
            raise UserExists(name)
        info = {"userId": name, "isAdmin": wanted.is_admin}
        with self._audit.change(performer.name, "created", "user", info):
            user = make_user(self._store, name, password)
            with undone_unless_finished(self._store, user):
                finish = partial(self._finishing, performer, user, is_admin=wanted.is_admin)
                applied(self._store, finish(), finish)

    def remove(self, performer: Performer, name: str) -> User:
        """Remove a user; an admin only by its custodian.

        Raises:
            Forbidden, CustodyRefused: the rules say no.
        """
        target = self.find(name)
        if target.id == performer.user.id:
            raise Forbidden(
                "Attempt to delete the logged in user. Operation not allowed. "
                "Please login from another user."
            )
        info = {"userId": target.name}
        with self._audit.refusals(performer.name, info):
            steps = self._removal(performer, target)
        with (
            self._audit.change(performer.name, "deleted", "user", info),
            self._admins.inheritance(performer.user, target, steps),
        ):
            applied(self._store, steps, lambda: self._removal(performer, target))
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
        role = model.full_role_name(query.role)
        if role in ("", EVERYONE):
            return self._store.user_names(query.like)
        found = self._store.find_role(role)
        return self._store.member_names(found) if found else Names(())

    def _finishing(self, performer: Performer, user: User, *, is_admin: bool) -> list[Step]:
        """The steps by which an entry that has its password becomes a user, or an admin."""
        promotion = self._promotion(performer, user) if is_admin else []
        if not promotion:
            return [Unchanged(user), RenewEpoch(user)]
        return [*promotion[:-1], RenewEpoch(user), promotion[-1]]

    def _promotion(self, performer: Performer, user: User) -> list[Step]:
        admin_role = self._admins.role_for(performer.user)
        return self._admins.promotion(performer.user, self._admins.again(user), admin_role)

    def _removal(self, performer: Performer, target: User) -> list[Step]:
        admin_role = self._admins.role_for(performer.user)
        present = self._admins.again(target)
        roles = self._store.details(present).roles
        others = [role for role in roles if role.id != admin_role.role.id]
        return [
            *self._admins.removal(performer.user, present, admin_role),
            *(Take(role, present) for role in others),
            RemoveUser(present),
        ]

    def _change_password(
        self, performer: Performer, name: str, target: User | None, wanted: NewPassword
    ) -> User:
        """By the old password, whoever gives it; failures count as those of a login do."""
        who = target.id if target else model.folded(model.without_primary(name))
        attempt = Attempt(who, performer.client)
        self._throttle.check_address(performer.client)
        self._throttle.check(attempt)
        if target is None and self._admins.is_admin(performer.user):
            raise UserNotFound(name)
        try:
            proven = self._proven(target, wanted.old or "")
        except LoginRefused:
            self._throttle.failed(attempt)
            raise BadRequest("Error processing the request. 'oldPassword' is wrong.") from None
        with self._audit.change(performer.name, "updated", "user", {"userId": proven.name}):
            self._store.change_password(proven, wanted.old or "", wanted.new)
            self._store.apply(RenewEpoch(self._admins.again(proven)))
        return proven

    def _proven(self, target: User | None, password: str) -> User:
        """A name that nobody has is told from a wrong password to admins only."""
        if target is None:
            raise LoginRefused
        self._store.prove(target, password)
        return target

    def _reset_password(self, performer: Performer, target: User, new: str) -> User:
        """In an admin's right. Tokens die before the password changes, and once more after it."""
        info = {"userId": target.name}
        with self._audit.refusals(performer.name, info):
            steps = self._reset_steps(performer, target)
        with self._audit.change(performer.name, "updated", "user", info):
            applied(self._store, steps, lambda: self._reset_steps(performer, target))
            self._store.reset_password(target, new)
            self._store.apply(RenewEpoch(self._admins.again(target)))
        return target

    def _reset_steps(self, performer: Performer, target: User) -> list[Step]:
        if target.id == performer.user.id and not self._admins.is_admin(performer.user):
            raise BadRequest(
                "Error processing the request. Give 'oldPassword' to change your own password."
            )
        admin_role = self._admins.role_for(performer.user)
        return self._admins.reset(performer.user, self._admins.again(target), admin_role)
