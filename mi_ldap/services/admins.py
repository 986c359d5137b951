"""Who is an admin, and the steps that make and unmake one.

An admin can only be removed by its custodian, and the last admin cannot be removed. The methods
return the steps of a change, including guards for the state that they were decided on. The caller
applies them together with its own steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import structlog

from mi_ldap.errors import AdminsOnly, BadRequest, Conflict, CustodyRefused, Forbidden
from mi_ldap.model import AdminRole, EntryId, Performer, Role, User, sorted_names
from mi_ldap.services.accounts import reload
from mi_ldap.services.custody import Custody
from mi_ldap.state.database import Metadata
from mi_ldap.state.machine_lock import MachineLock
from mi_ldap.store import (
    AssignRole,
    NotMember,
    RenewEpoch,
    RevokeRole,
    SetCustodian,
    Step,
    Unchanged,
    UserReads,
    UserStore,
)

log = structlog.get_logger()

NO_CREATOR = "It has none: see mi-ldap recover-admin --adopt."
LAST_ADMIN = "The last admin cannot be removed. Make another admin first."
_HINT = "the account may not read the admin role's group, or: mi-ldap recover-admin NAME"


@dataclass(frozen=True, slots=True)
class SuperAdmin:
    """The account that may remove every admin, if the settings allow that (as MI 4.x does).

    Attributes:
        name: `super_admin.username`, or None.
        can_remove_admins: whether the setting is on.
        directory_key: which directory this is about; its id is pinned there.
    """

    name: str | None = None
    can_remove_admins: bool = False
    directory_key: str = ""

    @property
    def metadata_key(self) -> str:
        """The metadata key under which the account's id is stored."""
        return f"super_admin {self.name} {self.directory_key}"


@dataclass(frozen=True, slots=True)
class Handover:
    """What happens to the dependents of an admin who stops being one.

    Attributes:
        dependents: names of the users whose custodian the admin is, sorted.
        successor: name of the admin who becomes their custodian; `""` if there is none.
    """

    dependents: tuple[str, ...]
    successor: str


def why_forbidden(decide: Callable[[], object]) -> str:
    """Return the sentence with which the decision is refused, or `""`; nothing is changed."""
    try:
        decide()
    except (Forbidden, BadRequest, Conflict) as error:
        return str(error)
    return ""


