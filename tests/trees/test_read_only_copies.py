"""A copy of a directory that sends those who write to another server, where nobody follows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.client import PASSWORD, Api
from tests.hosts.openldap import OpenLdap, Setup
from tests.kinds import PLAIN_OPENLDAP
from tests.machines import MakeApi
from tests.subtree import Subtree, Tool, host_like
from tests.trees.listener import listener

DATABASE = "olcDatabase={1}mdb,cn=config"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Subtree]:
    """In a directory of the test's own, which it may spoil."""
    setup = Setup(member_of=False, refint=False, unique=False, ppolicy=False)
    with OpenLdap(tmp_path / "copy", setup) as directory:
        host = host_like(directory, PLAIN_OPENLDAP)
        tool = Tool(host.url, *host.tool, ca_file=host.ca_file)
        made = Subtree(host, tool)
        for base_dn in (made.user_base, made.group_base):
            tool.add(base_dn, ["organizationalUnit"], ou=made.name)
        yield made
        tool.close()


def become_a_copy(place: Subtree, provider: str, update_url: str) -> None:
    """A consumer of a provider that is never reached."""
    replica = (
        f"rid=001 provider={provider} bindmethod=simple"
        f' searchbase="{place.host.base}" type=refreshOnly interval=23:00:00:00'
    )
    place.tool.replace(DATABASE, olcSyncrepl=replica, olcUpdateRef=update_url)


NEW_PASSWORD = {"newPassword": "another one", "confirmPassword": "another one"}

WRITES = [
    ("POST", "/users", {"userId": "new", "password": PASSWORD}),
    ("POST", "/users", {"userId": "new", "password": PASSWORD, "isAdmin": True}),
    ("DELETE", "/users/bob", None),
    ("POST", "/roles", {"role": "ops"}),
    ("DELETE", "/roles/dev", None),
    ("PUT", "/roles", {"userId": "bob", "addedRoles": ["admin"]}),
    ("PUT", "/roles", {"userId": "bob", "removedRoles": ["dev"]}),
    ("PATCH", "/users/bob", NEW_PASSWORD),
    ("PATCH", "/users/bob", {**NEW_PASSWORD, "oldPassword": PASSWORD}),
]


def assert_read_only(admin: Api) -> None:
    for method, path, body in WRITES:
        answer = admin(method, path, body)
        assert answer.status_code == 403, (method, path, answer.text)
        assert "read only" in answer.text
    assert admin.names() == ["admin", "bob"]
    assert admin.get("/roles/dev")["users"] == ["bob"]
    assert admin.logged_in("bob")("GET", "/server").status_code == 200


@pytest.fixture
def used(api_of: MakeApi) -> Api:
    admin = api_of().logged_in("admin")
    admin.add_user("bob")
    admin.add_role("dev", "bob")
    return admin


def test_a_copy_of_a_directory_is_read_only(used: Api, place: Subtree) -> None:
    with listener() as (url, callers), listener() as (provider, _):
        become_a_copy(place, provider, url)
        assert_read_only(used)
        assert callers == []


def test_a_copy_has_no_first_admin_to_make(api_of: MakeApi, place: Subtree) -> None:
    with listener() as (url, callers), listener() as (provider, _):
        place.add_user("alice", PASSWORD)
        become_a_copy(place, provider, url)
        api = api_of(SERVER__REQUEST_DEADLINE_S="2")
        assert api.login("alice").status_code == 403
        assert api.login("nobody").status_code in (401, 403)
        assert callers == []


def test_a_directory_that_is_closed_for_changes_is_read_only(used: Api, place: Subtree) -> None:
    place.tool.replace(DATABASE, olcReadOnly="TRUE")
    assert_read_only(used)
