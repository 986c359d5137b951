"""Two OpenLDAPs that take changes and tell each other; one is killed amid writes."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

import pytest

from tests import kinds
from tests.hosts.openldap import OpenLdap, Setup, replicating_pair
from tests.hosts.process import wait_for
from tests.service import Caller, Service, environment, running
from tests.soundness import look_at
from tests.subtree import Subtree, Tool, replicated

PASSWORD = "correct horse"
CONVERGED_S = 10.0
WRITERS = 4


@dataclass
class Place:
    """A place of the test's own in both servers."""

    servers: tuple[OpenLdap, OpenLdap]
    subtree: Subtree

    def look_at(self, server: OpenLdap) -> None:
        """What that server shows is sound."""
        tool = Tool(server.ldaps_url, *server.manager, ca_file=server.ca_file)
        look_at(replace(self.subtree, tool=tool), crashed=True, links=False)
        tool.close()

    def names_on(self, server: OpenLdap) -> set[str]:
        with server.connected(*server.manager) as manager:
            manager.search(self.subtree.user_base, "(uid=*)", attributes=["uid"])
            return {entry["attributes"]["uid"][0] for entry in manager.response}


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    bare = Setup(member_of=False, refint=False, ppolicy=False, unique=False)
    with replicating_pair(tmp_path / "pair", bare) as servers:
        host = replicated(*servers, kinds.REPLICAS)
        tool = Tool(host.tool_url, *host.tool, ca_file=host.ca_file)
        subtree = Subtree(host, tool)
        for base_dn in (subtree.user_base, subtree.group_base):
            tool.add(base_dn, ["organizationalUnit"], ou=subtree.name)
        tool.close()
        yield Place(servers, subtree)


def write(service: Service, token: str, name: str, stop: Event) -> dict[str, int]:
    """Make admins, one after the other; what was answered for each."""
    answers: dict[str, int] = {}
    with service.caller() as call:
        while not stop.is_set():
            user = f"{name}{len(answers)}"
            body = {"userId": user, "password": PASSWORD, "isAdmin": True}
            answers[user] = call("POST", "/users", body, token=token).status
    return answers


def test_a_server_killed_amid_writes_loses_nothing_that_was_answered(
    place: Place, tmp_path: Path
) -> None:
    first, second = place.servers
    with running(environment(tmp_path / "state", place.subtree)) as service:
        with service.caller() as call:
            token = call.login("root", PASSWORD)
        stop = Event()
        with ThreadPoolExecutor(WRITERS) as pool:
            writers = [
                pool.submit(write, service, token, f"w{each}-", stop) for each in range(WRITERS)
            ]
            assert wait_for(lambda: len(place.names_on(second)) > 8, CONVERGED_S)
            first.kill()
            before = place.names_on(second)
            assert wait_for(lambda: len(place.names_on(second)) > len(before) + 8, CONVERGED_S)
            stop.set()
            answers = {name: code for each in writers for name, code in each.result().items()}
        first.start()
        assert set(answers.values()) <= {200, 503}
        made = {name for name, code in answers.items() if code == 200}
        converged = wait_for(
            lambda: made <= place.names_on(first) == place.names_on(second), CONVERGED_S
        )
        assert converged, (place.names_on(first) ^ place.names_on(second), made)
        with service.caller() as call:
            assert_they_may_be_removed(call, token, made)
    for server in place.servers:
        place.look_at(server)


def assert_they_may_be_removed(call: Caller, token: str, names: set[str]) -> None:
    """What was answered is whole: an admin with its custodian, which may remove it.

    But the server's replication sends a group as a whole: of two that differ the later one wins.
    What had not reached the other server when the first died is no member of it any more.
    """
    shown = {name: call("GET", f"/users/{name}", token=token).json for name in names}
    demoted = [name for name, user in shown.items() if not user["isAdmin"]]
    assert len(demoted) <= WRITERS
    assert all(shown[name]["createdBy"] == "root" for name in names - {*demoted})
    for name in sorted(names):
        assert call("DELETE", f"/users/{name}", token=token).status == 200, name
