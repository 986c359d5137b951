"""What is missing or hidden equals nothing: nobody becomes an admin by it, or is taken for another.

Each attribute is taken away in turn, by an ACL while the service runs, by an ACL before it starts,
and from the entries themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from tests.api.client import Api
from tests.field.cases.case_20_id_hidden_by_acl import CASE as HIDDEN_ID
from tests.field.place import Field, machine, password_of, running
from tests.subtree import Tool
from tests.table.scenarios import NEW

WITH_AND_WITHOUT_MEMORY: Final[tuple[dict[str, str], ...]] = (
    {"USER_STORE__INDEX_LIMIT": "0"},
    {},
)
BASE: Final = "dc=example,dc=org"
ADMINS: Final = ["alice", "bob"]
DATABASE: Final = "olcDatabase={1}mdb,cn=config"

ATTRIBUTES: Final = (
    *("entryUUID", "entryCSN", "objectClass", "uid", "cn", "member", "modifyTimestamp"),
    *("miLdapCustodian", "miLdapEpoch", "miLdapRevision", "miLdapFirstAdmin"),
)
PLACES: Final = {
    "everywhere": "",
    "users": f'dn.children="ou=people,{BASE}" ',
    "groups": f'dn.children="ou=groups,{BASE}" ',
    "the admin role": f'dn.base="cn=admin,ou=groups,{BASE}" ',
    "one user": f'dn.base="uid=carl,ou=people,{BASE}" ',
}
HIDDEN: Final = (
    *(("everywhere", attribute) for attribute in ATTRIBUTES),
    *((where, "entryUUID") for where in PLACES if where != "everywhere"),
    *(("the admin role", attribute) for attribute in ("member", "cn", "objectClass")),
)
"""What is hidden, and where."""


def add_ops(tool: Tool) -> None:
    """`carl` is in `devs`, `alice` in `ops`; `bob` is an admin whose custodian is nobody."""
    dn = f"cn=ops,ou=groups,{BASE}"
    tool.add(dn, ["groupOfNames"], cn="ops", member=f"uid=alice,ou=people,{BASE}")


CASE: Final = replace(
    HIDDEN_ID,
    config_changes="",
    memory=None,
    after_start=add_ops,
    settings={"SERVER__REQUEST_DEADLINE_S": "1"},  # guards on what is hidden fail until then
)


@pytest.fixture
def field(tmp_path: Path) -> Iterator[Field]:
    with running(CASE, tmp_path) as made:
        yield made


def hide(tool: Tool, where: str, attribute: str) -> None:
    rule = f"{{0}}to {PLACES[where]}attrs={attribute} by * none"
    tool.add_values(DATABASE, olcAccess=rule)


def show(tool: Tool) -> None:
    """Take the rule away again; the manager reads everything anyway."""
    rules = tool.read(DATABASE, "olcAccess")["olcAccess"]
    first = next(rule for rule in rules if rule.startswith("{0}"))
    tool.delete_values(DATABASE, olcAccess=first)


def try_everything(stranger: Api, tokens: dict[str, Api]) -> None:
    """What an admin and somebody else send; no answer may be a traceback, which `Api` sees to."""
    alice, carl = tokens["alice"], tokens["carl"]
    assert carl("GET", "/users").status_code != 200
    assert carl("PUT", "/roles", {"userId": "carl", "addedRoles": ["admin"]}).status_code != 200
    assert carl("DELETE", "/roles/ops").status_code != 200
    assert carl("DELETE", "/users/bob").status_code != 200
    for method, path, body in (
        ("PUT", "/roles", {"userId": "carl", "addedRoles": ["ops"]}),
        ("PUT", "/roles", {"userId": "carl", "removedRoles": ["devs"]}),
        ("PUT", "/roles", {"userId": "bob", "removedRoles": ["devs"]}),
        ("PUT", "/roles", {"userId": "alice", "addedRoles": ["devs"], "removedRoles": ["ops"]}),
        ("POST", "/users", {"userId": "dora", "password": "dora-pw-1"}),
        ("PATCH", "/users/carl", NEW),
        ("DELETE", "/roles/devs", None),
        ("DELETE", "/users/carl", None),
    ):
        alice(method, path, body)
    for method, path, body in (
        ("DELETE", "/users/bob", None),
        ("PUT", "/roles", {"userId": "bob", "removedRoles": ["admin"]}),
        ("PATCH", "/users/bob", NEW),
        ("DELETE", "/roles/admin", None),
    ):
        assert alice(method, path, body).status_code != 200, (method, path)
    for name in ("mallory", "carl", ""):
        assert stranger.login(name, "a password of my own").status_code != 200


def assert_nothing_happened(field: Field) -> None:
    """The directory's own manager sees the admins of before, and they still log in."""
    members = field.tool.read(f"cn=admin,ou=groups,{BASE}", "member")["member"]
    assert members == [f"uid={name},ou=people,{BASE}" for name in ADMINS]
    assert not field.tool.exists(f"uid=mallory,ou=people,{BASE}")
    for api in field.apis:
        for name in ADMINS:
            assert field.logged_in(name, api).user(name)["isAdmin"] is True


