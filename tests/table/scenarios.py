"""What is tried on every directory, a column of the table each: by the API, in an empty place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.api.client import PASSWORD, Api, assert_one_wins
from tests.subtree import Subtree

Scenario = Callable[[Api, Subtree], None]
NEW = {"newPassword": "the new one", "confirmPassword": "the new one"}


def status(api: Api, method: str, path: str, body: object = None) -> int:
    return api(method, path, body).status_code


def login(api: Api, place: Subtree) -> None:
    """Of somebody whom another tool made."""
    api.logged_in("admin")
    place.add_user("bob", PASSWORD)
    bob = api.logged_in("bob")
    assert api.logged_in("BOB").token
    assert [api.login(*each).status_code for each in (("bob", "wrong"), ("nobody",))] == [401, 401]
    assert status(bob, "GET", "/server") == 200
    assert status(bob, "GET", "/logout") == 200
    assert status(bob, "GET", "/server") == 401


def listing(api: Api, place: Subtree) -> None:
    """Of ours and other tools', complete and by conditions."""
    admin = api.logged_in("admin")
    admin.add_user("bob")
    place.add_user("carol")
    admin.add_role("dev", "carol")
    assert admin.names() == ["admin", "bob", "carol"]
    assert admin.names("?pattern=*B*") == ["bob"]
    assert admin.names("?searchKey=ar") == ["carol"]
    assert admin.names("?regex=^[bc]") == ["bob", "carol"]
    assert admin.names("?role=dev") == ["carol"]
    assert admin.names("?limit=1&offset=1") == ["bob"]
    assert admin.roles() == ["admin", "dev", "Internal/everyone"]


def add(api: Api, place: Subtree) -> None:
    """An ordinary entry, and each name once."""
    admin = api.logged_in("admin")
    admin.add_user("bob")
    assert place.tool.exists(place.user_dn("bob"))
    assert api.logged_in("bob").token
    for name in ("bob", "BOB"):
        body = {"userId": name, "password": PASSWORD}
        assert status(admin, "POST", "/users", body) == 400
    assert admin.user("bob") == {
        "userId": "bob",
        "isAdmin": False,
        "roles": ["Internal/everyone"],
    }


def admins(api: Api, place: Subtree) -> None:
    """By us and by other tools; who is none may do nothing."""
    admin = api.logged_in("admin")
    admin.add_user("boss", isAdmin=True)
    admin.add_user("bob")
    carol_dn = place.add_user("carol", PASSWORD)
    place.add_member("admin", carol_dn)
    for name in ("boss", "carol"):
        assert api.logged_in(name).user(name)["isAdmin"] is True
    bob = api.logged_in("bob")
    assert status(bob, "GET", "/users") == 403
    admin.give("bob", "admin")
    assert status(api.logged_in("bob"), "GET", "/users") == 200


def custody(api: Api, place: Subtree) -> None:
    """Only the creator removes an admin; one always remains."""
    admin = api.logged_in("admin")
    admin.add_user("boss", isAdmin=True)
    boss = api.logged_in("boss")
    boss.add_user("carl", isAdmin=True)
    assert admin.user("carl")["createdBy"] == "boss"
    for each in (admin, api.logged_in("carl")):
        for method, path, body in attacks_on("carl" if each is admin else "boss"):
            assert status(each, method, path, body) == 403, (method, path)
    boss.do("DELETE", "/users/carl")
    admin.do("PUT", "/roles", {"userId": "boss", "removedRoles": ["admin"]})
    last = {"userId": "admin", "removedRoles": ["admin"]}
    assert status(admin, "PUT", "/roles", last) == 403
    assert admin.user("admin")["isAdmin"] is True


def attacks_on(name: str) -> list[tuple[str, str, Any]]:
    return [
        ("DELETE", f"/users/{name}", None),
        ("PUT", "/roles", {"userId": name, "removedRoles": ["admin"]}),
        ("PATCH", f"/users/{name}", NEW),
    ]


