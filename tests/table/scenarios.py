"""What is tried on every store, a column of the table each: by the API, in an empty store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from tests.api.client import PASSWORD, Api, assert_one_wins, logins_at_once
from tests.table.stores import Store

Scenario = Callable[[Api, Store], None]
NEW = {"newPassword": "the new one", "confirmPassword": "the new one"}


def status(api: Api, method: str, path: str, body: object = None) -> int:
    return api(method, path, body).status_code


def add_user(admin: Api, store: Store, name: str) -> str:
    """Add a user through the API, or with another tool where the store is read-only.

    Returns:
        Its name as the API shows it.
    """
    if store.takes_users:
        admin.add_user(store.user(name))
    else:
        store.add_user(name, PASSWORD)
    return store.user(name)


def add_admin(custodian: Api, store: Store, name: str) -> None:
    """Make a new user an admin."""
    if store.takes_users:
        custodian.add_user(name, isAdmin=True)
    else:
        store.add_user(name, PASSWORD)
        custodian.give(name, store.admin_role)


def login(api: Api, store: Store) -> None:
    """Of a user that another tool created; its domain need not be named."""
    api.logged_in("admin")
    store.add_user("bob", PASSWORD)
    bob = api.logged_in(store.user("bob"))
    assert api.logged_in(store.user("BOB")).token
    assert api.logged_in("bob").token
    for wrong in (store.user("bob"), "wrong"), (store.user("nobody"),):
        assert api.login(*wrong).status_code == 401
    assert status(bob, "GET", "/server") == 200
    assert status(bob, "GET", "/logout") == 200
    assert status(bob, "GET", "/server") == 401


def listing(api: Api, store: Store) -> None:
    """Of ours and other tools', complete and by conditions."""
    admin = api.logged_in("admin")
    bob, carol, dev = add_user(admin, store, "bob"), store.user("carol"), store.role("dev")
    store.add_user("carol")
    admin.add_role(dev, carol)
    assert admin.names() == ["admin", bob, carol]
    assert admin.names("?pattern=*B*") == [bob]
    assert admin.names("?searchKey=ar") == [carol]
    assert admin.names(f"?regex=^{store.user('[bc]')}") == [bob, carol]
    assert admin.names(f"?role={quote(dev)}") == [carol]
    assert admin.names("?limit=1&offset=1") == [bob]
    assert admin.roles() == sorted([store.admin_role, dev, "Internal/everyone"], key=str.lower)


def add(api: Api, store: Store) -> None:
    """An ordinary entry, and each name once."""
    admin = api.logged_in("admin")
    bob = add_user(admin, store, "bob")
    assert store.has_user("bob")
    assert api.logged_in(bob).token
    for name in (bob, store.user("BOB")):
        body = {"userId": name, "password": PASSWORD}
        assert status(admin, "POST", "/users", body) == 400
    assert admin.user(bob) == {
        "userId": bob,
        "isAdmin": False,
        "roles": ["Internal/everyone"],
    }


def admins(api: Api, store: Store) -> None:
    """By us and by other tools; who is none may do nothing."""
    admin = api.logged_in("admin")
    add_admin(admin, store, "boss")
    bob = add_user(admin, store, "bob")
    store.add_user("carol", PASSWORD)
    store.add_member("admin", "carol")
    for name in ("boss", "carol"):
        assert api.logged_in(name).user(name)["isAdmin"] is True
    assert status(api.logged_in(bob), "GET", "/users") == 403
    admin.give(bob, store.admin_role)
    assert status(api.logged_in(bob), "GET", "/users") == 200


def custody(api: Api, store: Store) -> None:
    """Only the creator removes an admin; one always remains."""
    admin, role = api.logged_in("admin"), store.admin_role
    add_admin(admin, store, "boss")
    boss = api.logged_in("boss")
    add_admin(boss, store, "carl")
    assert admin.user("carl")["createdBy"] == "boss"
    for each in (admin, api.logged_in("carl")):
        for method, path, body in attacks_on("carl" if each is admin else "boss", role):
            assert status(each, method, path, body) == 403, (method, path)
    if store.takes_users:
        boss.do("DELETE", "/users/carl")
    else:
        boss.do("PUT", "/roles", {"userId": "carl", "removedRoles": [role]})
    admin.do("PUT", "/roles", {"userId": "boss", "removedRoles": [role]})
    last = {"userId": "admin", "removedRoles": [role]}
    assert status(admin, "PUT", "/roles", last) == 403
    assert admin.user("admin")["isAdmin"] is True


