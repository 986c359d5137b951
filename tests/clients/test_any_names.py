"""Whatever Unicode the rules let through lives a whole life as a name and as a password."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mi_ldap.model import folded
from tests.clients.conftest import Client
from tests.service import Caller

_FORBIDDEN = {"Cc", "Cf", "Cs"}


def is_allowed(char: str) -> bool:
    return unicodedata.category(char) not in _FORBIDDEN and char not in ":/\ufffd"


names = (
    st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs"]), min_size=1, max_size=20)
    .map(lambda text: " ".join("".join(filter(is_allowed, text)).split()))
    .filter(lambda name: name not in {"", ".", "..", "admin"} and bool(name.strip("?")))
    .filter(lambda name: folded(name) not in {"", "admin"})
)
passwords = (
    st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=5, max_size=40)
).filter(lambda text: bool(text.strip("?")))


@settings(
    max_examples=30,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(name=names, password=passwords, other=passwords)
def test_a_name_and_a_password_live_a_whole_life(
    admin: Client, name: str, password: str, other: str
) -> None:
    with Caller(admin.service.port) as call:
        live(call, admin.token, name, password, other)


def live(call: Caller, token: str, name: str, password: str, other: str) -> None:
    path = f"/users/{quote(name, safe='')}"
    made = call("POST", "/users", {"userId": name, "password": password}, token=token)
    if made.status == 400:  # the directory takes no such name; it says so, and nothing is left
        assert call("GET", path, token=token).status == 404
        return
    assert made.status == 200, made
    shown = call("GET", path, token=token)
    assert shown.status == 200, shown
    stored = shown.json["userId"]
    listed = call("GET", "/users", token=token).json["list"]
    assert {"userId": stored} in listed
    assert call.login(name, password)
    change = {"newPassword": other, "confirmPassword": other}
    assert call("PATCH", path, change, token=token).status == 200
    assert call.login(name, other)
    give = {"userId": name, "addedRoles": ["odd names"]}
    call("POST", "/roles", {"role": "odd names"}, token=token)
    assert call("PUT", "/roles", give, token=token).status == 200
    assert call("GET", "/roles/odd%20names", token=token).json["users"] == [stored]
    assert call("DELETE", path, token=token).status == 200
    assert call("GET", path, token=token).status == 404
    assert call("GET", "/roles/odd%20names", token=token).json["users"] == []
