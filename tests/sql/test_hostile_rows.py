"""Rows that another tool may have left: a right answer or a clear error, and nobody locked out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service import LocalCaller
from tests.sql.machines import PASSWORD, machines
from tests.sql.mi import Mi
from tests.sql.stores import Place

TIMES = {
    "postgresql": ["infinity", "-infinity", "0044-03-15 00:00:00 BC", "20000-01-01 00:00:00"],
    "mysql": ["0000-00-00 00:00:00"],
    "sqlite": ["", "infinity", "0000-00-00 00:00:00", "yesterday", "12"],
}


@pytest.fixture
def call(place: Place, tmp_path: Path) -> Iterator[LocalCaller]:
    with machines(place, tmp_path, 1) as (machine,):
        yield machine


@pytest.fixture
def token(call: LocalCaller) -> str:
    return call.login("root", PASSWORD)


def _set(place: Place, name: str, column: str, value: str | None) -> None:
    relaxed = "SET sql_mode = ''" if place.config.dialect == "mysql" else "SELECT 1"
    place.execute(
        relaxed,
        f"UPDATE UM_USER SET {column} = :value WHERE UM_USER_NAME = :name",  # noqa: S608
        value=value,
        name=name,
    )


def _can_be_managed(call: LocalCaller, token: str, name: str) -> None:
    assert call("GET", f"/users/{name}", token=token).status == 200
    for key in ("addedRoles", "removedRoles"):
        change = {"userId": name, key: ["admin"]}
        assert call("PUT", "/roles", change, token=token).status == 200
    new = {"newPassword": PASSWORD, "confirmPassword": PASSWORD}
    assert call("PATCH", f"/users/{name}", new, token=token).status == 200
    assert call.login(name, PASSWORD)
    assert call("DELETE", f"/users/{name}", token=token).status == 200


@pytest.mark.parametrize("role", ["admin", "dev"])
def test_a_membership_of_a_missing_user_blocks_no_change(
    place: Place, call: LocalCaller, token: str, role: str
) -> None:
    """Its row cannot be written again, and the missing user cannot have attributes."""
    Mi(place).add_role("dev")
    for name in ("bob", "carol"):
        body = {"userId": name, "password": PASSWORD}
        assert call("POST", "/users", body, token=token).status == 200
    place.plant(role, "ghost")
    for name in ("bob", "carol"):
        change = {"userId": name, "addedRoles": [role]}
        assert call("PUT", "/roles", change, token=token).status == 200, name
    shown = call("GET", f"/roles/{role}", token=token).json["users"]
    assert shown == ["bob", "carol", *["root"] * (role == "admin")]
    change = {"userId": "bob", "removedRoles": [role]}
    assert call("PUT", "/roles", change, token=token).status == 200
    assert call("DELETE", "/users/carol", token=token).status == 200
    assert call("DELETE", "/users/bob", token=token).status == 200


def test_a_time_that_python_cannot_represent_hides_and_blocks_nobody(
    place: Place, call: LocalCaller, token: str
) -> None:
    for number, time in enumerate(TIMES[place.config.dialect]):
        name = f"user{number}"
        Mi(place).add_user(name, "of mi")
        _set(place, name, "UM_CHANGED_TIME", time)
        assert call("GET", "/login", basic=f"{name}:of mi").status == 200, time
        _can_be_managed(call, token, name)


def test_a_temporary_password_with_such_a_time_must_be_changed(
    place: Place, call: LocalCaller, token: str
) -> None:
    Mi(place).add_user("bob", "of mi")
    Mi(place).set_password("bob", "of mi", require_change=True)
    _set(place, "bob", "UM_CHANGED_TIME", TIMES[place.config.dialect][0])
    limited = call.login("bob", "of mi")
    assert call("GET", "/users/bob", token=limited).status == 403


def test_an_admin_without_an_id_blocks_no_other_admin(
    place: Place, call: LocalCaller, token: str
) -> None:
    Mi(place).add_user("blank", "of mi")
    Mi(place).assign("admin", "blank")
    _set(place, "blank", "UM_USER_ID", " ")
    answer = call("GET", "/login", basic="blank:of mi")
    assert answer.status == 503
    assert "UM_USER_ID" in answer.json["Error"]
    assert "user_id_attribute" not in answer.json["Error"]
    for path in ("/users/root", "/users", "/roles/admin"):
        assert call("GET", path, token=token).status == 200, path
    body = {"userId": "carol", "password": PASSWORD, "isAdmin": True}
    assert call("POST", "/users", body, token=token).status == 200
    _can_be_managed(call, token, "carol")
    # One who cannot log in is no other admin.
    resignation = {"userId": "root", "removedRoles": ["admin"]}
    assert call("PUT", "/roles", resignation, token=token).status == 403


@pytest.mark.parametrize(
    ("value", "salt"),
    [("", None), ("", "salt"), ("not base64!", None), ("YWJj", "salt"), ("A" * 255, "ü")],
)
def test_a_password_that_is_no_digest_matches_nothing(
    place: Place, call: LocalCaller, token: str, value: str, salt: str | None
) -> None:
    Mi(place).add_user("bob", "of mi")
    _set(place, "bob", "UM_USER_PASSWORD", value)
    _set(place, "bob", "UM_SALT_VALUE", salt)
    for typed in ("", "of mi", value, salt or "x"):
        assert call("GET", "/login", basic=f"bob:{typed}").status == 401
    _can_be_managed(call, token, "bob")


def test_odd_attributes_of_ours_block_nothing(place: Place, call: LocalCaller, token: str) -> None:
    attribute = (
        "INSERT INTO UM_USER_ATTRIBUTE (UM_ATTR_NAME, UM_ATTR_VALUE, UM_PROFILE_ID, UM_USER_ID, "
        "UM_TENANT_ID) SELECT :name, :value, 'mi_ldap', UM_ID, UM_TENANT_ID FROM UM_USER "
        "WHERE UM_USER_NAME = 'bob'"
    )
    Mi(place).add_user("bob", "of mi")
    for name, value in (
        ("custodian", None),
        ("custodian", "nobody"),
        ("epoch", None),
        ("epoch", "resetting:99999999999999999999:zz"),
        ("epoch", "resetting:" + "9" * 900),
        ("epoch", "leaving:²:x"),
        ("first_admin:999", "x"),
    ):
        place.execute(attribute, name=name, value=value)
    assert call.login("bob", "of mi")
    _can_be_managed(call, token, "bob")
    assert call("GET", "/login", basic="bob:of mi").status == 401


def test_rows_of_other_tenants_give_nothing(place: Place, call: LocalCaller, token: str) -> None:
    Mi(place).add_user("bob", "of mi")
    Mi(place).add_role("dev")
    for table in ("UM_USER", "UM_ROLE"):
        name = {"UM_USER": "bob", "UM_ROLE": "dev"}[table]
        place.execute(
            f"UPDATE {table} SET UM_TENANT_ID = 7 WHERE {table}_NAME = :name",  # noqa: S608
            name=name,
        )
    place.execute(
        "INSERT INTO UM_ROLE (UM_ROLE_NAME, UM_TENANT_ID) VALUES ('admin', 7)",
        "INSERT INTO UM_USER_ROLE (UM_USER_ID, UM_ROLE_ID, UM_TENANT_ID) SELECT U.UM_ID, R.UM_ID, "
        "7 FROM UM_USER U, UM_ROLE R WHERE U.UM_TENANT_ID = 7 AND R.UM_TENANT_ID = 7 "
        "AND R.UM_ROLE_NAME = 'admin'",
    )
    assert call("GET", "/login", basic="bob:of mi").status == 401
    assert call("GET", "/users/bob", token=token).status == 404
    assert call("GET", "/users", token=token).json["list"] == [{"userId": "root"}]
    assert call("GET", "/roles/dev", token=token).status == 404
    assert call("GET", "/roles/admin", token=token).json["users"] == ["root"]
    body = {"userId": "bob", "password": PASSWORD}
    assert call("POST", "/users", body, token=token).status == 200
    assert call("GET", "/users/bob", token=token).json["isAdmin"] is False
