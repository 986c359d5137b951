"""The rules of roles: list, show, create, delete, assign and revoke."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

import structlog

from mi_ldap import model, name_rules
from mi_ldap.errors import (
    BadRequest,
    Conflict,
    Forbidden,
    ReadOnlyStore,
    RoleExists,
    RoleNotFound,
)
from mi_ldap.model import AdminRole, Names, Performer, Role, User
from mi_ldap.name_rules import EVERYONE
from mi_ldap.services.accounts import (
    Rules,
    ensure_not_own_account,
    find_role,
    get_user,
    reads_of_role,
    reads_of_user,
    reload,
)
from mi_ldap.services.admins import Admins, why_forbidden
from mi_ldap.services.queries import Query, Selection
from mi_ldap.services.retry import retry_on_conflict
from mi_ldap.state.audit import AuditLog, Change, ChangeAttempts
from mi_ldap.store import (
    AssignRole,
    DeleteRole,
    DependentsOf,
    Read,
    ReadAdminRole,
    ReadUser,
    RevokeRole,
    RolesOf,
    Step,
    Unchanged,
    UserReads,
    UserStore,
)

log = structlog.get_logger()

MAX_ROLES = 200
"""Maximum number of roles to assign, and to revoke, in one change: each needs a search."""


@dataclass(frozen=True, slots=True)
class RoleChange:
    """The request to assign roles to a user and to revoke others; names as typed."""

    user_name: str
    assigned: tuple[str, ...] = ()
    revoked: tuple[str, ...] = ()


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


@dataclass(frozen=True, slots=True)
class _Decision:
    """An allowed change: its steps, and the roles that they assign and revoke."""

    steps: list[Step]
    assigned: list[Role]
    revoked: list[Role]


class Roles:
    """The roles of the primary store, and `Internal/everyone`, which every user has.

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
        return query.select(Names((*names.names, EVERYONE), names.complete))

    def show(self, name: str) -> RoleInfo:
        """Return a role with its users; `Internal/everyone` has all users.

        Raises:
            RoleNotFound: there is no such role.
        """
        if name_rules.full_role_name(name) == EVERYONE:
            return _role_info(EVERYONE, self._store.view().user_names())
        role = _get_role(self._store.view(), name)
        return _role_info(role.name, self._store.view().member_names(role))

    @property
    def read_only_reason(self) -> str:
        """Why no role can be created, assigned or revoked, or `""`."""
        is_open = self._store.writable and self._store.roles_writable
        return "" if is_open else str(ReadOnlyStore())

    def why_delete_forbidden(self, performer: Performer, name: str) -> str:
        """Return the sentence with which `delete` would be refused, or `""`."""
        return self.read_only_reason or why_forbidden(lambda: self._deletable(performer, name))

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
            HeldRole(role.name, self._path(user, role), self._why_inherited_forbidden(user, role))
            for role in inherited
        ]
        return tuple(sorted(found, key=lambda each: (each.name.casefold(), each.name)))

    def create(self, performer: Performer, name: str) -> str:
        """Create a role without members; return its full name.

        Raises:
            RoleExists, BadRequest: nothing was created.
        """
        name = self._rules.new_role_name(name_rules.full_role_name(name))
        if name == EVERYONE or self._store.find_role(name) is not None:
            raise RoleExists(name)
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

    def change(self, performer: Performer, wanted: RoleChange) -> None:
        """Assign and revoke roles, all or none; what is so already is not an error.

        Raises:
            UserNotFound, RoleNotFound, Forbidden, CustodyRefused: nothing was changed.
        """
        reads = self._store.authority(changes=False)
        reads = reads.prefetch(*reads_of_user(wanted.user_name), *_reads_of_roles(wanted))
        user = get_user(reads, wanted.user_name)
        with (
            self._audit.refusals(performer.name, {"userId": user.name}),
            self._audit.attempts(performer.name) as attempts,
        ):
            # Decided again on the store itself, because `reads` may be outdated.
            retry_on_conflict(
                lambda: self._change_again(performer, user, wanted, attempts),
                first=lambda: self._change_first(reads, performer, user, wanted, attempts),
            )

    def _delete(self, performer: Performer, name: str, attempts: ChangeAttempts) -> Role:
        with self._admins.serialized():
            role, admin_role = self._deletable(performer, name)
            attempts.begin(Change("deleted", "role", {"role": role.name}))
            # The guard fails if the role became part of the admin role in the meantime.
            self._store.apply(Unchanged(admin_role.role), DeleteRole(role))
            return role

    def _deletable(self, performer: Performer, name: str) -> tuple[Role, AdminRole]:
        """Return the role, and the admin role on which the decision is based."""
        reads = self._store.prefetch(*reads_of_role(name), ReadAdminRole())
        role = _changeable(reads, name)
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
            _ensure_members_can_change(role)
            self._admins.ensure_not_nested_admin(role.id, role.name, admin_role)
            if not self._admin_steps(performer, user, admin_role, [], [role]):
                self._admins.demotion_if_hidden(performer.user, user, admin_role, [], [role])

        return self.read_only_reason or why_forbidden(decide)

    def _why_inherited_forbidden(self, user: User, role: Role) -> str:
        return self.read_only_reason or why_forbidden(
            lambda: self._ensure_assigned_directly(user, [role])
        )

    def _change_first(
        self,
        reads: UserReads,
        performer: Performer,
        user: User,
        wanted: RoleChange,
        attempts: ChangeAttempts,
    ) -> None:
        changes_admins = self._may_change_admins(performer, wanted)
        with self._admins.serialized(changes_admins=changes_admins):
            # Read again after waiting for another change of the admins.
            admin_role = None if changes_admins else performer.admin_role
            self._change(reads, performer, user, wanted, attempts, admin_role)

    def _change_again(
        self, performer: Performer, user: User, wanted: RoleChange, attempts: ChangeAttempts
    ) -> None:
        changes_admins = self._may_change_admins(performer, wanted)
        with self._admins.serialized(changes_admins=changes_admins):
            own = (ReadUser(user.id), RolesOf(user))
            reads = self._store.prefetch(*own, *_reads_of_roles(wanted))
            self._change(reads, performer, reload(reads, user), wanted, attempts)

    def _may_change_admins(self, performer: Performer, wanted: RoleChange) -> bool:
        """Whether the change names the admin role, by the name known so far."""
        # Longer texts cannot be names, and folding a megabyte takes minutes.
        short = [
            each
            for each in wanted.assigned + wanted.revoked
            if len(each) <= name_rules.MAX_NAME_BYTES
        ]
        names = {name_rules.folded(name_rules.full_role_name(each)) for each in short}
        admin_role = performer.admin_role
        return admin_role is None or name_rules.folded(admin_role.role.name) in names

    def _change(
        self,
        reads: UserReads,
        performer: Performer,
        user: User,
        wanted: RoleChange,
        attempts: ChangeAttempts,
        admin_role: AdminRole | None = None,
    ) -> None:
        decision = self._decide(reads, performer, user, wanted, admin_role)
        if not decision.steps:
            # Withdraws the audit line of an earlier attempt: now there is nothing to change.
            attempts.begin()
            return
        info = {
            "userId": user.name,
            "addedRoles": [role.name for role in decision.assigned],
            "removedRoles": [role.name for role in decision.revoked],
        }
        self._admins.apply(attempts, user, decision.steps, Change("updated", "role", info))

    def _decide(
        self,
        reads: UserReads,
        performer: Performer,
        user: User,
        wanted: RoleChange,
        admin_role: AdminRole | None,
    ) -> _Decision:
        """Return the steps of the change; those that guard the admin role come first.

        `reads` may be a few milliseconds old. It is used to find the roles and the present
        assignments: if these have changed, the directory rejects the change. Permissions are
        decided on the store itself: on `admin_role` as it was read for this request, or as it is
        now if that is None.
        """
        to_assign = _changeable_roles(reads, wanted.assigned)
        to_revoke = _changeable_roles(reads, wanted.revoked)
        if to_assign.keys() & to_revoke.keys():
            raise BadRequest("A role is both added and removed.")
        admin_role = admin_role or self._admins.role_for(performer.user)
        ensure_not_own_account(self._store, user)
        for role in (*to_assign.values(), *to_revoke.values()):
            _ensure_members_can_change(role)
            self._admins.ensure_not_nested_admin(role.id, role.name, admin_role)
        # A change of the admin role also depends on the user's custodian and epoch.
        if admin_role.role.id in {*to_assign, *to_revoke}:
            reads = self._store.prefetch(ReadUser(user.id), RolesOf(user), DependentsOf(user))
            user = reload(reads, user)
        held = {role.id for role in reads.roles_of(user)}
        self._ensure_assigned_directly(user, _through_others(reads, user, to_revoke.keys() - held))
        assigned = [role for role in to_assign.values() if role.id not in held]
        revoked = [role for role in to_revoke.values() if role.id in held]
        steps = self._admin_steps(performer, user, admin_role, assigned, revoked, reads)
        if not steps:  # already held through another role, or revoked by a concurrent request
            assigned = [role for role in assigned if role.id != admin_role.role.id]
            revoked = [role for role in revoked if role.id != admin_role.role.id]
            steps = self._admins.demotion_if_hidden(
                performer.user, user, admin_role, assigned, revoked
            )
            revoked += [admin_role.role] if steps else []
        others: list[Step] = [
            AssignRole(role, user) for role in assigned if role.id != admin_role.role.id
        ]
        others += [RevokeRole(role, user) for role in revoked if role.id != admin_role.role.id]
        if assigned and not steps:
            steps = [Unchanged(user)]  # or a user that is created again with that name would get it
        steps = _merge_steps(steps, others)
        return _Decision(steps, assigned, revoked)

    def _ensure_assigned_directly(self, user: User, inherited: Sequence[Role]) -> None:
        """Raise `BadRequest` for an inherited role, which cannot be revoked from one user alone."""
        for role in inherited:
            path = ", ".join(self._path(user, role))
            raise BadRequest(
                f"User {user.name} holds {role.name} through "
                f"{path or 'another role'}. Revoke that role, or change it in the directory."
            )

    def _path(self, user: User, role: Role) -> tuple[str, ...]:
        return tuple(each.name for each in self._store.membership_path(user, role))

    def _admin_steps(
        self,
        performer: Performer,
        user: User,
        admin_role: AdminRole,
        assigned: list[Role],
        revoked: list[Role],
        reads: UserReads | None = None,
    ) -> list[Step]:
        if any(role.id == admin_role.role.id for role in assigned):
            if user.busy:
                raise Conflict
            return self._admins.promotion(performer.user, user, admin_role, reads)
        if any(role.id == admin_role.role.id for role in revoked):
            return self._admins.demotion(performer.user, user, admin_role, reads)
        return []


