"""Nested admins are admins in every answer, on generated trees, with memory and without."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Final
from urllib.parse import quote

import pytest

from mi_ldap.ldap.names import dn_in
from tests.api.client import PASSWORD, Api
from tests.field.answers import all_answers, assert_agreement
from tests.field.case import TREES, Case
from tests.field.place import running
from tests.hosts_of_kinds import Hosts
from tests.kinds import ACTIVE_DIRECTORY
from tests.subtree import Subtree
from tests.table.directories import api_on
from tests.table.scenarios import NEW, status

BASE: Final = "dc=example,dc=org"
SEEDS: Final = range(10)
HEAD: Final = (TREES / "01-cn-names-one-base/tree.ldif").read_text().partition("dn: cn=Ann Root")[0]
CONTAINERS: Final = ("ou=people", "ou=staff,ou=people", "ou=groups")
ROOT: Final = "Ann Root"


@dataclass
class Generated:
    """A directory of users and groups, drawn by lot.

    Attributes:
        users, groups: their DNs by name; `ROOT` is always an admin itself.
        members: of each group, by the names of users and groups.
    """

    lot: random.Random
    user_naming: str
    group_class: str
    depth: int
    users: dict[str, str] = field(default_factory=dict)
    groups: dict[str, str] = field(default_factory=dict)
    members: dict[str, set[str]] = field(default_factory=dict)

    @classmethod
    def from_seed(cls, seed: int) -> Generated:
        lot = random.Random(seed)
        group_class = lot.choice(["groupOfNames", "groupOfNames", "groupOfUniqueNames"])
        made = cls(lot, lot.choice(["cn", "uid"]), group_class, depth=lot.choice([2, 4, 13]))
        made._add_entries()
        made._add_members()
        return made

    def _add_entries(self) -> None:
        people = self.lot.sample(CONTAINERS, self.lot.randint(1, 2))
        groups = self.lot.sample(CONTAINERS, self.lot.randint(1, 3))
        names = [ROOT, "Ned, Nested", "Zoë", "c#sharp", "dora", "Eve", "zed"]
        for name in names:
            where = f"{self.lot.choice(people)},{BASE}"
            self.users[name] = dn_in(where, self.user_naming, name)
        for name in ["admin", *(f"Group {number}" for number in range(self.depth + 3))]:
            where = f"{self.lot.choice(groups)},{BASE}"
            named_by = "cn"
            self.groups[name] = dn_in(where, named_by, name)

    def _add_members(self) -> None:
        """A chain of groups below the admin role, a few members by lot, and perhaps a circle."""
        names = list(self.groups)
        self.members = {name: {self.lot.choice([*self.users, *names])} for name in names}
        for above, below in pairwise(names[: self.depth + 1]):
            self.members[above].add(below)
        self.members[names[self.depth]].add("Ned, Nested")
        self.members["admin"].add(ROOT)
        if self.lot.random() < 0.5:
            self.members[self.lot.choice(names[1:])].add("admin")

    def holders(self, group: str) -> set[str]:
        """The users in a group, directly and through others."""
        found, todo = set[str](), [group]
        while todo:
            name = todo.pop()
            if name not in found:
                found.add(name)
                todo += self.members.get(name, ())
        return found & self.users.keys()

    @property
    def ldif(self) -> str:
        return HEAD + "".join([STAFF, *self._user_entries(), *self._group_entries()])

    def _user_entries(self) -> Iterator[str]:
        for name, dn in self.users.items():
            yield (
                f"dn: {dn}\nobjectClass: inetOrgPerson\ncn: {name}\nsn: x\nuid: {name}\n"
                f"userPassword: {name}-pw\n\n"
            )

    def _group_entries(self) -> Iterator[str]:
        member = "member" if self.group_class == "groupOfNames" else "uniqueMember"
        for name, dn in self.groups.items():
            named = sorted(self._spelled(each) for each in self.members[name])
            lines = "".join(f"{member}: {each}\n" for each in named)
            yield f"dn: {dn}\nobjectClass: {self.group_class}\ncn: {name}\n{lines}\n"

    def _spelled(self, name: str) -> str:
        """The DN as another tool may write it: the server takes all of these for the same."""
        dn = {**self.groups, **self.users}[name]
        ways = [dn, dn, dn.upper() if dn.isascii() else dn, dn.replace(",dc=", ", DC=")]
        return self.lot.choice(ways)


STAFF: Final = f"dn: ou=staff,ou=people,{BASE}\nobjectClass: organizationalUnit\nou: staff\n\n"


@dataclass(frozen=True, kw_only=True)
class GeneratedCase(Case):
    """A case whose tree is generated."""

    ldif: str = ""

    @property
    def content(self) -> str:
        return self.ldif


def case_of(tree: Generated) -> Case:
    return GeneratedCase(
        name="01-cn-names-one-base",
        title="",
        admins=(ROOT,),
        ldif=tree.ldif,
        settings={
            "USER_STORE__USER_SEARCH_BASE": BASE,
            "USER_STORE__GROUP_SEARCH_BASE": BASE,
            "USER_STORE__USER_NAME_ATTRIBUTE": tree.user_naming,
            "USER_STORE__GROUP_ENTRY_OBJECT_CLASS": tree.group_class,
        },
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_all_answers_agree(seed: int, tmp_path: Path) -> None:
    tree = Generated.from_seed(seed)
    with running(case_of(tree), tmp_path) as made:
        told = [all_answers(made.admin(api)) for api in made.apis]
        assert told[0] == told[1]
        assert_agreement(told[0])
        assert told[0].users == sorted(tree.users, key=str.casefold)
        for role in tree.groups:
            assert set(told[0].role_pages[role]) == tree.holders(role), role
        admins = tree.holders("admin")
        assert set(told[0].admins) == admins
        for api in made.apis:
            for name in tree.users:
                token = made.logged_in(name, api)
                assert status(token, "GET", "/users") == (200 if name in admins else 403)
        assert_custody(made.admin(), {"Ned, Nested"}, [*tree.groups])


def assert_custody(stranger: Api, others: set[str], groups: list[str]) -> None:
    """None of the others has a custodian, so that nobody may remove them in any way."""
    for name in others:
        path = f"/users/{quote(name)}"
        assert status(stranger, "DELETE", path) == 403
        assert status(stranger, "PATCH", path, NEW) == 403
        for group in groups:
            if name in stranger.get(f"/roles/{quote(group)}")["users"]:
                removal = {"userId": name, "removedRoles": [group]}
                stranger("PUT", "/roles", removal)
        assert stranger.user(name)["isAdmin"] is True


# Active Directory, as WSO2's sample configures it


@pytest.fixture
def place(hosts: Hosts) -> Iterator[Subtree]:
    with hosts.place(ACTIVE_DIRECTORY) as made:
        yield made


@pytest.mark.parametrize("depth", [1, 3, 12])
def test_users_and_groups_of_one_container_in_active_directory(
    place: Subtree, tmp_path: Path, depth: int
) -> None:
    root, ned, dora = (place.add_user(name, PASSWORD) for name in ("root", "ned", "dora"))

    def add_group(name: str, *members: str) -> str:
        unique = {} if name == "admin" else {"sAMAccountName": f"{place.name}-{name}"}
        return place.tool.add(
            dn_in(place.user_base, "cn", name), ["group"], cn=name, member=members, **unique
        )

    below = add_group("level0", ned)
    for level in range(1, depth):
        below = add_group(f"level{level}", below)
    add_group("admin", root, below)
    add_group("devs", dora)
    settings = {
        "USER_STORE__GROUP_SEARCH_BASE": place.user_base,
        "USER_STORE__USER_NAME_ATTRIBUTE": "cn",
    }
    with api_on(place, tmp_path / "state", **settings) as api:
        admin = api.logged_in("root")
        told = all_answers(admin)
        assert_agreement(told)
        assert told.admins == ["ned", "root"]
        assert status(api.logged_in("ned"), "GET", "/users") == 200
        assert status(api.logged_in("dora"), "GET", "/users") == 403
        assert_custody(admin, {"ned"}, told.roles)
        assert status(admin, "DELETE", "/roles/level0") == 403
