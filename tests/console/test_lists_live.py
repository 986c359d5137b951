"""Lists in Chromium: typing narrows them in place, and the address says what is shown."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.console.browser_window import Stage, fresh
from tests.console.conftest import OpenWindow


def test_typing_narrows_the_list(stage: Stage, window_of: OpenWindow) -> None:
    prefix = fresh("zed")
    for number in range(3):
        stage.add(f"{prefix}-{number}")
    here = window_of()
    page = here.log_in("root")
    page.get_by_label("Search users").press_sequentially(f"{prefix}-")
    expect(page.locator("tbody tr")).to_have_count(3)
    expect(page.get_by_role("status")).to_have_text("3 users")
    expect(page).to_have_url(re.compile(rf"/console/users\?q={prefix}-$"))
    expect(page.get_by_label("Search users")).to_be_focused()
    page.get_by_role("link", name="sort from Z to A").click()
    expect(page.locator("tbody tr").first).to_contain_text(f"{prefix}-2")
    page.go_back()
    expect(page.locator("tbody tr").first).to_contain_text(f"{prefix}-0")
    page.get_by_label("Search users").fill(f"{prefix}-1")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name=f"{prefix}-1").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"{prefix}-1")
    page.go_back()
    expect(page.get_by_label("Search users")).to_have_value(f"{prefix}-1")


def test_the_list_works_without_javascript(stage: Stage, window_of: OpenWindow) -> None:
    one, other = stage.add(fresh("zed")), stage.add(fresh("zed"))
    role = stage.add_role(fresh("testers"), one)
    here = window_of(scripts=False)
    page = here.log_in("root")
    page.get_by_label("Role").select_option(role)
    here.press("Search")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody")).to_contain_text(one)
    expect(page.locator("tbody")).not_to_contain_text(other)


def test_pages_are_turned_by_keyboard(stage: Stage, window_of: OpenWindow) -> None:
    prefix = fresh("page")
    for number in range(27):
        stage.add(f"{prefix}-{number:02}")
    page = window_of().log_in("root", path=f"/users?q={prefix}-")
    expect(page.locator("tbody tr")).to_have_count(25)
    page.get_by_label("Next page").focus()
    page.keyboard.press("Enter")
    expect(page.locator("tbody tr")).to_have_count(2)
    expect(page.locator("#next")).to_be_focused()
    expect(page).to_have_url(re.compile(r"page=2$"))


def test_a_session_that_ended_meanwhile_leads_to_the_login(
    stage: Stage, window_of: OpenWindow
) -> None:
    here = window_of()
    page = here.log_in("root")
    page.context.clear_cookies()
    page.get_by_label("Search users").fill("r")
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in to mi_ldap")


def test_the_keyboard_skips_to_the_content(window_of: OpenWindow) -> None:
    page = window_of().log_in("root", path="/roles")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Add role")).to_be_focused()
