"""Who is in the directory that is measured, as LDIF for `slapadd`.

    user0000001 …    the users; all have the same password
    role0001 …       1,000 roles of about 100 users each, fewer where that would take long
    everybody        the role of all users
    outsider1, 2     hold no role; they are given some, and lose them again
    made10 …         are created by the service itself, so that the server hashes their password

Up to 50 users a small role, spread over all, are *asked for*: whatever the size, each of them holds
`everybody` and two of the small roles. The rest of the small roles goes to others, so that what is
measured at one size is the same at another.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SUFFIX = "dc=mi"
PEOPLE, GROUPS = f"ou=people,{SUFFIX}", f"ou=groups,{SUFFIX}"
PASSWORD = "the same for all of them"  # noqa: S105 - of people who don't exist
SMALL_ROLES, SMALL_ROLE_SIZE = 1000, 100
EVERYBODY = "everybody"
OUTSIDERS = ("outsider1", "outsider2")
ADMINS = 500
CREATED = tuple(f"made{number}" for number in range(10, 60))
STRIDE = 7919
"""A prime: by its multiples all users are come across in no order."""

_SALT = b"mi-bench"
_CHANGED_AT = "20260101000000Z"


@dataclass(frozen=True, slots=True)
class Population:
    """So many users, a multiple of 1,000, in so many small roles.

    Attributes:
        has_everybody: whether there is the role of all users.
    """

    users: int
    small_roles: int = SMALL_ROLES
    has_everybody: bool = True

    @property
    def asked_for(self) -> int:
        """How many users are asked for."""
        return min(self.users // 2, self.small_roles * SMALL_ROLE_SIZE // 2)

    def asked(self, index: int) -> int:
        """The number of one of them; the index may be any."""
        return 1 + index % self.asked_for * (self.users // self.asked_for)

    def names(self) -> Iterator[str]:
        """All users but the admin."""
        yield from (user_name(number) for number in range(1, self.users + 1))
        yield from (*OUTSIDERS, *CREATED)

    def people(self) -> list[str]:
        """The names of 500 users who log in and become admins."""
        return [user_name(self.asked(number * STRIDE)) for number in range(ADMINS)]

    def members(self, role: int) -> list[int]:
        """The numbers of the users in a small role, which is numbered from 0."""
        indexes = range(self.asked_for)
        roles = self.small_roles
        asked = [*indexes[role::roles], *indexes[(role - roles // 2) % roles :: roles]]
        return [self.asked(index) for index in asked] + self._others(role, len(asked))

    def _others(self, role: int, asked: int) -> list[int]:
        """Who fills a small role up; there is room below 100,000 users only, at even numbers."""
        room = max(0, SMALL_ROLE_SIZE - asked)
        others = self.users - self.asked_for
        return [2 + 2 * ((role * room + place) % others) for place in range(room)]

    def roles(self) -> Iterator[tuple[str, Iterator[str]]]:
        """Each role with the names of its users."""
        for role in range(self.small_roles):
            yield role_name(role), map(user_name, self.members(role))
        if self.has_everybody:
            yield EVERYBODY, map(user_name, range(1, self.users + 1))

    def ldif(self) -> Iterator[str]:
        """Entry after entry: the users, then the roles."""
        held: dict[int, list[str]] = {}
        for role in range(self.small_roles):
            for number in self.members(role):
                held.setdefault(number, []).append(role_name(role))
        hashed = hashed_password()
        for number in range(1, self.users + 1):
            roles = [EVERYBODY, *held.get(number, ())]
            yield _user(user_name(number), number, hashed, roles)
        for number, name in enumerate(OUTSIDERS, self.users + 1):
            yield _user(name, number, hashed, ())
        yield from (_role(name, members) for name, members in self.roles())


def user_name(number: int) -> str:
    """`"user0000001"`."""
    return f"user{number:07d}"


def role_name(role: int) -> str:
    """`"role0001"` for 0."""
    return f"role{role + 1:04d}"


def user_dn(name: str) -> str:
    """The entry of a user."""
    return f"uid={name},{PEOPLE}"


def role_dn(name: str) -> str:
    """The entry of a role."""
    return f"cn={name},{GROUPS}"


def entry_uuid(number: int) -> str:
    """The id of a user's entry."""
    return f"{number:08x}-0000-4000-8000-{number:012x}"


def _user(name: str, number: int, hashed: str, roles: Sequence[str]) -> str:
    lines = [
        f"dn: {user_dn(name)}",
        "objectClass: inetOrgPerson",
        "objectClass: miLdapAccount",
        f"uid: {name}",
        f"cn: {name}",
        f"sn: {name}",
        f"miLdapEpoch: {number:016x}",
        f"userPassword: {hashed}",
        f"pwdChangedTime: {_CHANGED_AT}",
        f"entryUUID: {entry_uuid(number)}",
        *(f"memberOf: {role_dn(role)}" for role in roles),
    ]
    return "\n".join(lines) + "\n\n"


def _role(name: str, members: Iterator[str]) -> str:
    """With the empty member that a role is made with."""
    lines = [
        f"dn: {role_dn(name)}",
        "objectClass: groupOfNames",
        f"cn: {name}",
        "member: ",
        *(f"member: {user_dn(member)}" for member in members),
    ]
    return "\n".join(lines) + "\n\n"


def hashed_password() -> str:
    """Salted SHA-1, which costs a server next to nothing: what is measured is all the rest."""
    digest = hashlib.sha1(PASSWORD.encode() + _SALT).digest()  # noqa: S324
    return "{SSHA}" + base64.b64encode(digest + _SALT).decode()
