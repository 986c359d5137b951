"""Creating and finding accounts: functions that users, logins and recovery share."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import structlog

from mi_ldap import name_rules
from mi_ldap.deadline import UNDO_S, deadline
from mi_ldap.errors import Forbidden, ReadOnlyStore, UserNotFound, unforeseen
from mi_ldap.model import Role, User
from mi_ldap.name_rules import EVERYONE, Matches
from mi_ldap.services.retry import retry_on_conflict
from mi_ldap.store import FindRole, FindUser, Read, RenewEpoch, Unchanged, UserReads, UserStore

log = structlog.get_logger()

Found = TypeVar("Found", User, Role)


@dataclass(frozen=True, slots=True)
class Rules:
    """The configured rules of new names and passwords, in addition to the built-in ones.

    Attributes:
        user_name, role_name, password: the expression that each must match, if any.
        allow_any_name: whether names may contain characters that are special in URLs.
        secondary: the rules of the secondary user stores, by domain in capitals.
        has_hybrid_roles: whether there is a place for hybrid roles.
    """

    user_name: Matches | None = None
    role_name: Matches | None = None
    password: Matches | None = None
    allow_any_name: bool = False
    secondary: Mapping[str, Rules] = field(default_factory=dict)
    has_hybrid_roles: bool = True

    @property
    def domains(self) -> tuple[str, ...]:
        """The domains of the secondary user stores, in the order of logins."""
        return tuple(self.secondary)

    def new_user_name(self, text: str) -> str:
        domain, bare = name_rules.split_domain(text, self.secondary)
        if domain:
            return f"{domain}/{self.secondary[domain].new_user_name(bare)}"
        name = name_rules.new_user_name(text, allow_any=self.allow_any_name)
        return name_rules.ensure_matches(name, self.user_name, "user name")

    def new_role_name(self, text: str) -> str:
        domain, bare = name_rules.split_domain(text, self.secondary)
        if domain:
            rules = self.secondary[domain]
            name = name_rules.bare_role_name(bare, allow_any=rules.allow_any_name)
            return f"{domain}/{name_rules.ensure_matches(name, rules.role_name, 'role name')}"
        name = name_rules.new_role_name(text, allow_any=self.allow_any_name)
        return name_rules.ensure_matches(name, self.role_name, "role name")

    def new_password(self, text: str, domain: str = "") -> str:
        if domain:
            return self.secondary[domain].new_password(text)
        return name_rules.ensure_matches(name_rules.new_password(text), self.password, "password")


def find_user(store: UserReads, name: str) -> User | None:
    """Return the user with exactly that name, else without `PRIMARY/` and white space."""
    return _first_found(store.find_user, _user_names(name))


def find_role(store: UserReads, name: str) -> Role | None:
    """Return the role with exactly that name, else with its full one; no `Internal/everyone`."""
    return _first_found(store.find_role, _role_names(name))


def reads_of_user(name: str) -> list[Read]:
    """Return the reads of `find_user`, for `UserReads.prefetch`."""
    return [FindUser(each) for each in _user_names(name)]


def reads_of_role(name: str) -> list[Read]:
    """Return the reads of `find_role`, for `UserReads.prefetch`."""
    return [FindRole(each) for each in _role_names(name)]


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
        UserNotFound: it was deleted.
    """
    # By id: an entry that was created again with the name is another user.
    found = store.user(user.id)
    if found is None:
        raise UserNotFound(user.name)
    return found


def why_read_only(entry: User | Role, writable_domains: Collection[str]) -> str:
    """Return the sentence that the entry's domain is read-only, or `""`."""
    return "" if entry.domain in writable_domains else str(ReadOnlyStore())


def ensure_not_own_account(store: UserStore, user: User) -> None:
    """Raise `Forbidden` for the service account."""
    # A change through the API could lock the service out of the directory.
    if store.is_own_account(user):
        raise Forbidden(
            f"{user.name} is the service's own account. Change it with the directory's tools."
        )


def no_admins_through_icp() -> Forbidden:
    """Return the error of the creation of an admin through ICP, if the settings forbid it."""
    return Forbidden(
        "No admin can be created through the Integration Control Plane. Create the user without "
        "the admin role, or use the console of this service."
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


def _user_names(typed: str) -> list[str]:
    """Return the names that a user may have, in the order in which they are tried."""
    if name_rules.is_too_long(typed):
        return []
    # The exact name first: other tools may have created it with a domain or white space.
    return [*dict.fromkeys((typed, name_rules.without_primary(typed)))]


def _role_names(typed: str) -> list[str]:
    """Return the names that a role may have, as `_user_names`; none for `Internal/everyone`."""
    if name_rules.is_too_long(typed):
        return []
    full = name_rules.full_role_name(typed)
    return [] if full == EVERYONE else [*dict.fromkeys((typed, full))]


def _first_found(find: Callable[[str], Found | None], candidates: Sequence[str]) -> Found | None:
    return next(filter(None, map(find, candidates)), None)


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
