"""MI's own tests of user management as behaviour, on a directory and a database as `wso2.com`."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import pytest
from pydantic import SecretStr

from mi_ldap.checks import Doctor
from mi_ldap.checks.icp import examine_icp
from mi_ldap.checks.secondary_stores import examine_secondary_stores
from mi_ldap.services.container import Services
from mi_ldap.settings import Settings, load_settings
from mi_ldap.settings.icp import IcpSettings
from mi_ldap.wiring import services
from tests.api.client import PASSWORD, Api
from tests.api.conftest import api_over
from tests.icp_tokens import SECRET
from tests.sql.stores import sqlite_place
from tests.store_contract import make_user
from tests.subtree import Subtree

SECONDARY = """
[[secondary_user_store]]
domain = "wso2.com"
type = "database"
url = "sqlite:///{file}"
"""


PRIMARY = """
[user_store]
type = "database"
[datasource]
url = "sqlite:///{file}"
[bootstrap]
users = ["admin"]
[[secondary_user_store]]
domain = "wso2.com"
"""


UNREACHABLE = """
type = "read_only_ldap"
connection_url = "ldap://127.0.0.1:1"
base_dn = "dc=example,dc=org"
"""


@pytest.fixture
def file(tmp_path: Path) -> Iterator[Path]:
    """The database."""
    with sqlite_place(tmp_path) as place:
        yield Path(place.config.database)


def directory_first(subtree: Subtree, tmp_path: Path, file: Path) -> Settings:
    """A directory as the primary store, and a database as `wso2.com`."""
    config = tmp_path / "mi-ldap.toml"
    config.write_text(SECONDARY.format(file=file), encoding="utf-8")
    return subtree.settings(tmp_path, CONFIG=str(config))


def database_first(subtree: Subtree, tmp_path: Path, file: Path) -> Settings:
    """A database as the primary store, and a directory as `wso2.com`."""
    config = tmp_path / "mi-ldap.toml"
    config.write_text(PRIMARY.format(file=file), encoding="utf-8")
    prefix = "MI_LDAP_USER_STORE__"
    of_directory = {
        f"MI_LDAP_SECONDARY_USER_STORE__WSO2_COM__{key.removeprefix(prefix)}": value
        for key, value in subtree.environment.items()
        if key.startswith(prefix)
    }
    own = {"MI_LDAP_CONFIG": str(config), "MI_LDAP_STATE_DIR": str(tmp_path)}
    return load_settings({**of_directory, **own})


@pytest.fixture(params=[directory_first, database_first])
def made(
    request: pytest.FixtureRequest, subtree: Subtree, tmp_path: Path, file: Path
) -> Iterator[Services]:
    found = services(request.param(subtree, tmp_path, file))
    yield found
    found.close()


on_a_database = pytest.mark.parametrize("made", [directory_first], indirect=True)
"""The secondary store is the database."""


@pytest.fixture
def admin(made: Services) -> Iterator[Api]:
    """The API as the first admin sees it, which is in the primary store."""
    with ExitStack() as opened:
        yield api_over(made, opened).logged_in("admin")


def names(admin: Api, resource: str, key: str, **query: str) -> list[str]:
    return [each[key] for each in admin.get(f"/{resource}?{urlencode(query)}")["list"]]


def ready(admin: Api) -> dict[str, object]:
    answer = admin.ask("GET", "/ready")
    assert answer.status_code == 200
    return dict(answer.json or {})


def add_user(admin: Api, name: str, **more: object) -> None:
    body = {"userId": name, "password": PASSWORD, **more}
    assert admin.do("POST", "/users", body) == {"userId": name, "status": "Added"}


def test_users_of_a_secondary_store_live_in_it(admin: Api) -> None:
    add_user(admin, "bob")
    add_user(admin, "bob", domain="wso2.com", isAdmin="false")
    add_user(admin, "wso2.com/carl")
    assert names(admin, "users", "userId") == ["admin", "bob", "WSO2.COM/bob", "WSO2.COM/carl"]
    assert names(admin, "users", "userId", pattern="b*") == ["bob", "WSO2.COM/bob"]
    assert names(admin, "users", "userId", pattern="wso2.com/*") == [
        *("WSO2.COM/bob", "WSO2.COM/carl")
    ]
    shown = {"userId": "WSO2.COM/bob", "isAdmin": False, "roles": ["Internal/everyone"]}
    for path in ("/users/bob?domain=wso2.com", "/users/WSO2.COM/bob", "/users/wso2.com/bob"):
        assert admin.get(path) == shown
    assert admin.get("/users/WSO2.COM%2Fbob?domain=WSO2.COM") == shown
    assert (
        admin(
            "POST", "/users", {"userId": "bob", "password": PASSWORD, "domain": "Wso2.Com"}
        ).status_code
        == 400
    )
    new = {"newPassword": "new horse", "confirmPassword": "new horse"}
    assert admin.do("PATCH", "/users/bob?domain=wso2.com", new)["userId"] == "bob"
    assert admin.do("DELETE", "/users/bob?domain=wso2.com") == {
        "userId": "bob",
        "status": "Deleted",
    }
    assert admin.do("DELETE", "/users/WSO2.COM/carl")["userId"] == "WSO2.COM/carl"
    assert admin("GET", "/users/bob?domain=wso2.com").status_code == 404
    assert admin("DELETE", "/users/bob?domain=wso2.com").status_code == 404
    assert names(admin, "users", "userId") == ["admin", "bob"]


def test_roles_of_a_secondary_store_have_its_users(admin: Api) -> None:
    add_user(admin, "bob")
    add_user(admin, "bob", domain="wso2.com")
    admin.do("POST", "/roles", {"role": "dev"})
    for role in ("dev", "admin"):
        added = admin.do("POST", "/roles", {"role": role, "domain": "wso2.com"})
        assert added == {"role": role, "status": "Added"}
    assert names(admin, "roles", "role") == [
        *("admin", "dev", "Internal/everyone", "WSO2.COM/admin", "WSO2.COM/dev")
    ]
    both = {"userId": "bob", "domain": "wso2.com", "addedRoles": ["dev", "WSO2.COM/admin"]}
    assert admin.do("PUT", "/roles", both)["userId"] == "bob"
    assert admin.get("/roles/dev?domain=wso2.com") == {
        "role": "WSO2.COM/dev",
        "users": ["WSO2.COM/bob"],
    }
    shown = admin.get("/users/WSO2.COM/bob")
    assert shown["roles"] == ["Internal/everyone", "WSO2.COM/admin", "WSO2.COM/dev"]
    assert shown["isAdmin"] is False
    assert admin.get("/users/bob")["roles"] == ["Internal/everyone"]
    assert admin.get("/roles/dev")["users"] == []
    assert names(admin, "users", "userId", role="wso2.com/dev") == ["WSO2.COM/bob"]
    back = {"userId": "WSO2.COM/bob", "removedRoles": ["WSO2.COM/dev", "wso2.com/admin"]}
    admin.do("PUT", "/roles", back)
    assert admin.get("/users/WSO2.COM/bob")["roles"] == ["Internal/everyone"]
    assert admin.do("DELETE", "/roles/dev?domain=wso2.com")["role"] == "dev"
    assert admin.do("DELETE", "/roles/WSO2.COM/admin")["role"] == "WSO2.COM/admin"
    assert names(admin, "roles", "role") == ["admin", "dev", "Internal/everyone"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/users", {"userId": "x", "password": PASSWORD, "domain": "nowhere"}),
        ("GET", "/users/admin?domain=nowhere", None),
        ("DELETE", "/users/admin?domain=nowhere", None),
        ("POST", "/roles", {"role": "x", "domain": "nowhere"}),
        ("GET", "/roles/admin?domain=nowhere", None),
        ("PUT", "/roles", {"userId": "admin", "domain": "nowhere", "addedRoles": []}),
    ],
)
def test_an_unknown_domain_is_404(admin: Api, method: str, path: str, body: object) -> None:
    answer = admin(method, path, body)
    assert answer.status_code == 404
    assert "Could not find a user-store for the given domain nowhere" in answer.text


@pytest.mark.parametrize("domain", ["Internal", "application"])
def test_a_hybrid_role_is_in_no_secondary_store(admin: Api, domain: str) -> None:
    for body in (
        {"role": f"{domain}/x", "domain": "wso2.com"},
        {"role": f"WSO2.COM/{domain}/x"},
    ):
        answer = admin("POST", "/roles", body)
        assert (answer.status_code, "role name is not allowed" in answer.text) == (400, True)
    assert names(admin, "roles", "role") == ["admin", "Internal/everyone"]


def test_only_the_primary_store_has_admins(admin: Api) -> None:
    wanted = {"userId": "bob", "password": PASSWORD, "domain": "wso2.com", "isAdmin": "true"}
    assert admin("POST", "/users", wanted).status_code == 400
    assert names(admin, "users", "userId") == ["admin"]
    add_user(admin, "bob", domain="wso2.com")
    for role in ("admin", "PRIMARY/admin"):
        change = {"userId": "WSO2.COM/bob", "addedRoles": [role]}
        answer = admin("PUT", "/roles", change)
        assert (answer.status_code, "primary user store can be" in answer.text) == (400, True)


def test_a_user_of_a_secondary_store_logs_in_and_is_no_admin(admin: Api) -> None:
    add_user(admin, "bob", domain="wso2.com")
    bob = admin.stranger().logged_in("bob")
    assert bob("GET", "/users").status_code == 403
    assert bob("DELETE", "/users/admin").status_code == 403
    assert bob("DELETE", "/users/admin?domain=nowhere").status_code == 403
    new = {"newPassword": "new horse", "confirmPassword": "new horse", "oldPassword": PASSWORD}
    bob.do("PATCH", "/users/bob?domain=wso2.com", new)
    assert bob("GET", "/server").status_code == 401  # a new password ends its tokens
    assert admin("GET", "/server").status_code == 200


def test_a_user_of_the_primary_store_goes_first(admin: Api) -> None:
    add_user(admin, "admin", domain="wso2.com")
    other = admin.stranger().logged_in("WSO2.COM/admin")
    assert other("GET", "/users").status_code == 403
    assert admin.stranger().logged_in("admin")("GET", "/users").status_code == 200
    admin.do("DELETE", "/users/admin?domain=wso2.com")
    assert other("GET", "/server").status_code == 401
    assert admin("DELETE", "/users/admin").status_code == 403


@on_a_database
def test_the_doctor_examines_the_primary_store(made: Services, admin: Api) -> None:
    with closing(Doctor(made, embedded=False)) as doctor:
        assert "bind" in {finding.check for finding in doctor.examine()}
    (finding,) = examine_secondary_stores(made)
    assert (finding.level, finding.sentence) == ("pass", "WSO2.COM can be used.")


@on_a_database
def test_a_store_that_is_down_does_not_take_the_others_with_it(
    made: Services, admin: Api, file: Path
) -> None:
    add_user(admin, "carl", domain="wso2.com")
    assert "unavailable" not in ready(admin)
    content = file.read_bytes()
    for each in file.parent.glob(f"{file.name}*"):
        each.write_bytes(b"no database" * 100)
    try:
        answer = admin("GET", "/users")
        assert (answer.status_code, answer.headers["X-Result-Truncated"]) == (200, "true")
        assert ready(admin)["unavailable"] == ["WSO2.COM"]
        assert admin("GET", "/users/WSO2.COM/carl").status_code == 503
        assert admin("DELETE", "/users/WSO2.COM/carl").status_code == 503
        assert admin.stranger().logged_in("admin")
        (finding,) = examine_secondary_stores(made)
        assert (finding.level, "WSO2.COM cannot be used" in finding.sentence) == ("fail", True)
    finally:
        file.write_bytes(content)


def test_a_directory_that_is_down_from_the_start_is_left_out(tmp_path: Path, file: Path) -> None:
    config = tmp_path / "mi-ldap.toml"
    config.write_text(f"{PRIMARY.format(file=file)}{UNREACHABLE}", encoding="utf-8")
    environ = {"MI_LDAP_CONFIG": str(config), "MI_LDAP_STATE_DIR": str(tmp_path)}
    with ExitStack() as opened:
        found = services(load_settings(environ))
        opened.callback(found.close)
        stranger = api_over(found, opened)
        unknown = {"Authorization": basic("admin")}
        # The first admin is created only once all stores are known not to have the name.
        assert stranger("GET", "/login", headers=unknown).status_code == 503
        make_user(found.primary, "admin", PASSWORD)
        admin = stranger.logged_in("admin")
        answer = admin("GET", "/users")
        assert answer.json == {"count": 1, "list": [{"userId": "admin"}]}
        assert answer.headers["X-Result-Truncated"] == "true"
        assert admin("GET", "/users/WSO2.COM/bob").status_code == 503
        assert stranger("GET", "/login", headers={"Authorization": basic("bob")}).status_code == 503
        assert ready(admin)["unavailable"] == ["WSO2.COM"]


def basic(name: str) -> str:
    return f"Basic {base64.b64encode(f'{name}:{PASSWORD}'.encode()).decode()}"


def test_an_admin_cannot_be_removed_by_another_name(subtree: Subtree, tmp_path: Path) -> None:
    config = tmp_path / "mi-ldap.toml"
    config.write_text('[[secondary_user_store]]\ndomain = "SAME"\n', encoding="utf-8")
    prefix = "MI_LDAP_USER_STORE__"
    of_directory = {
        f"SECONDARY_USER_STORE__SAME__{key.removeprefix(prefix)}": value
        for key, value in subtree.environment.items()
        if key.startswith(prefix)
    }
    found = services(subtree.settings(tmp_path, CONFIG=str(config), **of_directory))
    with ExitStack() as opened:
        opened.callback(found.close)
        first = api_over(found, opened).logged_in("admin")
        add_user(first, "second", isAdmin=True)
        add_user(first, "bob")
        second = first.logged_in("second")
        members = subtree.members("admin")
        new = {"newPassword": "known to one", "confirmPassword": "known to one"}
        for method, path, body in (
            ("DELETE", "/users/SAME/admin", None),
            ("PATCH", "/users/SAME/admin", new),
            ("PUT", "/roles", {"userId": "SAME/admin", "removedRoles": ["SAME/admin"]}),
            ("PUT", "/roles", {"userId": "SAME/bob", "addedRoles": ["SAME/admin"]}),
            ("DELETE", "/roles/SAME/admin", None),
        ):
            answer = second(method, path, body)
            assert (answer.status_code, path) == (403, path), answer.text
        assert subtree.members("admin") == members
        assert first.login("admin").status_code == 200


def test_the_doctor_names_no_secondary_user_as_the_account_of_icp(
    made: Services, admin: Api
) -> None:
    add_user(admin, "icp", domain="wso2.com")
    icp = IcpSettings(
        enabled=True, secret=SecretStr(SECRET), environment="dev", account="WSO2.COM/icp"
    )
    settings = made.settings.model_copy(update={"icp_config": icp})
    (finding,) = examine_icp(replace(made, settings=settings))
    assert finding.level == "fail"
    assert finding.sentence.startswith("The user WSO2.COM/icp is not an admin")
    assert finding.remedy.startswith("Only a user of the primary user store can be an admin.")
