"""A change: steps and guards, carried out in one transaction of the database.

Everything that a step or a guard names is locked and read first, and compared with what the caller
has read. Then the steps write in their order. An error rolls all of them back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from mi_ldap import account_state
from mi_ldap.errors import Conflict
from mi_ldap.model import Role, User
from mi_ldap.sql.locks import lock_rows
from mi_ldap.sql.passwords import no_password
from mi_ldap.sql.reads import Queries
from mi_ldap.sql.records import (
    CUSTODIAN,
    PENDING_PASSWORD,
    PENDING_SALT,
    STATE,
    UserRecord,
    mark_name,
    role_key,
    user_key,
)
from mi_ldap.sql.rows import Rows
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


class Transaction:
    """The steps of one change, on a connection with an open transaction and the admin role's lock.

    Args:
        connection: it has begun the transaction.
        queries: the reads.
        admin_key: the key of the admin role, whose row is locked; None if there is none.
    """

    def __init__(self, connection: Connection, queries: Queries, admin_key: int | None) -> None:
        self._connection = connection
        self._queries = queries
        self._rows = Rows(connection, queries)
        self._admin_key = admin_key
        self._users: dict[int, UserRecord] = {}
        self._roles: dict[int, str] = {}
        self._revisions: dict[int, str] = {}
        self._mark: str | None = None

    def carry_out(self, steps: Sequence[Step]) -> None:
        """Carry out the steps.

        Raises:
            Conflict: a guard or the condition of a step is not met; the caller must roll back.
        """
        self._lock(steps)
        # All guards are about the state before the first step.
        for step in steps:
            self._check(step)
        for step in steps:
            self._write(step)
        self._copy_mark(steps)

    def _lock(self, steps: Sequence[Step]) -> None:
        """Lock and read what the steps name, in an order that all changes have in common."""
        users = _known(user_key(user) for step in steps for user in users_of_step(step))
        roles = _known(role_key(role) for step in steps for role in roles_of_step(step))
        guarded = _known(role_key(role) for step in steps for role in _guarded_roles(step))
        self._roles = lock_rows(self._connection, self._queries, roles)
        if self._admin_key is not None and self._admin_key in roles:
            # A membership that another tool deletes is not protected by the lock of the role.
            self._rows.lock_members(self._admin_key)
        self._rows.lock_users(users)
        is_named = self._queries.tables.user.c.um_id.in_(sorted(users))
        found = self._queries.records(self._connection, is_named) if users else []
        self._users = {record.key: record for record in found}
        self._revisions = {
            key: self._queries.revision(self._connection, key)
            for key in sorted(guarded & self._roles.keys())
        }

    def _check(self, step: Step) -> None:
        match step:
            case Unchanged(User() as user):
                record = self._user(user)
                require(account_state.is_same_epoch(record.state, user.revision))
                require(record.custodian_id == user.custodian_id)
            case Unchanged(Role() as role) | RenewRevision(role):
                require(self._revisions[self._role(role)] == role.revision)
            case NotMember(role, user):
                require(not self._rows.is_member(self._role(role), user_key(user)))
            case SetCustodian(user):
                require(self._user(user).custodian_id == user.custodian_id)
            case RenewEpoch(user):
                require(account_state.is_same_epoch(self._user(user).state, user.revision))
            case CreateAdminRole():
                require(self._admin_key is None)

    def _write(self, step: Step) -> None:
        match step:
            case AssignRole(role, user):
                self._rows.add_member(self._role(role), self._user(user).key)
            case RevokeRole(role, user):
                require(self._rows.remove_member(self._role(role), self._user(user).key))
            case SetCustodian(user):
                self._set_custodian(step, self._user(user))
            case RenewEpoch(user):
                self._renew_epoch(step, self._user(user))
            case RenewRevision(role):
                self._rows.renew_revision(self._role(role))
            case DeleteUser(user):
                self._rows.delete_user(self._user(user))
            case DeleteRole(role):
                self._rows.delete_role(self._role(role))
            case CreateAdminRole(user):
                self._admin_key = self._rows.add_role(self._queries.admin_role_name)
                self._rows.add_member(self._admin_key, self._user(user).key)
                self._mark = user.id
            case MarkFirstAdmin(role, user):
                require(self._role(role) == self._admin_key)
                self._mark = self._user(user).id

    def _set_custodian(self, step: SetCustodian, record: UserRecord) -> None:
        state = state_with_custodian(step, record.state)
        if state != record.state:
            self._rows.set_attribute(record, STATE, state)
        self._rows.set_attribute(record, CUSTODIAN, step.custodian_id)

    def _renew_epoch(self, step: RenewEpoch, record: UserRecord) -> None:
        renewed = renewed_state(step, record.state)
        if record.is_unfinished and not renewed.startswith(account_state.UNFINISHED):
            self._finish(record)
        self._rows.set_attribute(record, STATE, renewed)

    def _finish(self, record: UserRecord) -> None:
        """Store the password that was set while the user was being created."""
        self._rows.set_password(record, record.pending or no_password())
        self._rows.set_attribute(record, PENDING_PASSWORD, None)
        self._rows.set_attribute(record, PENDING_SALT, None)

    def _copy_mark(self, steps: Sequence[Step]) -> None:
        """Store the mark of the first admin with each member of the admin role."""
        assigned = {role_key(step.role) for step in steps if isinstance(step, AssignRole)}
        if self._admin_key and (self._mark or self._admin_key in assigned):
            self._rows.copy_mark(self._admin_key, mark_name(self._admin_key), self._mark)

    def _user(self, user: User) -> UserRecord:
        record = self._users.get(user_key(user) or 0)
        if record is None or record.id != user.id:
            raise Conflict
        return record

    def _role(self, role: Role) -> int:
        key = role_key(role)
        if key is None or key not in self._roles or str(key) != role.id:
            raise Conflict
        return key


def _guarded_roles(step: Step) -> list[Role]:
    """Return the roles whose members the step compares with those that were read."""
    return roles_of_step(step) if isinstance(step, Unchanged | RenewRevision) else []


def _known(keys: Iterable[int | None]) -> set[int]:
    """Return the keys without None, which stands for users and roles of other stores."""
    return {key for key in keys if key is not None}