@pytest.mark.parametrize(("where", "attribute"), HIDDEN, ids=str)
def test_what_is_hidden_makes_nobody_an_admin(field: Field, where: str, attribute: str) -> None:
    tokens = {name: field.logged_in(name).token for name in ("alice", "carl")}
    hide(field.tool, where, attribute)
    with ExitStack() as closing:
        for api in (field.without_memory, machine(field.environment, closing)):
            as_before = {name: replace(api, token=token) for name, token in tokens.items()}
            try_everything(api, as_before)
            for name in ("alice", "carl"):
                assert api.login(name, password_of(name)).status_code in (200, 401, 503)
        show(field.tool)
        assert_nothing_happened(field)


# What is not there at all

IDS: Final = {
    "groups have none": (("alice", "1"), ("bob", "2"), ("carl", "3")),
    "users share one": (("alice", "1"), ("bob", "1"), ("carl", "1")),
    "some have none": (("alice", "1"), ("cn=admin", "9")),
    "the admin role shares one": (
        ("alice", "1"),
        ("carl", "3"),
        ("cn=admin", "9"),
        ("cn=ops", "9"),
    ),
    "they have several": (("alice", "1"), ("alice", "2"), ("carl", "2"), ("cn=admin", "9")),
}


def with_ids(tool: Tool, given: tuple[tuple[str, str], ...]) -> None:
    """The attribute `x121Address`, which every entry may have by `extensibleObject`, as the id."""
    for name, number in given:
        rdn, where = (name, "groups") if "=" in name else (f"uid={name}", "people")
        dn = f"{rdn},ou={where},{BASE}"
        if "extensibleObject" not in tool.read(dn, "objectClass")["objectClass"]:
            tool.add_values(dn, objectClass="extensibleObject")
        tool.add_values(dn, x121Address=number)


@pytest.mark.parametrize("ids", IDS.values(), ids=IDS)
def test_what_is_missing_or_not_unique_makes_nobody_an_admin(
    ids: tuple[tuple[str, str], ...], field: Field
) -> None:
    tokens = {name: field.logged_in(name).token for name in ("alice", "carl")}
    with_ids(field.tool, ids)
    with ExitStack() as closing:
        for more in WITH_AND_WITHOUT_MEMORY:
            api = machine(
                field.environment, closing, **more, USER_STORE__USER_ID_ATTRIBUTE="x121Address"
            )
            answers = {name: api.login(name, password_of(name)) for name in ("alice", "carl")}
            for name, answer in answers.items():
                assert answer.status_code in (200, 503), answer.text
                if answer.status_code == 200:
                    tokens[name] = answer.json["AccessToken"]  # type: ignore[index]
            try_everything(api, {name: replace(api, token=token) for name, token in tokens.items()})
        assert_nothing_happened(field)
