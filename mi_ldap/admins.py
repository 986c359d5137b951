"""Custody: an admin can only be removed by its creator, and one always remains.

The rules return the steps of a change; whoever makes the change puts them in front of its own and
applies them together. What a rule was decided on is among them as a guard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass

import structlog

from mi_ldap.accounts import again
from mi_ldap.audit import Change, ChangeAttempts
from mi_ldap.custody import Custody
from mi_ldap.errors import AdminsOnly, BadRequest, Conflict, CustodyRefused, Forbidden
from mi_ldap.machine_lock import MachineLock
from mi_ldap.model import AdminRole, EntryId, Performer, Role, User, sorted_names
from mi_ldap.state import Facts
from mi_ldap.store import (
    Give,
    NotHeld,
    RenewEpoch,
    SetCustodian,
    Step,
    Take,
    Unchanged,
    UserStore,
)

log = structlog.get_logger()

NO_CREATOR = "It has none: see recover-admin --adopt."
LAST_ADMIN = "The last admin cannot be removed. Make another admin first."
_HINT = "the account may not read the admin role's group, or: python app.py recover-admin NAME"


@dataclass(frozen=True, slots=True)
class SuperAdmin:
    """The account that may remove every admin, where the settings allow that (as MI 4.x does).

    Attributes:
        name: `super_admin.username`, None where there is none.
        can_remove_admins: whether the exception is on.
        place: which directory this is about; its id is pinned there.
    """

    name: str | None = None
    can_remove_admins: bool = False
    place: str = ""

    @property
    def pinned_under(self) -> str:
        """Under what the id is noted."""
        return f"super_admin {self.name} {self.place}"


@dataclass(frozen=True, slots=True)
class Handover:
    """What happens to the dependents of an admin who stops being one.

    Attributes:
        dependents: names of the users whose custodian the admin is, sorted.
        successor: name of the admin who becomes their custodian; `""` where nobody does.
    """

    dependents: tuple[str, ...]
    successor: str


def refusal(decide: Callable[[], object]) -> str:
    """Why the rules would refuse, `""` where they would not; what is decided is not done."""
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
        facts: Facts,
        lock: MachineLock,
    ) -> None:
        self._store = store
        self._custody = custody
        self._lock = lock
        self._super_admin = super_admin
        self._facts = facts

    @contextmanager
    def serialized(self, *, are_concerned: bool = True) -> Iterator[None]:
        """Decide and apply a change of the admins inside; the others on this machine wait.

        It spares them the conflicts. Against other machines, and where `are_concerned` was wrong,
        the guards of the steps hold.

        Args:
            are_concerned: False for a change that leaves the admins alone.
        """
        with self._lock.held() if are_concerned else nullcontext():
            yield

    def may_concern(self, performer: Performer, user: User) -> bool:
        """Whether the user was an admin when the request began, as far as that was read."""
        admin_role = performer.admin_role
        return admin_role is None or self._store.is_holder(admin_role, user)

    def is_admin(self, user: User) -> bool:
        """Whether the user holds the admin role now, as the directory says."""
        return self.holds(self._store.admin_role(), user)

    def holds(self, admin_role: AdminRole | None, user: User) -> bool:
        """Whether the user holds the admin role as it was read; loud where nobody does."""
        if admin_role is None or not admin_role.holders:
            if admin_role is not None and admin_role.first_admin_id:
                log.error("no_admin_left", hint=_HINT)
            else:
                log.warning("no_admin_yet", hint="see bootstrap in docs/configuration.md")
            return False
        return self._store.is_holder(admin_role, user)

    def role_for(self, performer: User) -> AdminRole:
        """The admin role, while the performer holds it.

        Raises:
            AdminsOnly: it no longer does.
        """
        admin_role = self._store.admin_role()
        if admin_role is None or not self._store.is_holder(admin_role, performer):
            raise AdminsOnly
        return admin_role

    def creators(self, admin_role: AdminRole) -> dict[str, str]:
        """The names of all admins, each with its custodian's present name, or `""`."""
        holders = {user.id: user for user in self._store.holder_users(admin_role)}
        ids = {user.custodian_id for user in holders.values() if user.custodian_id}
        custodians = {each: holders.get(each) or self._store.user(each) for each in ids}
        names = {each: found.name for each, found in custodians.items() if found}
        return {
            user.name: names.get(user.custodian_id, "") if user.custodian_id else ""
            for user in holders.values()
        }

    def handover(self, user: User, admin_role: AdminRole) -> Handover:
        """Who would take over from the user."""
        dependents = [each.name for each in self._store.dependents_of(user) if each.id != user.id]
        successor = self._custody.successor(user, admin_role) if dependents else None
        return Handover(sorted_names(dependents), successor.name if successor else "")

    def promotion(self, performer: User, user: User, admin_role: AdminRole) -> list[Step]:
        """The steps that give the admin role; nothing where the user holds it already."""
        if self._store.is_holder(admin_role, user):
            return []
        return [
            Unchanged(admin_role.role),
            Unchanged(user),
            *self._custody.reassign_dependents(user, admin_role),  # or they came with the user
            SetCustodian(user, performer.id, appoints=True),
            Give(admin_role.role, user),
        ]

    def demotion(self, performer: User, user: User, admin_role: AdminRole) -> list[Step]:
        """The steps that take the admin role; nothing where the user does not hold it any more.

        Raises:
            CustodyRefused: the performer is neither the user nor its custodian.
            Forbidden: the user is the last admin.
        """
        if not self._store.is_holder(admin_role, user):
            return []
        if performer.id != user.id:
            self._require_custodian(performer, user, admin_role, "remove it")
        return [
            *self._leaving(user, admin_role),
            SetCustodian(user, None),
            RenewEpoch(user),
        ]

    def disappearance(
        self,
        performer: User,
        user: User,
        admin_role: AdminRole,
        given: Sequence[Role],
        taken: Sequence[Role],
    ) -> list[Step]:
        """The steps of a demotion, where a change of roles would hide an admin from the filters.

        Raises:
            CustodyRefused, Forbidden: as `demotion`.
        """
        if not self._store.would_hide(user, given, taken):
            return []
        if not self._store.is_holder(admin_role, user):
            return []
        return self.demotion(performer, again(self._store, user), admin_role)

    def ensure_nobody_disappears(self, performer: User, role: Role, admin_role: AdminRole) -> None:
        """Refuse to delete a role without which the filters would not find some admin.

        Raises:
            CustodyRefused: one of them is somebody else's.
            Forbidden: they are the performer's own, or all that there are.
        """
        if not self._store.finds_users_by_roles:
            return
        admins = self._store.holder_users(admin_role)
        hidden = [user for user in admins if self._store.would_hide(user, (), (role,))]
        if not hidden:
            return
        for user in hidden:
            if user.id != performer.id:
                self._require_custodian(performer, user, admin_role, "remove it")
        if not any(user.enabled for user in admins if user not in hidden):
            raise Forbidden(LAST_ADMIN)
        shown = ", ".join(user.name for user in hidden)
        raise Forbidden(
            f"Without the role {role.name} the user store would not find the admins {shown}. "
            "Revoke their admin role first."
        )

    def removal(self, performer: User, user: User, admin_role: AdminRole) -> list[Step]:
        """The steps that must go before the removal of a user's entry.

        Raises:
            CustodyRefused: the user is an admin of somebody else.
            Forbidden: the user is the last admin.
        """
        if not self._store.is_holder(admin_role, user):
            leftovers = self._custody.reassign_leftovers(user, admin_role)
            return [*leftovers, Unchanged(user), NotHeld(admin_role.role, user)]
        self._require_custodian(performer, user, admin_role, "remove it")
        return [Unchanged(user), *self._leaving(user, admin_role)]

    def reset(
        self, performer: User, user: User, admin_role: AdminRole, *, is_done: bool = True
    ) -> list[Step]:
        """The steps that go before setting a password without knowing the old one.

        A user who is no admin first loses the dependents that it still has: another tool may make
        it an admin again, and they would be at the mercy of whoever set the password.

        Args:
            performer: who sets it.
            user: as it is now.
            admin_role: as it is now.
            is_done: False to learn only whether it is allowed, for less reading.

        Raises:
            CustodyRefused: the user is an admin, and not the performer's dependent.
        """
        renewed = RenewEpoch(user, for_reset=True)
        if self._store.is_holder(admin_role, user):
            self._require_custodian(performer, user, admin_role, "change its password")
            return [Unchanged(user), renewed]
        leftovers = self._custody.reassign_leftovers(user, admin_role) if is_done else []
        return [*leftovers, NotHeld(admin_role.role, user), Unchanged(user), renewed]

    def apply(
        self, attempts: ChangeAttempts, user: User, steps: Sequence[Step], *changes: Change
    ) -> None:
        """Carry out a change of the user; see `Custody.apply`."""
        self._custody.apply(attempts, user, steps, *changes)

    def must_be_plain(self, role_id: EntryId, role_name: str, admin_role: AdminRole) -> None:
        """Raises `Forbidden` for a role through which others hold the admin role."""
        if role_id in admin_role.nested:
            raise Forbidden(
                f"The role {role_name} is part of the admin role. Change it in the directory."
            )

    def _leaving(self, user: User, admin_role: AdminRole) -> list[Step]:
        """The user's dependents are passed on, and the role is taken: in this order (a crash)."""
        if admin_role.role.is_dynamic:
            raise Forbidden("The directory works out who is an admin. Change it in the directory.")
        other = self._store.other_holder(admin_role, user)
        if other is None:
            raise Forbidden(LAST_ADMIN)
        if self._store.holds_through_others(admin_role, user):
            raise Forbidden(
                f"User {user.name} is an admin through another role. Change it in the directory."
            )
        return [
            Unchanged(admin_role.role),
            Unchanged(other),  # an entry that another tool removes leaves the group as it is
            *self._custody.reassign_dependents(user, admin_role),
            Take(admin_role.role, user),
        ]

    def _require_custodian(
        self, performer: User, user: User, admin_role: AdminRole, to_do: str
    ) -> None:
        if user.custodian_id == performer.id or self._is_super_admin(performer):
            return
        self._ensure_read_together(admin_role)
        custodian = self._custody.custodian(user, admin_role)
        hint = f"That is {custodian.name}." if custodian else NO_CREATOR
        if performer.id == user.id:
            hint = "Give oldPassword to change your own."
        raise CustodyRefused(user.name, to_do, hint)

    def _ensure_read_together(self, admin_role: AdminRole) -> None:
        """Nobody is refused for a user that ceased to be an admin after the role was read.

        Raises:
            Conflict: who holds the role has changed since: decide again.
        """
        present = self._store.admin_role()
        if present is None or present.role.revision != admin_role.role.revision:
            raise Conflict

    def pin_super_admin(self) -> None:
        """Note which entry is the super admin, once and for all; called when the service starts.

        It is the one of that name that is an admin, and that nobody ever made one. Never at a later
        use: an account that another admin has made would wait for its custodian to be gone.
        """
        wanted = self._super_admin
        if not (wanted.can_remove_admins and wanted.name):
            return
        admin_role, named = self._store.admin_role(), self._store.find_user(wanted.name)
        is_admin = admin_role and named and self._store.is_holder(admin_role, named)
        if named and is_admin and named.is_unappointed:
            self._facts.note_fact(wanted.pinned_under, named.id)

    def _is_super_admin(self, performer: User) -> bool:
        """By the id that was pinned: a name made anew is another account."""
        wanted = self._super_admin
        if not (wanted.can_remove_admins and wanted.name):
            return False
        if self._facts.fact(wanted.pinned_under) != performer.id:
            return False
        named = self._store.find_user(wanted.name)
        return named is not None and named.id == performer.id and named.is_unappointed
