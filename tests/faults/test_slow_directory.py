"""A directory that is far away is slow, not down; and one that is busy says so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from mi_ldap.embedded import EmbeddedDirectory
from tests.faults.slow_relay import slow_relay
from tests.service import Service, environment, free_port, local, running
from tests.subtree import Subtree, Tool, host_of

PASSWORD = "correct horse"
CLIENTS = 3


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[EmbeddedDirectory]:
    with EmbeddedDirectory(tmp_path / "directory", port=free_port()) as directory:
        yield directory


@pytest.fixture
def place(directory: EmbeddedDirectory) -> Subtree:
    with closing(
        Tool(directory.url, directory.manager_dn, directory.read_manager_password())
    ) as tool:
        place = Subtree(host_of(directory), tool)
        for base_dn in (place.user_base, place.group_base):
            tool.add(base_dn, ["organizationalUnit"], ou=place.name)
    return place


@contextmanager
def far_away(
    directory: EmbeddedDirectory, place: Subtree, folder: Path, each_way_s: float, **more: object
) -> Iterator[Service]:
    """A service whose directory is that far away; the admin `root` was made before."""
    with local(place.settings(folder)) as near:
        near.login("root", PASSWORD)
    with slow_relay(directory.urls[1], each_way_s) as url:
        distant = replace(place, host=replace(place.host, url=url))
        with running(environment(folder / "state", distant, **more)) as service:
            yield service
            said = service.log.read_text()
            assert "directory_server_lost" not in said
            assert "directory_down" not in said


def answers_to(service: Service, turns: int, *, writes: bool) -> Counter[tuple[str, int]]:
    """How often each kind of request of some clients was answered in which way."""
    with service.caller() as call:
        assert call.ask("GET", "/ready").status in (200, 503)
        call("GET", "/login", basic=f"root:{PASSWORD}")
        token = call.login("root", PASSWORD)
    statuses: Counter[tuple[str, int]] = Counter()

    def ask(client: int) -> None:
        with service.caller() as call:
            for turn in range(turns):
                name = f"u{client}-{turn}"
                login = call("GET", "/login", basic=f"root:{PASSWORD}")
                statuses["login", login.status] += 1
                statuses["list", call("GET", "/users", token=token).status] += 1
                if writes:
                    user = {"userId": name, "password": PASSWORD}
                    statuses["create", call("POST", "/users", user, token=token).status] += 1
                    deleted = call("DELETE", f"/users/{name}", token=token)
                    statuses["delete", deleted.status] += 1

    with ThreadPoolExecutor(CLIENTS) as pool:
        for each in [pool.submit(ask, client) for client in range(CLIENTS)]:
            each.result()
    return statuses


def test_three_tenths_of_a_second_more_per_round_trip_fail_nobody(
    directory: EmbeddedDirectory, place: Subtree, tmp_path: Path
) -> None:
    with far_away(directory, place, tmp_path, 0.15) as service:
        found = answers_to(service, 2, writes=True)
    assert {status for _, status in found} == {200}, found


@pytest.mark.parametrize(
    ("each_way_s", "deadline_s"),
    # A login on new connections takes 8 round trips, the creation of a user 9.
    [(0.3, 12), (0.6, 24)],
)
def test_what_is_further_away_needs_a_deadline_of_as_many_round_trips(
    directory: EmbeddedDirectory,
    place: Subtree,
    tmp_path: Path,
    each_way_s: float,
    deadline_s: int,
) -> None:
    more = {"server__request_deadline_s": deadline_s}
    with far_away(directory, place, tmp_path, each_way_s, **more) as service:
        found = answers_to(service, 1, writes=True)
    assert {status for _, status in found} == {200}, found


def test_logins_and_lists_need_no_longer_deadline_at_six_tenths_per_round_trip(
    directory: EmbeddedDirectory, place: Subtree, tmp_path: Path
) -> None:
    with far_away(directory, place, tmp_path, 0.3) as service:
        found = answers_to(service, 1, writes=False)
    assert {status for _, status in found} == {200}, found
