"""What takes an admin out of the filter for users is a removal, whatever the filter looks like."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from tests.field.cases.case_28_filter_group_and_custody import BASE, CASE
from tests.field.place import running
from tests.subtree import Tool

PEOPLE: Final = "(objectClass=inetOrgPerson)"
USERS: Final = f"(memberOf=cn=mi-users,ou=groups,{BASE})"
OTHERS: Final = f"(memberOf=cn=others,ou=groups,{BASE})"
LOCKED: Final = f"(memberOf=CN=locked, OU=groups,{BASE})"

# The filter; a change of bob's roles; whether bob would disappear.
CHANGES: Final = [
    (f"(&{PEOPLE}{USERS})", {"removedRoles": ["mi-users"]}, True),
    (f"(&{PEOPLE}{USERS})", {"removedRoles": ["others"]}, False),
    (f"(&{PEOPLE}(|{USERS}{OTHERS}))", {"removedRoles": ["mi-users"]}, False),
    (f"(&{PEOPLE}(|{USERS}{OTHERS}))", {"removedRoles": ["mi-users", "others"]}, True),
    (f"(&{PEOPLE}(!{LOCKED}))", {"addedRoles": ["locked"]}, True),
    (f"(&{PEOPLE}(!{LOCKED}))", {"removedRoles": ["mi-users"]}, False),
    (f"(&{PEOPLE}(memberOf=*))", {"removedRoles": ["mi-users"]}, False),
    (f"(&{PEOPLE}(|(title=x){USERS}))", {"removedRoles": ["mi-users"]}, True),
    (
        f"(&(memberof=CN=mi\\2Dusers,ou=Groups,DC=example,dc=org){PEOPLE})",
        {"removedRoles": ["mi-users"]},
        True,
    ),
]


def add_groups(tool: Tool) -> None:
    people = [f"uid={name},ou=people,{BASE}" for name in ("alice", "bob", "carl")]
    for name, members in (("mi-users", people), ("others", people), ("locked", people[2:])):
        dn = f"cn={name},ou=groups,{BASE}"
        tool.add(dn, ["groupOfNames"], cn=name, member=members)


@pytest.mark.parametrize("key", ["USER_NAME_LIST_FILTER", "USER_NAME_SEARCH_FILTER"])
@pytest.mark.parametrize(("found_by", "change", "hides"), CHANGES)
def test_a_stranger_makes_no_admin_disappear(
    found_by: str, change: dict[str, list[str]], hides: bool, key: str, tmp_path: Path
) -> None:
    text = found_by if key.endswith("LIST_FILTER") else f"(&{found_by}(uid=?))"
    settings = {"USER_STORE__USER_NAME_LIST_FILTER": PEOPLE, f"USER_STORE__{key}": text}
    case = replace(CASE, after_start=add_groups, settings=settings, memory=None)
    with running(case, tmp_path) as field:
        for api in field.apis:
            answer = field.admin(api)("PUT", "/roles", {"userId": "bob", **change})
            if hides:
                assert answer.status_code == 403, answer.text
                assert "Only the creator of admin user 'bob' can remove it." in answer.text
            else:
                assert answer.status_code == 200, answer.text
            assert field.logged_in("bob", api).user("bob")["isAdmin"] is True
