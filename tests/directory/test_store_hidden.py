"""Entries that the service's account can't read, and results that the server limits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mi_ldap.directory.store import DirectoryStore
from mi_ldap.errors import AdminRoleUnclear, DirectoryUnavailable, ReadOnlyStore
from mi_ldap.model import EntryId
from mi_ldap.store import SetCustodian
from tests.api.client import PASSWORD
from tests.directory.server import host, tool
from tests.directory.stores import Stores
from tests.machines import MakeApi
from tests.store_contract import make_user
from tests.subtree import Subtree, Tool

__all__ = ["host", "tool"]

DATABASE = "olcDatabase={1}mdb,cn=config"


@pytest.fixture
def access(tool: Tool) -> Iterator[Tool]:
    """The server's configuration, put back as it was in the end."""
    before = tool.read(DATABASE, "olcAccess", "olcLimits")
    yield tool
    tool.replace(DATABASE, **before)


def add_rule(tool: Tool, rule: str) -> None:
    """Put an access rule before all others."""
    tool.add_values(DATABASE, olcAccess=f"{{0}}{rule}")


def hide(tool: Tool, target: str) -> None:
    manager_dn = "cn=manager,dc=mi"
    add_rule(tool, f"to {target} by dn.exact={manager_dn} manage by * none")


# "No admin" is proved


def test_hidden_admin_group_is_an_error(api_of: MakeApi, subtree: Subtree, access: Tool) -> None:
    subtree.add_group("admin", subtree.user_dn("chief"))
    hide(access, f'dn.exact="{subtree.group_dn("admin")}"')
    subtree.add_user("alice", PASSWORD)
    api = api_of(SERVER__REQUEST_DEADLINE_S="0.4")
    assert api.login("admin").status_code == 503
    assert api.login("alice").status_code == 503
    assert subtree.members("admin") == [subtree.user_dn("chief")]
    assert list(api.services.store.user_names().names) == ["alice"]


def test_hidden_members_of_the_admin_group_are_an_error(
    api_of: MakeApi, subtree: Subtree, access: Tool
) -> None:
    subtree.add_group("admin", subtree.user_dn("chief"))
    hide(access, f'dn.exact="{subtree.group_dn("admin")}" attrs=member')
    api = api_of()
    assert api.login("admin").status_code == 401
    assert list(api.services.store.user_names().names) == []
    with pytest.raises(AdminRoleUnclear):
        api.services.store.admin_role()


def test_hidden_admin_group_in_another_container_is_an_error(
    api_of: MakeApi, subtree: Subtree, access: Tool
) -> None:
    folder = f"ou=deep,{subtree.group_base}"
    access.add(folder, ["organizationalUnit"], ou="deep")
    hidden = f"cn=admin,{folder}"
    access.add(hidden, ["groupOfNames"], cn="admin", member=subtree.user_dn("chief"))
    hide(access, f'dn.exact="{hidden}"')
    unique = "olcOverlay={3}unique,olcDatabase={1}mdb,cn=config"
    access.replace(unique, olcUniqueURI=f"ldap:///{subtree.group_base}?cn?sub")
    api = api_of(SERVER__REQUEST_DEADLINE_S="0.4")
    answer = api.login("admin")
    access.replace(unique, olcUniqueURI=f"ldap:///ou=policies,{subtree.host.base}?cn?sub")
    assert answer.status_code in (401, 503)
    assert list(api.services.store.user_names().names) == []
    assert api.services.store.admin_role() is None
    access.delete(hidden)
    access.delete(folder)


def test_hidden_search_base_makes_the_store_unavailable(
    api_of: MakeApi, subtree: Subtree, access: Tool
) -> None:
    hide(access, f'dn.subtree="{subtree.user_base}"')
    api = api_of()
    assert api.login("admin").status_code == 503
    assert api.ask("GET", "/ready").status_code == 503


def test_missing_search_base_makes_the_store_unavailable(stores: Stores) -> None:
    store = stores.open(USER_STORE__USER_SEARCH_BASE="ou=nowhere,dc=mi")
    with pytest.raises(DirectoryUnavailable):
        store.user_names()
    with pytest.raises(DirectoryUnavailable):
        store.find_user("alice")
    with pytest.raises(DirectoryUnavailable):
        store.check()


# Limits


@pytest.mark.parametrize("limit", ["size=3", "size.prtotal=3"])
def test_list_cut_by_a_size_limit_is_marked_incomplete(
    api_of: MakeApi, subtree: Subtree, access: Tool, limit: str
) -> None:
    for number in range(6):
        subtree.add_user(f"user{number}")
        subtree.add_group(f"role{number}", "")
    admin = api_of().logged_in("admin")
    access.replace(DATABASE, olcLimits=f'{{0}}dn.exact="{subtree.host.account[0]}" {limit}')
    limited = api_of().logged_in("admin") if limit == "size=3" else admin
    limited.services.store.close()
    for path in ("/users", "/roles", "/roles/Internal/everyone"):
        answer = limited("GET", path)
        assert answer.status_code == 200
        assert answer.headers["X-Result-Truncated"] == "true"


def test_list_is_complete_without_paged_results(
    api_of: MakeApi, subtree: Subtree, access: Tool
) -> None:
    subtree.add_user("alice")
    admin = api_of().logged_in("admin")
    limit = f'{{0}}dn.exact="{subtree.host.account[0]}" size.prtotal=disabled'
    access.replace(DATABASE, olcLimits=limit)
    admin.services.store.close()
    answer = admin("GET", "/users")
    assert answer.status_code == 200
    assert answer.json["count"] == 2  # type: ignore[index]
    assert "X-Result-Truncated" not in answer.headers


def test_read_only_server_is_a_read_only_store(store: DirectoryStore, access: Tool) -> None:
    user = make_user(store)
    access.replace(DATABASE, olcReadOnly="TRUE")
    try:
        with pytest.raises(ReadOnlyStore):
            store.create_user("bob")
        with pytest.raises(ReadOnlyStore):
            store.apply(SetCustodian(user, EntryId("x")))
        assert store.find_user("alice") == user
    finally:
        access.replace(DATABASE, olcReadOnly="FALSE")
