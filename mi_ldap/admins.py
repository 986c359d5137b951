"""Custody: an admin can only be removed by its creator, and one always remains.

The rules return the steps of a change; whoever makes the change puts them in front of its own and
applies them together. What a rule was decided on is among them as a guard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import structlog

from mi_ldap.accounts import again
from mi_ldap.audit import AuditLog
from mi_ldap.errors import AdminsOnly, BadRequest, Conflict, CustodyRefused, Forbidden
from mi_ldap.model import AdminRole, EntryId, Role, User
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
        self, store: UserStore, audit: AuditLog, super_admin: SuperAdmin, facts: Facts
    ) -> None:
        self._store = store
        self._audit = audit
        self._super_admin = super_admin
        self._facts = facts

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

    def promotion(self, performer: User, user: User, admin_role: AdminRole) -> list[Step]:
        """The steps that give the admin role; nothing where the user holds it already."""
        if self._store.is_holder(admin_role, user):
            return []
        return [
            Unchanged(admin_role.role),
            Unchanged(user),
            SetCustodian(user, performer.id),
            Give(admin_role.role, user),
        ]

    def demotion(self, performer: User, user: User, admin_role: AdminRole) -> list[Step]:
        """The steps that take the admin role.

        Raises:
            CustodyRefused: the performer is neither the user nor its custodian.
            Forbidden: the user is the last admin.
        """
        if performer.id != user.id:
            self._must_answer_for(performer, user, "remove it")
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
                self._must_answer_for(performer, user, "remove it")
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
            charges = self._pass_on(user, admin_role)
            return [Unchanged(user), NotHeld(admin_role.role, user), *charges]
        self._must_answer_for(performer, user, "remove it")
        return [Unchanged(user), *self._leaving(user, admin_role)]

    def reset(self, performer: User, user: User, admin_role: AdminRole) -> list[Step]:
        """The steps that go before setting a password without knowing the old one.

        Raises:
            CustodyRefused: the user is an admin, and not the performer's charge.
        """
        if self._store.is_holder(admin_role, user):
            self._must_answer_for(performer, user, "change its password")
            return [Unchanged(user), RenewEpoch(user, for_reset=True)]
        return [NotHeld(admin_role.role, user), Unchanged(user), RenewEpoch(user, for_reset=True)]

    def must_be_plain(self, role_id: EntryId, role_name: str, admin_role: AdminRole) -> None:
        """Raises `Forbidden` for a role through which others hold the admin role."""
        if role_id in admin_role.nested:
            raise Forbidden(
                f"The role {role_name} is part of the admin role. Change it in the directory."
            )

    def _leaving(self, user: User, admin_role: AdminRole) -> list[Step]:
        """The user's charges are passed on, and the role is taken: in this order (a crash)."""
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
            *self._pass_on(user, admin_role),
            Take(admin_role.role, user),
        ]

    def _pass_on(self, user: User, admin_role: AdminRole) -> list[Step]:
        """Whoever has the user for custodian gets the user's own, or none."""
        charges = self._store.charges_of(user)
        heir = self._heir(user, admin_role) if charges else None
        return [
            SetCustodian(charge, heir.id if heir and heir.id != charge.id else None)
            for charge in charges
            if charge.id != user.id
        ]

    def _heir(self, user: User, admin_role: AdminRole) -> User | None:
        heir = self._store.user(user.custodian_id) if user.custodian_id else None
        return heir if heir and self._store.is_holder(admin_role, heir) else None

    @contextmanager
    def inheritance(self, performer: User, user: User, steps: list[Step]) -> Iterator[None]:
        """A line in the audit log for each charge that the steps pass on, before they are done."""
        with ExitStack() as lines:
            for step in steps:
                if isinstance(step, SetCustodian) and step.user.id != user.id:
                    heir = self._store.user(step.custodian_id) if step.custodian_id else None
                    info = {"userId": step.user.name, "custodian": heir.name if heir else ""}
                    line = self._audit.change(performer.name, "inherited", "admin", info)
                    lines.enter_context(line)
            yield

    def _must_answer_for(self, performer: User, user: User, to_do: str) -> None:
        if user.custodian_id == performer.id or self._is_super_admin(performer):
            return
        custodian = self._store.user(user.custodian_id) if user.custodian_id else None
        hint = f"That is {custodian.name}." if custodian else NO_CREATOR
        if performer.id == user.id:
            hint = "Give oldPassword to change your own."
        raise CustodyRefused(user.name, to_do, hint)

    def _is_super_admin(self, performer: User) -> bool:
        """By id, pinned at first use: a name made anew is another account."""
        wanted = self._super_admin
        if not (wanted.can_remove_admins and wanted.name) or performer.custodian_id:
            return False
        named = self._store.find_user(wanted.name)
        if named is None or named.id != performer.id:
            return False
        key = f"super_admin {wanted.name} {wanted.place}"
        return self._facts.note_fact(key, named.id) == performer.id
