"""`Domains`: a primary and secondary stores as one store."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import structlog

from mi_ldap.domains.merged_names import MergedNames
from mi_ldap.domains.prefixes import (
    domains_of_step,
    step_without_domain,
    with_domain,
    without_domain,
)
from mi_ldap.domains.reads import DomainReads
from mi_ldap.errors import BadRequest, DirectoryUnavailable, Forbidden, RoleExists, UserExists
from mi_ldap.model import AuthenticationResult, ReadSource, Role, User
from mi_ldap.name_rules import split_domain
from mi_ldap.steps import entries_of_step
from mi_ldap.store import (
    CreateAdminRole,
    MarkFirstAdmin,
    NotMember,
    Step,
    UserReads,
    UserStore,
)

log = structlog.get_logger()

_ADMIN_STEPS: Final = (CreateAdminRole, MarkFirstAdmin)
"""Steps on the primary store only."""

# Ids of this form (UUIDs) are unique everywhere; others, such as keys of rows, in their store only.
_UNIQUE_ID: Final = re.compile(r"[0-9A-Fa-f-]{32,36}")


class Domains(DomainReads):
    """`mi_ldap.store.UserStore` over a primary and secondary stores; see there for each method.

    Args:
        primary: the primary store, which has the admins.
        secondaries: the other stores by domain, in capitals, in the order of logins.
    """

    def __init__(self, primary: UserStore, secondaries: Mapping[str, UserStore]) -> None:
        super().__init__(primary, tuple(secondaries), secondaries.__getitem__, MergedNames())
        self._primary = primary
        self._secondaries = dict(secondaries)

    @property
    def writable(self) -> bool:
        return self._primary.writable

    @property
    def admins_writable(self) -> bool:
        return self._primary.admins_writable

    @property
    def writable_user_domains(self) -> tuple[str, ...]:
        of_secondaries = (
            d for d, store in self._secondaries.items() if store.writable_user_domains
        )
        return (*self._primary.writable_user_domains, *of_secondaries)

    @property
    def writable_role_domains(self) -> tuple[str, ...]:
        of_secondaries = (
            d for d, store in self._secondaries.items() if store.writable_role_domains
        )
        return (*self._primary.writable_role_domains, *of_secondaries)

    def finds_users_by_roles(self) -> bool:
        return self._primary.finds_users_by_roles()

    def view(self) -> UserReads:
        return DomainReads(
            self._primary.view(),
            self._domains,
            lambda domain: self._secondaries[domain].view(),
            self._merged_names,
        )

    def authority(self, *, changes: bool) -> UserReads:
        return DomainReads(
            self._primary.authority(changes=changes),
            self._domains,
            lambda domain: self._secondaries[domain].authority(changes=changes),
            self._merged_names,
        )

    @property
    def account_warning(self) -> str:
        return self._primary.account_warning

    def read_source(self) -> ReadSource:
        return self._primary.read_source()

    def password_min_length(self) -> int | None:
        return self._primary.password_min_length()

    def is_own_account(self, user: User) -> bool:
        return self._store_of(user).is_own_account(without_domain(user))

    def would_hide(self, user: User, assigned: Sequence[Role], revoked: Sequence[Role]) -> bool:
        changes = (
            [without_domain(role) for role in roles if role.domain == user.domain]
            for roles in (assigned, revoked)
        )
        return self._store_of(user).would_hide(without_domain(user), *changes)

    def authenticate(self, user: User, password: str) -> AuthenticationResult:
        return self._store_of(user).authenticate(without_domain(user), password)

    def create_user(self, name: str) -> User:
        domain, bare = split_domain(name, self._domains)
        with _qualified_errors(name):
            return with_domain(self._store(domain).create_user(bare), domain)

    def discard(self, user: User) -> None:
        self._store_of(user).discard(without_domain(user))

    def is_still_unfinished(self, user: User) -> bool:
        return self._store_of(user).is_still_unfinished(without_domain(user))

    def end_creation(self, user: User) -> None:
        self._store_of(user).end_creation(without_domain(user))

    def reset_password(self, user: User, password: str) -> None:
        self._ensure_not_in_primary([user])
        self._store_of(user).reset_password(without_domain(user), password)

    def change_password(
        self, user: User, old: str, new: str, on_verified: Callable[[], object] = lambda: None
    ) -> None:
        self._ensure_not_in_primary([user])
        self._store_of(user).change_password(without_domain(user), old, new, on_verified)

    def clean_up(self) -> None:
        self._primary.clean_up()
        for domain, store in self._secondaries.items():
            try:
                store.clean_up()
            except DirectoryUnavailable as error:
                log.warning("user_store_not_cleaned_up", domain=domain, error=str(error))

    def create_role(self, name: str) -> Role:
        domain, bare = split_domain(name, self._domains)
        with _qualified_errors(name):
            return with_domain(self._store(domain).create_role(bare), domain)

    def apply(self, *steps: Step) -> None:
        """Carry out all steps, which must concern one store, in their order, or none.

        Raises:
            BadRequest: the steps concern several stores; nothing was changed.
            Forbidden: they concern an entry of a secondary store that is also in the primary one.
            Conflict: as in `UserStore.apply`.
        """
        relevant = [step for step in steps if not _is_always_met(step)]
        domains = {domain for step in relevant for domain in domains_of_step(step, self._domains)}
        for_admins = any(isinstance(step, _ADMIN_STEPS) for step in relevant)
        if len(domains) > 1 or (for_admins and domains != {""}):
            raise BadRequest("A change concerns the users and roles of one user store only.")
        self._ensure_not_in_primary(
            entry for step in relevant for entry in entries_of_step(step).values()
        )
        for domain in domains:
            self._store(domain).apply(*map(step_without_domain, relevant))

    def close(self) -> None:
        for store in (self._primary, *self._secondaries.values()):
            store.close()

    def _ensure_not_in_primary(self, entries: Iterable[Any]) -> None:
        """Raise `Forbidden` for an entry that is also a primary user, or the admin role."""
        # Two stores may be configured with the same directory or database. The rules of custody
        # know an admin by the id in the primary store.
        for entry in entries:
            if entry.domain and self._is_in_primary(without_domain(entry)):
                raise Forbidden(
                    f"{entry.name} is in the primary user store, too: change it there, "
                    "and let the stores have different users and roles."
                )

    def _is_in_primary(self, bare: User | Role) -> bool:
        is_unique = _UNIQUE_ID.fullmatch(bare.id) is not None
        if isinstance(bare, User):
            user = self._primary.user(bare.id)
            return user is not None and (is_unique or _is_same_user(user, bare))
        admin_role = self._primary.admin_role()
        if admin_role is None or bare.id not in {admin_role.role.id, *admin_role.nested}:
            return False
        return is_unique or _is_same_entry(self._primary.find_role(bare.name), bare)

    def _store(self, domain: str) -> UserStore:
        return self._secondaries[domain] if domain else self._primary

    def _store_of(self, entry: User | Role) -> UserStore:
        return self._store(entry.domain)


def _is_always_met(step: Step) -> bool:
    """Whether the step is a guard that a user is not a member of a role of another store."""
    return isinstance(step, NotMember) and step.role.domain != step.user.domain


def _is_same_user(some: User, other: User) -> bool:
    # Two databases may both have a user `admin` with the key 1. Their epochs differ, because an
    # epoch depends on the password and on the time of its last change.
    return _is_same_entry(some, other) and some.epoch == other.epoch


def _is_same_entry(some: User | Role | None, other: User | Role) -> bool:
    """Whether two entries whose ids are unique only in their store are equal in all names."""
    return some is not None and (some.id, some.name, some.locator) == (
        other.id,
        other.name,
        other.locator,
    )


@contextmanager
def _qualified_errors(name: str) -> Iterator[None]:
    """Raise `UserExists` and `RoleExists` of the block with the full name."""
    try:
        yield
    except (UserExists, RoleExists) as error:
        raise type(error)(name) from error
