"""What holds of the directory whatever happened: looked at with another tool."""

from __future__ import annotations

from dataclasses import dataclass

from mi_ldap.directory.names import first_value
from tests.subtree import Subtree

CUSTODIAN, EPOCH = "miLdapCustodian", "miLdapEpoch"
_WANTED = ("*", "entryUUID", "memberOf", "pwdChangedTime")

Values = dict[str, list[str]]
Snapshot = dict[str, Values]


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry as it stands."""

    dn: str
    values: Values

    def all(self, attribute: str) -> list[str]:
        return self.values.get(attribute, [])

    @property
    def id(self) -> str:
        return self.all("entryUUID")[0]

    @property
    def custodian(self) -> str | None:
        return next(iter(self.all(CUSTODIAN)), None)

    @property
    def has_password(self) -> bool:
        """As the password policy has noted it: who may not see passwords can tell, too."""
        return bool(self.all("pwdChangedTime"))


def users_in(subtree: Subtree) -> dict[str, Entry]:
    """All users by name."""
    return _below(subtree, subtree.user_base)


def roles_in(subtree: Subtree) -> dict[str, Entry]:
    """All groups by name."""
    return _below(subtree, subtree.group_base)


def admins_in(subtree: Subtree) -> dict[str, Entry]:
    """The users who are members of the group `admin`, by name."""
    group = roles_in(subtree).get("admin")
    members = group.all("member") if group else []
    return {name: user for name, user in users_in(subtree).items() if user.dn in members}


def assert_sound(subtree: Subtree) -> None:
    """Admins have a password and an admin for custodian, or none; links are whole.

    A custodian is an admin, and nobody is its own; where none is left the charge has none.
    """
    users, admins = users_in(subtree), admins_in(subtree)
    admin_ids = {admin.id for admin in admins.values()}
    for name, user in users.items():
        assert user.custodian in {None, *admin_ids} - {user.id}, f"the custodian of {name}"
        assert name in admins or user.custodian is None, f"{name} is no admin but has a custodian"
        assert name not in admins or user.has_password, f"the admin {name} has no password"
    _assert_links_are_whole(users, roles_in(subtree))


def _assert_links_are_whole(users: dict[str, Entry], roles: dict[str, Entry]) -> None:
    """Every member is there, and `member` and `memberOf` say the same."""
    said_by_roles = {
        (member, role.dn) for role in roles.values() for member in role.all("member") if member
    }
    said_by_users = {(user.dn, dn) for user in users.values() for dn in user.all("memberOf")}
    assert said_by_roles == said_by_users


def custody_in(subtree: Subtree) -> Snapshot:
    """All that custody and the admin role depend on."""
    users = {
        user.dn: {CUSTODIAN: user.all(CUSTODIAN), EPOCH: user.all(EPOCH)}
        for user in users_in(subtree).values()
    }
    admin = roles_in(subtree)["admin"]
    return {**users, admin.dn: {"member": admin.all("member")}}


def restore(subtree: Subtree, snapshot: Snapshot) -> None:
    """Bring back what has changed since; nothing may be missing."""
    now = custody_in(subtree)
    for dn, values in snapshot.items():
        if now[dn] != values:
            subtree.tool.replace(dn, **values)


def _below(subtree: Subtree, base_dn: str) -> dict[str, Entry]:
    dns = subtree.tool.dns_below(base_dn)[:-1]
    return {first_value(dn)[1]: Entry(dn, subtree.tool.read(dn, *_WANTED)) for dn in dns}
