"""`HybridReads`: reads of user stores and hybrid roles as one store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import structlog

from mi_ldap import account_state
from mi_ldap.deadline import deadline, remaining_s
from mi_ldap.domains.hybrid_steps import without_account
from mi_ldap.errors import AmbiguousName, DirectoryUnavailable
from mi_ldap.hybrid_roles import HybridAccount, HybridMember, HybridRoleReads
from mi_ldap.model import AdminRole, EntryId, Names, Role, User, UserDetails
from mi_ldap.name_rules import is_hybrid_name
from mi_ldap.store import (
    DependentsOf,
    FindRole,
    FindUser,
    Read,
    ReadAdminRole,
    ReadUser,
    RolesOf,
    UserReads,
)

log = structlog.get_logger()

_NOBODY: Final = "\0"
"""Prefix of a holder that stands for a member of the admin role without a user; no id has it."""


class HybridReads:
    """`mi_ldap.store.UserReads` over the user stores and the hybrid roles.

    Args:
        stores: the reads of the user stores as one store.
        hybrid: the hybrid roles.
        has_accounts: whether the admin role is a hybrid role. If so, custodians and account states
            of primary users are stored with it, and not in the user store.
    """

    def __init__(self, stores: UserReads, hybrid: HybridRoleReads, *, has_accounts: bool) -> None:
        self._store_reads = stores
        self._hybrid_reads = hybrid
        self._has_accounts = has_accounts

    def prefetch(self, *reads: Read) -> UserReads:
        wanted = [each for read in reads if (each := self._read_of_stores(read))]
        fetched = self._store_reads.prefetch(*wanted)
        return HybridReads(fetched, self._hybrid_reads, has_accounts=self._has_accounts)

    def check(self) -> None:
        self._store_reads.check()
        if self._has_accounts:
            self._hybrid_reads.check()

    def find_user(self, name: str) -> User | None:
        return self._with_account(self._store_reads.find_user(name))

    def user(self, user_id: str) -> User | None:
        return self._with_account(self._store_reads.user(user_id))

    def user_names(self, like: str | None = None) -> Names:
        return self._store_reads.user_names(like)

    def details(self, user: User) -> UserDetails:
        found = self._store_reads.details(without_account(user))
        roles = (*self._of_stores(found.roles), *self._hybrid_reads.roles_of(user))
        custodian = found.custodian
        if self._has_accounts:
            custodian = self.user(user.custodian_id) if user.custodian_id else None
        return UserDetails(roles, custodian, self._of_stores(found.inherited))

    def roles_of(self, user: User) -> tuple[Role, ...]:
        found = self._store_reads.roles_of(without_account(user))
        return (*self._of_stores(found), *self._hybrid_reads.roles_of(user))

    def membership_path(self, user: User, role: Role) -> tuple[Role, ...]:
        """Return no roles for a hybrid role, which has no roles as members."""
        if role.is_hybrid:
            return ()
        return self._store_reads.membership_path(without_account(user), role)

    def find_role(self, name: str) -> Role | None:
        found = self._hybrid_reads.find_role(name) if is_hybrid_name(name) else None
        if found or self._is_hidden(name):
            return found
        return self._store_reads.find_role(name)

    def role_names(self) -> Names:
        hybrid: Names | None = None
        try:
            # If the database hangs, there must be time left for the stores. It is read first,
            # because a secondary store that hangs takes all the time that is left.
            with deadline(remaining_s() / 2):
                hybrid = self._hybrid_reads.role_names()
        except DirectoryUnavailable as error:
            log.warning("hybrid_roles_left_out_of_list", error=str(error))
        found = self._store_reads.role_names()
        names = [name for name in found.names if not self._is_hidden(name)]
        if hybrid is None:
            return Names(tuple(names), complete=False)
        return Names((*names, *hybrid.names), found.complete)

    def member_names(self, role: Role) -> Names:
        if not role.is_hybrid:
            return self._store_reads.member_names(role)
        return self._names_of(self._hybrid_reads.members(role))

    def admin_role(self) -> AdminRole | None:
        if not self._has_accounts:
            return self._store_reads.admin_role()
        found = self._hybrid_reads.admin_role()
        if found is None:
            return None
        # Only users of the primary store are admins.
        members = [member for member in found.members if not member.domain]
        holders = {each.user_id for each in members if each.user_id}
        for member, user in self.resolve_members(each for each in members if not each.user_id):
            # Without such a holder a role whose members are all gone would count as one that never
            # had any, and the next login would create a first admin.
            holders.add(user.id if user else EntryId(f"{_NOBODY}{member.name}"))
        return AdminRole(found.role, frozenset(holders), first_admin_id=found.first_admin_id)

    def is_holder(self, admin_role: AdminRole, user: User) -> bool:
        if not self._has_accounts:
            return self._store_reads.is_holder(admin_role, user)
        return user.id in admin_role.holders

    def holds_through_others(self, admin_role: AdminRole, user: User) -> bool:
        return not self._has_accounts and self._store_reads.holds_through_others(admin_role, user)

    def other_holder(self, admin_role: AdminRole, user: User) -> User | None:
        if not self._has_accounts:
            return self._store_reads.other_holder(admin_role, without_account(user))
        others = [other for other in self.holder_users(admin_role) if other.id != user.id]
        return next((other for other in others if other.enabled), None)

    def holder_users(self, admin_role: AdminRole) -> tuple[User, ...]:
        if not self._has_accounts:
            return self._store_reads.holder_users(admin_role)
        ids = (each for each in admin_role.holders if not each.startswith(_NOBODY))
        return self._users(sorted(ids))

    def dependents_of(self, user: User) -> tuple[User, ...]:
        if not self._has_accounts:
            return self._store_reads.dependents_of(without_account(user))
        return () if user.domain else self._users(self._hybrid_reads.dependents_of(user))

    def _read_of_stores(self, read: Read) -> Read | None:
        """Return the read to prefetch from the user stores; None if they are not read."""
        match read:
            case FindRole(name):
                return None if self._is_hidden(name) else read
            case RolesOf(user):
                return RolesOf(without_account(user))
            case DependentsOf(user):
                return None if self._has_accounts else DependentsOf(without_account(user))
            case ReadAdminRole():
                return None if self._has_accounts else read
            case FindUser() | ReadUser():
                return read

    def resolve_members(
        self, members: Iterable[HybridMember]
    ) -> list[tuple[HybridMember, User | None]]:
        """Return members without an id, each with the user of its name, or None."""
        wanted = list(members)
        reads = self._store_reads.prefetch(*(FindUser(each.full_name) for each in wanted))
        return [(each, _resolve(reads, each)) for each in wanted]

    def _is_hidden(self, name: str) -> bool:
        """Whether a group of a user store with that name is ignored."""
        return self._hybrid_reads.hides_groups and is_hybrid_name(name)

    def _of_stores(self, roles: Iterable[Role]) -> tuple[Role, ...]:
        """Return the roles that user stores have returned, without groups of hybrid roles."""
        found = [role for role in roles if not self._is_hidden(role.name)]
        return tuple(role for role in found if not self._hybrid_reads.contains(role))

    def _with_account(self, user: User | None) -> User | None:
        """Return the user with the custodian and account state of the hybrid roles' store."""
        found = self._with_accounts([user] if user else [])
        return found[0] if found else None

    def _with_accounts(self, users: Iterable[User]) -> tuple[User, ...]:
        found = list(users)
        ids = {user.id for user in found if not user.domain} if self._has_accounts else set()
        accounts = self._hybrid_reads.accounts(ids) if ids else {}
        return tuple(
            with_account(user, accounts.get(user.id)) if user.id in ids else user for user in found
        )

    def _users(self, ids: Iterable[str]) -> tuple[User, ...]:
        """Return the users with those ids that exist, read in one round trip where possible."""
        return self._with_accounts(self._stored_users(ids))

    def _names_of(self, members: Iterable[HybridMember]) -> Names:
        """Return the present names of members; incomplete if a secondary store cannot be read."""
        by_domain: dict[str, list[HybridMember]] = {}
        for member in members:
            by_domain.setdefault(member.domain, []).append(member)
        names: list[str] = []
        is_complete = True
        # The primary store first, whose failure is an error.
        for position, (domain, found) in enumerate(sorted(by_domain.items())):
            # If a store hangs, there must be time left for the others.
            share = 1 if not domain else len(by_domain) - position
            try:
                with deadline(remaining_s() / share):
                    names += self._present_names(found)
            except DirectoryUnavailable as error:
                if not domain:
                    raise
                log.warning("user_store_left_out_of_list", domain=domain, error=str(error))
                is_complete = False
        return Names(tuple(dict.fromkeys(names)), is_complete)

    def _present_names(self, members: Iterable[HybridMember]) -> list[str]:
        """Return the present names of members of one domain, without members that are gone."""
        present = [member.name for member in members if member.is_present]
        members = [member for member in members if not member.is_present]
        known = {member.user_id: member for member in members if member.user_id}
        # If the store of the domain is not configured any more, the primary store is searched for
        # the whole id.
        found = [user for user in self._stored_users(known) if user.domain == known[user.id].domain]
        unknown = self.resolve_members(member for member in members if not member.user_id)
        users = (*found, *(user for _, user in unknown))
        return [*present, *(user.name for user in users if user)]

    def _stored_users(self, ids: Iterable[str]) -> tuple[User, ...]:
        """Return the users with those ids, without custodians and account states."""
        wanted = list(ids)
        reads = self._store_reads.prefetch(*(ReadUser(each) for each in wanted))
        return tuple(filter(None, map(reads.user, wanted)))


def with_account(user: User, account: HybridAccount | None) -> User:
    """Return a primary user, as its store returned it, with its custodian and account state.

    Without an account the user has none of them.
    """
    state, custodian_id = (account.state, account.custodian_id) if account else ("", None)
    appointment = account_state.appointment(state)
    return replace(
        user,
        revision=state,
        epoch=f"{user.epoch}.{account_state.digest(state)}",
        custodian_id=custodian_id,
        appointment=appointment or (account_state.ADOPTED if custodian_id else ""),
        busy=user.busy or account_state.is_busy(state),
        stored=user,
    )


def _resolve(reads: UserReads, member: HybridMember) -> User | None:
    """Return the user with the member's name; None if there is none, or several."""
    try:
        found = reads.find_user(member.full_name)
    except AmbiguousName as error:
        log.warning("hybrid_member_ambiguous", user=member.full_name, error=str(error))
        return None
    # If the store of the domain is not configured any more, the primary store is searched for the
    # whole text as a name.
    return found if found and found.domain == member.domain else None