def attacks_on(name: str, admin_role: str = "admin") -> list[tuple[str, str, Any]]:
    return [
        ("DELETE", f"/users/{name}", None),
        ("PUT", "/roles", {"userId": name, "removedRoles": [admin_role]}),
        ("PATCH", f"/users/{name}", NEW),
    ]


def roles(api: Api, store: Store) -> None:
    """Several at once, which other tools see; those of other tools too."""
    admin = api.logged_in("admin")
    bob, carol = add_user(admin, store, "bob"), store.user("carol")
    dev, ops, old, theirs = map(store.role, ("dev", "ops", "old", "theirs"))
    for role in (dev, ops, old):
        admin.add_role(role)
    admin.give(bob, old)
    change = {"userId": bob, "addedRoles": [dev, ops], "removedRoles": [old]}
    admin.do("PUT", "/roles", change)
    store.add_user("carol")
    store.add_member("dev", "carol")
    store.add_role("theirs", "carol")
    assert admin.user(bob)["roles"] == ["Internal/everyone", dev, ops]
    assert admin.user(carol)["roles"] == ["Internal/everyone", dev, theirs]
    assert admin.get(f"/roles/{dev}")["users"] == [bob, carol]
    assert store.has_role("dev")
    admin.do("DELETE", f"/roles/{dev}")
    assert admin.user(bob)["roles"] == ["Internal/everyone", ops]
    assert not store.has_role("dev")


def empty_role(api: Api, store: Store) -> None:
    """It is made without a member, and stays when its last one goes."""
    admin, dev = api.logged_in("admin"), store.role("dev")
    bob = add_user(admin, store, "bob")
    admin.add_role(dev)
    assert admin.get(f"/roles/{dev}")["users"] == []
    admin.give(bob, dev)
    assert admin.get(f"/roles/{dev}")["users"] == [bob]
    admin.do("PUT", "/roles", {"userId": bob, "removedRoles": [dev]})
    assert admin.get(f"/roles/{dev}")["users"] == []
    assert store.has_role("dev")


def password(api: Api, store: Store) -> None:
    """One's own by the old one, somebody's by an admin; each ends the tokens."""
    admin = api.logged_in("admin")
    name = add_user(admin, store, "bob")
    bob = api.logged_in(name)
    assert status(bob, "PATCH", f"/users/{name}", {**NEW, "oldPassword": "wrong"}) != 200
    bob.do("PATCH", f"/users/{name}", {**NEW, "oldPassword": PASSWORD})
    assert status(bob, "GET", "/server") == 401
    assert api.login(name).status_code == 401
    bob = api.logged_in(name, "the new one")
    another = {"newPassword": "yet another", "confirmPassword": "yet another"}
    admin.do("PATCH", f"/users/{name}", another)
    assert status(bob, "GET", "/server") == 401
    assert api.logged_in(name, "yet another").token


def policy(api: Api, store: Store) -> None:
    """The directory's own refuses, and its reason is told."""
    admin, name = api.logged_in("admin"), store.user("bob")
    answer = admin("POST", "/users", {"userId": name, "password": "abc"})
    assert answer.status_code == 400
    assert "too short" in answer.text
    assert not store.has_user("bob")
    admin.add_user(name)
    short = {"newPassword": "abc", "confirmPassword": "abc"}
    assert "too short" in admin("PATCH", f"/users/{name}", short).text
    assert api.logged_in(name).token


def removal(api: Api, store: Store) -> None:
    """Nothing is left, and who is made again inherits nothing."""
    admin, name, dev = api.logged_in("admin"), store.user("bob"), store.role("dev")
    admin.add_user(name, isAdmin=not store.is_secondary)
    admin.add_role(dev, name)
    bob = api.logged_in(name)
    admin.do("DELETE", f"/users/{name}")
    assert not store.has_user("bob")
    assert status(bob, "GET", "/server") == 401
    assert api.login(name).status_code == 401
    admin.add_user(name)
    assert admin.user(name)["roles"] == ["Internal/everyone"]
    assert status(bob, "GET", "/server") == 401
    assert admin.get(f"/roles/{dev}")["users"] == []


def bootstrap_race(api: Api, store: Store) -> None:
    """Of eight first logins at once exactly one wins."""
    if store.takes_users:
        assert_one_wins(api, 8)
        return
    names = [f"user{number}" for number in range(8)]
    for name in names:
        store.add_user(name, PASSWORD)
    assert logins_at_once(api, names) == [200] * 8
    seen = [status(api.logged_in(name), "GET", "/users") for name in names]
    assert sorted(seen) == [200] + [403] * 7


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
