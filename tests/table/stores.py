"""What the scenarios know of a store: the names of its users and roles, and another tool in it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from tests.hybrid.stores import MiRows
from tests.sql.mi import Mi
from tests.sql.stores import Place
from tests.subtree import Subtree

DOMAIN = "WSO2.COM"
"""The domain of a secondary store."""


class Store(ABC):
    """An empty store, in which another tool works beside the service.

    The tool's users and roles are named as in the store: without a domain.

    Attributes:
        takes_users: whether the service may create, change and delete its users.
        is_secondary: whether it is the store of `DOMAIN`. Its users are no admins.
    """

    takes_users = True
    is_secondary = False

    def user(self, name: str) -> str:
        """Return the name of a user as the API shows it."""
        return f"{DOMAIN}/{name}" if self.is_secondary else name

    def role(self, name: str) -> str:
        """Return the name of a role as the API shows it, which the service may create."""
        return f"{DOMAIN}/{name}" if self.is_secondary else name

    @property
    def admin_role(self) -> str:
        return "admin" if self.is_secondary else self.role("admin")

    @abstractmethod
    def add_user(self, name: str, password: str = "") -> None:
        """Create a user with another tool."""

    @abstractmethod
    def add_role(self, name: str, *members: str) -> None:
        """Create a role with another tool."""

    @abstractmethod
    def add_member(self, role: str, user: str) -> None:
        """Assign a role with another tool."""

    @abstractmethod
    def has_user(self, name: str) -> bool:
        """Whether another tool sees the user."""

    @abstractmethod
    def has_role(self, name: str) -> bool:
        """Whether another tool sees the role."""


@dataclass
class InDirectory(Store):
    """Users and groups of a directory."""

    place: Subtree
    is_secondary: bool = False

    def add_user(self, name: str, password: str = "") -> None:
        self.place.add_user(name, password)

    def add_role(self, name: str, *members: str) -> None:
        self.place.add_group(name, *map(self.place.user_dn, members))

    def add_member(self, role: str, user: str) -> None:
        self.place.add_member(role, self.place.user_dn(user))

    def has_user(self, name: str) -> bool:
        return self.place.tool.exists(self.place.user_dn(name))

    def has_role(self, name: str) -> bool:
        return self.place.tool.exists(self.place.group_dn(name))


@dataclass
class InDatabase(Store):
    """Users and roles in MI's tables; MI is the other tool."""

    place: Place
    is_secondary: bool = False

    @property
    def mi(self) -> Mi:
        return Mi(self.place)

    def add_user(self, name: str, password: str = "") -> None:
        self.mi.add_user(name, password)

    def add_role(self, name: str, *members: str) -> None:
        self.mi.add_role(name)
        for member in members:
            self.mi.assign(name, member)

    def add_member(self, role: str, user: str) -> None:
        self.mi.assign(role, user)

    def has_user(self, name: str) -> bool:
        return self._has("UM_USER", "UM_USER_NAME", name)

    def has_role(self, name: str) -> bool:
        return self._has("UM_ROLE", "UM_ROLE_NAME", name)

    def _has(self, table: str, column: str, name: str) -> bool:
        query = f"SELECT 1 FROM {table} WHERE {column} = :name"  # noqa: S608
        return bool(self.place.query(query, name=name))


@dataclass
class OnlyRead(Store):
    """Users of a directory that takes no changes; admins and roles are hybrid, in MI's tables."""

    users: InDirectory
    roles: MiRows
    takes_users = False

    def role(self, name: str) -> str:
        return f"Internal/{name}"

    def add_user(self, name: str, password: str = "") -> None:
        self.users.add_user(name, password)

    def add_role(self, name: str, *members: str) -> None:
        self.roles.add_role(name)
        for member in members:
            self.roles.add_member(name, member)

    def add_member(self, role: str, user: str) -> None:
        self.roles.add_member(role, user)

    def has_user(self, name: str) -> bool:
        return self.users.has_user(name)

    def has_role(self, name: str) -> bool:
        query = "SELECT 1 FROM UM_HYBRID_ROLE WHERE UM_ROLE_NAME = :name"
        return bool(self.roles.place.query(query, name=name))
