"""What every store owes its callers: one class of tests for all of them.

A store's own test class gives the fixtures `store`, empty at the start of each test, and `plant`.
"""

from __future__ import annotations

from tests.contract.admin_role import AdminRoleContract
from tests.contract.changes import ChangeContract
from tests.contract.prefetch import PrefetchContract
from tests.contract.roles import RoleContract
from tests.contract.users import UserContract
from tests.contract.words import (
    ODD_NAMES,
    PASSWORD,
    Plant,
    admin_role_of,
    make_user,
    remove,
    reread,
    role_now,
)

__all__ = [
    "ODD_NAMES",
    "PASSWORD",
    "Plant",
    "StoreContract",
    "admin_role_of",
    "make_user",
    "remove",
    "reread",
    "role_now",
]


class StoreContract(
    UserContract, RoleContract, ChangeContract, AdminRoleContract, PrefetchContract
):
    """All of it."""
