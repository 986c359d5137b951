"""The steps of a change: which users and roles they name, and which account states they lead to."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from mi_ldap import account_state
from mi_ldap.errors import Conflict
from mi_ldap.model import Role, User
from mi_ldap.store import RenewEpoch, SetCustodian, Step


def entries_of_step(step: Step) -> dict[str, Any]:
    """Return the users and roles of a step, by the names of its attributes."""
    values = {field.name: getattr(step, field.name) for field in fields(step)}
    return {name: value for name, value in values.items() if isinstance(value, User | Role)}


def users_of_step(step: Step) -> list[User]:
    """Return the users that a step names."""
    return [entry for entry in entries_of_step(step).values() if isinstance(entry, User)]


def roles_of_step(step: Step) -> list[Role]:
    """Return the roles that a step names."""
    return [entry for entry in entries_of_step(step).values() if isinstance(entry, Role)]


def require(holds: bool) -> None:
    """Raise `Conflict` if a guard or the condition of a step does not hold."""
    if not holds:
        raise Conflict


def renewed_state(step: RenewEpoch, stored: str) -> str:
    """Return the account state after the step, from the one that is stored."""
    if step.for_reset:
        return account_state.marked(account_state.RESETTING, stored)
    return account_state.renewed(stored, keeps_mark=step.keeps_mark)


def state_with_custodian(step: SetCustodian, stored: str) -> str:
    """Return the account state after the step, from the one that is stored.

    It records that the user has or had a custodian.
    """
    if step.appoints:
        return account_state.appointed(stored)
    if (step.user.custodian_id or step.custodian_id) and not account_state.appointment(stored):
        return account_state.appointed(stored, is_promotion=False)
    return stored
