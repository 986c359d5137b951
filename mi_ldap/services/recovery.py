"""Recovery by an operator on this machine, when no admin can log in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from mi_ldap.errors import AdminRoleUnclear, Conflict
from mi_ldap.model import AdminRole, User
from mi_ldap.services.accounts import Rules, end_tokens, get_user, reload
from mi_ldap.services.custody import Custody
from mi_ldap.services.retry import retry_on_conflict
from mi_ldap.state.audit import AuditLog, Change, ChangeAttempts
from mi_ldap.store import (
    AssignRole,
    CreateAdminRole,
    MarkFirstAdmin,
    RenewEpoch,
    SetCustodian,
    Step,
    Unchanged,
    UserStore,
)


@dataclass(frozen=True, slots=True)
class Recovery:
    """Changes by an operator: admin role, password, custodian of admins without one; all audited.

    Attributes:
        operator: who runs the command, for the audit log: `"root on this machine"`.
    """

    store: UserStore
    audit: AuditLog
    rules: Rules
    operator: str

    @property
    def _custody(self) -> Custody:
        return Custody(self.store, self.audit)

    def find(self, name: str) -> User:
        """Return the user with that name.

        Raises:
            UserNotFound: create the entry with the directory's own tools first.
        """
        return get_user(self.store, name)

    def assign_admin_role(self, user: User) -> bool:
        """Make the user an admin without a custodian; return False if it is an admin already."""
        with self.audit.attempts(self.operator) as attempts:
            return retry_on_conflict(lambda: self._assign_admin_role(user, attempts))

    def set_password(self, user: User, password: str) -> None:
        """Set the password without the old one; all tokens of the user become invalid."""
        new = self.rules.new_password(password, user.domain)
        # Whoever knows the new password could otherwise act as the custodian of these dependents
        # as soon as another tool makes the user an admin again.
        self._custody.reassign_unless_admin(self.operator, user)
        with self.audit.change(self.operator, "recovered", "user", {"userId": user.name}):
            self.store.reset_password(user, new)
            end_tokens(self.store, user)

    def adopt(self, user: User) -> list[str]:
        """Make the user the custodian of every admin without one; return the admins' names.

        A custodian that is not an admin counts as none.
        """
        admin_role = self.store.admin_role()
        admins = self.store.holder_users(admin_role) if admin_role else ()
        return [
            admin.name for admin in admins if retry_on_conflict(partial(self._adopt, user, admin))
        ]

    def _assign_admin_role(self, user: User, attempts: ChangeAttempts) -> bool:
        steps = self._steps(user)
        if not steps:
            attempts.begin()
            return False
        change = Change("recovered", "admin", {"userId": user.name})
        try:
            self._custody.apply(attempts, user, steps, change)
        except Conflict:
            # The step fails if a group of that name exists, but this account cannot read it.
            if any(isinstance(step, CreateAdminRole) for step in steps) and (
                self.store.admin_role() is None
            ):
                raise AdminRoleUnclear from None  # the group exists, but cannot be read
            raise
        return True

    def _adopt(self, user: User, admin: User) -> bool:
        """Make the user the admin's custodian; return False if the admin has one."""
        admin_role, present = self.store.admin_role(), self.store.user(admin.id)
        if present is None or present.id == user.id or self._custody.custodian(present, admin_role):
            return False
        steps: list[Step] = [Unchanged(present), SetCustodian(present, user.id)]
        info = {"userId": admin.name, "custodian": user.name}
        with self.audit.change(self.operator, "recovered", "admin", info):
            self.store.apply(*self._custody.with_guards(steps, admin_role))
        return True

    def _steps(self, user: User) -> list[Step]:
        admin_role = self.store.admin_role()
        present = reload(self.store, user)
        # While another admin sets its password: that admin would know the password of this one.
        if present.busy:
            raise Conflict
        if admin_role and self.store.is_holder(admin_role, present):
            return []
        dependents = self._custody.reassign_dependents(present, admin_role)
        steps: list[Step] = [Unchanged(present), SetCustodian(present, None), RenewEpoch(present)]
        steps += dependents
        if admin_role is None:
            return [*steps, CreateAdminRole(present)]
        return [Unchanged(admin_role.role), *steps, *_role_steps(admin_role, present)]


def _role_steps(admin_role: AdminRole, user: User) -> list[Step]:
    """Return the steps that assign the admin role, and mark it if it has no mark."""
    assign = AssignRole(admin_role.role, user)
    return (
        [assign] if admin_role.first_admin_id else [assign, MarkFirstAdmin(admin_role.role, user)]
    )
