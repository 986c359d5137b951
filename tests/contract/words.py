"""What the tests of every store say again and again."""

from __future__ import annotations

from collections.abc import Callable

from mi_ldap.model import AdminRole, Role, User
from mi_ldap.store import (
    AssignRole,
    DeleteUser,
    RenewEpoch,
    RevokeRole,
    SetCustodian,
    Step,
    Unchanged,
    UserStore,
)

Plant = Callable[[str, str], None]
"""Makes a user name a member of a role, whether there is such a user or not."""

PASSWORD = "correct horse"

ODD_NAMES = [
    "Last, First",
    "a+b",
    'the "quoted"',
    "back\\slash",
    "trailing\\",
    "#hash",
    "a=b",
    "<angle>;semicolon",
    "two  spaces",
    "star*",
    "(paren)",
    "per%cent",
    "q?mark",
    "ümläut",
    "Ωmega",
    "日本",
    "emoji😀",
    "e\u0301 combining",
    "null\\00",
    "dot.",
    "amp&pipe|not!",
    "{0}",
    "straße",
]


def make_user(store: UserStore, name: str = "alice", password: str = PASSWORD) -> User:
    """A finished user."""
    user = store.create_user(name)
    store.reset_password(user, password)
    store.apply(RenewEpoch(user))
    return reread(store, user)


def reread(store: UserStore, user: User) -> User:
    found = store.user(user.id)
    assert found is not None
    return found


def role_now(store: UserStore, role: Role) -> Role:
    found = store.find_role(role.name)
    assert found is not None
    return found


def admin_role_of(store: UserStore) -> AdminRole:
    admin_role = store.admin_role()
    assert admin_role is not None
    return admin_role


def remove(store: UserStore, user: User) -> None:
    roles = store.details(user).roles
    store.apply(*(RevokeRole(role, user) for role in roles), DeleteUser(user))


def promotion(boss: User, user: User, role: Role) -> list[Step]:
    return [
        Unchanged(role),
        Unchanged(user),
        SetCustodian(user, boss.id),
        RenewEpoch(user),
        AssignRole(role, user),
    ]
