"""Lists of users and roles: pages, order, search, and a hundred thousand users."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.model import Names
from tests.console.console_client import ConsoleClient, console_client
from tests.world import make_world


@pytest.fixture
def here(tmp_path: Path) -> Iterator[ConsoleClient]:
    """An admin among sixty users, every third a tester."""
    world = make_world(tmp_path / "state")
    world.add_first_admin()
    for number in range(60):
        world.add(f"user-{number:02}", *(["testers"] if number % 3 == 0 else []))
    somebody = console_client(world)
    somebody.log_in("admin")
    yield somebody
    world.services.state.close()
    world.services.audit.close()


def shown(here: ConsoleClient, path: str) -> list[str]:
    return re.findall(r'class="row" href="[^"]*"><bdi>([^<]*)</bdi>', here.get(path).text)


def test_lists_are_split_into_pages(here: ConsoleClient) -> None:
    pages = [shown(here, f"/users?page={number}") for number in (1, 2, 3)]
    assert [len(page) for page in pages] == [25, 25, 11]
    assert [*pages[0], *pages[1], *pages[2]][1:] == [f"user-{number:02}" for number in range(60)]
    assert shown(here, "/users?page=999") == pages[2]
    assert "61 users, 51–61 shown" in here.get("/users?page=3").text


def test_the_sort_order_can_be_reversed(here: ConsoleClient) -> None:
    assert shown(here, "/users?sort=-name")[:2] == ["user-59", "user-58"]
    assert shown(here, "/users?sort=-name&page=3")[-1] == "admin"


def test_search_and_role_filter_the_list(here: ConsoleClient) -> None:
    assert shown(here, "/users?q=R-5") == [f"user-5{number}" for number in range(10)]
    assert shown(here, "/users?q=-5&role=testers") == ["user-51", "user-54", "user-57"]
    assert len(shown(here, "/role?name=testers")) == 20
    assert shown(here, "/role?name=testers&q=57") == ["user-57"]
    assert shown(here, "/roles?q=test") == ["testers"]
    assert "Nothing found" in here.get("/users?q=zzz").text


def test_a_list_that_cannot_be_read_in_time_offers_a_search(
    here: ConsoleClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_slow(like: str | None) -> Names:
        raise DirectoryUnavailable

    monkeypatch.setattr(here.world.store, "user_names", too_slow)
    answer = here.get("/users")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "Search for a part of a name to get a shorter list." in answer.text
    assert 'name="q"' in answer.text


def test_many_roles_are_suggested(here: ConsoleClient) -> None:
    for number in range(201):
        here.world.store.create_role(f"role-{number:03}")
    for page in ("/users", "/user?name=user-01"):
        text = here.get(page).text
        assert "<datalist" in text
        assert "<select" not in text


@pytest.mark.parametrize("path", ["page=0", "page=-1", "page=x", "size=7", "size=x", "sort=x"])
def test_invalid_list_parameters_are_ignored(here: ConsoleClient, path: str) -> None:
    assert len(shown(here, f"/users?{path}")) == 25


def test_links_of_a_list_keep_its_parameters(here: ConsoleClient) -> None:
    page = here.get("/users?q=user&role=testers&sort=-name&size=50").text
    assert 'href="/console/users?q=user&amp;role=testers&amp;size=50"' in page
    page = here.get("/users?q=user&sort=-name&page=2").text
    assert 'href="/console/users?q=user&amp;sort=-name&amp;page=3"' in page


def test_an_incomplete_list_is_labelled(here: ConsoleClient) -> None:
    here.world.store.complete = False
    assert (
        "incomplete: a user store is unavailable or limits the size of lists"
        in here.get("/users").text
    )


def test_a_page_of_100000_users_is_small(
    here: ConsoleClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = Names(tuple(f"crowd-{number:06}" for number in range(100_000)))
    monkeypatch.setattr(here.world.store, "user_names", lambda like: crowd)
    for path in ("/users", "/users?q=crowd-0999", "/users?sort=-name&page=3000"):
        answer = here.get(path)
        assert answer.status_code == 200
        assert len(answer.data) < 40_000