def roles(api: Api, place: Subtree) -> None:
    """Several at once, as ordinary groups; those of other tools too."""
    admin = api.logged_in("admin")
    admin.add_user("bob")
    for name in ("dev", "ops", "old"):
        admin.add_role(name)
    admin.give("bob", "old")
    change = {"userId": "bob", "addedRoles": ["dev", "ops"], "removedRoles": ["old"]}
    admin.do("PUT", "/roles", change)
    carol_dn = place.add_user("carol")
    place.add_member("dev", carol_dn)
    place.add_group("theirs", carol_dn)
    assert admin.user("bob")["roles"] == ["Internal/everyone", "dev", "ops"]
    assert admin.user("carol")["roles"] == ["Internal/everyone", "dev", "theirs"]
    assert admin.get("/roles/dev")["users"] == ["bob", "carol"]
    admin.do("DELETE", "/roles/dev")
    assert admin.user("bob")["roles"] == ["Internal/everyone", "ops"]
    assert not place.tool.exists(place.group_dn("dev"))


def empty_role(api: Api, place: Subtree) -> None:
    """It is made without a member, and stays when its last one goes."""
    admin = api.logged_in("admin")
    admin.add_user("bob")
    admin.add_role("dev")
    assert admin.get("/roles/dev")["users"] == []
    admin.give("bob", "dev")
    assert admin.get("/roles/dev")["users"] == ["bob"]
    admin.do("PUT", "/roles", {"userId": "bob", "removedRoles": ["dev"]})
    assert admin.get("/roles/dev")["users"] == []
    assert place.tool.exists(place.group_dn("dev"))


def password(api: Api, place: Subtree) -> None:
    """One's own by the old one, somebody's by an admin; each ends the tokens."""
    admin = api.logged_in("admin")
    admin.add_user("bob")
    bob = api.logged_in("bob")
    assert status(bob, "PATCH", "/users/bob", {**NEW, "oldPassword": "wrong"}) != 200
    bob.do("PATCH", "/users/bob", {**NEW, "oldPassword": PASSWORD})
    assert status(bob, "GET", "/server") == 401
    assert api.login("bob").status_code == 401
    bob = api.logged_in("bob", "the new one")
    another = {"newPassword": "yet another", "confirmPassword": "yet another"}
    admin.do("PATCH", "/users/bob", another)
    assert status(bob, "GET", "/server") == 401
    assert api.logged_in("bob", "yet another").token


def policy(api: Api, place: Subtree) -> None:
    """The directory's own refuses, and its reason is told."""
    admin = api.logged_in("admin")
    answer = admin("POST", "/users", {"userId": "bob", "password": "abc"})
    assert answer.status_code == 400
    assert "too short" in answer.text
    assert not place.tool.exists(place.user_dn("bob"))
    admin.add_user("bob")
    short = {"newPassword": "abc", "confirmPassword": "abc"}
    assert "too short" in admin("PATCH", "/users/bob", short).text
    assert api.logged_in("bob").token


def removal(api: Api, place: Subtree) -> None:
    """Nothing is left, and who is made again inherits nothing."""
    admin = api.logged_in("admin")
    admin.add_user("bob", isAdmin=True)
    admin.add_role("dev", "bob")
    bob = api.logged_in("bob")
    admin.do("DELETE", "/users/bob")
    assert not place.tool.exists(place.user_dn("bob"))
    assert status(bob, "GET", "/server") == 401
    assert api.login("bob").status_code == 401
    admin.add_user("bob")
    assert admin.user("bob")["roles"] == ["Internal/everyone"]
    assert status(bob, "GET", "/server") == 401
    assert admin.get("/roles/dev")["users"] == []


def bootstrap_race(api: Api, place: Subtree) -> None:
    """Of eight first logins at once exactly one wins."""
    assert_one_wins(api, 8)


SCENARIOS: dict[str, Scenario] = {
    "login": login,
    "list": listing,
    "add": add,
    "admin": admins,
    "custody": custody,
    "roles": roles,
    "empty role": empty_role,
    "password": password,
    "policy": policy,
    "removal": removal,
    "bootstrap race": bootstrap_race,
}
