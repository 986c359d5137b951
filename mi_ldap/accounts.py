"""Making an account, and finding one: what users, logins and recovery have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import structlog

from mi_ldap import model
from mi_ldap.deadline import UNDO_S, deadline
from mi_ldap.errors import Forbidden, UserNotFound, unforeseen
from mi_ldap.model import EVERYONE, Matches, Role, User
from mi_ldap.retries import decided
from mi_ldap.store import RenewEpoch, Unchanged, UserReads, UserStore

log = structlog.get_logger()

Found = TypeVar("Found", User, Role)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings demand of new names and passwords besides our own rules.

    Attributes:
        user_name, role_name, password: what each must match, if anything.
        allow_any_name: whether names may contain characters that are special in URLs.
    """

    user_name: Matches | None = None
    role_name: Matches | None = None
    password: Matches | None = None
    allow_any_name: bool = False

    def new_user_name(self, text: str) -> str:
        name = model.new_user_name(text, allow_any=self.allow_any_name)
        return model.narrowed(name, self.user_name, "user name")

    def new_role_name(self, text: str) -> str:
        name = model.new_role_name(text, allow_any=self.allow_any_name)
        return model.narrowed(name, self.role_name, "role name")

    def new_password(self, text: str) -> str:
        return model.narrowed(model.new_password(text), self.password, "password")


def find_user(store: UserReads, name: str) -> User | None:
    """The user of just that name, else of what it says without `PRIMARY/` and white space."""
    if model.is_too_long(name):
        return None
    return _found(store.find_user, name, model.without_primary(name))


def find_role(store: UserReads, name: str) -> Role | None:
    """The role of just that name, else of its full name; `Internal/everyone` is no entry."""
    if model.is_too_long(name):
        return None
    full = model.full_role_name(name)
    return None if full == EVERYONE else _found(store.find_role, name, full)


def known_user(store: UserReads, name: str) -> User:
    """The user of that name, as typed.

    Raises:
        UserNotFound: there is none.
        AmbiguousName: there are two.
    """
    found = find_user(store, name)
    if found is None:
        raise UserNotFound(name)
    return found


def again(store: UserReads, user: User) -> User:
    """The user as it is now.

    Raises:
        UserNotFound: it is gone; an entry made anew under its name is another user.
    """
    found = store.user(user.id)
    if found is None:
        raise UserNotFound(user.name)
    return found


def ensure_not_own_account(store: UserStore, user: User) -> None:
    """Raise `Forbidden` for the account that the service itself works with.

    Changed through the API it would shut the service out of its directory.
    """
    if store.is_own_account(user):
        raise Forbidden(
            f"{user.name} is the service's own account. Change it with the directory's tools."
        )


@contextmanager
def new_user(store: UserStore, name: str, password: str) -> Iterator[User]:
    """A user with a password and without roles, to be finished inside.

    Nothing is left of it when that fails.
    """
    user = store.add_user(name)
    try:
        store.reset_password(user, password)
        yield user
    except BaseException:
        _discard(store, user)
        raise
    finally:
        store.end_creation(user)


def end_tokens(store: UserStore, user: User, *, keeps_mark: bool = False) -> None:
    """Every token of the user dies, and what others are about with it goes on.

    Args:
        store: where the user is.
        user: who it is; it may have been changed since.
        keeps_mark: whether somebody else may be setting its password.
    """

    def renew() -> None:
        present = again(store, user)
        store.apply(Unchanged(present), RenewEpoch(present, keeps_mark=keeps_mark))

    decided(renew)


def _found(find: Callable[[str], Found | None], typed: str, plain: str) -> Found | None:
    """What other tools have named just so comes first: else it would be taken for another."""
    return (find(typed) if typed != plain else None) or find(plain)


def _discard(store: UserStore, user: User) -> None:
    with deadline(UNDO_S):
        try:
            store.discard(user)
        except Exception as error:
            log.error(
                "user_left_unfinished",
                user=user.name,
                error=str(error),
                exc_info=unforeseen(error),
            )
