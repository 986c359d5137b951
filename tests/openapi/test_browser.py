"""Swagger UI in a real Chromium: nothing breaks the policy, nothing is asked of anybody else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.console.browser_window import browser, window
from tests.openapi.conftest import Stage
from tests.until import until


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture
def page(chromium: Browser, stage: Stage) -> Iterator[Page]:
    """The page, loaded; at the end nothing must have been complained of or asked elsewhere."""
    with window(chromium, stage.service) as opened:
        asked: list[str] = []
        opened.page.on("request", lambda request: asked.append(request.url))
        opened.page.goto(f"{stage.url}/docs")
        expect(opened.page.locator(".opblock").first).to_be_visible(timeout=30_000)
        yield opened.page
        assert [url for url in asked if not url.startswith((stage.url, "data:"))] == []


def test_swagger_ui_sends_a_get_with_the_token(page: Page, stage: Stage) -> None:
    authorize(page, stage.token)
    users = scrolled_to(page, "#operations-Users-get_users")
    try_out(users)
    for field in users.locator("input").all():
        field.fill("")
    users.get_by_role("button", name="Execute").click()
    expect(users.locator(".live-responses-table .microlight").first).to_contain_text('"root"')


def test_swagger_ui_sends_a_change_with_the_token(page: Page, stage: Stage) -> None:
    authorize(page, stage.token)
    roles = scrolled_to(page, "#operations-Roles-post_roles")
    try_out(roles)
    roles.get_by_role("textbox").first.fill('{"role": "tried out"}')
    roles.get_by_role("button", name="Execute").click()
    expect(roles.locator(".live-responses-table .microlight").first).to_contain_text('"Added"')


def test_swagger_ui_shows_the_401_without_a_token(page: Page) -> None:
    roles = scrolled_to(page, "#operations-Roles-get_roles")
    try_out(roles)
    roles.get_by_role("button", name="Execute").click()
    expect(roles.locator(".live-responses-table")).to_contain_text("carries no token")


def authorize(page: Page, token: str) -> None:
    page.get_by_role("button", name="Authorize").first.click()
    page.locator("#auth-bearer-value").fill(token)
    container = page.locator(".auth-container", has_text="bearer")
    container.locator("button.authorize").click()
    page.locator("button.btn-done").first.click()


def scrolled_to(page: Page, selector: str) -> Locator:
    """The operation; of a hundred and more, Swagger UI renders those that are in view."""
    operation = page.locator(selector)
    page.mouse.move(600, 400)
    page.mouse.wheel(0, -100_000)

    def is_rendered() -> bool:
        if operation.count():
            return True
        page.mouse.wheel(0, 300)
        page.wait_for_timeout(200)
        return False

    until(is_rendered, 30.0)
    return operation


def try_out(operation: Locator) -> None:
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
