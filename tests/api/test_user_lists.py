"""`GET /management/users`: conditions, pages, completeness (§4)."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.api.client import Api
from tests.api.stores import where_names_are_any_text
from tests.memory_store import MemoryStore

NAMES = ("admin", "Bob", "bobby", "a*b", "a.b", "zoë", "Zoe")


@pytest.fixture
def crowd(admin: Api) -> Api:
    """An admin among a few others, one of whom holds `dev`."""
    admin.add_users(NAMES[1:])
    admin.add_role("dev", "Bob")
    return admin


@where_names_are_any_text
def test_the_whole_list_is_sorted_and_counted(crowd: Api) -> None:
    ordered = ["a*b", "a.b", "admin", "Bob", "bobby", "Zoe", "zoë"]
    assert crowd.get("/users") == {
        "count": 7,
        "list": [{"userId": name} for name in ordered],
    }


CONDITIONS: list[tuple[str, list[str]]] = [
    ("pattern=BOB", ["Bob"]),
    ("pattern=bob*", ["Bob", "bobby"]),
    ("pattern=**b**", ["a*b", "a.b", "Bob", "bobby"]),
    ("pattern=a?b", ["a*b", "a.b"]),
    ("pattern=a.b", ["a.b"]),
    ("pattern=ZO%C3%8B", ["zoë"]),
    ("searchKey=OB", ["Bob", "bobby"]),
    ("searchKey=*", ["a*b"]),
    ("searchKey=%C3%AB", ["zoë"]),
    ("regex=^b", ["bobby"]),
    ("regex=(?i)^b", ["Bob", "bobby"]),
    ("role=dev", ["Bob"]),
    ("role=DEV", ["Bob"]),
    ("role=admin&pattern=b*", []),
    ("role=Internal/everyone&searchKey=bob", ["Bob", "bobby"]),
    ("role=unknown", []),
    ("pattern=*b*&searchKey=o&regex=y$", ["bobby"]),
    ("pattern=&searchKey=&regex=&role=dev", ["Bob"]),
    ("pattern=b*&unknown=1", ["Bob", "bobby"]),
    ("pattern=nobody", []),
]

PAGES: list[tuple[str, list[str], int]] = [
    ("limit=2", ["a*b", "a.b"], 7),
    ("limit=2&offset=2", ["admin", "Bob"], 7),
    ("offset=6", ["zoë"], 7),
    ("limit=5&offset=99", [], 7),
    ("limit=1&searchKey=bob", ["Bob"], 2),
]


@where_names_are_any_text
def test_all_conditions_that_are_given_must_hold(crowd: Api) -> None:
    for query, names in CONDITIONS:
        listed = [{"userId": name} for name in names]
        assert crowd.get(f"/users?{query}") == {"count": len(names), "list": listed}, query


@where_names_are_any_text
def test_a_page_tells_the_total(crowd: Api) -> None:
    for query, names, total in PAGES:
        listed = [{"userId": name} for name in names]
        expected = {"count": len(names), "list": listed, "total": total}
        assert crowd.get(f"/users?{query}") == expected, query


def test_an_empty_page_is_the_whole_list(light_admin: Api) -> None:
    assert "total" not in light_admin.get("/users?limit=&offset=")
    assert "total" in light_admin.get("/users?offset=0")


@pytest.mark.parametrize("key", ["limit", "offset"])
def test_a_page_is_asked_for_in_whole_numbers(light_admin: Api, key: str) -> None:
    for value in ("-1", "x", "1.5", "1e3", "0x1", "٣x", " "):
        answer = light_admin("GET", f"/users?{key}={quote(value)}")
        assert answer.status_code == 400
        assert f"'{key}'" in answer.text


def test_a_page_has_at_least_one(light_admin: Api) -> None:
    assert light_admin("GET", "/users?limit=0").status_code == 400


@pytest.mark.parametrize("value", ["9" * 30, "9" * 6000])
def test_a_number_beyond_all_measure_is_no_fault_of_ours(light_admin: Api, value: str) -> None:
    assert light_admin("GET", f"/users?limit={value}").status_code in (200, 400)
    assert light_admin("GET", f"/users?offset={value}").status_code in (200, 400)


@pytest.mark.parametrize("regex", ["(", "[", "*", "(?=x)", r"\1", "((a{1000}){1000})"])
def test_what_is_no_re2_expression_is_refused(light_admin: Api, regex: str) -> None:
    answer = light_admin("GET", f"/users?regex={quote(regex)}")
    assert answer.status_code == 400
    assert "'regex'" in answer.text


def test_a_list_is_complete_whatever_its_length(admin: Api) -> None:
    admin.add_users(f"user{number:03}" for number in range(130))
    found = admin.get("/users")
    assert found["count"] == len(found["list"]) == 131


def test_a_list_that_is_cut_short_says_so(light_admin: Api, memory: MemoryStore) -> None:
    memory.complete = False
    light_admin.add_role("dev")
    for path in ("/users", "/users?role=dev", "/roles", "/roles/dev", "/roles/Internal/everyone"):
        answer = light_admin("GET", path)
        assert answer.status_code == 200
        assert answer.headers["X-Result-Truncated"] == "true"
    memory.complete = True
    assert "X-Result-Truncated" not in light_admin("GET", "/users").headers


def test_a_head_is_a_get_without_a_body(light_admin: Api) -> None:
    answer: Any = light_admin("HEAD", "/users")
    assert answer.status == "200 OK"
    assert int(answer.headers["Content-Length"]) == len(light_admin("GET", "/users").data)
