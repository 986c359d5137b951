"""What a change by another tool does to tokens, as the pages in `docs/directories` say."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.api.client import PASSWORD, Api
from tests.hosts_of_kinds import Hosts
from tests.kinds import ACTIVE_DIRECTORY, DS389, OPENLDAP, PLAIN_OPENLDAP
from tests.subtree import Subtree
from tests.table.directories import SERVERS, api_on, place_on

DISABLED = {
    OPENLDAP.name: {"pwdAccountLockedTime": "000001010000Z"},
    DS389.name: {"nsAccountLock": "true"},
    ACTIVE_DIRECTORY.name: {"userAccountControl": "514"},
}
Change = Callable[[Subtree, str], None]


@pytest.fixture(params=SERVERS, ids=lambda kind: kind.name)
def place(request: pytest.FixtureRequest, hosts: Hosts) -> Iterator[Subtree]:
    with place_on(hosts, request.param) as made:
        yield made


@pytest.fixture
def admin(place: Subtree, tmp_path: Path) -> Iterator[Api]:
    with api_on(place, tmp_path / "state") as api:
        yield api.logged_in("admin")


@pytest.fixture
def bob(admin: Api) -> Api:
    """An admin, with a good token."""
    admin.add_user("bob", isAdmin=True)
    return admin.stranger().logged_in("bob")


def remove(place: Subtree, dn: str) -> None:
    place.tool.delete(dn)


def disable(place: Subtree, dn: str) -> None:
    place.tool.replace(dn, **DISABLED[place.kind.name])


def set_password(place: Subtree, dn: str) -> None:
    # OpenLDAP and 389 note the second, 389 by a clock that is set once in a second.
    time.sleep(2.2)
    given = place.kind.person_of("bob", "another horse")
    place.tool.replace(dn, **{place.kind.password: given[place.kind.password]})


def demand_another(place: Subtree, dn: str) -> None:
    place.tool.replace(dn, pwdLastSet="0")


@pytest.fixture
def noted(place: Subtree) -> Iterator[None]:
    """389 notes when a password was set."""
    if place.kind == DS389:
        place.tool.replace("cn=config", passwordTrackUpdateTime="on")
    yield
    if place.kind == DS389:
        place.tool.replace("cn=config", passwordTrackUpdateTime="off")


@pytest.mark.usefixtures("noted")
@pytest.mark.parametrize("change", [remove, disable, set_password])
def test_it_ends_tokens(place: Subtree, bob: Api, change: Change) -> None:
    assert bob("GET", "/server").status_code == 200
    change(place, place.user_dn("bob"))
    assert bob("GET", "/server").status_code == 401


@pytest.mark.parametrize("place", [ACTIVE_DIRECTORY], indirect=True, ids=["AD"])
def test_a_change_that_is_demanded_ends_tokens(place: Subtree, bob: Api) -> None:
    demand_another(place, place.user_dn("bob"))
    assert bob("GET", "/server").status_code == 401


def test_who_is_no_admin_any_more_keeps_the_token(place: Subtree, bob: Api) -> None:
    assert bob("GET", "/users").status_code == 200
    place.tool.delete_values(place.group_dn("admin"), member=place.user_dn("bob"))
    assert bob("GET", "/users").status_code == 403
    assert bob("GET", "/server").status_code == 200


@pytest.mark.parametrize("place", [PLAIN_OPENLDAP, DS389], indirect=True, ids=["plain", "389"])
def test_a_password_that_nothing_notes_ends_none(place: Subtree, bob: Api) -> None:
    set_password(place, place.user_dn("bob"))
    assert bob("GET", "/server").status_code == 200
    assert bob.login("bob", PASSWORD).status_code == 401
