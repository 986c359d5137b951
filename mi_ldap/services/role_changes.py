"""The change of a user's roles: assign and revoke, all or none."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

from mi_ldap import name_folding, name_rules
from mi_ldap.errors import (
    BadRequest,
)
from mi_ldap.model import AdminRole, Performer, Role, User
from mi_ldap.services.accounts import (
    ensure_not_own_account,
    get_user,
    reads_of_role,
    reads_of_user,
    reload,
)
from mi_ldap.services.admins import Admins
from mi_ldap.services.retry import retry_on_conflict
from mi_ldap.services.role_checks import (
    changeable_role,
    ensure_assigned_directly,
    ensure_members_can_change,
    ensure_same_store,
)
from mi_ldap.state.audit import AuditLog, Change, ChangeAttempts
from mi_ldap.store import (
    AssignRole,
    DependentsOf,
    Read,
    ReadUser,
    RevokeRole,
    RolesOf,
    Step,
    Unchanged,
    UserReads,
    UserStore,
)

# Maximum number of roles to assign, and to revoke, in one change: each needs a search.
MAX_ROLES = 200


@dataclass(frozen=True, slots=True)
class RoleChange:
    """The request to assign roles to a user and to revoke others; names as typed."""

    user_name: str
    assigned: tuple[str, ...] = ()
    revoked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Decision:
    """An allowed change: its steps, and the roles that they assign and revoke."""

    steps: list[Step]
    assigned: list[Role]
    revoked: list[Role]


class RoleChanges:
    """Assigns roles to a user and revokes others, in one change.

    Parameters for names accept them as typed.
    """

    def __init__(self, store: UserStore, admins: Admins, audit: AuditLog) -> None:
        self._store = store
        self._admins = admins
        self._audit = audit

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
        names = {name_folding.folded(name_rules.full_role_name(each)) for each in short}
        admin_role = performer.admin_role
        return admin_role is None or name_folding.folded(admin_role.role.name) in names

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
        self._admins.custody.apply(attempts, user, decision.steps, Change("updated", "role", info))

    def _decide(
        self,
        reads: UserReads,
        performer: Performer,
        user: User,
        wanted: RoleChange,
        admin_role: AdminRole | None,
    ) -> _Decision:
        """Return the steps of the change; those that guard the admin role come first.

        Args:
            reads: find the roles and the present assignments.
            performer: who makes the request.
            user: whose roles are changed.
            wanted: the roles to assign and to revoke.
            admin_role: as it was read for this request; None to read it now.
        """
        # `reads` may be a few milliseconds old: if a role or an assignment has changed, the
        # directory rejects the change. Permissions are decided on the store itself.
        to_assign = _changeable_roles(reads, wanted.assigned)
        to_revoke = _changeable_roles(reads, wanted.revoked)
        if to_assign.keys() & to_revoke.keys():
            raise BadRequest("A role is both added and removed.")
        admin_role = admin_role or self._admins.role_for(performer.user)
        ensure_not_own_account(self._store, user)
        ensure_same_store(user, to_assign.values(), admin_role)
        for role in (*to_assign.values(), *to_revoke.values()):
            ensure_members_can_change(role)
            self._admins.ensure_not_nested_admin(role.id, role.name, admin_role)
        # A change of the admin role also depends on the user's custodian and epoch.
        if admin_role.role.id in {*to_assign, *to_revoke}:
            reads = self._store.prefetch(ReadUser(user.id), RolesOf(user), DependentsOf(user))
            user = reload(reads, user)
        held = {role.id for role in reads.roles_of(user)}
        ensure_assigned_directly(
            self._store, user, _through_others(reads, user, to_revoke.keys() - held)
        )
        assigned = [role for role in to_assign.values() if role.id not in held]
        revoked = [role for role in to_revoke.values() if role.id in held]
        steps = self._admins.steps_of_admin_role(
            performer.user, user, admin_role, assigned, revoked, reads
        )
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


def _merge_steps(steps: Sequence[Step], others: Sequence[Step]) -> list[Step]:
    """Insert the other steps right before the first step that assigns or revokes the admin role."""
    # A change of the admin role cannot be undone once somebody else has changed its members. So no
    # step that may fail comes after it.
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
    roles = [changeable_role(reads, name) for name in dict.fromkeys(names)]
    return {role.id: role for role in roles}


def _through_others(reads: UserReads, user: User, role_ids: Set[str]) -> list[Role]:
    """Return those of the roles that the user has through other roles."""
    inherited = reads.details(user).inherited if role_ids else ()
    return [role for role in inherited if role.id in role_ids]
