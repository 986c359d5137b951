"""A browser on the console of a directory that nobody may write, with a database beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.console.browser_window import WIDE, Window, window
from tests.mixed_stores import HYBRID_ADMIN_ROLE, PASSWORD, read_only_directory
from tests.service import running

ROLE = "Internal/ops & co"


@pytest.fixture(scope="module")
def opened(chromium: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Window]:
    folder: Path = tmp_path_factory.mktemp("mixed")
    with (
        read_only_directory(folder, has_secondary=True) as env,
        running(env) as service,
        window(chromium, service, size=WIDE) as opened,
    ):
        opened.log_in("admin", PASSWORD)
        opened.says("You are the first administrator.")
        yield opened


def choose(page: Page, role: str) -> None:
    page.get_by_label("Assign a role").select_option(role)
    page.get_by_role("button", name="Assign role", exact=True).click()


def test_what_a_read_only_directory_leaves_to_do(opened: Window) -> None:
    page = opened.open("/roles")
    # A role and a user whose names have a domain, and all pages that lead to them.
    page.get_by_role("link", name="Add role").click()
    page.get_by_label("Role name").fill(ROLE)
    opened.press("Add role")
    expect(page.get_by_role("heading", name=ROLE)).to_be_visible()
    page.get_by_role("link", name="Users", exact=True).first.click()
    page.get_by_role("link", name="Add user").click()
    page.get_by_label("User name").fill("wso2.com/sue")
    for label in ("Password", "Confirm password"):
        page.get_by_label(label, exact=True).fill(PASSWORD)
    opened.press("Add user")
    expect(page.get_by_role("heading", name="WSO2.COM/sue")).to_be_visible()
    choose(page, ROLE)
    opened.says(f"WSO2.COM/sue now has the role {ROLE}.")
    page.get_by_role("link", name=ROLE).click()
    expect(page.get_by_role("row", name="WSO2.COM/sue")).to_be_visible()
    page.get_by_role("link", name="WSO2.COM/sue").click()
    page.get_by_role("button", name=f"Revoke {ROLE}").click()
    opened.says(f"Revoked {ROLE} from WSO2.COM/sue.")


def test_an_admin_of_a_read_only_directory_is_made_and_unmade(opened: Window) -> None:
    page = opened.open("/user?name=bob")
    choose(page, HYBRID_ADMIN_ROLE)
    opened.press("Assign admin role")
    opened.says(f"bob now has the role {HYBRID_ADMIN_ROLE}.")
    expect(page.get_by_text("Made an admin by admin")).to_be_visible()
    for label in ("Set password", "Delete user", "Revoke developers"):
        expect(page.get_by_role("button", name=label, exact=True)).to_be_disabled()
    page.get_by_role("link", name=f"Revoke {HYBRID_ADMIN_ROLE}…").click()
    opened.press("Revoke admin role")
    opened.says(f"Revoked {HYBRID_ADMIN_ROLE} from bob.")
    expect(page.get_by_text("A user without admin rights")).to_be_visible()
