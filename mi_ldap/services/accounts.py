"""Creating and finding accounts: functions that users, logins and recovery share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import structlog

from mi_ldap import name_rules
from mi_ldap.deadline import UNDO_S, deadline
from mi_ldap.errors import Forbidden, UserNotFound, unforeseen
from mi_ldap.model import Role, User
from mi_ldap.name_rules import EVERYONE, Matches
from mi_ldap.services.retry import retry_on_conflict
from mi_ldap.store import RenewEpoch, Unchanged, UserReads, UserStore

log = structlog.get_logger()

Found = TypeVar("Found", User, Role)


@dataclass(frozen=True, slots=True)
class Rules:
    """The configured rules of new names and passwords, in addition to the built-in ones.

    Attributes:
        user_name, role_name, password: the expression that each must match, if any.
        allow_any_name: whether names may contain characters that are special in URLs.
    """

    user_name: Matches | None = None
    role_name: Matches | None = None
    password: Matches | None = None
    allow_any_name: bool = False

    def new_user_name(self, text: str) -> str:
        name = name_rules.new_user_name(text, allow_any=self.allow_any_name)
        return name_rules.narrowed(name, self.user_name, "user name")

    def new_role_name(self, text: str) -> str:
        name = name_rules.new_role_name(text, allow_any=self.allow_any_name)
        return name_rules.narrowed(name, self.role_name, "role name")

    def new_password(self, text: str) -> str:
        return name_rules.narrowed(name_rules.new_password(text), self.password, "password")


def find_user(store: UserReads, name: str) -> User | None:
    """Return the user with exactly that name, else without `PRIMARY/` and white space."""
    if name_rules.is_too_long(name):
        return None
    return _find_exact_first(store.find_user, name, name_rules.without_primary(name))


def find_role(store: UserReads, name: str) -> Role | None:
    """Return the role with exactly that name, else with its full one; no `Internal/everyone`."""
    if name_rules.is_too_long(name):
        return None
    full = name_rules.full_role_name(name)
    return None if full == EVERYONE else _find_exact_first(store.find_role, name, full)


def get_user(store: UserReads, name: str) -> User:
    """Return the user of a name, as typed.

    Raises:
        UserNotFound: there is none.
        AmbiguousName: there are two.
    """
    found = find_user(store, name)
    if found is None:
        raise UserNotFound(name)
    return found


def reload(store: UserReads, user: User) -> User:
    """Return the present state of the user.

    Raises:
        UserNotFound: it was deleted; an entry created again with its name is another user.
    """
    found = store.user(user.id)
    if found is None:
        raise UserNotFound(user.name)
    return found


def ensure_not_own_account(store: UserStore, user: User) -> None:
    """Raise `Forbidden` for the service account.

    A change through the API could lock the service out of the directory.
    """
    if store.is_own_account(user):
        raise Forbidden(
            f"{user.name} is the service's own account. Change it with the directory's tools."
        )


@contextmanager
def new_user(store: UserStore, name: str, password: str) -> Iterator[User]:
    """Create a user with a password and without roles, which the block completes.

    The user is removed if that fails.
    """
    user = store.create_user(name)
    try:
        store.reset_password(user, password)
        yield user
    # Also on KeyboardInterrupt and SystemExit, when the worker is stopped.
    except BaseException:
        _discard(store, user)
        raise
    finally:
        # Otherwise other requests would wait for this creation until the process ends.
        store.end_creation(user)


def end_tokens(store: UserStore, user: User, *, keeps_mark: bool = False) -> None:
    """Invalidate every token of the user, without disturbing operations in progress.

    Args:
        store: the user's store.
        user: the user, who may have been changed since it was read.
        keeps_mark: whether another request may be setting the password.
    """

    def renew() -> None:
        present = reload(store, user)
        store.apply(Unchanged(present), RenewEpoch(present, keeps_mark=keeps_mark))

    retry_on_conflict(renew)


def _find_exact_first(find: Callable[[str], Found | None], typed: str, plain: str) -> Found | None:
    """Find the exact name first: other tools may have created it with a domain or white space."""
    return (find(typed) if typed != plain else None) or find(plain)


def _discard(store: UserStore, user: User) -> None:
    # A deadline of its own: that of the request may have passed.
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
