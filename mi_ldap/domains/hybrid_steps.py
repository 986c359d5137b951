"""Assignment of the steps of a change to the store of hybrid roles and to the user stores."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Final

from mi_ldap.model import Role, User
from mi_ldap.steps import entries_of_step, roles_of_step
from mi_ldap.store import (
    CreateAdminRole,
    DeleteUser,
    MarkFirstAdmin,
    NotMember,
    RenewEpoch,
    SetCustodian,
    Step,
    Unchanged,
)

_ADMIN_STEPS: Final = (CreateAdminRole, MarkFirstAdmin)
_ACCOUNT_STEPS: Final = (SetCustodian, RenewEpoch)


def is_hybrid_step(step: Step, *, has_accounts: bool) -> bool:
    """Whether the step concerns hybrid roles, or custodians and account states stored with them.

    Args:
        step: of a change.
        has_accounts: whether custodians and account states are stored with the hybrid roles.
    """
    if isinstance(step, DeleteUser) or _names_hybrid_role(step):
        return True
    return has_accounts and (
        isinstance(step, _ADMIN_STEPS)
        or _is_account_step(step)
        or (isinstance(step, Unchanged) and _is_user_with_account(step.entry))
    )


def _is_account_step(step: Step) -> bool:
    """Whether the step changes the custodian or account state of a user of the primary store.

    The account state of an unfinished user is in the user store.
    """
    if not isinstance(step, _ACCOUNT_STEPS) or step.user.domain:
        return False
    return isinstance(step, SetCustodian) or not step.user.unfinished


def is_store_step(step: Step, *, has_accounts: bool) -> bool:
    """Whether the step concerns a user store; guards and deletions of users may concern both."""
    return (isinstance(step, Unchanged | DeleteUser) and not _names_hybrid_role(step)) or not (
        is_hybrid_step(step, has_accounts=has_accounts)
    )


def is_guard(step: Step) -> bool:
    """Whether the step changes nothing."""
    return isinstance(step, Unchanged | NotMember)


def without_account(user: User) -> User:
    """Return the user as its user store returned it, without a custodian stored elsewhere."""
    return user.stored or user


def steps_without_accounts(steps: Iterable[Step]) -> list[Step]:
    """Return the steps with the users as their user stores returned them."""
    return [_step_without_account(step) for step in steps]


def _step_without_account(step: Step) -> Step:
    changes: dict[str, Any] = {
        name: without_account(entry)
        for name, entry in entries_of_step(step).items()
        if isinstance(entry, User)
    }
    return replace(step, **changes)


def _names_hybrid_role(step: Step) -> bool:
    return any(role.is_hybrid for role in roles_of_step(step))


def _is_user_with_account(entry: User | Role) -> bool:
    return isinstance(entry, User) and not entry.domain
