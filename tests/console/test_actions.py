"""Everything that can be done on the console, done in Chromium, with JavaScript and without."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.console.browser_window import PASSWORD, Stage, Window, fresh


def test_a_created_user_can_log_in(stage: Stage, here: Window) -> None:
    name = fresh("dora")
    page = here.log_in("root")
    page.get_by_role("link", name="Add user").click()
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Confirm password").fill(PASSWORD)
    here.press("Add user")
    here.says("User created.")
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    expect(page.get_by_text("A user without admin rights")).to_be_visible()
    assert stage.login(name)


def test_a_created_admin_shows_its_custodian(stage: Stage, here: Window) -> None:
    name = fresh("dora")
    page = here.log_in("root", path="/users/add")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Confirm password").fill(PASSWORD)
    page.get_by_label("Make this user an admin").check()
    here.press("Add user")
    expect(page.get_by_text("Made an admin by root")).to_be_visible()
    assert stage.do("GET", f"/users/{name}")["createdBy"] == "root"
    here.open(f"/users?q={name}")
    expect(page.get_by_role("row").filter(has_text=name)).to_contain_text("root")


def test_errors_of_a_new_user_are_shown_beside_the_field(stage: Stage, here: Window) -> None:
    taken = stage.add(fresh("dora"))
    page = here.log_in("root", path="/users/add")
    page.get_by_label("User name").fill(taken)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Confirm password").fill(PASSWORD)
    here.press("Add user")
    field = page.get_by_label("User name")
    expect(field).to_have_attribute("aria-invalid", "true")
    expect(field).to_have_accessible_description(f"User: {taken} already exists.")
    expect(field).to_have_value(taken)


def test_a_role_is_assigned_and_revoked(stage: Stage, here: Window) -> None:
    name, role = stage.add(fresh("dora")), stage.add_role(fresh("testers"))
    page = here.log_in("root", path=f"/user?name={name}")
    page.get_by_label("Assign a role").select_option(role)
    here.press("Assign role")
    here.says(f"{name} now has the role {role}.")
    assert role in stage.roles_of(name)
    page.get_by_role("button", name=f"Revoke {role}").click()
    here.says(f"Revoked {role} from {name}.")
    assert role not in stage.roles_of(name)


def test_the_custodian_assigns_and_revokes_the_admin_role(stage: Stage, here: Window) -> None:
    name = stage.add(fresh("dora"))
    page = here.log_in("root", path=f"/user?name={name}")
    page.get_by_label("Assign a role").select_option("admin")
    here.press("Assign role")
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Make {name} an admin?")
    page.get_by_role("link", name="Cancel").click()
    assert "admin" not in stage.roles_of(name)
    page.get_by_label("Assign a role").select_option("admin")
    here.press("Assign role")
    here.press("Assign admin role")
    here.says(f"{name} now has the role admin.")
    expect(page.get_by_text("Made an admin by root")).to_be_visible()
    page.get_by_role("link", name="Revoke admin…").click()
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text(f"Revoke the admin role from {name}?")
    assert "admin" in stage.roles_of(name)
    here.press("Revoke admin role")
    here.says(f"Revoked admin from {name}.")
    expect(page.get_by_text("A user without admin rights")).to_be_visible()
    assert "admin" not in stage.roles_of(name)


def test_an_admin_revokes_its_own_admin_role_after_confirmation(stage: Stage, here: Window) -> None:
    boss = stage.add(fresh("boss"), is_admin=True)
    carl = stage.add(fresh("carl"), is_admin=True, by=boss)
    page = here.log_in(boss, path=f"/user?name={boss}")
    page.get_by_role("link", name="Revoke admin…").click()
    heading = page.get_by_role("heading", level=1)
    expect(heading).to_have_text(f"Revoke the admin role from yourself, {boss}?")
    here.says("you are logged out everywhere")
    here.says(f"You are the custodian of {carl}. root becomes their custodian.")
    here.press("Revoke admin role")
    here.says("You are no longer an admin. Log in to continue.")
    assert "admin" not in stage.roles_of(boss)
    assert stage.do("GET", f"/users/{carl}")["createdBy"] == "root"


def test_deleting_an_admin_names_the_next_custodian(stage: Stage, here: Window) -> None:
    boss = stage.add(fresh("boss"), is_admin=True)
    carl = stage.add(fresh("carl"), is_admin=True, by=boss)
    page = here.log_in("root", path=f"/user/delete?name={boss}")
    here.says("Deletes the user and all role memberships. This cannot be undone.")
    here.says(f"{boss} is the custodian of {carl}. root becomes their custodian.")
    page.get_by_role("link", name="Cancel").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(boss)


def test_a_refused_form_keeps_the_typed_values_on_reload(stage: Stage, here: Window) -> None:
    """The page has an address of its own: neither F5 nor Enter in the address sends anything."""
    taken, sent = stage.add(fresh("dora")), list[str]()
    page = here.log_in("root", path="/users/add")
    page.on("request", lambda request: sent.append(request.method))
    page.get_by_label("User name").fill(taken)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Confirm password").fill(PASSWORD)
    page.get_by_label("Make this user an admin").check()
    here.press("Add user")
    for again in (lambda: None, page.reload, lambda: page.goto(page.url)):
        again()  # type: ignore[no-untyped-call]
        here.says(f"User: {taken} already exists.")
        expect(page.get_by_label("User name")).to_have_value(taken)
        expect(page.get_by_label("Make this user an admin")).to_be_checked()
        for label in ("Password", "Confirm password"):
            expect(page.get_by_label(label, exact=True)).to_have_value("")
    assert sent.count("POST") == 1
    here.open("/users/add")
    expect(page.get_by_label("User name")).to_have_value("")


def test_a_password_is_set(stage: Stage, here: Window) -> None:
    name = stage.add(fresh("dora"))
    page = here.log_in("root", path=f"/user?name={name}")
    page.get_by_label("New password", exact=True).fill("another horse")
    page.get_by_label("Confirm password").fill("a different horse")
    here.press("Set password")
    expect(page.get_by_label("Confirm password")).to_have_accessible_description(
        "The new password and its confirmation differ."
    )
    page.get_by_label("New password", exact=True).fill("another horse")
    page.get_by_label("Confirm password").fill("another horse")
    here.press("Set password")
    here.says("Password set.")
    assert stage.login(name, "another horse")


def test_a_user_is_deleted_after_confirmation(stage: Stage, here: Window) -> None:
    name = stage.add(fresh("dora"))
    page = here.log_in("root", path=f"/user?name={name}")
    page.get_by_role("link", name="Delete user…").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"Delete user {name}?")
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("link", name="Delete user…").click()
    here.press("Delete user")
    here.says("User deleted.")
    assert name not in str(stage.do("GET", "/users"))


def test_a_role_is_created_assigned_and_deleted(stage: Stage, here: Window) -> None:
    name, role = stage.add(fresh("dora")), fresh("testers")
    page = here.log_in("root", path="/roles")
    page.get_by_role("link", name="Add role").click()
    page.get_by_label("Role name").fill(role)
    here.press("Add role")
    here.says("Role created.")
    page.get_by_label("User name").fill(name)
    here.press("Assign role")
    expect(page.get_by_role("row").filter(has_text=name)).to_be_visible()
    page.get_by_role("link", name="Delete role…").click()
    here.press("Delete role")
    here.says("Role deleted.")
    assert role not in str(stage.do("GET", "/roles"))


def test_a_failed_assignment_shows_the_reason(stage: Stage, here: Window) -> None:
    role = stage.add_role(fresh("testers"))
    page = here.log_in("root", path=f"/role?name={role}")
    page.get_by_label("User name").fill("nobody here")
    here.press("Assign role")
    here.says("User: nobody here cannot be found.")


def test_a_user_changes_the_own_password(stage: Stage, here: Window) -> None:
    name = stage.add(fresh("dora"))
    page = here.log_in(name, path="/account")
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
    _change_password(here, "wrong horse", "another horse")
    expect(page.get_by_label("Current password")).to_have_accessible_description(
        "The current password is wrong."
    )
    _change_password(here, PASSWORD, "another horse")
    here.says("Password changed. Log in with the new password.")
    here.log_in(name, "another horse", "/account")
    expect(page.get_by_role("heading", level=1)).to_have_text(name)


def test_a_user_who_is_not_an_admin_sees_neither_users_nor_roles(
    stage: Stage, here: Window
) -> None:
    name = stage.add(fresh("dora"))
    role = stage.add_role(fresh("testers"), name)
    page = here.log_in(name, path="/account")
    expect(page.get_by_text(role)).to_be_visible()
    for label in ("Users", "Roles"):
        expect(page.get_by_role("link", name=label)).to_have_count(0)
    here.open("/users")
    expect(page.get_by_role("heading", level=1)).to_have_text("Not allowed")


def test_logging_out_ends_the_session(stage: Stage, here: Window) -> None:
    page = here.log_in("root")
    cookies = page.context.cookies()
    page.get_by_label("Account menu of root").click()
    here.press("Log out")
    here.says("You are logged out.")
    assert page.context.cookies() == []
    (cookie,) = cookies
    page.context.add_cookies(
        [{"name": cookie["name"], "value": cookie["value"], "url": here.base, "secure": True}]
    )
    here.open("/users")
    expect(page.get_by_role("heading", level=1)).to_have_text("Log in to mi_ldap")


def test_a_wrong_password_shows_an_error(here: Window) -> None:
    page = here.open("")
    page.get_by_label("User name").fill("root")
    page.get_by_label("Password").fill("wrong horse")
    here.press("Log in")
    here.says("Invalid credentials.")
    expect(page.get_by_label("User name")).to_have_value("root")


def _change_password(here: Window, old: str, new: str) -> None:
    here.page.get_by_label("Current password").fill(old)
    here.page.get_by_label("New password", exact=True).fill(new)
    here.page.get_by_label("Confirm password").fill(new)
    here.press("Change password")
