"""What is tried where a scenario cannot go well: that the service refuses, or what it does then."""

from __future__ import annotations

from tests.api.client import PASSWORD, Api
from tests.table.scenarios import NEW, add_user, status
from tests.table.stores import Store


def any_password(api: Api, store: Store) -> None:
    """No policy refuses a short one."""
    admin, name = api.logged_in("admin"), store.user("bob")
    admin.do("POST", "/users", {"userId": name, "password": "abc"})
    bob = api.logged_in(name, "abc")
    own = {"newPassword": "x", "confirmPassword": "x", "oldPassword": "abc"}
    bob.do("PATCH", f"/users/{name}", own)
    assert api.logged_in(name, "x").token


def no_changes_of_users(api: Api, store: Store) -> None:
    """Each is answered with 403 and the reason, and has no effect."""
    admin, name = api.logged_in("admin"), add_user(api, store, "bob")
    bob = api.logged_in(name)
    for by, method, path, body in (
        (admin, "POST", "/users", {"userId": "dora", "password": PASSWORD}),
        (admin, "POST", "/users", {"userId": "dora", "password": PASSWORD, "isAdmin": True}),
        (admin, "PATCH", f"/users/{name}", NEW),
        (bob, "PATCH", f"/users/{name}", {**NEW, "oldPassword": PASSWORD}),
        (admin, "DELETE", f"/users/{name}", None),
    ):
        answer = by(method, path, body)
        assert answer.status_code == 403
        assert "User store is read only" in answer.text
    assert store.has_user("bob")
    assert not store.has_user("dora")
    assert status(bob, "GET", "/server") == 200
    assert api.logged_in(name).token


def no_admins(api: Api, store: Store) -> None:
    """Users of a secondary store do not become admins, by a role of its own neither."""
    admin = api.logged_in("admin")
    bob, role = add_user(admin, store, "bob"), store.role("admin")
    new = {"userId": store.user("dora"), "password": PASSWORD, "isAdmin": True}
    assert status(admin, "POST", "/users", new) == 400
    change = {"userId": bob, "addedRoles": [f"PRIMARY/{store.admin_role}"]}
    assert status(admin, "PUT", "/roles", change) == 400
    store.add_role("admin", "bob")
    assert admin.user(bob)["roles"] == ["Internal/everyone", role]
    assert admin.user(bob)["isAdmin"] is False
    assert status(api.logged_in(bob), "GET", "/users") == 403
    assert not store.has_user("dora")
