"""The limits of Active Directory: so many entries a page, so many values at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mi_ldap.errors import DirectoryUnavailable
from tests.api.client import PASSWORD, Api
from tests.directory.stores import Stores
from tests.hosts.ad_limits import AdLimits
from tests.hosts.fixtures import samba
from tests.hosts.samba import Samba
from tests.kinds import ACTIVE_DIRECTORY
from tests.machines import MakeApi
from tests.subtree import Subtree, Tool, host_like, subtree_in

__all__ = ["samba"]

VALUES, PAGE = 4, 3
SMALL = [f"user{number:02}" for number in range(15)]


@pytest.fixture
def place(samba: Samba) -> Iterator[Subtree]:
    """A place in a domain behind the limits of Active Directory, small ones."""
    with AdLimits(samba, values=VALUES, page=PAGE) as limits:
        behind = replace(host_like(samba, ACTIVE_DIRECTORY), url=limits.ldaps_url)
        tool = Tool(samba.ldaps_url, *samba.manager, ca_file=samba.ca_file)
        with subtree_in(behind, tool) as made:
            yield made
        tool.close()


@pytest.fixture
def small(admin: Api, place: Subtree) -> Api:
    """A group `staff` of more members, and a folder of more users, than come at once."""
    place.add_group("staff", *(place.add_user(name, PASSWORD) for name in SMALL))
    return admin


def test_lists_are_whole(small: Api) -> None:
    assert small.names() == ["admin", *SMALL]
    assert small.get("/roles/staff")["users"] == SMALL
    assert small.names("?role=staff") == SMALL
    for number in range(5):
        small.add_role(f"role{number}")
    assert len(small.roles()) == 5 + 3


def test_the_admins_beyond_the_first_part_are_admins(small: Api, place: Subtree) -> None:
    for name in SMALL:
        place.add_member("admin", place.user_dn(name))
    for name in (SMALL[0], SMALL[-1]):
        assert small.user(name)["isAdmin"] is True
    shown = small.logged_in(SMALL[-1]).get("/roles/admin")["users"]
    assert shown == ["admin", *SMALL]
    answer = small("DELETE", f"/users/{SMALL[-1]}")
    assert answer.status_code == 403
    assert "recover-admin --adopt" in answer.text
    small.do("PUT", "/roles", {"userId": "admin", "removedRoles": ["admin"]})
    assert small.logged_in("admin")("GET", "/users").status_code == 403


def test_a_full_admin_group_is_not_an_empty_one(api_of: MakeApi, place: Subtree) -> None:
    place.add_group("admin", *(place.add_user(name, PASSWORD) for name in SMALL))
    place.add_user("eve", PASSWORD)
    api = api_of()
    eve = api.logged_in("eve")
    assert eve("GET", "/users").status_code == 403
    assert api.login("nobody").status_code == 401
    assert api.logged_in(SMALL[7]).names()[0] == "eve"


def test_members_come_and_go_in_a_group_that_comes_in_parts(small: Api) -> None:
    small.give("admin", "staff")
    small.do("PUT", "/roles", {"userId": SMALL[9], "removedRoles": ["staff"]})
    small.do("DELETE", f"/users/{SMALL[3]}")
    left = [name for name in SMALL if name not in {SMALL[3], SMALL[9]}]
    assert small.get("/roles/staff")["users"] == ["admin", *left]


def test_groups_in_a_group_that_comes_in_parts_are_followed(small: Api, place: Subtree) -> None:
    for name in SMALL[:5]:
        place.add_member("admin", place.user_dn(name))
    deep_dn = place.add_group("deep", *(place.user_dn(name) for name in SMALL[5:]))
    place.add_member("admin", deep_dn)
    last = small.logged_in(SMALL[-1])
    assert last.user(SMALL[-1])["isAdmin"] is True
    answer = small("PUT", "/roles", {"userId": SMALL[-1], "removedRoles": ["deep"]})
    assert answer.status_code == 403


def test_a_group_that_changes_while_it_comes_in_parts_is_read_again(
    place: Subtree, tmp_path: Path
) -> None:
    """Who moves up into a part that was read already would be no admin for that request."""
    dns = [place.add_user(name, PASSWORD) for name in SMALL]
    group_dn = place.add_group("admin", *dns)
    sent: list[str] = []
    taken: list[str] = []

    def meanwhile(operation: str) -> None:
        sent.append(operation)
        if len(sent) == 3 and not taken:
            taken.append(dns[0])
            place.tool.delete_values(group_dn, member=dns[0])

    stores = Stores(place, tmp_path)
    store = stores.observed(meanwhile)
    store.check()
    sent.clear()
    admin_role = store.admin_role()
    stores.close()
    assert taken
    assert admin_role is not None
    assert {dn.lower() for dn in admin_role.holders} == {dn.lower() for dn in dns[1:]}


def test_a_group_that_never_rests_is_an_outage(place: Subtree, tmp_path: Path) -> None:
    dns = [place.add_user(name, PASSWORD) for name in SMALL]
    group_dn = place.add_group("admin", *dns)
    sent: list[str] = []

    def meanwhile(operation: str) -> None:
        sent.append(operation)
        place.tool.replace(group_dn, description=f"change {len(sent)}")

    stores = Stores(place, tmp_path)
    store = stores.observed(meanwhile)
    with pytest.raises(DirectoryUnavailable):
        store.admin_role()
    stores.close()
