"""Whatever Unicode the rules let through lives a whole life as a name and as a password."""

from __future__ import annotations

from urllib.parse import quote

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from mi_ldap.errors import BadRequest
from mi_ldap.name_folding import folded
from mi_ldap.name_rules import new_user_name
from tests.clients.conftest import Stage
from tests.service import Caller

texts = st.text(
    st.characters(exclude_categories=["Cc", "Cf", "Cs"], exclude_characters=":/\ufffd"),
    min_size=1,
    max_size=30,
)
passwords = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=5, max_size=40).filter(
    lambda text: bool(text.strip("?"))
)


@settings(
    max_examples=25,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=texts, password=passwords, other=passwords)
def test_a_name_and_a_password_live_a_whole_life(
    any_name_stage: Stage, text: str, password: str, other: str
) -> None:
    try:
        name = new_user_name(text, allow_any=True)
    except BadRequest:
        assume(False)
    assume(folded(name) not in {"", "root"})
    with any_name_stage.service.caller() as call:
        live(call, any_name_stage.token, name, password, other)


def live(call: Caller, token: str, name: str, password: str, other: str) -> None:
    path = f"/users/{quote(name, safe='')}"
    made = call("POST", "/users", {"userId": name, "password": password}, token=token)
    if made.status == 400:  # the directory sees nothing in such a name; nothing is left of it
        assert "name" in made.json["Error"], (name, made)
        assert call("GET", path, token=token).status == 404
        return
    assert made.json == {"userId": name, "status": "Added"}, (name, made)
    assert call("GET", path, token=token).json["userId"] == name
    assert {"userId": name} in call("GET", "/users", token=token).json["list"]
    assert call.login(name, password)
    change = {"newPassword": other, "confirmPassword": other}
    assert call("PATCH", path, change, token=token).status == 200
    assert call.login(name, other)
    assert_role_comes_and_goes(call, token, name)
    assert call("DELETE", path, token=token).json == {"userId": name, "status": "Deleted"}
    assert call("GET", path, token=token).status == 404
    assert call("GET", "/roles/odd%20names", token=token).json["users"] == []


def assert_role_comes_and_goes(call: Caller, token: str, name: str) -> None:
    """It is given, taken, and given again: the last goes with the user."""
    call("POST", "/roles", {"role": "odd names"}, token=token)
    for key, members in (("addedRoles", [name]), ("removedRoles", []), ("addedRoles", [name])):
        change = {"userId": name, key: ["odd names"]}
        assert call("PUT", "/roles", change, token=token).status == 200
        assert call("GET", "/roles/odd%20names", token=token).json["users"] == members
