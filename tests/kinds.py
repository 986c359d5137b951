"""How other tools make people and groups in each kind of directory, as data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from mi_ldap.ldap.names import first_rdn_pair

Value = str | bytes
Values = Value | Iterable[Value]


@dataclass(frozen=True)
class Kind:
    """A kind of directory, and which groups it is used with.

    Attributes:
        naming: the attribute in the DN of people.
        person: what people have besides their name; `{0}` is the name.
        by_name: whether groups name their members by name, not by DN.
        keeps_members_clean: whether the server takes a removed user out of its groups.
        settings: what makes the service use it, as in `USER_STORE__PROFILE`.
    """

    name: str
    user_classes: tuple[str, ...] = ("inetOrgPerson",)
    group_classes: tuple[str, ...] = ("groupOfNames",)
    naming: str = "uid"
    login: str = "uid"
    person: Mapping[str, str] = field(default_factory=lambda: {"cn": "{0}", "sn": "{0}"})
    password: str = "userPassword"
    member: str = "member"
    by_name: bool = False
    empty_member: str | None = ""
    keeps_members_clean: bool = True
    settings: Mapping[str, str] = field(default_factory=dict)

    def person_of(self, name: str, password: str) -> dict[str, Values]:
        """The attributes of somebody; without a password where that is empty."""
        given: dict[str, Values] = {key: text.format(name) for key, text in self.person.items()}
        given[self.login] = name
        if password:
            given[self.password] = self._stored(password)
        return given

    def group_of(self, name: str, member_dns: Iterable[str]) -> dict[str, Values]:
        """The attributes of a group."""
        members = [self.member_of_dn(dn) for dn in member_dns]
        if not members and self.empty_member is not None:
            members = [self.empty_member]
        given: dict[str, Values] = {"cn": name, self.member: members} if members else {"cn": name}
        if "posixGroup" in self.group_classes:
            given["gidNumber"] = "4711"
        return given

    def member_of_dn(self, dn: str) -> str:
        """By what a group names the entry."""
        return first_rdn_pair(dn)[1] if self.by_name else dn

    def _stored(self, password: str) -> Value:
        return f'"{password}"'.encode("utf-16-le") if self.password == "unicodePwd" else password


OPENLDAP: Final = Kind(
    "OpenLDAP",
    settings={"USER_STORE__MEMBER_OF_ATTRIBUTE": "memberOf"},
)
PLAIN_OPENLDAP: Final = Kind("OpenLDAP without overlays", keeps_members_clean=False)
REPLICAS: Final = Kind("OpenLDAP, two replicas", keeps_members_clean=False)
UNIQUE_NAMES: Final = Kind(
    "OpenLDAP, groupOfUniqueNames",
    group_classes=("groupOfUniqueNames",),
    member="uniqueMember",
    keeps_members_clean=False,
    settings={"USER_STORE__GROUP_ENTRY_OBJECT_CLASS": "groupOfUniqueNames"},
)
RFC_2307: Final = Kind(
    "OpenLDAP, RFC 2307",
    group_classes=("posixGroup",),
    member="memberUid",
    by_name=True,
    empty_member=None,
    keeps_members_clean=False,
    settings={"USER_STORE__GROUP_ENTRY_OBJECT_CLASS": "posixGroup"},
)
DS389: Final = Kind("389 Directory Server", empty_member=None)
ACTIVE_DIRECTORY: Final = Kind(
    "Active Directory",
    user_classes=("user",),
    group_classes=("group",),
    naming="cn",
    login="sAMAccountName",
    person={"sn": "{0}", "userAccountControl": "512"},
    password="unicodePwd",
    empty_member=None,
)
