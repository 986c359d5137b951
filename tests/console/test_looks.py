"""Every page in both colour schemes, wide and narrow: axe-core finds nothing grave."""

from __future__ import annotations

from importlib.resources import files
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.console.browser_window import NARROW, WIDE, Scheme, Stage, Window
from tests.console.conftest import OpenWindow

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")
ODD = ('<i>O\'Neil & "Söhne" %2F ?x=1#y', "محمد الأمين", "🦊 fox", "x" * 240, "..a+b ; c")
GRAVE = ("serious", "critical")


@pytest.fixture(scope="module")
def people(stage: Stage) -> Stage:
    """Names that try layout and addresses, an admin of somebody else's, a role."""
    for name in ODD:
        stage.add(name)
    stage.add("looks-boss", is_admin=True)
    stage.add("looks-carl", is_admin=True, by="looks-boss")
    stage.add_role("Internal/looks", *ODD)
    stage.mi.write_log("looks.log", f"{'long ' * 300}\n\x1b[31m<b>\n".encode() * 20)
    return stage


PATHS = (
    "/users",
    "/users?q=no+such+name",
    "/users/add",
    "/roles",
    "/roles/add",
    "/role?name=Internal%2Flooks",
    "/role?name=admin",
    "/role/delete?name=Internal%2Flooks",
    "/user?name=looks-carl",
    "/user?name=looks-boss",
    "/user/delete?name=looks-boss",
    "/user/revoke-admin?name=looks-boss",
    "/user/revoke-admin?name=root",
    "/user/assign-admin?name=..a%2Bb+%3B+c",
    "/account",
    "/nowhere",
    "/nodes",
    "/nodes/mi-1",
    "/nodes/mi-2",
    "/nodes/mi-2/apis",
    "/nodes/mi-1/endpoints",
    "/nodes/mi-1/logging",
    "/nodes/mi-1/proxy-services/details?name=it%27s%2Fodd",
    "/nodes/mi-1/applications/details?name=Best%C3%A4tigung",
    "/nodes/mi-1/applications/details?name=what%3F",
    "/nodes/mi-1/logging/details?name=AUDIT_LOG",
    "/nodes/mi-1/applications/change?name=what%3F&change=delete",
    "/nodes/mi-1/logs",
    "/nodes/mi-1/logs/file?name=looks.log",
    "/nodes/mi-1/logs/file?name=wso2error.log",
    *(f"/user?name={quote(name, safe='')}" for name in ODD[:2] + ODD[3:4]),
)


@pytest.mark.parametrize(
    ("size", "scheme"), [(WIDE, "light"), (NARROW, "dark")], ids=["wide-light", "narrow-dark"]
)
def test_axe_finds_no_serious_problem_on_any_page(
    people: Stage, window_of: OpenWindow, size: tuple[int, int], scheme: Scheme
) -> None:
    here: Window = window_of(scheme=scheme, size=size)
    found = _found(here.open("/login"), "/login")
    here.log_in("root")
    for path in PATHS:
        found += _found(here.open(path), path)
    assert found == []


def test_axe_finds_no_serious_problem_in_the_open_menu(
    people: Stage, window_of: OpenWindow
) -> None:
    page = window_of().log_in("root")
    page.get_by_label("Account menu of root").click()
    assert _found(page, "menu") == []
    # What has the colour of its ground axe-core takes for hidden on purpose.
    colour = "getComputedStyle(element).color"
    labels = (page.get_by_role("button", name="Log out"), page.get_by_text("Logged in as"))
    for label in labels:
        assert label.evaluate(f"element => {colour}") != "rgb(255, 255, 255)"
    labels[0].click()
    expect(page.get_by_text("You are logged out.")).to_be_visible()
    assert _found(page, "logged out") == []


def test_any_name_has_a_page_of_its_own(people: Stage, window_of: OpenWindow) -> None:
    page = window_of(scripts=False).log_in("root", path="/role?name=Internal/looks")
    for name in ODD:
        page.get_by_role("link", name=name, exact=True).click()
        assert page.get_by_role("heading", level=1).inner_text() == name
        page.go_back()


def _found(page: Page, where: str) -> list[str]:
    page.evaluate(AXE)
    result: Any = page.evaluate("axe.run({resultTypes: ['violations']})")
    grave = [each for each in result["violations"] if each["impact"] in GRAVE]
    found = [f"{where}: {each['id']} {each['nodes'][0]['html'][:120]}" for each in grave]
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append(f"{where}: wider than the screen")
    return found
