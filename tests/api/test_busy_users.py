"""While a user is being made, or an admin sets its password, nobody makes it an admin."""

from __future__ import annotations

import pytest

from mi_ldap.model import User
from tests.api.client import Api
from tests.api.conftest import MakeApi


@pytest.fixture
def admin(directory_api_of: MakeApi) -> Api:
    return directory_api_of(SERVER__REQUEST_DEADLINE_S="2").logged_in("admin")


def test_a_promotion_waits_for_a_password_to_be_set(
    admin: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.add_user("bob")
    promoted = promote_meanwhile(admin, "bob", monkeypatch)
    body = {"newPassword": "known to one", "confirmPassword": "known to one"}
    assert admin("PATCH", "/users/bob", body).status_code == 200
    assert promoted == [409]
    assert admin.get("/users/bob")["isAdmin"] is False
    monkeypatch.undo()
    assert give_admin(admin, "bob") == 200


def test_a_user_that_is_being_created_cannot_be_promoted(
    admin: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    promoted = promote_meanwhile(admin, "carl", monkeypatch)
    admin.add_user("carl")
    assert promoted == [404]
    assert admin.get("/users/carl")["isAdmin"] is False
    monkeypatch.undo()
    assert give_admin(admin, "carl") == 200


def give_admin(admin: Api, name: str) -> int:
    body = {"userId": name, "addedRoles": ["admin"]}
    return admin("PUT", "/roles", body).status_code


def promote_meanwhile(admin: Api, name: str, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Somebody tries to promote the user just before its password is set."""
    codes: list[int] = []
    store = admin.services.store
    reset = store.reset_password

    def interrupted(user: User, password: str) -> None:
        if not codes:
            codes.append(0)
            codes[0] = give_admin(admin, name)
        reset(user, password)

    monkeypatch.setattr(store, "reset_password", interrupted)
    return codes
