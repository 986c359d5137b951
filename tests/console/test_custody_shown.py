"""Where custody forbids something the button is off, and says why."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.console.browser_window import Stage, Window, fresh


def test_an_admin_of_another_custodian_cannot_be_changed(stage: Stage, here: Window) -> None:
    boss = stage.add(fresh("boss"), is_admin=True)
    carl = stage.add(fresh("carl"), is_admin=True, by=boss)
    page = here.log_in("root", path=f"/user?name={carl}")
    expect(page.get_by_text(f"Made an admin by {boss}")).to_be_visible()
    why = f"Only the creator of admin user '{carl}' can"
    for label, act in (
        ("Delete user", "remove it"),
        ("Set password", "change its password"),
        ("Revoke admin", "remove it"),
    ):
        button = page.get_by_role("button", name=label, exact=True)
        expect(button).to_be_disabled()
        expect(button).to_have_accessible_description(f"{why} {act}. That is {boss}.")


def test_the_custodian_sees_all_actions(stage: Stage, here: Window) -> None:
    boss = stage.add(fresh("boss"), is_admin=True)
    carl = stage.add(fresh("carl"), is_admin=True, by=boss)
    page = here.log_in(boss, path=f"/user?name={carl}")
    expect(page.get_by_role("link", name="Delete user…")).to_be_visible()
    expect(page.get_by_role("button", name="Set password", exact=True)).to_be_enabled()
    expect(page.get_by_role("link", name="Revoke admin…")).to_be_visible()


def test_nobody_can_delete_the_own_account(here: Window) -> None:
    page = here.log_in("root", path="/user?name=root")
    button = page.get_by_role("button", name="Delete user", exact=True)
    expect(button).to_be_disabled()
    expect(button).to_have_accessible_description("You cannot delete your own account.")


def test_the_admin_role_cannot_be_deleted(here: Window) -> None:
    page = here.log_in("root", path="/role?name=admin")
    button = page.get_by_role("button", name="Delete role", exact=True)
    expect(button).to_be_disabled()
    expect(button).to_have_accessible_description("The admin role admin cannot be deleted.")
