"""Attributes and classes are configured by any of their names, in any case, or by OID."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.hosts.arranged import ArrangedOpenLdap, Arrangement, Database
from tests.replica.arranged_apis import BASE, Apis, folder, group, person, top

PEOPLE, GROUPS = f"ou=people,{BASE}", f"ou=groups,{BASE}"
_CONTENT = top(
    folder("people"),
    person("alice", PEOPLE, "mail: alice"),
    person("bob", PEOPLE, "mail: bob"),
    folder("groups"),
    group("admin", GROUPS, f"uid=alice,{PEOPLE}"),
    group("devs", GROUPS, f"uid=bob,{PEOPLE}"),
)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ArrangedOpenLdap]:
    database = Database(suffix=BASE, overlays=("syncprov",), content=_CONTENT)
    folder = tmp_path_factory.mktemp("names") / "server"
    with ArrangedOpenLdap(folder, Arrangement(databases=[database])) as made:
        yield made


@pytest.mark.parametrize(
    "configured",
    [
        {"USER_NAME_ATTRIBUTE": "userid"},
        {"USER_NAME_ATTRIBUTE": "0.9.2342.19200300.100.1.1"},
        {"GROUP_NAME_ATTRIBUTE": "commonName"},
        {
            "USER_NAME_ATTRIBUTE": "UID",
            "GROUP_NAME_ATTRIBUTE": "CN",
            "MEMBERSHIP_ATTRIBUTE": "MEMBER",
            "GROUP_ENTRY_OBJECT_CLASS": "GROUPOFNAMES",
            "USER_ENTRY_OBJECT_CLASS": "INETORGPERSON",
        },
        {"USER_NAME_ATTRIBUTE": "CN"},
        {"USER_NAME_ATTRIBUTE": "commonName"},
        {"USER_NAME_ATTRIBUTE": "rfc822Mailbox"},
        {"GROUP_ENTRY_OBJECT_CLASS": "2.5.6.9", "MEMBERSHIP_ATTRIBUTE": "2.5.4.31"},
        {
            "USER_SEARCH_BASE": f"organizationalUnitName=People,{BASE}",
            "GROUP_SEARCH_BASE": f"2.5.4.11=groups,{BASE}",
            "USER_DN_PATTERN": f"userid={{0}},organizationalUnitName=people,{BASE}",
        },
    ],
    ids=lambda configured: " ".join(configured.values()),
)
def test_attribute_aliases_and_oids_are_accepted(
    configured: dict[str, str], host: ArrangedOpenLdap, tmp_path: Path
) -> None:
    settings = {
        "USER_STORE__USER_SEARCH_BASE": PEOPLE,
        "USER_STORE__GROUP_SEARCH_BASE": GROUPS,
        **{f"USER_STORE__{key}": value for key, value in configured.items()},
    }
    with ExitStack() as closing:
        apis = Apis(host, tmp_path, closing, **settings)
        for number, api in enumerate((apis.with_memory(), apis.without_memory())):
            admin, name = api.logged_in("alice", "alice-pw"), f"new{number}"
            assert admin.names() == ["alice", "bob"]
            assert admin.roles() == ["admin", "devs", "Internal/everyone"]
            assert admin.user("bob")["roles"] == ["Internal/everyone", "devs"]
            assert admin.user("alice")["isAdmin"] is True
            admin.add_user(name)
            admin.give(name, "devs")
            assert admin.get("/roles/devs")["users"] == ["bob", name]
            admin.do("DELETE", f"/users/{name}")
            assert admin.names() == ["alice", "bob"]


def test_unknown_attribute_is_named_in_the_error(host: ArrangedOpenLdap, tmp_path: Path) -> None:
    with ExitStack() as closing:
        settings = {"USER_STORE__USER_NAME_ATTRIBUTE": "loginName"}
        api = Apis(host, tmp_path, closing, **settings).without_memory()
        answer = api.ask("GET", "/ready")
        assert answer.status_code == 503
        assert "no attribute loginName: see user_store.user_name_attribute" in answer.text
