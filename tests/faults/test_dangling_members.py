"""Assigning a role while its user, or the role, is deleted by another service: nothing dangles."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from mi_ldap.ldap.names import parsed_dn
from mi_ldap.wiring import services
from tests import kinds
from tests.hosts.openldap import Setup, replicating_pair
from tests.service import Caller, environment, running
from tests.subtree import Subtree, Tool, replicated
from tests.until import until

ROUNDS = 160
PASSWORD = "correct horse"
ALLOWED = {200, 404, 409}
CONVERGED_S = 20.0


@dataclass
class Pair:
    """Two services, each with a state folder and perhaps a replica of its own."""

    places: tuple[Subtree, Subtree]
    folders: tuple[Path, Path]
    callers: tuple[Caller, Caller]
    token: str

    def send(self, number: int, method: str, path: str, body: object = None) -> int:
        return self.callers[number](method, path, body, token=self.token).status

    def at_once(self, *requests: tuple[str, str, object]) -> tuple[int, ...]:
        """Each by another service, at nearly the same moment."""
        barrier = threading.Barrier(len(requests))

        def send(number: int) -> int:
            barrier.wait()
            time.sleep(random.random() * 0.01)
            return self.send(number, *requests[number])

        with ThreadPoolExecutor(len(requests)) as pool:
            return tuple(pool.map(send, range(len(requests))))

    def clean_up(self) -> None:
        """What each service does every minute."""
        for place, folder in zip(self.places, self.folders, strict=True):
            found = services(place.settings(folder))
            found.store.clean_up()
            found.close()

    def dangling(self) -> list[tuple[str, str]]:
        """Members that are nobody, and groups in `memberOf` that are none, in each place."""
        found: list[tuple[str, str]] = []
        for place in self.places:
            users = place.tool.read_below(place.user_base, "memberOf")
            roles = place.tool.read_below(place.group_base, "member")
            there = {parsed_dn(dn) for dn in (*users, *roles)}
            named = [(dn, "member", roles[dn].get("member", [])) for dn in roles]
            named += [(dn, "memberOf", users[dn].get("memberOf", [])) for dn in users]
            found += [
                (dn, f"{attribute} {value}")
                for dn, attribute, values in named
                for value in values
                if value and parsed_dn(value) not in there
            ]
        return found


@contextmanager
def pair_at(folder: Path, first: Subtree, second: Subtree) -> Iterator[Pair]:
    with ExitStack() as closing:
        callers: list[Caller] = []
        folders = (folder / "one", folder / "two")
        for state_dir, place in zip(folders, (first, second), strict=True):
            state_dir.mkdir()
            service = closing.enter_context(running(environment(state_dir, place)))
            callers.append(closing.enter_context(service.caller()))
        token = callers[0].login("root", PASSWORD)  # the services have one key
        until(lambda: callers[1]("GET", "/roles", token=token).status == 200)
        yield Pair((first, second), folders, (callers[0], callers[1]), token)


@pytest.fixture
def on_one_slapd(subtree: Subtree, tmp_path: Path) -> Iterator[Pair]:
    (tmp_path / "services").mkdir()
    with pair_at(tmp_path / "services", subtree, subtree) as pair:
        yield pair


@pytest.fixture
def on_replicas(tmp_path: Path) -> Iterator[Pair]:
    bare = Setup(member_of=False, refint=False, ppolicy=False, unique=False)
    with replicating_pair(tmp_path / "pair", bare) as servers, ExitStack() as closing:
        places: list[Subtree] = []
        for server, other in (servers, servers[::-1]):
            host = replicated(server, other, kinds.REPLICAS)
            host = replace(host, url=server.ldaps_url)
            tool = Tool(server.ldaps_url, *server.manager, ca_file=server.ca_file)
            closing.callback(tool.close)
            name = places[0].name if places else None
            places.append(Subtree(host, tool, name) if name else Subtree(host, tool))
        for base_dn in (places[0].user_base, places[0].group_base):
            places[0].tool.add(base_dn, ["organizationalUnit"], ou=places[0].name)
            until(lambda dn=base_dn: places[1].tool.exists(dn))  # type: ignore[misc]
        with pair_at(tmp_path, places[0], places[1]) as pair:
            yield pair


def race(pair: Pair) -> tuple[Counter[tuple[int, ...]], Counter[tuple[int, ...]]]:
    assert pair.send(0, "POST", "/roles", {"role": "dev"}) == 200
    user = {"userId": "lasting", "password": PASSWORD}
    assert pair.send(0, "POST", "/users", user) == 200
    until(lambda: pair.send(1, "GET", "/users/lasting") == 200)
    until(lambda: pair.send(1, "GET", "/roles/dev") == 200)
    of_users: Counter[tuple[int, ...]] = Counter()
    of_roles: Counter[tuple[int, ...]] = Counter()
    for turn in range(ROUNDS):
        name = f"u{turn}"
        assert pair.send(1, "POST", "/users", {"userId": name, "password": PASSWORD}) == 200
        assert pair.send(1, "POST", "/roles", {"role": name}) == 200
        until(lambda name=name: pair.send(0, "GET", f"/users/{name}") == 200)  # type: ignore[misc]
        until(lambda name=name: pair.send(0, "GET", f"/roles/{name}") == 200)  # type: ignore[misc]
        assign = {"userId": name, "addedRoles": ["dev"]}
        of_users[pair.at_once(("PUT", "/roles", assign), ("DELETE", f"/users/{name}", None))] += 1
        assign = {"userId": "lasting", "addedRoles": [name]}
        of_roles[pair.at_once(("PUT", "/roles", assign), ("DELETE", f"/roles/{name}", None))] += 1
    return of_users, of_roles


def test_nothing_dangles_on_one_slapd(on_one_slapd: Pair) -> None:
    outcomes = race(on_one_slapd)
    left = on_one_slapd.dangling()
    print(outcomes, "before the cleanup:", len(left))
    assert {status for each in outcomes for pair in each for status in pair} <= ALLOWED
    on_one_slapd.clean_up()
    assert on_one_slapd.dangling() == []


def test_nothing_dangles_on_two_replicas_after_the_cleanup(on_replicas: Pair) -> None:
    outcomes = race(on_replicas)
    time.sleep(2)
    print(outcomes, "before the cleanup:", len(on_replicas.dangling()))
    assert {status for each in outcomes for pair in each for status in pair} <= ALLOWED

    def is_clean() -> bool:
        on_replicas.clean_up()
        return on_replicas.dangling() == []

    until(is_clean, CONVERGED_S)
