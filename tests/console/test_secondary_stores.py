"""The console over a primary and a secondary store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mi_ldap.web import create_app
from tests.console.console_client import ConsoleClient
from tests.memory_store import MemoryStore
from tests.store_contract import make_user
from tests.world import PASSWORD, make_world


@pytest.fixture
def secondary() -> MemoryStore:
    store = MemoryStore()
    make_user(store, "bob", PASSWORD)
    store.create_role("dev")
    return store


@pytest.fixture
def console(tmp_path: Path, secondary: MemoryStore) -> Iterator[ConsoleClient]:
    """An admin on the console."""
    world = make_world(tmp_path, (), {"WSO2.COM": secondary})
    world.add_first_admin()
    world.add("bob")
    made = ConsoleClient(world, create_app(world.services).test_client())
    made.log_in("admin")
    yield made
    world.services.close()


def test_pages_show_users_of_all_stores(console: ConsoleClient) -> None:
    page = console.get("/users")
    assert page.status_code == 200
    assert "WSO2.COM/bob" in page.text
    shown = console.get("/user?name=WSO2.COM%2Fbob")
    assert shown.status_code == 200
    assert "WSO2.COM/bob" in shown.text
    assert "WSO2.COM/dev" in console.get("/role?name=WSO2.COM%2Fdev").text


def test_a_user_of_a_secondary_store_is_changed_and_deleted(
    console: ConsoleClient, secondary: MemoryStore
) -> None:
    name = "WSO2.COM/bob"
    console.send(f"/user/assign?name={name}", role="WSO2.COM/dev")
    role = secondary.find_role("dev")
    assert role is not None
    assert secondary.member_names(role).names == ("bob",)
    console.send(f"/user/assign?name={name}", role="admin", is_confirmed="yes")
    assert console.world.admins() == ["admin"]
    console.send(f"/user/delete?name={name}", is_confirmed="yes")
    assert secondary.find_user("bob") is None
    assert console.world.exists("bob")


def test_a_user_is_created_in_the_store_that_its_name_says(
    console: ConsoleClient, secondary: MemoryStore
) -> None:
    console.send("/users/add", name="wso2.com/carl", new=PASSWORD, confirmed=PASSWORD)
    assert secondary.find_user("carl") is not None
