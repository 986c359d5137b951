"""MI's own tests of user management as behaviour, with roles in three places.

A primary store and `wso2.com` have roles of their own; `Internal/…` roles are over both.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from mi_ldap.services.container import Services
from mi_ldap.wiring import services
from tests.api.client import PASSWORD, Api
from tests.api.conftest import api_over
from tests.api.store_pairs import FEW, PAIRS, Pairs
from tests.hosts_of_kinds import Hosts

ALL = ["admin", "dev", "Internal/everyone", "Internal/testers", "WSO2.COM/dev"]
BARE = "Internal/everyone"


@pytest.fixture(scope="session")
def others(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """Directories of secondary stores beside a primary one of the same kind."""
    with ExitStack() as closing:
        yield Hosts(lambda: tmp_path_factory.mktemp("other"), closing)


@pytest.fixture(params=FEW, ids="-".join)
def pair(request: pytest.FixtureRequest) -> tuple[str, str]:
    """The kinds of a primary and a secondary store."""
    primary, secondary = request.param
    return primary, secondary


@pytest.fixture
def pairs(request: pytest.FixtureRequest, hosts: Hosts, others: Hosts) -> Pairs:
    """Makes the stores."""
    return Pairs(hosts, others, request.getfixturevalue)


@pytest.fixture
def made(pairs: Pairs, pair: tuple[str, str], tmp_path: Path) -> Iterator[Services]:
    """The services over a pair of stores."""
    with pairs.settings(*pair, tmp_path) as settings, ExitStack() as opened:
        found = services(settings)
        opened.callback(found.close)
        yield found


on_every_pair = pytest.mark.parametrize("pair", PAIRS, ids="-".join, indirect=True)


@pytest.fixture
def admin(made: Services) -> Iterator[Api]:
    """The API as the first admin sees it, over stores with the roles in three places."""
    with ExitStack() as opened:
        first = api_over(made, opened).logged_in("admin")
        for user in ({}, {"domain": "wso2.com"}):
            first.add_user("bob", **user)
        for role in (
            {"role": "dev"},
            {"role": "dev", "domain": "wso2.com"},
            {"role": "testers", "domain": "Internal"},
        ):
            added = first.do("POST", "/roles", role)
            assert added == {"role": role["role"], "status": "Added"}
        yield first


def roles_of(admin: Api, name: str) -> list[str]:
    found: list[str] = admin.get(f"/users/{name}")["roles"]
    return found


@on_every_pair
def test_roles_in_three_places(admin: Api) -> None:
    listed = admin.get("/roles")
    assert listed == {"count": 5, "list": [{"role": role} for role in ALL]}
    # Domain and hybrid roles together in one request.
    given = {"userId": "bob", "domain": "wso2.com", "addedRoles": ["dev", "Internal/testers"]}
    assert admin.do("PUT", "/roles", given) == {
        "userId": "bob",
        "status": "Added/removed the roles",
    }
    both = {"userId": "bob", "addedRoles": ["dev", "internal/testers"]}
    assert admin.do("PUT", "/roles", both)["userId"] == "bob"
    of_secondary = [BARE, "Internal/testers", "WSO2.COM/dev"]
    assert admin.get("/users/bob?domain=wso2.com") == {
        "userId": "WSO2.COM/bob",
        "isAdmin": False,
        "roles": of_secondary,
    }
    assert roles_of(admin, "bob") == [BARE, "dev", "Internal/testers"]
    for path in (
        *("/roles/Internal/testers", "/roles/Internal%2Ftesters", "/roles/testers?domain=Internal"),
        *("/roles/testers?domain=internal", "/roles/INTERNAL/testers"),
    ):
        assert admin.get(path) == {"role": "Internal/testers", "users": ["bob", "WSO2.COM/bob"]}
    assert admin.get("/roles/dev?domain=wso2.com")["users"] == ["WSO2.COM/bob"]
    assert admin.get("/roles/dev")["users"] == ["bob"]
    # What is so already is no error, and changes nothing.
    admin.do("PUT", "/roles", given)
    assert roles_of(admin, "WSO2.COM/bob") == of_secondary
    back = {
        "userId": "bob",
        "domain": "wso2.com",
        "removedRoles": ["WSO2.COM/dev", "Internal/testers"],
    }
    assert admin.do("PUT", "/roles", back)["userId"] == "bob"
    assert roles_of(admin, "WSO2.COM/bob") == [BARE]
    assert roles_of(admin, "bob") == [BARE, "dev", "Internal/testers"]
    assert admin.get("/roles/Internal/testers")["users"] == ["bob"]
    assert admin.get("/roles") == listed


def test_lists_by_hybrid_roles(admin: Api) -> None:
    for user in ("bob", "WSO2.COM/bob"):
        admin.give(user, "Internal/testers")
    everybody = ["admin", "bob", "WSO2.COM/bob"]
    assert admin.names(f"?role={BARE}") == admin.get(f"/roles/{BARE}")["users"] == everybody
    for role in ("Internal/testers", "internal/testers"):
        assert admin.names(f"?role={role}") == ["bob", "WSO2.COM/bob"]
    assert admin.names("?role=Internal/testers&pattern=wso2.com/*") == ["WSO2.COM/bob"]
    assert admin.names("?role=Internal/testers&searchKey=wso2") == ["WSO2.COM/bob"]
    assert admin.names("?role=Internal/nobody") == []
    assert admin.roles("?searchKey=test") == ["Internal/testers"]
    assert admin.roles("?searchKey=internal/") == ["Internal/everyone", "Internal/testers"]
    assert admin.roles("?searchKey=dev") == ["dev", "WSO2.COM/dev"]


def test_a_hybrid_role_lives_and_dies(admin: Api) -> None:
    admin.do("POST", "/roles", {"role": "Application/shop"})
    admin.do("POST", "/roles", {"role": "Internal/ops"})
    assert admin.roles() == [
        "admin",
        "Application/shop",
        "dev",
        *("Internal/everyone", "Internal/ops", "Internal/testers", "WSO2.COM/dev"),
    ]
    for name in ("Internal/ops", "internal/OPS"):
        again = admin("POST", "/roles", {"role": name})
        assert (again.status_code, "already exists" in again.text) == (400, True)
    again = admin("POST", "/roles", {"role": "everyone", "domain": "Internal"})
    assert again.status_code == 400
    for user in ("bob", "WSO2.COM/bob"):
        admin.give(user, "Internal/ops", "Application/shop")
    assert roles_of(admin, "bob") == [BARE, "Application/shop", "Internal/ops"]
    deleted = admin.do("DELETE", "/roles/ops?domain=Internal")
    assert deleted == {"role": "ops", "status": "Deleted"}
    assert admin.do("DELETE", "/roles/Application/shop")["role"] == "Application/shop"
    for path in ("/roles/Internal/ops", "/roles/ops?domain=Internal", "/roles/Application/shop"):
        assert admin("GET", path).status_code == 404
        assert admin("DELETE", path).status_code == 404
    admin.do("POST", "/roles", {"role": "Internal/ops"})
    assert admin.get("/roles/Internal/ops")["users"] == []
    assert roles_of(admin, "bob") == roles_of(admin, "WSO2.COM/bob") == [BARE]
    assert admin("DELETE", f"/roles/{BARE}").status_code == 403


def test_a_change_is_all_or_nothing(admin: Api) -> None:
    for user, roles in (
        ("WSO2.COM/bob", ["Internal/testers", "WSO2.COM/nobody"]),
        ("WSO2.COM/bob", ["WSO2.COM/dev", "Internal/nobody"]),
        ("bob", ["dev", "Internal/testers", "Internal/nobody"]),
    ):
        assert admin("PUT", "/roles", {"userId": user, "addedRoles": roles}).status_code == 404
    # A role of one store is not for users of another.
    mixed = {"userId": "bob", "addedRoles": ["Internal/testers", "WSO2.COM/dev"]}
    assert admin("PUT", "/roles", mixed).status_code == 400
    everyone = {"userId": "bob", "addedRoles": ["Internal/testers", BARE]}
    assert admin("PUT", "/roles", everyone).status_code == 403
    assert roles_of(admin, "bob") == roles_of(admin, "WSO2.COM/bob") == [BARE]


def test_a_user_of_the_secondary_store_is_never_an_admin(admin: Api) -> None:
    admin.do("POST", "/roles", {"role": "Internal/admin"})
    admin.give("WSO2.COM/bob", "Internal/testers", "Internal/admin")
    for role in ("admin", "PRIMARY/admin"):
        change = {"userId": "WSO2.COM/bob", "addedRoles": ["WSO2.COM/dev", role]}
        assert admin("PUT", "/roles", change).status_code == 400
    new = {"userId": "eve", "password": PASSWORD, "domain": "wso2.com", "isAdmin": "true"}
    assert admin("POST", "/users", new).status_code == 400
    shown = admin.get("/users/WSO2.COM/bob")
    assert shown["isAdmin"] is False
    assert shown["roles"] == [BARE, "Internal/admin", "Internal/testers"]
    bob = admin.stranger().logged_in("WSO2.COM/bob")
    assert bob("GET", "/users").status_code == 403
    assert admin.names("?role=admin") == ["admin"]


def test_a_deleted_user_leaves_its_hybrid_roles(admin: Api) -> None:
    for user in ("bob", "WSO2.COM/bob"):
        admin.give(user, "Internal/testers")
    for user, left in (("WSO2.COM/bob", ["bob"]), ("bob", [])):
        admin.do("DELETE", f"/users/{user}")
        assert admin.get("/roles/Internal/testers")["users"] == left
        admin.add_user(user)
        assert roles_of(admin, user) == [BARE]


def test_users_of_both_stores(admin: Api) -> None:
    for name, body in (
        ("carl", {"isAdmin": "true"}),
        ("dora", {"isAdmin": "False"}),
        ("carl", {"isAdmin": "false", "domain": "wso2.com"}),
    ):
        given = {"userId": name, "password": PASSWORD, **body}
        assert admin.do("POST", "/users", given) == {"userId": name, "status": "Added"}
        assert admin("POST", "/users", given).status_code == 400
    everybody = ["admin", "bob", "carl", "dora", "WSO2.COM/bob", "WSO2.COM/carl"]
    listed = [{"userId": name} for name in everybody]
    assert admin.get("/users") == {"count": len(listed), "list": listed}
    assert [admin.user(name)["isAdmin"] for name in ("carl", "WSO2.COM/carl")] == [True, False]
    for path in ("/users/nobody", "/users/nobody?domain=wso2.com", "/users/dora?domain=wso2.com"):
        assert admin("GET", path).status_code == 404
        assert admin("DELETE", path).status_code == 404


def test_a_hybrid_admin_role(pairs: Pairs, pair: tuple[str, str], tmp_path: Path) -> None:
    """`super_admin.admin_role = "Internal/admin"`: the admins are users of the primary store."""
    role = "Internal/admin"
    with (
        pairs.settings(*pair, tmp_path, SUPER_ADMIN__ADMIN_ROLE=role) as settings,
        ExitStack() as opened,
    ):
        found = services(settings)
        opened.callback(found.close)
        admin = api_over(found, opened).logged_in("admin")
        for body in ({"isAdmin": True}, {"domain": "wso2.com"}):
            admin.add_user("bob", **body)
        assert admin.user("bob") == {
            "userId": "bob",
            "isAdmin": True,
            "roles": [BARE, role],
            "createdBy": "admin",
        }
        admin.do("POST", "/roles", {"role": "Internal/testers"})
        both = {"userId": "bob", "domain": "wso2.com", "addedRoles": ["Internal/testers", role]}
        assert admin("PUT", "/roles", both).status_code == 400
        new = {"userId": "eve", "password": PASSWORD, "domain": "wso2.com", "isAdmin": "true"}
        assert admin("POST", "/users", new).status_code == 400
        admin.give("WSO2.COM/bob", "Internal/testers")
        assert roles_of(admin, "WSO2.COM/bob") == [BARE, "Internal/testers"]
        assert admin.stranger().logged_in("WSO2.COM/bob")("GET", "/users").status_code == 403
        # Custody holds, and a group of the stores that is named admin grants nothing.
        bob = admin.stranger().logged_in("bob")
        assert bob("DELETE", "/users/admin").status_code == 403
        admin.add_user("carl")
        admin.do("POST", "/roles", {"role": "admin"})
        admin.give("carl", "admin")
        assert admin.user("carl")["isAdmin"] is False
        assert admin.get(f"/roles/{role}")["users"] == ["admin", "bob"]
        assert admin.do("DELETE", "/users/bob")["status"] == "Deleted"
        assert admin.get(f"/roles/{role}")["users"] == ["admin"]
        assert admin("DELETE", f"/roles/{role}").status_code == 403