def _merge_steps(steps: Sequence[Step], others: Sequence[Step]) -> list[Step]:
    """Insert the other steps right before the first step that assigns or revokes the admin role.

    A change of the admin role cannot be undone once somebody else has changed its members. So no
    step that may fail comes after it.
    """
    changes = (at for at, step in enumerate(steps) if isinstance(step, AssignRole | RevokeRole))
    at = next(changes, len(steps))
    return [*steps[:at], *others, *steps[at:]]


def too_many_roles() -> BadRequest:
    """Return the error for a change of more than `MAX_ROLES` roles."""
    return BadRequest(f"Send at most {MAX_ROLES} roles.")


def _reads_of_roles(wanted: RoleChange) -> list[Read]:
    """Return the reads that find the roles of a change; none if there are too many."""
    if max(len(wanted.assigned), len(wanted.revoked)) > MAX_ROLES:
        return []
    return [read for name in (*wanted.assigned, *wanted.revoked) for read in reads_of_role(name)]


def _changeable_roles(reads: UserReads, names: Sequence[str]) -> dict[str, Role]:
    """Return the roles by id; a role that was sent under several names is included once."""
    if len(names) > MAX_ROLES:
        raise too_many_roles()
    roles = [_changeable(reads, name) for name in dict.fromkeys(names)]
    return {role.id: role for role in roles}


def _ensure_members_can_change(role: Role) -> None:
    if role.is_dynamic:
        raise Forbidden(
            f"{role.name} is a dynamic role: the directory determines its members by a search."
        )
    if role.foreign_class:
        raise BadRequest(
            f"The role {role.name} is a {role.foreign_class}, which "
            "holds its members in another attribute than user_store.membership_attribute."
        )


def _changeable(reads: UserReads, name: str) -> Role:
    if name_rules.full_role_name(name) == EVERYONE:
        raise Forbidden(f"Every user has the role {EVERYONE}; it cannot be changed.")
    return _get_role(reads, name)


def _through_others(reads: UserReads, user: User, role_ids: Set[str]) -> list[Role]:
    """Return those of the roles that the user has through other roles."""
    inherited = reads.details(user).inherited if role_ids else ()
    return [role for role in inherited if role.id in role_ids]


def _get_role(reads: UserReads, name: str) -> Role:
    role = find_role(reads, name)
    if role is None:
        raise RoleNotFound(name_rules.full_role_name(name))
    return role


def _role_info(name: str, members: Names) -> RoleInfo:
    return RoleInfo(name, model.sorted_names(set(members.names)), members.complete)
