"""The rules of roles: list, show, create and delete; `role_changes` assigns and revokes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog

from mi_ldap import model, name_rules
from mi_ldap.errors import (
    Forbidden,
    ReadOnlyStore,
    RoleExists,
)
from mi_ldap.model import AdminRole, Names, Performer, Role, User
from mi_ldap.name_rules import EVERYONE
from mi_ldap.services.accounts import (
    Rules,
    ensure_not_own_account,
    find_role,
    get_user,
    reads_of_role,
    why_read_only,
)
from mi_ldap.services.admins import Admins, why_forbidden
from mi_ldap.services.assignable_roles import AssignableRoles, assignable_roles
from mi_ldap.services.queries import Query, Selection
from mi_ldap.services.retry import retry_on_conflict
from mi_ldap.services.role_checks import (
    changeable_role,
    ensure_assigned_directly,
    ensure_members_can_change,
    ensure_same_store,
    get_role,
    path_names,
)
from mi_ldap.state.audit import AuditLog, Change, ChangeAttempts
from mi_ldap.store import (
    DeleteRole,
    ReadAdminRole,
    Unchanged,
    UserStore,
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RoleInfo:
    """A role as it is displayed.

    Attributes:
        name: the stored name.
        users: the names of its users, direct and inherited, sorted.
        complete: False if the directory returned only a part of them.
    """

    name: str
    users: tuple[str, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class HeldRole:
    """A role that a user has.

    Attributes:
        name: of the role.
        through: the roles through which it is inherited; empty for a direct one.
        why_forbidden: why a performer may not revoke it, or `""`.
    """

    name: str
    through: tuple[str, ...]
    why_forbidden: str


class Roles:
    """The roles of all stores, and `Internal/everyone`, which every user has.

    Those of a secondary store are named `DOMAIN/role`; only users of that store have them.

    Parameters for names accept them as typed.
    """

    def __init__(self, store: UserStore, admins: Admins, audit: AuditLog, rules: Rules) -> None:
        self._store = store
        self._admins = admins
        self._audit = audit
        self._rules = rules

    def select(self, query: Query) -> Selection:
        """Return the roles that match a query, including `Internal/everyone`."""
        # `Internal/everyone` has no entry in the directory.
        names = self._store.view().role_names()
        query = replace(query, domains=self._rules.domains)
        return query.select(Names((*names.names, EVERYONE), names.complete))

    def show(self, name: str) -> RoleInfo:
        """Return a role with its users; `Internal/everyone` has all users.

        Raises:
            RoleNotFound: there is no such role.
        """
        if name_rules.full_role_name(name) == EVERYONE:
            return _role_info(EVERYONE, self._store.view().user_names())
        role = get_role(self._store.view(), name)
        return _role_info(role.name, self._store.view().member_names(role))

    @property
    def writable_domains(self) -> tuple[str, ...]:
        """The domains in which roles can be created; `""` is the primary store."""
        return self._store.writable_role_domains

    @property
    def read_only_reason(self) -> str:
        """Why no role at all can be created, assigned or revoked, or `""`."""
        return "" if self.writable_domains else str(ReadOnlyStore())

    def why_delete_forbidden(self, performer: Performer, name: str) -> str:
        """Return the sentence with which `delete` would be refused, or `""`."""
        role = find_role(self._store, name)
        reason = self._why_read_only(role) if role else ""
        return reason or why_forbidden(lambda: self._deletable(performer, name))

    def why_assign_forbidden(self, performer: Performer, name: str) -> str:
        """Return why the role can be assigned to no user, or `""`."""
        role = get_role(self._store, name)
        admin_role = self._admins.role_for(performer.user)

        def decide() -> None:
            ensure_members_can_change(role)
            self._admins.ensure_not_nested_admin(role.id, role.name, admin_role)

        return self._why_read_only(role) or why_forbidden(decide)

    def why_promotion_forbidden(self, performer: Performer, name: str) -> str:
        """Return the sentence with which assigning the admin role would be refused, or `""`."""
        user, admin_role = get_user(self._store, name), self._admins.role_for(performer.user)

        def decide() -> None:
            ensure_not_own_account(self._store, user)
            ensure_same_store(user, [admin_role.role], admin_role)
            ensure_members_can_change(admin_role.role)

        return self._why_read_only(admin_role.role) or why_forbidden(decide)

    def assignable(
        self, performer: Performer, name: str, held: Sequence[HeldRole]
    ) -> AssignableRoles:
        """Return the roles, by their names, that the user may get besides those that it has."""
        user, admin_role = get_user(self._store, name), self._admins.role_for(performer.user)
        excluded = {EVERYONE, *(each.name for each in held)}
        others = (each for each in self.select(Query()).names if each not in excluded)
        domains, writable = self._rules.domains, self.writable_domains
        return assignable_roles(others, user, admin_role.role.name, domains, writable)

    def held_roles(self, performer: Performer, name: str) -> tuple[HeldRole, ...]:
        """Return the user's roles except `Internal/everyone`, and whether they can be revoked."""
        user = get_user(self._store, name)
        admin_role = self._admins.role_for(performer.user)
        details = self._store.details(user)
        held = {role.id for role in details.roles}
        inherited = [role for role in details.inherited if role.id not in held]
        found = [
            HeldRole(role.name, (), self._why_revoke_forbidden(performer, user, role, admin_role))
            for role in details.roles
        ]
        found += [
            HeldRole(
                role.name,
                path_names(self._store, user, role),
                self._why_inherited_forbidden(user, role),
            )
            for role in inherited
        ]
        return tuple(sorted(found, key=lambda each: (each.name.casefold(), each.name)))

    def create(self, performer: Performer, name: str) -> str:
        """Create a role without members; return its full name.

        Raises:
            RoleExists, BadRequest, Forbidden: nothing was created.
        """
        name = self._rules.new_role_name(name_rules.full_role_name(name))
        if name == EVERYONE or self._store.find_role(name) is not None:
            raise RoleExists(name)
        if name_rules.is_hybrid_name(name) and not self._rules.has_hybrid_roles:
            raise no_hybrid_roles()
        with self._audit.change(performer.name, "created", "role", {"role": name}):
            self._store.create_role(name)
        if warning := name_rules.role_name_warning(name):
            log.warning("role_name_breaks_clients", role=name, warning=warning)
        return name

    def delete(self, performer: Performer, name: str) -> Role:
        """Delete a role, but neither the admin role nor one that is nested in it.

        Raises:
            Forbidden, RoleNotFound: nothing was deleted.
        """
        with self._audit.attempts(performer.name) as attempts:
            return retry_on_conflict(lambda: self._delete(performer, name, attempts))

    def _delete(self, performer: Performer, name: str, attempts: ChangeAttempts) -> Role:
        with self._admins.serialized():
            role, admin_role = self._deletable(performer, name)
            attempts.begin(Change("deleted", "role", {"role": role.name}))
            # The guard fails if the role became part of the admin role in the meantime. A role of a
            # secondary store cannot.
            guard = [] if role.domain else [Unchanged(admin_role.role)]
            self._store.apply(*guard, DeleteRole(role))
            return role

    def _deletable(self, performer: Performer, name: str) -> tuple[Role, AdminRole]:
        """Return the role, and the admin role on which the decision is based."""
        reads = self._store.prefetch(*reads_of_role(name), ReadAdminRole())
        role = changeable_role(reads, name)
        admin_role = self._admins.role_for(performer.user, reads)
        if role.id == admin_role.role.id:
            raise Forbidden(f"The admin role {role.name} cannot be deleted.")
        self._admins.ensure_not_nested_admin(role.id, role.name, admin_role)
        self._admins.ensure_hides_no_admin(performer.user, role, admin_role)
        return role, admin_role

    def _why_revoke_forbidden(
        self, performer: Performer, user: User, role: Role, admin_role: AdminRole
    ) -> str:
        def decide() -> None:
            ensure_not_own_account(self._store, user)
            ensure_members_can_change(role)
            self._admins.ensure_not_nested_admin(role.id, role.name, admin_role)
            if not self._admins.steps_of_admin_role(performer.user, user, admin_role, [], [role]):
                self._admins.demotion_if_hidden(performer.user, user, admin_role, [], [role])

        return self._why_read_only(role) or why_forbidden(decide)

    def _why_inherited_forbidden(self, user: User, role: Role) -> str:
        return self._why_read_only(role) or why_forbidden(
            lambda: ensure_assigned_directly(self._store, user, [role])
        )

    def _why_read_only(self, role: Role) -> str:
        return why_read_only(role, self.writable_domains)


def no_hybrid_roles() -> Forbidden:
    """Return the error for a new hybrid role where no place for hybrid roles is configured."""
    return Forbidden(
        "There is no place for hybrid roles: set user_store.hybrid_role_base to an OU of the "
        "directory, or configure a [[datasource]]."
    )


def _role_info(name: str, members: Names) -> RoleInfo:
    return RoleInfo(name, model.sorted_names(set(members.names)), members.complete)
