"""Artifacts and logs in Chromium, over the service and its worker."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from playwright.sync_api import expect

from tests.console.browser_window import Stage, Window, fresh
from tests.console.conftest import OpenWindow
from tests.micro_integrator.log_content import log_sha256


def test_an_operator_finds_and_deactivates_an_endpoint(stage: Stage, here: Window) -> None:
    operator = stage.add(fresh("olga"))
    stage.do("PUT", "/roles", {"userId": operator, "addedRoles": ["operators"]})
    page = here.log_in(operator)
    expect(page.get_by_role("heading", level=1)).to_have_text("Nodes")
    page.get_by_role("link", name="mi-1").click()
    page.get_by_role("link", name="Endpoints", exact=True).click()
    page.get_by_label("Search endpoints").fill("注文")
    here.press("Search")
    expect(page.locator("tbody tr")).to_have_count(1)
    page.get_by_role("link", name="注文一覧").click()
    page.get_by_role("link", name="Deactivate…").click()
    here.press("Deactivate")
    here.says("注文一覧 is inactive.")
    expect(page.get_by_text("Inactive", exact=True)).to_be_visible()
    page.get_by_role("link", name="Activate…").click()
    here.press("Activate")
    here.says("注文一覧 is active.")


def test_a_log_is_followed_until_it_is_stopped(stage: Stage, window_of: OpenWindow) -> None:
    reader, name = stage.add(fresh("rita")), f"{fresh('log')} ü.log"
    stage.mi.write_log(name, b"first line\n")
    here = window_of()
    page = here.log_in(reader, path=f"/nodes/mi-1/logs/file?name={name}")
    log = page.get_by_role("region", name="Content of the log file")
    expect(log).to_have_text("first line\n")
    page.get_by_role("button", name="Follow").press("Enter")
    expect(page.get_by_role("button", name="Stop following")).to_be_focused()
    stage.mi.write_log(name, b"<img src=x> \x1b[1m\n", appends=True)
    expect(log).to_contain_text("<img src=x> ␛[1m")
    stage.mi.write_log(name, b"another file\n")
    expect(log).to_have_text("another file\n")
    here.press("Stop following")
    expect(page.get_by_role("button", name="Follow")).to_be_visible()


def test_following_ends_with_the_session(stage: Stage, window_of: OpenWindow) -> None:
    here = window_of()
    page = here.log_in("root", path="/nodes/mi-1/logs/file?name=audit.log")
    page.get_by_role("button", name="Follow").click()
    page.context.clear_cookies()
    here.says("Following ended. Reload the page to continue reading.")


def test_a_log_is_read_and_saved_without_javascript(
    stage: Stage, window_of: OpenWindow, tmp_path: Path
) -> None:
    name, size = f"{fresh('big')} ü.log", 3_000_000
    stage.mi.add_log(name, size)
    page = window_of(scripts=False).log_in("root", path=f"/nodes/mi-1/logs/file?name={name}")
    expect(page.get_by_role("button", name="Follow")).to_have_count(0)
    page.get_by_role("link", name="Reload").click()
    expect(page).to_have_url(re.compile("/logs/file"))
    with page.expect_download() as started:
        page.get_by_role("link", name="Download").click()
    saved = tmp_path / "saved"
    started.value.save_as(saved)
    assert started.value.suggested_filename == name
    assert hashlib.sha256(saved.read_bytes()).hexdigest() == log_sha256(size)
