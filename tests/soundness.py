"""What holds of the directory whatever happened: looked at with another tool."""

from __future__ import annotations

from dataclasses import dataclass

from mi_ldap.ldap.names import first_rdn_pair
from tests.subtree import Subtree

CUSTODIAN, EPOCH = "miLdapCustodian", "miLdapEpoch"
_WANTED = ("*", "entryUUID", "memberOf", "pwdChangedTime")

Values = dict[str, list[str]]


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
        """As the password policy has noted it, where there is one: it is shown to more people."""
        return bool(self.all("pwdChangedTime") or self.all("userPassword"))


@dataclass(frozen=True, slots=True)
class Picture:
    """All users and all groups by name, at one moment."""

    users: dict[str, Entry]
    roles: dict[str, Entry]

    @property
    def admins(self) -> dict[str, Entry]:
        """The users who are members of the group `admin`."""
        members = self.roles["admin"].all("member") if "admin" in self.roles else []
        return {name: user for name, user in self.users.items() if user.dn in members}

    def roles_of(self, name: str) -> set[str]:
        dn = self.users[name].dn
        return {role for role, group in self.roles.items() if dn in group.all("member")}


def look_at(subtree: Subtree, *, crashed: bool = False, links: bool = True) -> Picture:
    """The directory as it is; it must be sound, see `assert_sound`.

    Without `links` when slapd itself was killed: it writes `memberOf` after `member`.
    """
    picture = Picture(_below(subtree, subtree.user_base), _below(subtree, subtree.group_base))
    assert_sound(picture, crashed=crashed)
    if links:
        assert_links_are_whole(picture)
    return picture


def assert_sound(picture: Picture, *, crashed: bool = False) -> None:
    """Admins have a password, and an admin for custodian or none.

    Nobody is its own; where none is left the charge has none. Only a crash may leave one with a
    user who is not, or not yet, an admin.
    """
    admins = picture.admins
    admin_ids = {admin.id for admin in admins.values()}
    for name, user in picture.users.items():
        assert user.custodian in {None, *admin_ids} - {user.id}, f"the custodian of {name}"
        assert name in admins or crashed or user.custodian is None, f"{name} has a custodian"
        assert name not in admins or user.has_password, f"the admin {name} has no password"


def restore(subtree: Subtree, before: Picture, now: Picture) -> None:
    """Bring back the custody and the admins of that time; no entry may be missing."""
    for name, user in before.users.items():
        _bring_back(subtree, now.users[name], user, CUSTODIAN, EPOCH)
    _bring_back(subtree, now.roles["admin"], before.roles["admin"], "member")


def sweep(subtree: Subtree, before: Picture) -> None:
    """Remove who and what has come since."""
    now = look_at(subtree)
    restore(subtree, before, now)
    for entry in (*now.roles.values(), *now.users.values()):
        if entry.dn not in {each.dn for each in (*before.roles.values(), *before.users.values())}:
            subtree.tool.delete(entry.dn)


def _bring_back(subtree: Subtree, now: Entry, before: Entry, *attributes: str) -> None:
    changed = {
        each: before.all(each) for each in attributes if set(now.all(each)) != set(before.all(each))
    }
    if changed:
        subtree.tool.replace(before.dn, **changed)


def assert_links_are_whole(picture: Picture) -> None:
    """Every member is there, and `member` and `memberOf` say the same."""
    said_by_roles = {
        (member, role.dn)
        for role in picture.roles.values()
        for member in role.all("member")
        if member
    }
    said_by_users = {
        (user.dn, dn) for user in picture.users.values() for dn in user.all("memberOf")
    }
    assert said_by_roles == said_by_users


def _below(subtree: Subtree, base_dn: str) -> dict[str, Entry]:
    found = subtree.tool.read_below(base_dn, *_WANTED)
    return {first_rdn_pair(dn)[1]: Entry(dn, values) for dn, values in found.items()}
