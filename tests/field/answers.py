"""Everything that the API says of users and roles, to be compared between two ways to answer."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from tests.api.client import Api

ADMIN_ROLE = "admin"
EVERYONE = "Internal/everyone"


@dataclass(frozen=True)
class Answers:
    """What an admin is told.

    Attributes:
        users, roles: the lists.
        pages: each user's page, by name.
        role_pages: the users on each role's page.
        by_role: the list of users with `?role=`.
        selected: further lists of users, by their query.
    """

    users: list[str]
    roles: list[str]
    pages: dict[str, dict[str, Any]]
    role_pages: dict[str, list[str]]
    by_role: dict[str, list[str]]
    selected: dict[str, list[str]]

    @property
    def admins(self) -> list[str]:
        return sorted(name for name, page in self.pages.items() if page["isAdmin"])


def all_answers(admin: Api) -> Answers:
    """Everything, asked as an admin."""
    users, roles = admin.names(), admin.roles()
    return Answers(
        users=users,
        roles=roles,
        pages={name: admin.user(name) for name in users},
        role_pages={name: admin.get(f"/roles/{quote(name, safe='/')}")["users"] for name in roles},
        by_role={name: admin.names(f"?role={quote(name)}") for name in roles},
        selected={query: admin.names(query) for query in _queries(users)},
    )


def assert_agreement(told: Answers) -> None:
    """Every answer says the same of who holds which role and who is an admin."""
    holders = defaultdict(set, {EVERYONE: set(told.users)})
    for name, page in told.pages.items():
        for role in page["roles"]:
            holders[role].add(name)
        assert page["isAdmin"] == (ADMIN_ROLE in page["roles"]), page
    for role in told.roles:
        assert set(told.role_pages[role]) == holders[role], role
        assert set(told.by_role[role]) == holders[role], role


def _queries(users: list[str]) -> list[str]:
    """Parts of real names, the letters of two of them, and what nobody is called."""
    parts = {part for name in users[:2] for part in (name, name[:1], name[-2:], name.upper())}
    patterns = [f"?pattern=*{quote(part)}*" for part in sorted(parts)]
    return [
        *patterns,
        "?pattern=*no-such-name*",
        *(f"?searchKey={quote(p)}" for p in sorted(parts)),
    ]
