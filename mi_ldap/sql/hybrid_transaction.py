"""A change of hybrid roles, custodians and account states, in one transaction of the database.

First the users and roles of all steps are locked. Then each guard, and each condition of a step, is
checked against what the caller has read. Then the steps are carried out in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from mi_ldap import account_state
from mi_ldap.errors import RoleExists
from mi_ldap.hybrid_roles import HybridAccount
from mi_ldap.model import Role, User
from mi_ldap.name_rules import PRIMARY
from mi_ldap.sql.hybrid_members import bare_id
from mi_ldap.sql.hybrid_queries import hybrid_role, role_key
from mi_ldap.sql.hybrid_rows import HybridRows
from mi_ldap.steps import (
    renewed_state,
    require,
    roles_of_step,
    state_with_custodian,
    users_of_step,
)
from mi_ldap.store import (
    AssignRole,
    CreateAdminRole,
    DeleteRole,
    DeleteUser,
    MarkFirstAdmin,
    NotMember,
    RenewEpoch,
    RenewRevision,
    RevokeRole,
    SetCustodian,
    Step,
    Unchanged,
)


@dataclass(frozen=True, slots=True)
class HybridTransaction:
    """A change on a connection with an open transaction, which the caller commits or rolls back."""

    rows: HybridRows

    def carry_out(self, steps: Sequence[Step]) -> None:
        """Carry out the steps.

        Raises:
            Conflict: a guard or the condition of a step is not met.
            BadRequest: the database cannot store a member; see `HybridRows.insert_member`.
        """
        self._lock(steps)
        # All guards are about the state before the first step.
        for step in steps:
            self._check(step)
        for step in steps:
            self._write(step)

    def create_role(self, name: str) -> Role:
        """Create a role.

        Raises:
            RoleExists: there is a role of that name.
        """
        self.rows.lock_admin_role()
        if self.rows.queries.roles_named(self.rows.connection, name):
            raise RoleExists(name)
        key = self.rows.add_role(name)
        return hybrid_role(key, name, self.rows.queries.revision(self.rows.connection, key))

    # Locks

    def _lock(self, steps: Sequence[Step]) -> None:
        """Lock the users and roles of the steps, in the same order in all changes."""
        named = {role_key(role) for step in steps for role in roles_of_step(step)}
        found = self.rows.lock_admin_role()
        if not self.rows.queries.has_service_tables:
            return  # the steps only revoke roles, and the account may not be allowed to lock rows
        self.rows.lock_rows(self.rows.queries.tables.hybrid_role, named - found)
        users = {bare_id(user) for step in steps for user in users_of_step(step) if not user.domain}
        table = self.rows.queries.tables.hybrid_user
        query = (
            select(table.c.um_id)
            .where(
                table.c.user_id.in_(sorted(users)),
                table.c.domain_name == PRIMARY,
                self.rows.memberships.of_tenant(table),
            )
            .order_by(table.c.um_id)
        )
        self.rows.connection.execute(query.with_for_update()).all()

    # Guards

    def _check(self, step: Step) -> None:
        match step:
            case Unchanged(User() as user):
                account = self._account(user)
                require(account_state.is_same_epoch(account.state, user.revision))
                require(account.custodian_id == user.custodian_id)
            case Unchanged(Role() as role) | RenewRevision(role):
                present = self.rows.queries.revision(self.rows.connection, role_key(role))
                require(present == role.revision)
            case NotMember(role, user):
                # If the user store ignores case, a row without an id may have another spelling.
                require(not self.rows.members(user, role, ignores_case=True))
            case SetCustodian(user):
                require(self._account(user).custodian_id == user.custodian_id)
            case RenewEpoch(user):
                require(account_state.is_same_epoch(self._account(user).state, user.revision))
            case CreateAdminRole():
                require(self.rows.queries.admin_role(self.rows.connection) is None)

    # Writes

    def _write(self, step: Step) -> None:
        match step:
            case AssignRole(role, user):
                self.rows.add_member(role_key(role), user)
            case RevokeRole(role, user):
                found = self.rows.members(user, role)
                require(bool(found))
                self.rows.delete_members(found)
            case SetCustodian(user):
                self._set_custodian(step, self._account(user))
            case RenewEpoch(user):
                self._renew_epoch(step, self._account(user))
            case RenewRevision(role):
                self.rows.set_role_state(role_key(role), revision=account_state.new_nonce())
            case DeleteUser(user):
                self.rows.delete_user(user)
            case DeleteRole(role):
                self.rows.delete_role(role_key(role))
            case CreateAdminRole(user):
                key = self.rows.add_role(self.rows.queries.admin_role_name)
                self.rows.add_member(key, user)
                self.rows.mark_first_admin(key, user.id)
            case MarkFirstAdmin(role, user):
                self.rows.mark_first_admin(role_key(role), user.id)

    def _set_custodian(self, step: SetCustodian, account: HybridAccount) -> None:
        state = state_with_custodian(step, account.state)
        self.rows.set_account(step.user, custodian=step.custodian_id, state=state)

    def _renew_epoch(self, step: RenewEpoch, account: HybridAccount) -> None:
        self.rows.set_account(step.user, state=renewed_state(step, account.state))

    # Helpers

    def _account(self, user: User) -> HybridAccount:
        found = self.rows.queries.accounts(self.rows.connection, [user.id])
        return found.get(user.id) or HybridAccount(user.id, None, "")
