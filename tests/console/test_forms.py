"""Refused forms: nothing typed is lost, no password is kept, reloading sends nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mi_ldap.web.console import forms
from tests.console.console_client import ConsoleClient, console_client, goes_to
from tests.world import PASSWORD, World, make_world

SECRET = "never to be kept"
SECRETS = {"new": SECRET, "old": SECRET, "password": SECRET, "confirmed": f"{SECRET}, otherwise"}

REFUSED: tuple[tuple[str, dict[str, str], str], ...] = (
    ("/users/add", {"name": "bob"}, 'value="bob"'),
    ("/users/add", {"name": "a:b", "is_admin": "yes"}, "checked"),
    ("/roles/add", {"name": "a/b/c"}, 'value="a/b/c"'),
    ("/role/assign?name=testers", {"user": "no body"}, 'value="no body"'),
    ("/role/delete?name=admin", {}, "cannot be deleted"),
    ("/user/assign?name=bob", {"role": "no role"}, "cannot be found"),
    ("/user/revoke?name=bob", {"role": "no role"}, "cannot be found"),
    ("/user/revoke?name=admin", {"role": "admin", "is_confirmed": "yes"}, "last admin"),
    ("/user/delete?name=admin", {}, "You cannot delete your own account."),
    ("/user/password?name=bob", {}, "differ"),
    ("/account/password", {}, "differ"),
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = make_world(tmp_path / "state")
    world.add_first_admin()
    world.add("bob", "testers")
    yield world
    world.services.state.close()
    world.services.audit.close()


@pytest.fixture
def here(world: World) -> ConsoleClient:
    somebody = console_client(world)
    somebody.log_in("admin")
    return somebody


def test_every_form_but_the_logout_has_a_page(here: ConsoleClient) -> None:
    rules = here.client.application.url_map.iter_rules()
    sent_to = {
        rule.endpoint.removeprefix("console.")
        for rule in rules
        if rule.endpoint.startswith("console.") and rule.methods and "POST" in rule.methods
    }
    assert sent_to - {"log_out", "missing"} == set(forms.PAGES)


@pytest.mark.parametrize(("path", "fields", "kept"), REFUSED, ids=[each[0] for each in REFUSED])
def test_a_refused_form_is_shown_again_by_redirect(
    here: ConsoleClient, path: str, fields: dict[str, str], kept: str
) -> None:
    before = here.world.store.content
    way = goes_to(here.send(path, **{**SECRETS, **fields}))
    for _ in range(2):
        page = here.get(way)
        assert page.status_code == 200
        assert kept in unescape(page.text)
        assert SECRET not in page.text
    assert all(SECRET not in cookie.value for cookie in (here.client._cookies or {}).values())
    fresh = re.sub(r"again=[^&]*&?", "", way).rstrip("?&")
    for other in (fresh, f"{fresh}{'&' if '?' in fresh else '?'}again=x"):
        assert 'class="banner wrong"' not in here.get(other).text
        assert "aria-invalid" not in here.get(other).text
    assert here.world.store.content == before


def test_a_link_cannot_inject_form_values(here: ConsoleClient, world: World) -> None:
    way = goes_to(here.send("/users/add", name="bob", new=PASSWORD, confirmed=PASSWORD))
    other = console_client(world)
    other.log_in("admin")
    assert "already exists" not in other.get(way).text
    cookies = (here.client._cookies or {}).values()
    (cookie,) = (each for each in cookies if each.key.endswith("-form"))
    for forged in ("x", cookie.value[:-1], f"e30.{cookie.value.partition('.')[2]}"):
        other.client.set_cookie(cookie.key, forged, domain="localhost")
        assert "already exists" not in other.get(way).text


@pytest.mark.parametrize("has_session", [True, False], ids=["another session", "no session"])
def test_typed_values_survive_the_end_of_the_session(
    here: ConsoleClient, has_session: bool
) -> None:
    csrf = here.csrf()
    if has_session:
        here.log_in("admin")
        answer = here.post("/users/add", csrf=csrf, name="carla", new=SECRET, confirmed=SECRET)
        assert answer.status_code == 403
        found = re.search(r'href="/console([^"]*again=[^"]*)"', answer.text)
        assert found
        way = unescape(found[1])
    else:
        here.client.delete_cookie(here.cookie().key, domain="localhost")
        sent = here.post("/users/add", csrf=csrf, name="carla", new=SECRET, confirmed=SECRET)
        login = here.get(goes_to(sent))
        assert "Your session has ended." in login.text
        wanted = re.search(r'name="next" value="([^"]+)"', login.text)
        assert wanted
        way = goes_to(here.log_in("admin", next=unescape(wanted[1])))
    page = here.get(way).text
    assert ('value="carla"' in page, SECRET in page) == (True, False)
    assert not here.world.exists("carla")


def test_a_form_of_another_site_is_not_kept(here: ConsoleClient) -> None:
    answer = here.post("/users/add", {"Sec-Fetch-Site": "cross-site"}, name="carla")
    assert answer.status_code == 403
    assert "again=" not in answer.text
    assert "Set-Cookie" not in answer.headers


@settings(
    max_examples=30,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=st.text(st.characters(codec="utf-8"), max_size=600))
def test_any_text_is_kept_as_it_was_typed(here: ConsoleClient, text: str) -> None:
    name = f"{text}:"
    way = goes_to(here.send("/users/add", name=name, new=PASSWORD, confirmed=PASSWORD))
    found = re.search(r'name="name" type="text" value="([^"]*)"', here.get(way).text)
    assert found
    cookies = here.client._cookies or {}
    assert all(len(each.key + each.value) < 4096 for each in cookies.values())
    assert unescape(found[1]).replace("\r", "") in (name[:500].replace("\r", ""), "")
    if len(name.encode()) <= 240:
        assert found[1]


def test_changes_of_the_admin_role_need_confirmation(here: ConsoleClient) -> None:
    """Whatever way its name is typed, and whatever the first form claims."""
    world = here.world
    for path, fields in (
        ("/user/assign?name=bob", {"role": "admin"}),
        ("/user/assign?name=bob", {"role": " ADMIN "}),
        ("/user/assign?name=bob", {"role": "PRIMARY/admin", "is_confirmed": "true"}),
        ("/role/assign?name=admin", {"user": "bob"}),
    ):
        assert goes_to(here.send(path, **fields)) == "/user/assign-admin?name=bob"
        assert not world.is_admin("bob")
    page = here.get("/user/assign-admin?name=bob").text
    assert "You become the custodian" in page
    here.send("/user/assign?name=bob", role="admin", is_confirmed="yes")
    assert world.is_admin("bob")
    for role in ("admin", "PRIMARY/Admin"):
        way = goes_to(here.send("/user/revoke?name=bob", role=role))
        assert way == "/user/revoke-admin?name=bob"
        assert world.is_admin("bob")
    here.send("/user/revoke?name=bob", role="admin", is_confirmed="yes")
    assert not world.is_admin("bob")


def test_revoking_the_own_admin_role_shows_the_consequences(here: ConsoleClient) -> None:
    world = here.world
    world.add_admin("boss", "admin")
    world.add_admin("carl", "boss")
    boss = console_client(world)
    boss.log_in("boss")
    page = unescape(re.sub(r"<[^>]+>", "", boss.get("/user/revoke-admin?name=boss").text))
    assert "Revoke the admin role from yourself, boss?" in page
    assert "You are the custodian of carl." in page
    assert "admin becomes their custodian." in page
    answer = boss.send("/user/revoke?name=boss", role="admin", is_confirmed="yes")
    assert goes_to(answer) == "/login"
    assert "You are no longer an admin." in boss.get("/login").text
    assert world.custodian("carl") == "admin"
    elder = unescape(re.sub(r"<[^>]+>", "", here.get("/user/revoke-admin?name=carl").text))
    assert "custodian of" not in elder


def test_the_first_admin_is_labelled(here: ConsoleClient) -> None:
    here.world.add_admin("elder", None)
    page = re.sub(r"\s+", " ", here.get("/users").text)
    assert page.count("First admin") == 1
    assert "No custodian" in page
    assert "An admin without a custodian" in here.get("/user?name=elder").text
