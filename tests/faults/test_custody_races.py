"""Two acts on one admin, sent at the same moment to one service, and to two of them.

Afterwards every admin's custodian is an admin or none, one admin is left always, and each answer
is true.
`MI_LDAP_TEST_ROUNDS` says how often each pair is tried.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest

from mi_ldap.directory.store import DirectoryStore
from mi_ldap.model import User
from mi_ldap.wiring import services
from tests.hosts_of_kinds import Hosts
from tests.kinds import ACTIVE_DIRECTORY, DS389, OPENLDAP
from tests.service import Answer, Caller, environment, running_all
from tests.subtree import Host, Subtree, Tool, subtree_in

PASSWORD = "correct horse"
FAMILY = {"p": "root", "a": "p", "d": "a", "e": "a"}
"""Admins and their custodians; `root` has none, `u` is no admin."""

TOO_LATE = {401, 403, 404}
"""What the one who comes second may be told: the token, the role, the custody, the user is gone."""

Request = Callable[["Stage", Caller], Answer]


def delete(by: str, name: str) -> Request:
    return lambda stage, call: call("DELETE", f"/users/{name}", token=stage.tokens[by])


def demote(by: str, name: str) -> Request:
    body = {"userId": name, "removedRoles": ["admin"]}
    return lambda stage, call: call("PUT", "/roles", body, token=stage.tokens[by])


def promote(by: str, name: str) -> Request:
    body = {"userId": name, "addedRoles": ["admin"]}
    return lambda stage, call: call("PUT", "/roles", body, token=stage.tokens[by])


def create(by: str, name: str) -> Request:
    body = {"userId": name, "password": PASSWORD, "isAdmin": True}
    return lambda stage, call: call("POST", "/users", body, token=stage.tokens[by])


@dataclass(frozen=True)
class Pair:
    """Two requests, and what they mean if they succeed.

    Attributes:
        gone: who is no admin afterwards, whichever of them came first.
        made: whom the first of them makes an admin.
        maker: who does.
    """

    first: Request
    second: Request
    gone: tuple[str, ...] = ("a",)
    made: str = ""
    maker: str = "a"


PAIRS = {
    "resign and delete": Pair(demote("a", "a"), delete("p", "a")),
    "demote and demote": Pair(demote("p", "a"), demote("p", "a")),
    "delete and delete": Pair(delete("p", "a"), delete("p", "a")),
    "resign and demote": Pair(demote("a", "a"), demote("p", "a")),
    "demote and delete": Pair(demote("p", "a"), delete("p", "a")),
    "promote and remove the promoter": Pair(promote("a", "u"), delete("p", "a"), made="u"),
    "create and remove the creator": Pair(create("a", "n"), delete("p", "a"), made="n"),
    "promote and demote the custodian": Pair(
        promote("p", "u"), demote("root", "p"), ("p",), "u", "p"
    ),
    "demote and remove the custodian": Pair(demote("p", "a"), delete("root", "p"), ("p",)),
    "resign and the custodian resigns": Pair(demote("a", "a"), demote("p", "p"), ("a", "p")),
}


@dataclass
class Stage:
    """Running services, a connection to two of them, and a look at what they do."""

    one: Caller
    two: Caller
    store: DirectoryStore
    place: Subtree
    rounds: int
    tokens: dict[str, str] = field(default_factory=dict)
    epochs: dict[str, str] = field(default_factory=dict)  # as stored, by ids

    def set_up(self) -> None:
        """The family as in `FAMILY`; whoever is there still keeps its token."""
        found = {name: self.there(name) for name in ("root", *FAMILY, "u")}
        for name, user in found.items():
            custodian_id = found[FAMILY[name]].id if name in FAMILY else None
            if user.revision != self.epochs[user.id] or user.custodian_id != custodian_id:
                self.restore(user, custodian_id)
        members = [found[name].locator for name in ("root", *FAMILY)]
        admin_role = self.store.admin_role()
        if admin_role is None or {*admin_role.holders} != {*members}:
            self.place.tool.replace(self.place.group_dn("admin"), member=members)
        if self.store.find_user("n"):
            self.place.tool.delete(self.place.user_dn("n"))

    def restore(self, user: User, custodian_id: str | None) -> None:
        tree, custodian = self.store.layout(), [custodian_id] if custodian_id else []
        marks = {tree.epoch: [self.epochs[user.id]], tree.custodian: custodian}
        self.place.tool.replace(user.locator, **marks)

    def there(self, name: str) -> User:
        """The user, made and logged in where it is not there, or not known yet."""
        user = self.store.find_user(name)
        if user is None:
            body = {"userId": name, "password": PASSWORD}
            assert self.one("POST", "/users", body, token=self.tokens["root"]).status == 200
            user = self.store.find_user(name)
            assert user is not None
        if user.id not in self.epochs:
            self.tokens[name] = self.one.login(name, PASSWORD)
            found = self.store.user(user.id)
            assert found is not None
            user, self.epochs[user.id] = found, found.revision
        return user

    def at_once(self, pair: Pair) -> tuple[Answer, Answer]:
        barrier = threading.Barrier(2)

        def send(request: Request, call: Caller) -> Answer:
            barrier.wait()
            return request(self, call)

        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(send, pair.first, self.one)
            second = pool.submit(send, pair.second, self.two)
            return first.result(), second.result()

    def admins(self) -> dict[str, User]:
        admin_role = self.store.admin_role()
        assert admin_role is not None
        return {user.name: user for user in self.store.holder_users(admin_role)}


@pytest.fixture(scope="module", params=[OPENLDAP, DS389, ACTIVE_DIRECTORY], ids=lambda k: k.name)
def place(request: pytest.FixtureRequest, hosts: Hosts) -> Iterator[Subtree]:
    if request.param is OPENLDAP:
        host: Host = request.getfixturevalue("host")
        tool: Tool = request.getfixturevalue("tool")
        with subtree_in(host, tool) as made:
            yield made
    else:
        with hosts.place(request.param) as made:
            yield made


@pytest.fixture(scope="module", params=[1, 2], ids=["one machine", "two machines"])
def stage(
    request: pytest.FixtureRequest, place: Subtree, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("machines")
    # However busy this computer is: these tests are not about time.
    more = {"server__request_deadline_s": 30, "server__workers": 2, "server__log_level": "warning"}
    names = [f"machine{number}" for number in range(request.param)]
    with ExitStack() as stack:
        running = stack.enter_context(
            running_all(*(environment(folder / name, place, **more) for name in names))
        )
        one, two = (stack.enter_context(running[at].caller()) for at in (0, -1))
        store = services(place.settings(folder, USER_STORE__INDEX_LIMIT="0")).store
        assert isinstance(store, DirectoryStore)
        stack.callback(store.close)
        default = 20 if place.kind is OPENLDAP else 6
        rounds = int(os.environ.get("MI_LDAP_TEST_ROUNDS", default))
        one.login("root", PASSWORD)
        yield Stage(one, two, store, place, rounds)
        for base_dn in (place.group_base, place.user_base):
            for dn in place.tool.dns_below(base_dn)[:-1]:
                place.tool.delete(dn)


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS.keys())
def test_two_acts_at_once_leave_every_custodian_an_admin(stage: Stage, pair: Pair) -> None:
    outcomes: Counter[tuple[int, int]] = Counter()
    for number in range(stage.rounds):
        stage.set_up()
        first, second = stage.at_once(pair)
        outcomes[first.status, second.status] += 1
        when = f"round {number}: {first.status} {first.body!r}, {second.status} {second.body!r}"
        assert {first.status, second.status} <= {200, *TOO_LATE}, when
        assert 200 in {first.status, second.status}, when
        assert_sound(stage.admins(), pair, first, when)
    print("outcomes:", dict(outcomes))


def assert_sound(admins: dict[str, User], pair: Pair, first: Answer, when: str) -> None:
    ids = {user.id: name for name, user in admins.items()}
    for name, user in admins.items():
        assert user.custodian_id in {None, *ids} - {user.id}, f"the custodian of {name}, {when}"
    assert "root" in admins, when
    assert not {*pair.gone} & {*admins}, when
    if pair.made:
        assert (pair.made in admins) == (first.status == 200), when
    custodians = {
        name: ids[user.custodian_id] if user.custodian_id else "" for name, user in admins.items()
    }
    # They had a line of custodians up to `root`: nobody in it is passed over, nobody else comes in.
    line: list[str] = [name for name in ("a", "p", "root") if name in admins]
    expected: dict[str, str] = {name: line[0] for name in ("d", "e") if name in admins}
    if pair.made in admins:
        expected[pair.made] = pair.maker if pair.maker in admins else line[line[0] == "a"]
    assert {name: custodians[name] for name in expected} == expected, when
