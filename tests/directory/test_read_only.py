"""`type = "read_only_ldap"`, a mode of its own: on each server, by an account that only reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.client import PASSWORD, Api
from tests.directory.readers import HOSTS, readable_place
from tests.subtree import Subtree
from tests.table.directories import api_on

READ_ONLY = "Invalid operation. User store is read only"
NEW = {"newPassword": "another one", "confirmPassword": "another one"}
WRITES: list[tuple[str, str, object]] = [
    ("POST", "/users", {"userId": "dora", "password": PASSWORD}),
    ("POST", "/users", {"userId": "dora", "password": PASSWORD, "isAdmin": True}),
    ("DELETE", "/users/bob", None),
    ("PATCH", "/users/bob", NEW),
    ("PATCH", "/users/carol", NEW),
    ("PATCH", "/users/admin", {**NEW, "oldPassword": PASSWORD}),
    ("POST", "/roles", {"role": "new"}),
    ("DELETE", "/roles/dev", None),
    ("PUT", "/roles", {"userId": "bob", "addedRoles": ["dev"]}),
    ("PUT", "/roles", {"userId": "carol", "removedRoles": ["admin"]}),
]


@pytest.fixture(scope="module", params=HOSTS)
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Subtree]:
    """As other tools and a service that may write have filled it; the account only reads."""
    folder = tmp_path_factory.mktemp("host")
    with readable_place(request.param, folder, lambda made: fill(made, folder)) as found:
        yield found


def fill(place: Subtree, state_dir: Path) -> None:
    """admin made carol an admin; dave was put there by another tool."""
    with api_on(place, state_dir) as api:
        admin = api.logged_in("admin")
        for name, is_admin in (("bob", False), ("carol", True)):
            admin.add_user(name, isAdmin=is_admin)
        admin.add_role("dev", "carol")
        admin.add_role("empty")
    place.add_member("admin", place.add_user("dave", PASSWORD))


@pytest.fixture
def api(place: Subtree, tmp_path: Path) -> Iterator[Api]:
    settings = {"USER_STORE__TYPE": "read_only_ldap"}
    with api_on(place, tmp_path, **settings) as made:
        yield made


def test_it_is_ready(api: Api) -> None:
    ready = api.ask("GET", "/ready").json
    assert ready is not None
    assert ready["status"] == "ready"


def test_people_log_in_and_out(api: Api) -> None:
    assert api.login("bob", "wrong").status_code == 401
    assert api.login("nobody").status_code == 401
    bob = api.logged_in("bob")
    assert bob("GET", "/users").status_code == 403
    assert bob("GET", "/logout").status_code == 200
    assert bob("GET", "/server").status_code == 401


def test_admins_see_everything(api: Api) -> None:
    admin = api.logged_in("carol")
    assert admin.names() == ["admin", "bob", "carol", "dave"]
    assert admin.names("?role=dev") == ["carol"]
    assert admin.roles() == ["admin", "dev", "empty", "Internal/everyone"]
    assert admin.get("/roles/dev") == {"role": "dev", "users": ["carol"]}
    assert admin.get("/roles/empty") == {"role": "empty", "users": []}


def test_custody_is_shown_as_far_as_it_is_recorded(api: Api) -> None:
    admin = api.logged_in("admin")
    assert admin.user("carol") == {
        "userId": "carol",
        "isAdmin": True,
        "roles": ["Internal/everyone", "admin", "dev"],
        "createdBy": "admin",
    }
    for name in ("admin", "dave"):
        shown = admin.user(name)
        assert shown["isAdmin"] is True
        assert "createdBy" not in shown


@pytest.mark.parametrize(("method", "path", "body"), WRITES)
def test_every_write_is_refused(api: Api, method: str, path: str, body: object) -> None:
    answer = api.logged_in("admin")(method, path, body)
    assert (answer.status_code, answer.json) == (403, {"Error": READ_ONLY})


def test_refused_changes_leave_no_trace(api: Api, place: Subtree) -> None:
    before = all_of(place)
    admin = api.logged_in("admin")
    for method, path, body in WRITES:
        admin(method, path, body)
    api.login("bob", "wrong")
    assert all_of(place) == before


KEPT_BY_ACTIVE_DIRECTORY = {
    *("badPasswordTime", "badPwdCount", "lastLogon", "lastLogonTimestamp", "logonCount"),
    *("uSNChanged", "whenChanged"),
}
"""What a login changes there, whoever may write."""


def all_of(place: Subtree) -> dict[str, dict[str, list[str]]]:
    """Every value of people and groups, by their DNs."""
    entries = {
        **place.tool.read_below(place.user_base, "*"),
        **place.tool.read_below(place.group_base, "*"),
    }
    return {
        dn: {name: vals for name, vals in values.items() if name not in KEPT_BY_ACTIVE_DIRECTORY}
        for dn, values in entries.items()
    }


def test_nobody_becomes_the_first_admin(place: Subtree, tmp_path: Path) -> None:
    """Of a role that there isn't."""
    settings = {"USER_STORE__TYPE": "read_only_ldap", "SUPER_ADMIN__ADMIN_ROLE": "chiefs"}
    with api_on(place, tmp_path, **settings) as api:
        bob = api.logged_in("bob")
        assert bob("GET", "/users").status_code == 403
        assert api.login("newcomer").status_code == 401
        assert not place.tool.exists(place.group_dn("chiefs"))
        assert not place.tool.exists(place.user_dn("newcomer"))


def test_the_account_itself_may_not_write(place: Subtree, tmp_path: Path) -> None:
    """Without the setting the directory says no: 403, and its reason is in the log."""
    with api_on(place, tmp_path) as api:
        answer = api.logged_in("admin")("POST", "/users", {"userId": "dora", "password": PASSWORD})
        assert answer.status_code == 403
        assert "read only" not in answer.text
    assert not place.tool.exists(place.user_dn("dora"))
