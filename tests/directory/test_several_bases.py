"""Users and roles below several bases: a read is one round trip, and complete."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mi_ldap.directory.store import DirectoryStore
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.ldap import connection
from mi_ldap.ldap.deadline_socket import DeadlineSocket
from mi_ldap.ldap.names import dn_in
from mi_ldap.model import Role, User
from tests.directory.stores import Stores
from tests.subtree import Subtree

BASES = ("north", "south", "east")


@pytest.fixture
def wide(stores: Stores, subtree: Subtree) -> DirectoryStore:
    """A store without memory; two users and a role below each base, and a base in another one."""
    folders: dict[str, list[str]] = {}
    for top in (subtree.user_base, subtree.group_base):
        folders[top] = [dn_in(top, "ou", name) for name in BASES]
        folders[top].append(dn_in(folders[top][0], "ou", "inner"))
        for dn in folders[top]:
            subtree.tool.add(dn, ["organizationalUnit"])
    for base in folders[subtree.user_base]:
        for number in range(2):
            name = f"{base.partition(',')[0][3:]}{number}"
            subtree.tool.add(dn_in(base, "uid", name), ["inetOrgPerson"], cn=name, sn=name)
    for base, member in zip(folders[subtree.group_base], folders[subtree.user_base], strict=True):
        name = base.partition(",")[0][3:]
        members = dn_in(member, "uid", f"{name}0")
        subtree.tool.add(dn_in(base, "cn", name), ["groupOfNames"], member=members)
    store = stores.open(
        USER_STORE__USER_SEARCH_BASE="#".join(folders[subtree.user_base]),
        USER_STORE__GROUP_SEARCH_BASE="#".join(folders[subtree.group_base]),
        USER_STORE__INDEX_LIMIT="0",
    )
    store.user_names()
    return store


def round_trips(read: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> int:
    sent = []
    sendall = DeadlineSocket.sendall
    with monkeypatch.context() as patch:

        def counted(plain: DeadlineSocket, data: bytes) -> None:
            sent.append(data)
            sendall(plain, data)

        patch.setattr(DeadlineSocket, "sendall", counted)
        read()
    return len(sent)


def name_of(found: User | Role | None) -> str:
    return found.name if found else ""


NAMES = tuple(f"{base}{number}" for base in sorted((*BASES, "inner")) for number in range(2))

READS: dict[str, tuple[Callable[[DirectoryStore], object], object]] = {
    "all users": (lambda store: store.user_names().names, NAMES),
    "users by a part": (lambda store: store.user_names("*outh*").names, ("south0", "south1")),
    "a user": (lambda store: name_of(store.find_user("inner1")), "inner1"),
    "no user": (lambda store: store.find_user("nobody"), None),
    "all roles": (lambda store: store.role_names().names, ("east", "inner", "north", "south")),
    "a role": (lambda store: name_of(store.find_role("inner")), "inner"),
}


@pytest.mark.parametrize("what", READS)
def test_a_read_of_several_bases_is_one_round_trip(
    what: str, wide: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, expected = READS[what]
    assert read(wide) == expected
    assert round_trips(lambda: read(wide), monkeypatch) == 1


def test_long_lists_of_several_bases_are_complete(
    wide: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PAGE_SIZE", 1)
    assert (wide.user_names().names, wide.user_names().complete) == (NAMES, True)
    assert wide.role_names().names == ("east", "inner", "north", "south")


def test_a_failing_base_fails_the_read(stores: Stores, subtree: Subtree) -> None:
    missing = dn_in(subtree.user_base, "ou", "nowhere")
    store = stores.open(
        USER_STORE__USER_SEARCH_BASE=f"{subtree.user_base}#{missing}", USER_STORE__INDEX_LIMIT="0"
    )
    with pytest.raises(DirectoryUnavailable):
        store.user_names()
