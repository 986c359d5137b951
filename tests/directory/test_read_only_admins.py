"""A directory that nobody may write still has admins: the admin role is a hybrid one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.api.client import PASSWORD, Api
from tests.directory.readers import HOSTS, leave_openldap_nothing_but_reading, readable_place
from tests.hosts.openldap import OpenLdap, Setup
from tests.kinds import OPENLDAP
from tests.subtree import Subtree, Tool, host_like, subtree_in
from tests.table.directories import api_on

READ_ONLY = "Invalid operation. User store is read only"
ADMIN_ROLE = "Internal/admin"
SETTINGS = {"USER_STORE__TYPE": "read_only_ldap", "SUPER_ADMIN__ADMIN_ROLE": ADMIN_ROLE}


@pytest.fixture(scope="module", params=HOSTS)
def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Subtree]:
    with readable_place(request.param, tmp_path_factory.mktemp("host"), fill) as found:
        yield found


def fill(place: Subtree) -> None:
    dns = [place.add_user(name, PASSWORD) for name in ("alice", "bob", "carol", "dave")]
    place.add_group("developers", dns[1])


@pytest.fixture
def api(place: Subtree, tmp_path: Path) -> Iterator[Api]:
    with api_on(place, tmp_path, **SETTINGS) as made:
        yield made


def change(admin: Api, name: str, added: str = "", removed: str = "") -> tuple[int, object]:
    body = {
        "userId": name,
        "addedRoles": [added] if added else [],
        "removedRoles": [removed] if removed else [],
    }
    answer = admin("PUT", "/roles", body)
    return answer.status_code, answer.json


def test_the_first_login_becomes_the_admin(api: Api) -> None:
    alice = api.logged_in("alice")
    assert alice.user("alice") == {
        "userId": "alice",
        "isAdmin": True,
        "roles": ["Internal/everyone", ADMIN_ROLE],
    }
    assert alice.roles() == ["developers", ADMIN_ROLE, "Internal/everyone"]
    assert alice.get(f"/roles/{ADMIN_ROLE}") == {"role": ADMIN_ROLE, "users": ["alice"]}
    assert alice.user("bob")["roles"] == ["Internal/everyone", "developers"]
    assert api.logged_in("bob")("GET", "/users").status_code == 403


def test_custody(api: Api) -> None:
    alice = api.logged_in("alice")
    for name in ("bob", "carol"):
        assert change(alice, name, added=ADMIN_ROLE)[0] == 200
    bob, carol = api.logged_in("bob"), api.logged_in("carol")
    assert bob.user("carol")["createdBy"] == "alice"
    status, answer = change(bob, "carol", removed=ADMIN_ROLE)
    assert (status, "Only the creator" in str(answer)) == (403, True)
    assert change(bob, "dave", added=ADMIN_ROLE)[0] == 200
    assert alice.user("dave")["createdBy"] == "bob"
    # Who resigns passes its dependents on.
    assert change(alice, "bob", removed=ADMIN_ROLE)[0] == 200
    assert alice.user("dave")["createdBy"] == "alice"
    assert bob("GET", "/users").status_code == 401
    assert carol("GET", "/users").status_code == 200
    for name in ("carol", "dave"):
        assert change(alice, name, removed=ADMIN_ROLE)[0] == 200
    status, answer = change(alice, "alice", removed=ADMIN_ROLE)
    assert (status, "last admin" in str(answer)) == (403, True)


def test_hybrid_roles_of_a_directory_that_is_read_only(api: Api) -> None:
    alice = api.logged_in("alice")
    assert alice("POST", "/roles", {"role": "Internal/testers"}).status_code == 200
    assert change(alice, "bob", added="Internal/testers")[0] == 200
    assert alice.user("bob")["roles"] == ["Internal/everyone", "developers", "Internal/testers"]
    assert alice.get("/roles/Internal/testers")["users"] == ["bob"]
    assert alice.names("?role=Internal/testers") == ["bob"]
    assert change(alice, "bob", removed="Internal/testers")[0] == 200
    assert alice("DELETE", "/roles/Internal/testers").status_code == 200
    assert alice("GET", "/roles/Internal/testers").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/users", {"userId": "dora", "password": PASSWORD}),
        ("POST", "/users", {"userId": "dora", "password": PASSWORD, "isAdmin": True}),
        ("DELETE", "/users/bob", None),
        ("PATCH", "/users/bob", {"newPassword": "another", "confirmPassword": "another"}),
        ("POST", "/roles", {"role": "new"}),
        ("DELETE", "/roles/developers", None),
        ("PUT", "/roles", {"userId": "alice", "addedRoles": ["developers", "Internal/x"]}),
    ],
)
def test_the_directory_stays_read_only(api: Api, method: str, path: str, body: object) -> None:
    alice = api.logged_in("alice")
    alice("POST", "/roles", {"role": "Internal/x"})
    bob = api.logged_in("bob")
    answer = alice(method, path, body)
    assert (answer.status_code, answer.json) == (403, {"Error": READ_ONLY})
    assert alice.user("alice")["roles"] == ["Internal/everyone", ADMIN_ROLE]
    assert bob("GET", "/logout").status_code == 200  # a refused reset has not ended its tokens


def test_nobody_is_created_by_a_first_login(place: Subtree, tmp_path: Path) -> None:
    with api_on(place, tmp_path, **SETTINGS, BOOTSTRAP__USERS="alice, newcomer") as api:
        assert api.login("newcomer").status_code == 401
        assert api.login("bob").status_code == 200
        assert api.logged_in("alice").user("alice")["isAdmin"] is True


def test_an_account_of_the_same_name_is_another_user(place: Subtree, tmp_path: Path) -> None:
    dn = place.add_user("eve", PASSWORD)
    with api_on(place, tmp_path, **SETTINGS) as api:
        alice = api.logged_in("alice")
        alice("POST", "/roles", {"role": "Internal/testers"})
        for role in (ADMIN_ROLE, "Internal/testers"):
            assert change(alice, "eve", added=role)[0] == 200
        eve = api.logged_in("eve")
        place.tool.delete(dn)
        assert alice.get("/roles/Internal/testers")["users"] == []
        dn = place.add_user("eve", PASSWORD)
        try:
            assert eve("GET", "/users").status_code == 401
            assert alice.user("eve") == {
                "userId": "eve",
                "isAdmin": False,
                "roles": ["Internal/everyone"],
            }
            assert api.logged_in("eve")("GET", "/users").status_code == 403
            # The new one gets roles of its own.
            assert change(alice, "eve", added="Internal/testers")[0] == 200
            assert alice.user("eve")["roles"] == ["Internal/everyone", "Internal/testers"]
            assert alice.get(f"/roles/{ADMIN_ROLE}")["users"] == ["alice"]
        finally:
            place.tool.delete(dn)


def test_no_schema_is_needed(tmp_path: Path) -> None:
    with OpenLdap(tmp_path / "bare", Setup(own_schema=False)) as directory:
        host = host_like(directory, OPENLDAP)
        with (
            closing(Tool(host.url, *host.tool, ca_file=host.ca_file)) as tool,
            subtree_in(host, tool) as bare,
        ):
            fill(bare)
            leave_openldap_nothing_but_reading(bare)
            with api_on(bare, tmp_path / "state", **SETTINGS) as api:
                alice = api.logged_in("alice")
                assert change(alice, "bob", added=ADMIN_ROLE)[0] == 200
                assert alice.user("bob")["createdBy"] == "alice"
                assert change(api.logged_in("bob"), "alice", removed=ADMIN_ROLE)[0] == 403


def rename(place: Subtree, name: str, new_name: str) -> None:
    kind = place.kind
    place.tool.rename(place.user_dn(name), f"{kind.naming}={new_name}")
    if kind.login.lower() != kind.naming.lower():
        place.tool.replace(place.user_dn(new_name), **{kind.login: new_name})


def test_renamed_admins_stay_admins(place: Subtree, tmp_path: Path) -> None:
    with api_on(place, tmp_path, **SETTINGS) as api:
        alice = api.logged_in("alice")
        for name in ("bob", "carol"):
            assert change(alice, name, added=ADMIN_ROLE)[0] == 200
        rename(place, "bob", "robert")
        try:
            assert alice.get(f"/roles/{ADMIN_ROLE}")["users"] == ["alice", "carol", "robert"]
            # Another user gets the name, and the role; nobody loses it.
            place.add_user("bob", PASSWORD)
            assert alice.user("bob")["isAdmin"] is False
            assert change(alice, "bob", added=ADMIN_ROLE)[0] == 200
            everybody = ["alice", "bob", "carol", "robert"]
            assert alice.get(f"/roles/{ADMIN_ROLE}")["users"] == everybody
            assert alice.user("robert")["createdBy"] == "alice"
            for name, removed in (("robert", "bob"), ("carol", "robert")):
                status, _ = change(api.logged_in(name), removed, removed=ADMIN_ROLE)
                assert status == 403
            # Two users swap their names.
            for old, new in (("robert", "other"), ("carol", "robert"), ("other", "carol")):
                rename(place, old, new)
            assert change(alice, "robert", removed=ADMIN_ROLE)[0] == 200
            assert change(alice, "robert", added=ADMIN_ROLE)[0] == 200
            assert alice.get(f"/roles/{ADMIN_ROLE}")["users"] == everybody
            for old, new in (("robert", "other"), ("carol", "robert"), ("other", "carol")):
                rename(place, old, new)
        finally:
            place.tool.delete(place.user_dn("bob"))
            rename(place, "robert", "bob")
