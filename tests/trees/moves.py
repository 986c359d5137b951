"""What other tools do to entries that people know under a name."""

from __future__ import annotations

from mi_ldap.ldap.names import dn_in
from tests.kinds import ACTIVE_DIRECTORY
from tests.subtree import Subtree


def rename(place: Subtree, name: str, new_name: str) -> str:
    """The user gets another name, in the DN and to log in by; returns the new DN."""
    kind = place.kind
    place.tool.rename(place.user_dn(name), f"{kind.naming}={new_name}")
    if kind.login != kind.naming:
        place.tool.replace(place.user_dn(new_name), **{kind.login: new_name})
    return place.user_dn(new_name)


def add_folder(place: Subtree, base_dn: str, name: str) -> str:
    return place.tool.add(f"ou={name},{base_dn}", ["organizationalUnit"], ou=name)


def move(place: Subtree, dn: str, folder_dn: str) -> str:
    """The entry keeps its own name, in another folder; returns the new DN."""
    own = dn.partition(",")[0]
    connection = place.tool._connection
    assert connection.modify_dn(dn, own, new_superior=folder_dn), connection.result
    return f"{own},{folder_dn}"


def add_user_in(place: Subtree, folder_dn: str, name: str, password: str = "", **more: str) -> str:
    """A user as another tool makes it in a folder; returns its DN."""
    kind = place.kind
    given = {**kind.person_of(name, password), **more}
    return place.tool.add(dn_in(folder_dn, kind.naming, name), kind.user_classes, **given)


def follows_members(place: Subtree) -> bool:
    """Whether the server keeps groups right when a member gets another DN."""
    return place.kind.keeps_members_clean or place.kind is ACTIVE_DIRECTORY
