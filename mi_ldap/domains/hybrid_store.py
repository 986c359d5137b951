"""`HybridStore`: user stores and hybrid roles as one store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final, TypeGuard

import structlog

from mi_ldap.domains.hybrid_reads import HybridReads, with_account
from mi_ldap.domains.hybrid_steps import (
    is_guard,
    is_hybrid_step,
    is_store_step,
    steps_without_accounts,
    without_account,
)
from mi_ldap.domains.prefixes import without_domain
from mi_ldap.errors import AmbiguousName, BadRequest, Conflict, MiLdapError, ReadOnlyStore
from mi_ldap.hybrid_roles import HybridMember, HybridRoleReads, HybridRoles
from mi_ldap.model import AuthenticationResult, ReadSource, Role, User
from mi_ldap.name_folding import may_be_same
from mi_ldap.name_rules import HYBRID_DOMAINS, PRIMARY_ADMINS, is_hybrid_name
from mi_ldap.store import (
    AssignRole,
    CreateAdminRole,
    DeleteUser,
    MarkFirstAdmin,
    RenewEpoch,
    RevokeRole,
    SetCustodian,
    Step,
    Unchanged,
    UserReads,
    UserStore,
)

log = structlog.get_logger()

_BATCH: Final = 200
"""The most members whose ids are stored in one transaction."""

_UserStep = (
    AssignRole
    | RevokeRole
    | SetCustodian
    | RenewEpoch
    | DeleteUser
    | CreateAdminRole
    | MarkFirstAdmin
)


class HybridStore(HybridReads):
    """`mi_ldap.store.UserStore` over user stores and hybrid roles; see there for each method.

    Args:
        stores: the user stores as one store.
        hybrid: the hybrid roles.
        has_accounts: whether the admin role is a hybrid role; see `HybridReads`.
    """

    def __init__(self, stores: UserStore, hybrid: HybridRoles, *, has_accounts: bool) -> None:
        super().__init__(stores, hybrid, has_accounts=has_accounts)
        self._stores = stores
        self._hybrid = hybrid

    def finds_users_by_roles(self) -> bool:
        return self._stores.finds_users_by_roles()

    @property
    def writable(self) -> bool:
        return self._stores.writable

    @property
    def admins_writable(self) -> bool:
        return self._hybrid.writable if self._has_accounts else self._stores.admins_writable

    @property
    def writable_user_domains(self) -> tuple[str, ...]:
        return self._stores.writable_user_domains

    @property
    def writable_role_domains(self) -> tuple[str, ...]:
        hybrid_domains = HYBRID_DOMAINS if self._hybrid.writable else ()
        return (*self._stores.writable_role_domains, *hybrid_domains)

    def view(self) -> UserReads:
        return self._with_hybrid_roles(self._stores.view(), self._hybrid.view())

    def authority(self, *, changes: bool) -> UserReads:
        hybrid = self._hybrid if changes else self._hybrid.view()
        return self._with_hybrid_roles(self._stores.authority(changes=changes), hybrid)

    @property
    def account_warning(self) -> str:
        return self._stores.account_warning

    def read_source(self) -> ReadSource:
        return self._stores.read_source()

    def password_min_length(self) -> int | None:
        return self._stores.password_min_length()

    def is_own_account(self, user: User) -> bool:
        return self._stores.is_own_account(without_account(user))

    def would_hide(self, user: User, assigned: Sequence[Role], revoked: Sequence[Role]) -> bool:
        changes = (self._roles_of_filters(user, roles) for roles in (assigned, revoked))
        return self._stores.would_hide(without_account(user), *changes)

    def authenticate(self, user: User, password: str) -> AuthenticationResult:
        return self._stores.authenticate(without_account(user), password)

    def create_user(self, name: str) -> User:
        user = self._stores.create_user(name)
        try:
            if self._hybrid.writable:
                self._delete_stale_members(user)
                # Otherwise MI, which knows names only, would give their roles to the new user.
                self._update_namesakes([user])
        except BaseException:
            self._stores.discard(user)
            self._stores.end_creation(user)
            raise
        # Nothing is stored yet for the id of a new user.
        return with_account(user, None) if self._has_accounts and not user.domain else user

    def discard(self, user: User) -> None:
        self._stores.discard(without_account(user))

    def is_still_unfinished(self, user: User) -> bool:
        return self._stores.is_still_unfinished(without_account(user))

    def end_creation(self, user: User) -> None:
        self._stores.end_creation(without_account(user))

    def reset_password(self, user: User, password: str) -> None:
        self._stores.reset_password(without_account(user), password)

    def change_password(
        self, user: User, old: str, new: str, on_verified: Callable[[], object] = lambda: None
    ) -> None:
        self._stores.change_password(without_account(user), old, new, on_verified)

    def clean_up(self) -> None:
        """Clean up the user stores, and store the ids of members that other tools have added."""
        self._stores.clean_up()
        if self._hybrid.writable:
            try:
                self._hybrid.clean_up()
                self._store_ids(self._hybrid.members_without_id())
            except MiLdapError as error:
                log.warning("hybrid_roles_not_cleaned_up", error=str(error))

    def create_role(self, name: str) -> Role:
        if not is_hybrid_name(name):
            return self._stores.create_role(name)
        if not self._hybrid.writable:
            raise ReadOnlyStore
        return self._hybrid.create_role(name)

    def apply(self, *steps: Step) -> None:
        """Carry out all steps, or none: first those of hybrid roles, then those of user stores.

        Raises:
            BadRequest: the admin role is to be assigned to a user of a secondary store.
            ReadOnlyStore: the store that a step would change is read-only.
            Conflict: as in `UserStore.apply`.
        """
        hybrid_steps = tuple(step for step in steps if self._is_hybrid_step(step))
        store_steps = steps_without_accounts(
            step for step in steps if is_store_step(step, has_accounts=self._has_accounts)
        )
        if not hybrid_steps:
            self._stores.apply(*store_steps)
            return
        self._ensure_allowed(hybrid_steps)
        users = _changed_users(hybrid_steps)
        self._store_ids_of_other_spellings(users)
        self._update_namesakes(users)
        self._hybrid.apply(hybrid_steps, lambda: self._apply_to_stores(store_steps))

    def close(self) -> None:
        self._stores.close()
        self._hybrid.close()

    def _with_hybrid_roles(self, reads: UserReads, hybrid: HybridRoleReads) -> HybridReads:
        return HybridReads(reads, hybrid, has_accounts=self._has_accounts)

    def _is_hybrid_step(self, step: Step) -> bool:
        """Whether the store of hybrid roles is to carry out the step."""
        # Separate steps revoke the user's hybrid roles, and a read-only store deletes nothing else.
        if isinstance(step, DeleteUser) and not self._hybrid.writable:
            return False
        return is_hybrid_step(step, has_accounts=self._has_accounts)

    def _ensure_allowed(self, steps: Sequence[Step]) -> None:
        """Check the steps of hybrid roles before any of them is carried out.

        Raises:
            BadRequest, ReadOnlyStore: as in `apply`.
        """
        for step in steps:
            is_reset = isinstance(step, RenewEpoch) and step.for_reset
            # The mark of a reset would end the user's tokens, although the password cannot be set.
            if (is_reset and not self.writable) or not (is_guard(step) or self._hybrid.writable):
                raise ReadOnlyStore
            if self._makes_admin(step) and _user_of(step).domain:
                raise BadRequest(PRIMARY_ADMINS)

    def _makes_admin(self, step: Step) -> TypeGuard[AssignRole | CreateAdminRole | MarkFirstAdmin]:
        is_assigned = isinstance(step, AssignRole) and self._is_admin_role(step.role)
        return is_assigned or isinstance(step, CreateAdminRole | MarkFirstAdmin)

    def _store_ids_of_other_spellings(self, users: Iterable[User]) -> None:
        """Store the ids of members whose names MI has written in another case than the users'."""
        for user in users:
            found = self._hybrid.namesakes_without_id(user)
            # Members with exactly the user's name count as the user also without an id.
            self._store_ids([member for member in found if member.full_name != user.name])

    def _update_namesakes(self, users: Iterable[User]) -> None:
        """Update the stored names of other users that have the names of these.

        A name can be stored with one id only. The other users are gone or have been renamed; their
        new names may in turn be stored with the id of a third user.

        Raises:
            AmbiguousName: two users have the same name by now; nothing was changed.
        """
        unseen = list(users)
        gone: dict[str, User] = {}
        renamed: dict[str, User] = {}
        while unseen:
            user = unseen.pop()
            for other, stored_name in self._hybrid.namesakes(user).items():
                if other in gone or other in renamed:
                    continue
                present = self._stores.user(other)
                if present is None:
                    # Not the name of `user`: rows of that name may be the user's own.
                    gone[other] = replace(user, id=other, name=stored_name)
                elif user.id in renamed and present.name.casefold() == user.name.casefold():
                    # Its name cannot be stored: it has become the name of another user, too.
                    raise AmbiguousName("user", user.name)
                elif present.name != stored_name:
                    renamed[other] = present
                    unseen.append(present)
        if gone or renamed:
            log.info("hybrid_names_updated", gone=[*gone], renamed=[*renamed])
            self._hybrid.update_users(tuple(gone.values()), tuple(renamed.values()))

    def _roles_of_filters(self, user: User, roles: Sequence[Role]) -> list[Role]:
        """Return the roles that a filter for users may test: groups of the user's own directory."""
        are_groups = not (self._hybrid.hides_groups or user.domain)
        wanted = [role for role in roles if are_groups or not role.is_hybrid]
        return [replace(role, domain="") if role.is_hybrid else role for role in wanted]

    def _is_admin_role(self, role: Role) -> bool:
        admin_role = self._hybrid.admin_role() if self._has_accounts else None
        return admin_role is not None and admin_role.role.id == role.id

    def _apply_to_stores(self, steps: Sequence[Step]) -> None:
        """Carry out the steps of user stores; called before the hybrid roles are committed."""
        guarded = [
            step.entry
            for step in steps
            if isinstance(step, Unchanged) and isinstance(step.entry, User)
        ]
        if len(guarded) < len(steps):
            self._stores.apply(*steps)
            return
        # All steps are guards, which a read-only user store does not accept: read the users again.
        for user in guarded:
            present = self._stores.user(user.id)
            if present is None or _guarded_state(present) != _guarded_state(user):
                raise Conflict

    def _delete_stale_members(self, user: User) -> None:
        """Delete memberships without an id that MI has written for a former user of the name.

        The new user is not found yet, because it is unfinished.
        """
        bare = without_domain(user).name
        # Directories treat more names as equal than this service does: `jose` finds `José`.
        similar = [
            member
            for member in self._hybrid.members_without_id()
            if member.domain == user.domain and may_be_same(member.name, bare)
        ]
        found = self.resolve_members(similar)
        if gone := [member for member, present in found if present is None]:
            self._hybrid.delete_stale_members(gone)

    def _store_ids(self, members: Sequence[HybridMember]) -> None:
        """Store the ids of members without an id, except members that are gone."""
        for start in range(0, len(members), _BATCH):
            found = self.resolve_members(members[start : start + _BATCH])
            if users := [(member, user) for member, user in found if user]:
                self._hybrid.store_ids(users)


def _user_of(step: _UserStep) -> User:
    """Return the user that the step changes."""
    if isinstance(step, CreateAdminRole | MarkFirstAdmin):
        return step.first_admin
    return step.user


def _changed_users(steps: Iterable[Step]) -> list[User]:
    """Return the users whose stored names the steps depend on, each once."""
    changing = (AssignRole, RevokeRole, CreateAdminRole, SetCustodian, RenewEpoch, DeleteUser)
    users = (_user_of(step) for step in steps if isinstance(step, changing))
    return list({user.id: user for user in users}.values())


def _guarded_state(user: User) -> tuple[object, ...]:
    """Return what the guard `Unchanged` compares of a user."""
    return user.id, user.revision, user.custodian_id