class Admins:
    """Who is an admin, and who may act on one."""

    def __init__(
        self,
        store: UserStore,
        custody: Custody,
        super_admin: SuperAdmin,
        metadata: Metadata,
        lock: MachineLock,
    ) -> None:
        self._store = store
        self.custody = custody
        self._lock = lock
        self._super_admin = super_admin
        self._metadata = metadata

    def serialized(self, *, changes_admins: bool = True) -> AbstractContextManager[None]:
        """Return a context in which one change of the admins at a time is made on this machine.

        Args:
            changes_admins: False for a change that does not affect the admins; it does not wait.
        """
        # The lock only avoids conflicts. Changes by other machines, and wrong values of
        # `changes_admins`, are caught by the guards of the steps.
        return self._lock.hold() if changes_admins else nullcontext()

    def may_be_admin(self, performer: Performer, user: User) -> bool:
        """Whether the user was an admin when the request began; True if that was not read."""
        admin_role = performer.admin_role
        return admin_role is None or self._store.is_holder(admin_role, user)

    def is_admin(self, user: User) -> bool:
        """Whether the user has the admin role now, according to the directory."""
        return self.holds(self._store.admin_role(), user)

    def holds(self, admin_role: AdminRole | None, user: User) -> bool:
        """Whether the user has the admin role as it was read; logs if there is no admin at all."""
        if admin_role is None or not admin_role.holders:
            if admin_role is not None and admin_role.first_admin_id:
                log.error("no_admin_left", hint=_HINT)
            else:
                log.warning("no_admin_yet", hint="see docs/custody.md, The first admin")
            return False
        return self._store.is_holder(admin_role, user)

    def role_for(self, performer: User, reads: UserReads | None = None) -> AdminRole:
        """Return the admin role, if the performer has it.

        Args:
            performer: who makes the request.
            reads: answer it, if they read it together with something else.

        Raises:
            AdminsOnly: the performer does not have it, or no longer has it.
        """
        admin_role = (reads or self._store).admin_role()
        if admin_role is None or not self._store.is_holder(admin_role, performer):
            raise AdminsOnly
        return admin_role

    def creators(self, admin_role: AdminRole) -> dict[str, str]:
        """Return the names of all admins, each with its custodian's present name, or `""`."""
        # Most custodians are admins, so they are read already.
        holders = {user.id: user for user in self._store.holder_users(admin_role)}
        ids = {user.custodian_id for user in holders.values() if user.custodian_id}
        custodians = {each: holders.get(each) or self._store.user(each) for each in ids}
        names = {each: found.name for each, found in custodians.items() if found}
        return {
            user.name: names.get(user.custodian_id, "") if user.custodian_id else ""
            for user in holders.values()
        }

    def handover(self, user: User, admin_role: AdminRole) -> Handover:
        """Return the user's dependents, and the admin who becomes their custodian."""
        dependents = [each.name for each in self._store.dependents_of(user) if each.id != user.id]
        successor = self.custody.successor(user, admin_role) if dependents else None
        return Handover(sorted_names(dependents), successor.name if successor else "")

    def steps_of_admin_role(
        self,
        performer: User,
        user: User,
        admin_role: AdminRole,
        assigned: Sequence[Role],
        revoked: Sequence[Role],
        reads: UserReads | None = None,
    ) -> list[Step]:
        """Return the steps that assign or revoke the admin role; none if it is in neither list.

        Raises:
            Conflict: the user is being created, or an admin is setting its password.
            CustodyRefused, Forbidden: see `demotion`.
        """
        if any(role.id == admin_role.role.id for role in assigned):
            if user.busy:
                raise Conflict
            return self.promotion(performer, user, admin_role, reads)
        if any(role.id == admin_role.role.id for role in revoked):
            return self.demotion(performer, user, admin_role, reads)
        return []

    def promotion(
        self,
        performer: User,
        user: User,
        admin_role: AdminRole,
        reads: UserReads | None = None,
    ) -> list[Step]:
        """Return the steps that assign the admin role; none if the user has it already.

        `reads`, here and below, are those of `Custody.reassign_dependents`.
        """
        if self._store.is_holder(admin_role, user):
            return []
        return [
            Unchanged(admin_role.role),
            Unchanged(user),
            # Dependents left from before would become dependents of an admin again.
            *self.custody.reassign_dependents(user, admin_role, reads),
            # Before the role: after a crash in between, a custodian of a user who is not an admin
            # has no effect, whereas an admin without a custodian could not be removed.
            SetCustodian(user, performer.id, appoints=True),
            AssignRole(admin_role.role, user),
        ]

    def demotion(
        self,
        performer: User,
        user: User,
        admin_role: AdminRole,
        reads: UserReads | None = None,
    ) -> list[Step]:
        """Return the steps that revoke the admin role; none if the user no longer has it.

        Raises:
            CustodyRefused: the performer is neither the user nor its custodian.
            Forbidden: the user is the last admin.
        """
        if not self._store.is_holder(admin_role, user):
            return []
        if performer.id != user.id:  # every admin may resign
            self._require_custodian(performer, user, admin_role, "remove it")
        return [
            *self._revocation(user, admin_role, reads),
            SetCustodian(user, None),
            RenewEpoch(user),
        ]

    def demotion_if_hidden(
        self,
        performer: User,
        user: User,
        admin_role: AdminRole,
        assigned: Sequence[Role],
        revoked: Sequence[Role],
    ) -> list[Step]:
        """Return the steps of a demotion if the filters would no longer find the admin.

        Args:
            performer: who changes the roles.
            user: whose roles are changed.
            admin_role: as it was read.
            assigned: roles that are assigned.
            revoked: roles that are revoked.

        Raises:
            CustodyRefused, Forbidden: as `demotion`.
        """
        if not self._store.would_hide(user, assigned, revoked):
            return []
        if not self._store.is_holder(admin_role, user):
            return []
        return self.demotion(performer, reload(self._store, user), admin_role)

    def ensure_hides_no_admin(self, performer: User, role: Role, admin_role: AdminRole) -> None:
        """Refuse the deletion of a role without which the filters would not find some admins.

        Raises:
            CustodyRefused: the performer is not the custodian of one of these admins.
            Forbidden: the performer is their custodian, or no other admin would be left.
        """
        if not self._store.finds_users_by_roles():
            return
        admins = self._store.holder_users(admin_role)
        hidden = [user for user in admins if self._store.would_hide(user, (), (role,))]
        if not hidden:
            return
        for user in hidden:
            if user.id != performer.id:
                self._require_custodian(performer, user, admin_role, "remove it")
        # A disabled admin cannot log in, so it does not count as a remaining one.
        if not any(user.enabled for user in admins if user not in hidden):
            raise Forbidden(LAST_ADMIN)
        shown = ", ".join(user.name for user in hidden)
        raise Forbidden(
            f"Without the role {role.name} the user store would not find the admins {shown}. "
            "Revoke their admin role first."
        )

    def deletion(
        self, performer: User, user: User, admin_role: AdminRole, reads: UserReads
    ) -> list[Step]:
        """Return the steps that precede the deletion of a user's entry.

        Raises:
            CustodyRefused: the user is an admin, and not the performer's dependent.
            Forbidden: the user is the last admin.
        """
        if not self._store.is_holder(admin_role, user):
            reassignments = self.custody.reassign_dependents_guarded(user, admin_role, reads)
            return [*reassignments, Unchanged(user), NotMember(admin_role.role, user)]
        self._require_custodian(performer, user, admin_role, "remove it")
        return [Unchanged(user), *self._revocation(user, admin_role, reads)]

    def reset(
        self, performer: User, user: User, admin_role: AdminRole, *, will_apply: bool = True
    ) -> list[Step]:
        """Return the steps that precede setting a password without the old one.

        Args:
            performer: who sets the password.
            user: as it was just read.
            admin_role: as it was just read.
            will_apply: False to check only whether it is allowed, with fewer searches.

        Raises:
            CustodyRefused: the user is an admin, and not the performer's dependent.
        """
        renewal = RenewEpoch(user, for_reset=True)
        if self._store.is_holder(admin_role, user):
            self._require_custodian(performer, user, admin_role, "change its password")
            return [Unchanged(user), renewal]
        # If another tool made the user an admin again, the performer, who knows the password,
        # could log in as the custodian of the dependents that the user had before.
        reassignments = (
            self.custody.reassign_dependents_guarded(user, admin_role) if will_apply else []
        )
        return [*reassignments, NotMember(admin_role.role, user), Unchanged(user), renewal]

    def ensure_not_nested_admin(
        self, role_id: EntryId, role_name: str, admin_role: AdminRole
    ) -> None:
        """Raise `Forbidden` for a role that is nested in the admin role."""
        # Revoking it from a user would remove an admin, whoever its custodian is.
        if role_id in admin_role.nested:
            raise Forbidden(
                f"The role {role_name} is part of the admin role. Change it in the directory."
            )

    def _revocation(self, user: User, admin_role: AdminRole, reads: UserReads | None) -> list[Step]:
        """Return the steps that reassign the user's dependents, then revoke the role."""
        if admin_role.role.is_dynamic:
            raise Forbidden("The admin role is a dynamic group. Change it in the directory.")
        other = self._store.other_holder(admin_role, user)
        if other is None:
            raise Forbidden(LAST_ADMIN)
        if self._store.holds_through_others(admin_role, user):
            raise Forbidden(
                f"User {user.name} is an admin through another role. Change it in the directory."
            )
        return [
            Unchanged(admin_role.role),
            Unchanged(other),  # the group does not change if another tool deletes its entry
            # First: a crash in between leaves no dependent with a custodian who is not an admin.
            *self.custody.reassign_dependents(user, admin_role, reads),
            RevokeRole(admin_role.role, user),
        ]

    def _require_custodian(
        self, performer: User, user: User, admin_role: AdminRole, action: str
    ) -> None:
        if user.custodian_id == performer.id or self._is_super_admin(performer):
            return
        # The user was read after the admin role, and may have been demoted in between: the refusal
        # would give a wrong reason.
        self._ensure_unchanged(admin_role)
        custodian = self.custody.custodian(user, admin_role)
        hint = f"That is {custodian.name}." if custodian else NO_CREATOR
        if performer.id == user.id:
            hint = "Give oldPassword to change your own."
        raise CustodyRefused(user.name, action, hint)

    def _ensure_unchanged(self, admin_role: AdminRole) -> None:
        """Check that the admin role is unchanged since it was read.

        Raises:
            Conflict: the role was changed; the caller decides again.
        """
        present = self._store.admin_role()
        if present is None or present.role.revision != admin_role.role.revision:
            raise Conflict

    def pin_super_admin(self) -> None:
        """Store the id of the super admin's entry, permanently; called when the service starts.

        It is the entry of that name which is an admin and never had a custodian.
        """
        # Not looked up when the privilege is used: an admin could create an account of that name,
        # which would become the super admin once its custodian is deleted.
        super_admin = self._super_admin
        if not (super_admin.can_remove_admins and super_admin.name):
            return
        admin_role, named = self._store.admin_role(), self._store.find_user(super_admin.name)
        is_admin = admin_role and named and self._store.is_holder(admin_role, named)
        if named and is_admin and named.is_unappointed:
            self._metadata.set_default(super_admin.metadata_key, named.id)

    def _is_super_admin(self, performer: User) -> bool:
        """Whether the performer may remove every admin."""
        super_admin = self._super_admin
        if not (super_admin.can_remove_admins and super_admin.name):
            return False
        # By the stored id: an entry that was created later with that name is another account.
        if self._metadata.get(super_admin.metadata_key) != performer.id:
            return False
        named = self._store.find_user(super_admin.name)
        # Whoever was promoted by another admin is that admin's dependent, not the super admin.
        return named is not None and named.id == performer.id and named.is_unappointed
