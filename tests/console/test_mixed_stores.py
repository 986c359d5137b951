"""The console over a read-only primary store, a secondary store and hybrid roles.

A page offers what can be done, and shows the reason where something cannot.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.console.console_client import ConsoleClient, console_client, goes_to
from tests.memory_store import MemoryStore
from tests.store_contract import make_user
from tests.world import PASSWORD, World, make_world

ADMIN_ROLE = "Internal/admin"
HYBRID = (("SUPER_ADMIN__ADMIN_ROLE", ADMIN_ROLE),)
READ_ONLY = "The user store is read-only."
PRIMARY_ONLY = "Only a user of the primary user store can be an admin."


@pytest.fixture
def secondary() -> MemoryStore:
    store = MemoryStore()
    make_user(store, "sue", PASSWORD)
    store.create_role("partners")
    return store


@pytest.fixture
def world(tmp_path: Path, secondary: MemoryStore) -> Iterator[World]:
    """`admin` is the first admin; `bob` has the role `developers`, which nobody can change."""
    world = make_world(tmp_path, HYBRID, {"WSO2.COM": secondary})
    world.add("bob", "developers")
    world.add("admin")
    world.store.create_role("operators")
    world.store.writable = False
    yield world
    world.services.close()


@pytest.fixture
def console(world: World) -> ConsoleClient:
    """The admin on the console, with a hybrid role of its own."""
    console = console_client(world)
    console.log_in("admin")
    console.send("/roles/add", name="internal/testers")
    return console


def options(page: str, field: str) -> list[str]:
    """The choices of a field."""
    found = re.search(rf'<select id="{field}".*?</select>', page, re.DOTALL)
    return re.findall(r'value="([^"]+)"', found[0]) if found else []


def page_of(console: ConsoleClient, kind: str, name: str, action: str = "") -> str:
    return console.get(f"/{kind}{action}?name={quote(name, safe='')}").text


def test_the_first_login_asks_for_the_password_once(world: World) -> None:
    stranger = console_client(world)
    page = stranger.get("/login").text
    assert "No administrator exists yet." in page
    assert "Confirm password" not in page
    assert goes_to(stranger.log_in("admin")) == ""
    assert "You are the first administrator." in stranger.get("/users").text


def test_a_user_may_get_roles_of_its_store_and_hybrid_ones(console: ConsoleClient) -> None:
    page = page_of(console, "user", "bob")
    assert options(page, "give") == [ADMIN_ROLE, "Internal/testers"]
    assert "Roles of this user store are not offered: they are read-only." in page
    page = page_of(console, "user", "WSO2.COM/sue")
    assert options(page, "give") == ["Internal/testers", "WSO2.COM/partners"]
    assert "not offered" not in page


def test_roles_of_other_stores_are_not_offered_in_stores_that_can_be_changed(
    console: ConsoleClient, world: World
) -> None:
    world.store.writable = True
    offered = options(page_of(console, "user", "bob"), "give")
    assert offered == [ADMIN_ROLE, "Internal/testers", "operators"]


def test_a_user_who_can_get_no_role_is_offered_none(tmp_path: Path, secondary: MemoryStore) -> None:
    world = make_world(tmp_path / "another", (), {"WSO2.COM": MemoryStore()})
    world.add_first_admin()
    world.store.create_role("Internal/of-the-directory")
    console = console_client(world)
    console.log_in("admin")
    assert options(page_of(console, "user", "admin"), "give") == ["Internal/of-the-directory"]
    make_user(world.services.secondaries["WSO2.COM"], "sue", PASSWORD)
    page = page_of(console, "user", "WSO2.COM/sue")
    assert "There is no other role that this user can get." in page
    world.services.close()


def test_only_what_can_be_changed_of_a_user_is_offered(
    console: ConsoleClient, secondary: MemoryStore, world: World
) -> None:
    page = page_of(console, "user", "bob")
    assert page.count(READ_ONLY) == 3  # its role, its password, its deletion
    assert page_of(console, "user", "bob", "/delete").count(READ_ONLY) == 1
    page = page_of(console, "user", "admin")
    assert "Change your own password" not in page
    page = page_of(console, "user", "WSO2.COM/sue")
    assert READ_ONLY not in page
    assert "Delete user…" in page
    secondary.writable, world.store.writable = False, True
    assert READ_ONLY in page_of(console, "user", "WSO2.COM/sue")
    assert page_of(console, "user", "WSO2.COM/sue", "/delete").count(READ_ONLY) == 1
    assert "Change your own password" in page_of(console, "user", "admin")
    assert READ_ONLY not in page_of(console, "user", "bob")


def test_only_an_account_that_can_be_changed_has_a_form_for_its_password(
    console: ConsoleClient, world: World
) -> None:
    assert READ_ONLY in console.get("/account").text
    sue = console_client(world)
    sue.log_in("WSO2.COM/sue")
    page = sue.get("/account").text
    assert READ_ONLY not in page
    assert "Current password" in page


def test_users_can_be_added_to_the_stores_that_can_be_changed(
    console: ConsoleClient, secondary: MemoryStore
) -> None:
    assert "/users/add" in console.get("/users").text
    page = console.get("/users/add").text
    assert "Begin the name with WSO2.COM/: the primary user store is read-only." in page
    assert "Make this user an admin" not in page
    answer = console.send("/users/add", name="WSO2.COM/tom", new=PASSWORD, confirmed=PASSWORD)
    assert goes_to(answer) == "/user?name=WSO2.COM/tom"
    answer = console.send("/users/add", name="tom", new=PASSWORD, confirmed=PASSWORD)
    assert READ_ONLY in console.get(goes_to(answer)).text
    secondary.writable = False
    page = console.get("/users").text
    assert "/users/add" not in page
    assert READ_ONLY in page
    assert READ_ONLY in console.get("/users/add").text


def test_the_form_for_a_role_says_how_its_name_may_begin(
    console: ConsoleClient, world: World, secondary: MemoryStore
) -> None:
    page = console.get("/roles/add").text
    beginnings = "WSO2.COM/, Internal/ or Application/"
    assert f"Begin the name with {beginnings}: the primary user store is read-only." in page
    world.store.writable = True
    page = console.get("/roles/add").text
    assert f"With {beginnings} in front it is not one of the primary user store." in page


def test_the_form_says_nothing_of_domains_where_there_is_one_store(tmp_path: Path) -> None:
    world = make_world(tmp_path / "one", HYBRID)
    world.add("admin")
    console = console_client(world)
    console.log_in("admin", confirmed=PASSWORD)
    for path in ("/users/add", "/roles/add"):
        assert "name-says" not in console.get(path).text
    world.store.writable = False
    page = console.get("/roles/add").text
    assert "Begin the name with Internal/ or Application/: the user store is read-only." in page
    world.services.close()


def test_only_a_role_that_can_be_changed_can_be_assigned_on_its_page(
    console: ConsoleClient,
) -> None:
    page = page_of(console, "role", "developers")
    assert page.count(READ_ONLY) == 2
    assert 'name="user"' not in page
    for name in (ADMIN_ROLE, "Internal/testers", "WSO2.COM/partners"):
        page = page_of(console, "role", name)
        assert READ_ONLY not in page
        assert 'name="user"' in page
    assert "Begin the name with WSO2.COM/." in page


def test_an_admin_is_made_whose_user_cannot_be_changed(
    console: ConsoleClient, world: World
) -> None:
    page = page_of(console, "user", "bob", "/assign-admin")
    assert "only you can revoke the role from <bdi>bob</bdi>.</p>" in page
    console.send("/user/assign?name=bob", role=ADMIN_ROLE, is_confirmed="yes")
    assert world.services.users.show("bob").created_by == "admin"
    page = page_of(console, "role", ADMIN_ROLE)
    assert page.count("Makes admins") == 1
    assert "2 members" in page
    refusal = "bob is an admin already."
    assert refusal in page_of(console, "user", "bob", "/assign-admin")


def test_no_user_of_a_secondary_store_is_made_an_admin(
    console: ConsoleClient, world: World
) -> None:
    page = page_of(console, "user", "WSO2.COM/sue", "/assign-admin")
    assert PRIMARY_ONLY in page
    assert "Assign admin role" not in page
    answer = console.send(f"/role/assign?name={ADMIN_ROLE}", user="WSO2.COM/sue")
    assert PRIMARY_ONLY in console.get(goes_to(answer)).text
    assert not world.services.users.show("WSO2.COM/sue").is_admin


def test_names_with_a_slash_lead_where_they_say(console: ConsoleClient) -> None:
    console.send("/user/assign?name=WSO2.COM/sue", role="Internal/testers")
    page = page_of(console, "role", "Internal/testers")
    (link,) = re.findall(r'href="/console(/user[^"]*)"><bdi>WSO2.COM/sue', page)
    assert "Revoke Internal/testers" in console.get(link).text
    console.send("/user/revoke?name=WSO2.COM/sue", role="Internal/testers")
    assert "No user has this role." in page_of(console, "role", "Internal/testers")
    console.send("/role/delete?name=Internal/testers")
    assert "Internal/testers" not in console.get("/roles").text


def test_a_store_that_is_down_leaves_the_others(
    console: ConsoleClient, secondary: MemoryStore
) -> None:
    for name in ("bob", "WSO2.COM/sue"):
        console.send(f"/user/assign?name={name}", role="Internal/testers")
    secondary.is_down = True
    for path in ("/users", "/role?name=Internal/testers"):
        page = console.get(path)
        assert page.status_code == 200
        assert "incomplete: a user store is unavailable" in page.text
        assert "<bdi>bob</bdi>" in page.text
        assert "<bdi>WSO2.COM/sue</bdi>" not in page.text
    assert console.get("/user?name=bob").status_code == 200
    assert console.get("/user?name=WSO2.COM/sue").status_code == 503
