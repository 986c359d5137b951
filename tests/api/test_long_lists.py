"""Long answers: the same JSON as ever, and compressed for whoever takes that."""

from __future__ import annotations

import gzip
import json

import pytest

from mi_ldap.services.queries import Selection
from mi_ldap.web.api import lists
from tests.api.client import Api

HOSTILE = ('a"b', "b\\", "c},{", "</script>", "ünïcode", "\u2028", "\U0001f600", "", "z" * 300)


@pytest.mark.parametrize("names", [(), ("a",), HOSTILE])
@pytest.mark.parametrize("paged", [True, False])
def test_names_are_written_as_json_writes_them(
    light_api: Api, names: tuple[str, ...], paged: bool
) -> None:
    with light_api.client.application.test_request_context():
        made = lists.list_response(Selection(names, 7, complete=True), "userId", paged=paged)
    total = {"total": 7} if paged else {}
    expected = {"count": len(names), "list": [{"userId": name} for name in names], **total}
    assert json.loads(made.get_data()) == expected
    assert made.mimetype == "application/json"


def test_a_long_list_is_compressed_where_the_client_takes_it(light_admin: Api) -> None:
    light_admin.add_users(f"somebody{number:04}" for number in range(200))
    plain = light_admin("GET", "/users")
    assert "Content-Encoding" not in plain.headers
    packed = light_admin.client.get(
        "/management/users",
        headers={"Authorization": f"Bearer {light_admin.token}", "Accept-Encoding": "gzip"},
    )
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert "Accept-Encoding" in packed.headers["Vary"]


def test_a_short_one_is_not(light_admin: Api) -> None:
    answer = light_admin("GET", "/users", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in answer.headers


def test_who_refuses_gzip_gets_none(light_admin: Api) -> None:
    light_admin.add_users(f"somebody{number:04}" for number in range(200))
    answer = light_admin("GET", "/users", headers={"Accept-Encoding": "gzip;q=0, identity"})
    assert "Content-Encoding" not in answer.headers
