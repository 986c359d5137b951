"""Groups in memory: which of them must not be asked, whatever the overlay refint does when."""

from __future__ import annotations

import time
import uuid

import pytest

from mi_ldap.directory.layout.builder import build_layout
from mi_ldap.directory.layout.directory_layout import DirectoryLayout
from mi_ldap.directory.layout.profiles import PROFILES
from mi_ldap.directory.replica.contents import ReplicaContents
from mi_ldap.directory.replica.groups import REFINT_S, Group
from mi_ldap.directory.replica.name_keys import CacheMiss
from mi_ldap.ldap import names
from mi_ldap.ldap.messages import Entry
from mi_ldap.settings import load_settings

PEOPLE, GROUPS = "ou=people,dc=mi", "ou=groups,dc=mi"
ANN, BOB, EVE = (f"uid={name},{PEOPLE}" for name in ("ann", "bob", "eve"))
ADMIN = f"cn=admin,{GROUPS}"


class _Reader:
    """The layout alone: these tests read nothing."""

    def __init__(self, layout: DirectoryLayout) -> None:
        self.layout = layout


class Memory:
    """Contents with a group `admin`, as after polls and reads."""

    def __init__(self, *members: str) -> None:
        settings = load_settings({"MI_LDAP_STATE_DIR": "/nowhere"}).user_store
        reader = _Reader(build_layout(settings, PROFILES["openldap"]))
        self.contents = ReplicaContents(reader)  # type: ignore[arg-type]
        self.groups, self.people = self.contents.groups, self.contents.people
        for number, dn in enumerate((ANN, BOB), 1):
            self.user(number, dn)
        self.group = self.role(9, ADMIN, *members)
        self.contents.finish_poll()
        self.read(*members, later_s=REFINT_S)

    def user(self, number: int, dn: str) -> None:
        """Report an added, changed or moved user."""
        user_id = uuid.UUID(int=number)
        attributes = {
            "uid": [names.first_rdn_pair(dn)[1].encode()],
            "entryuuid": [str(user_id).encode()],
            "objectclass": [b"inetOrgPerson"],
        }
        self.contents.user_changed(user_id.bytes, Entry(dn, attributes))

    def gone(self, number: int) -> None:
        """Report a deleted user."""
        self.contents.user_gone(uuid.UUID(int=number).bytes)

    def role(self, number: int, dn: str, *members: str) -> Group:
        """Report a group with new members, and read these."""
        entry = self._entry(number, dn, members)
        self.contents.role_changed(uuid.UUID(int=number).bytes, entry)
        group = self.groups.at(dn)
        assert group
        self.contents.apply_members([(group, entry)], time.monotonic())
        return group

    def read(self, *members: str, later_s: float = 0.0) -> None:
        """Read the group's members: its stamp is the one that was reported."""
        entry = self._entry(9, self.group.entry.dn, members)
        self.contents.apply_members([(self.group, entry)], time.monotonic() + later_s)

    def _entry(self, number: int, dn: str, members: tuple[str, ...]) -> Entry:
        attributes = {
            "cn": [names.first_rdn_pair(dn)[1].encode()],
            "entryuuid": [str(uuid.UUID(int=number)).encode()],
            "entrycsn": [b"20260101000000.000000Z#000000#000#000000"],
            "objectclass": [b"groupOfNames"],
            "member": [member.encode() for member in members],
        }
        return Entry(dn, attributes)

    def holders(self) -> tuple[str, ...] | None:
        """The names of the members; None if the directory must be asked."""
        try:
            return self.contents.names_in(self.group).names
        except CacheMiss:
            return None


def test_members_are_known_after_the_read() -> None:
    assert Memory(ANN, BOB).holders() == ("ann", "bob")


def test_deleted_member_is_gone_before_the_group_changes() -> None:
    memory = Memory(ANN, BOB)
    memory.gone(1)
    memory.contents.finish_poll()
    assert memory.groups.due() == [memory.group]
    memory.read(ANN, BOB)  # refint has not changed it yet
    assert memory.holders() == ("bob",)


@pytest.mark.parametrize("dn", [ANN, ANN.upper(), f"UID=Ann, {PEOPLE}"])
@pytest.mark.parametrize("is_polled_between", [True, False])
def test_new_user_with_the_dn_of_a_deleted_one_is_left_to_the_directory(
    dn: str, is_polled_between: bool
) -> None:
    memory = Memory(ANN, BOB)
    if is_polled_between:
        memory.gone(1)
        memory.contents.finish_poll()
        memory.read(ANN, BOB)
        memory.user(3, dn)
    else:  # a poll applies deletions last
        memory.user(3, dn)
        memory.gone(1)
    memory.contents.finish_poll()
    memory.read(ANN, BOB)
    assert memory.holders() is None
    assert memory.groups.due() == []
    memory.read(BOB, later_s=REFINT_S)
    assert memory.holders() == ("bob",)


def test_moved_member_is_left_to_the_directory_until_refint_has_ended() -> None:
    memory = Memory(ANN, BOB)
    memory.user(1, EVE)
    memory.contents.finish_poll()
    memory.read(ANN, BOB)
    assert memory.holders() is None
    memory.read(EVE, BOB)
    assert memory.holders() is None
    memory.read(EVE, BOB, later_s=REFINT_S)
    assert memory.holders() == ("bob", "eve")


def test_swapped_names_are_left_to_the_directory() -> None:
    memory = Memory(ANN)
    memory.user(1, BOB)
    memory.user(2, ANN)
    memory.contents.finish_poll()
    memory.read(ANN)
    assert memory.holders() is None


def test_member_that_may_have_moved_here_is_left_to_the_directory() -> None:
    """The group names an entry outside of the bases, and a user is added."""
    memory = Memory(BOB, "uid=eve,ou=elsewhere,dc=mi")
    assert memory.holders() == ("bob",)
    memory.user(3, EVE)
    memory.contents.finish_poll()
    assert memory.holders() is None


def test_added_user_leaves_groups_certain_whose_members_all_exist() -> None:
    memory = Memory(ANN, BOB)
    memory.user(3, EVE)
    memory.contents.finish_poll()
    assert memory.holders() == ("ann", "bob")


def test_older_read_does_not_end_the_uncertainty() -> None:
    memory = Memory(ANN, BOB)
    memory.user(1, EVE)
    memory.contents.finish_poll()
    memory.read(EVE, BOB, later_s=REFINT_S / 2)
    assert memory.holders() is None
