"""Reads over several stores, routed by the domain of a name, an id, a user or a role."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable
from functools import cache, partial
from typing import TypeVar

import structlog

from mi_ldap.deadline import deadline, remaining_s
from mi_ldap.domains.merged_names import MergedNames, names_with_domain
from mi_ldap.domains.prefixes import (
    all_with_domain,
    split_read,
    with_domain,
    without_domain,
)
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.model import AdminRole, Names, Role, User, UserDetails
from mi_ldap.name_rules import PRIMARY, split_domain
from mi_ldap.store import Read, UserReads

log = structlog.get_logger()

Reads = TypeVar("Reads", bound=UserReads)


class DomainReads:
    """`mi_ldap.store.UserReads` over a primary and secondary stores.

    Args:
        primary: the reads of the primary store.
        domains: the domains of the secondary stores, in capitals.
        secondary: returns the reads of a domain; called when they are needed, since a store that is
            down raises `DirectoryUnavailable` then.
        merged: merges the lists of names.
    """

    def __init__(
        self,
        primary: UserReads,
        domains: Collection[str],
        secondary: Callable[[str], UserReads],
        merged: MergedNames,
    ) -> None:
        self._merged_names = merged
        self._primary_reads = primary
        self._domains = domains
        self._secondary_reads = cache(secondary)

    def prefetch(self, *reads: Read) -> UserReads:
        wanted: dict[str, list[Read]] = {}
        for read in reads:
            domain, inner = split_read(read, self._domains)
            wanted.setdefault(domain, []).append(inner)
        return DomainReads(
            self._primary_reads.prefetch(*wanted.get("", ())),
            self._domains,
            lambda domain: self._secondary_reads(domain).prefetch(*wanted.get(domain, ())),
            self._merged_names,
        )

    def check(self) -> None:
        self._primary_reads.check()

    def find_user(self, name: str) -> User | None:
        domain, bare = split_domain(name, self._domains)
        return self._shown_user(self._reads(domain).find_user(bare), domain)

    def user(self, user_id: str) -> User | None:
        domain, bare = split_domain(user_id, self._domains)
        return self._shown_user(self._reads(domain).user(bare), domain)

    def user_names(self, like: str | None = None) -> Names:
        domain, bare = split_domain(like or "", (PRIMARY, *self._domains))
        if domain == PRIMARY:
            return self._primary_reads.user_names(None if bare == "*" else bare)
        if domain:
            names = self._names_of(domain, lambda reads: reads.user_names(_within(bare, domain)))
            return names_with_domain(names, domain)
        return self._merged(
            ("users", like), lambda each, reads: reads.user_names(_within(like, each))
        )

    def details(self, user: User) -> UserDetails:
        found = self._reads(user.domain).details(without_domain(user))
        if not user.domain:
            return found
        roles, inherited = (
            all_with_domain(each, user.domain) for each in (found.roles, found.inherited)
        )
        # Only the primary store has admins, and so custodians.
        return UserDetails(roles, None, inherited)

    def roles_of(self, user: User) -> tuple[Role, ...]:
        found = self._reads(user.domain).roles_of(without_domain(user))
        return all_with_domain(found, user.domain)

    def membership_path(self, user: User, role: Role) -> tuple[Role, ...]:
        if user.domain != role.domain:
            return ()
        reads = self._reads(user.domain)
        path = reads.membership_path(without_domain(user), without_domain(role))
        return all_with_domain(path, user.domain)

    def find_role(self, name: str) -> Role | None:
        domain, bare = split_domain(name, self._domains)
        found = self._reads(domain).find_role(bare)
        return with_domain(found, domain) if found else None

    def role_names(self) -> Names:
        return self._merged("roles", lambda _, reads: reads.role_names())

    def member_names(self, role: Role) -> Names:
        found = self._reads(role.domain).member_names(without_domain(role))
        return names_with_domain(found, role.domain)

    def admin_role(self) -> AdminRole | None:
        return self._primary_reads.admin_role()

    def is_holder(self, admin_role: AdminRole, user: User) -> bool:
        return not user.domain and self._primary_reads.is_holder(admin_role, user)

    def holds_through_others(self, admin_role: AdminRole, user: User) -> bool:
        return not user.domain and self._primary_reads.holds_through_others(admin_role, user)

    def other_holder(self, admin_role: AdminRole, user: User) -> User | None:
        return self._primary_reads.other_holder(admin_role, user)

    def holder_users(self, admin_role: AdminRole) -> tuple[User, ...]:
        return self._primary_reads.holder_users(admin_role)

    def dependents_of(self, user: User) -> tuple[User, ...]:
        return () if user.domain else self._primary_reads.dependents_of(user)

    def _reads(self, domain: str) -> UserReads:
        return self._secondary_reads(domain) if domain else self._primary_reads

    def _shown_user(self, user: User | None, domain: str) -> User | None:
        """Return a user with its domain; None if its id could be that of a user elsewhere."""
        # An id of the primary store that looks like one of a secondary store would make two users
        # the same for tokens and custody.
        if user and not domain and split_domain(user.id, self._domains)[0]:
            log.warning(
                "user_id_has_domain", user=user.name, hint="see user_store.user_id_attribute"
            )
            return None
        return with_domain(user, domain) if user else None

    def _merged(self, key: Hashable, names_of: Callable[[str, UserReads], Names]) -> Names:
        """Return the names that a function returns for all stores, given domain and reads."""
        lists = {"": names_of("", self._primary_reads)}
        for position, domain in enumerate(self._domains):
            # If a store hangs, there must be time left for the others.
            with deadline(remaining_s() / (len(self._domains) - position)):
                lists[domain] = self._names_of(domain, partial(names_of, domain))
        return self._merged_names.merge(key, lists)

    def _names_of(self, domain: str, names_of: Callable[[UserReads], Names]) -> Names:
        """Return the names of a secondary store; if it is down, an empty and incomplete list."""
        try:
            return names_of(self._secondary_reads(domain))
        except DirectoryUnavailable as error:
            log.warning("user_store_left_out_of_list", domain=domain, error=str(error))
            return Names((), complete=False, folded=())


def _within(like: str | None, domain: str) -> str | None:
    """Return the pattern for names without their domain; None, for all names, if that matches."""
    # Names are compared as they are shown, with the domain. The text of the pattern has no slash,
    # so it is contained either in the domain or in the name.
    text = (like or "").strip("*")
    return None if domain and text.casefold() in domain.casefold() else like
