"""A worker that is killed, or cut off from the directory, at any step of any change.

After a kill there is what docs/custody.md says for that step. After a cut the steps are undone, or
all of them are done. The same request, sent again, then succeeds or says clearly why not.
"""

from __future__ import annotations

import os
import re
import signal
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count, groupby
from pathlib import Path
from typing import Any

import pytest

from mi_ldap import account_state
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.settings import Settings
from mi_ldap.wiring import services
from tests.faults.steps import (
    CHANGES,
    FIRST_ADMIN,
    OLD,
    Change,
    Request,
    Stage,
    empty_stage_in,
    stage_in,
)
from tests.hosts_of_kinds import Hosts
from tests.kinds import ACTIVE_DIRECTORY, DS389, Kind
from tests.service import Answer, LocalCaller
from tests.soundness import look_at
from tests.subtree import Host, Subtree, Tool, subtree_in

FINISHED, FAILED = 0, 1
MOST_OPERATIONS = 40

Act = Callable[[LocalCaller], Answer]
WRITES = frozenset({"add", "modify", "delete", "password"})
PAGE = Path(__file__).parents[2] / "docs/custody.md"


@pytest.fixture
def stage(subtree: Subtree, tmp_path: Path) -> Iterator[Stage]:
    with stage_in(subtree, tmp_path) as stage:
        yield stage


def named(change: Change) -> str:
    return change.title


@pytest.mark.parametrize("change", CHANGES, ids=named)
def test_killed_at_each_step(stage: Stage, change: Change, monkeypatch: pytest.MonkeyPatch) -> None:
    assert every_kill(stage, change, monkeypatch) == change.states
    look_at(stage.place, crashed=True)


@pytest.mark.parametrize("kind", [DS389, ACTIVE_DIRECTORY], ids=lambda kind: kind.name)
def test_killed_at_each_step_in_other_kinds_of_directories(
    hosts: Hosts, kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hosts.place(kind) as place, stage_in(place, tmp_path) as stage:
        for change in CHANGES:
            # Whose entry stands for the other admins is another one each time, and so may be the
            # number of operations: a state may be passed over.
            seen = every_kill(stage, change, monkeypatch)
            assert seen == [state for state in change.states if state in seen]
            assert (seen[0], seen[-1]) == (change.before, change.states[-1])


@pytest.mark.parametrize("is_done", [False, True], ids=["not sent", "not answered"])
@pytest.mark.parametrize("change", CHANGES, ids=named)
def test_cut_off_at_each_step(
    stage: Stage, change: Change, is_done: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    every_cut(stage, change, monkeypatch, is_done=is_done)
    look_at(stage.place, crashed=True)


@pytest.mark.parametrize("kind", [DS389, ACTIVE_DIRECTORY], ids=lambda kind: kind.name)
def test_cut_off_at_each_step_in_other_kinds_of_directories(
    hosts: Hosts, kind: Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hosts.place(kind) as place, stage_in(place, tmp_path) as stage:
        for change in CHANGES:
            every_cut(stage, change, monkeypatch, is_done=True)


def test_the_page_says_what_is_there_after_a_crash() -> None:
    changes = [(change.title, change.steps) for change in CHANGES]
    told = [
        (title, step.done, step.holds)
        for title, steps in (*changes, ("make the first admin", FIRST_ADMIN))
        for step in steps[:-1]
    ]
    section = PAGE.read_text().partition("## After a crash")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", section, re.MULTILINE)
    assert rows[1:] == told


def every_kill(stage: Stage, change: Change, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Kill the change before each of its operations; the states that were seen, each once."""
    seen: list[str] = []
    for number in range(1, MOST_OPERATIONS):
        name = f"k{CHANGES.index(change)}x{number}"
        change.prepare(stage, name)
        request = change.request(name)
        killed = kill_before(number, stage.settings, partial(stage.send, request))
        seen.append(stage.state_of(name).replace(name, "{0}"))
        if not killed:
            break
        send_again(stage, change, name, monkeypatch)
    return [state for state, _ in groupby(seen)]


def every_cut(
    stage: Stage, change: Change, monkeypatch: pytest.MonkeyPatch, *, is_done: bool
) -> None:
    """Cut the change off at each of its operations: all of it is undone, or done."""
    may_be = set(change.states if change.ends_midway else (change.before, change.states[-1]))
    for number in range(1, MOST_OPERATIONS):
        name = f"c{CHANGES.index(change)}x{number}"
        change.prepare(stage, name)
        with cut_off_at(number, is_done=is_done) as cut:
            answer = stage.send(change.request(name))
        if not cut:
            assert (answer.status, number > 1) == (200, True), answer
            return
        assert answer.status == 503, (number, answer)
        assert stage.state_of(name).replace(name, "{0}") in may_be, number
        send_again(stage, change, name, monkeypatch)
    raise AssertionError("it never finishes")


def send_again(stage: Stage, change: Change, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the service that goes on, a minute later: the change is made, whatever is left of it.

    A user who is left unfinished is replaced at once, and found by nothing until then.
    """
    request = change.request(name)
    if "unfinished" in stage.state_of(name):
        assert stage.send(Request("GET", f"/users/{name}")).status == 404
        assert stage.send(request).status == 200
        assert without_effect(stage.state_of(name)) == change.states[-1].replace("{0}", name)
        return
    with monkeypatch.context() as later:
        later.setattr(account_state, "ABANDONED_AFTER_S", -1.0)
        answer = stage.send(request)
        if "already exists" in answer.body.decode():
            kind = request.path.partition("/")[2]
            assert stage.send(Request("DELETE", f"/{kind}/{name}")).status == 200
            answer = stage.send(request)
    is_gone = request.method == "DELETE" and answer.status == 404
    is_no_admin = name == request.by and answer.status in {401, 403}
    assert answer.status == 200 or is_gone or is_no_admin, answer
    left = stage.state_of(name).replace(name, "{0}")
    assert without_effect(left) == change.states[-1]


def without_effect(state: str) -> str:
    """Less the custodian that a crash has left with a user who is not an admin."""
    return state if ", admin" in state else re.sub(", custodian [^,]+", "", state)


# Killing and cutting


def kill_before(
    operation: int, settings: Settings, act: Act, writes: Collection[str] = WRITES
) -> bool:
    """Whether a process that does `act` was killed before its nth change of the directory.

    False when it finished first, with a 200. `writes` are the names of operations that count.
    """
    with warnings.catch_warnings():
        # Python 3.12 warns of forking beside threads; the child touches nothing of theirs.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if pid == 0:
        _act_until_killed(operation, settings, act, writes)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in {-signal.SIGKILL, FINISHED}, status
    return status == -signal.SIGKILL


def _act_until_killed(
    operation: int, settings: Settings, act: Act, writes: Collection[str]
) -> None:
    """Never returns."""
    left = [operation]

    def observe(name: str) -> None:
        left[0] -= name in writes
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        answer = act(LocalCaller(services(settings, observe=observe)))
        os._exit(FINISHED if answer.status == 200 else FAILED)
    finally:
        os._exit(FAILED)


@contextmanager
def cut_off_at(operation: int, *, is_done: bool) -> Iterator[list[str]]:
    """The connection ends at the nth operation of a change, before it is sent or answered.

    Yields the operations that were cut off: one, or none where there are fewer.
    """
    numbers, cut = count(1), list[str]()
    methods = ("do", "assert_all", "set_password")
    whole: dict[str, Any] = {name: getattr(LdapConnection, name) for name in methods}

    def cutting(method: str) -> Callable[..., None]:
        def send(session: LdapConnection, *arguments: object) -> None:
            is_cut = next(numbers) == operation
            if is_done or not is_cut:
                whole[method](session, *arguments)
            if is_cut:
                cut.append(method)
                session.close()
                raise DirectoryUnavailable

        return send

    with pytest.MonkeyPatch.context() as patched:
        for method in whole:
            patched.setattr(LdapConnection, method, cutting(method))
        yield cut


# The first admin


def first_login(call: LocalCaller) -> Answer:
    return call("GET", "/login", basic=f"root:{OLD}")


def test_killed_while_making_the_first_admin(host: Host, tool: Tool, tmp_path: Path) -> None:
    seen: list[str] = []
    for number in range(1, MOST_OPERATIONS):
        folder = tmp_path / str(number)
        folder.mkdir()
        with subtree_in(host, tool) as place, empty_stage_in(place, folder) as stage:
            killed = kill_before(number, stage.settings, first_login)
            seen.append(stage.state_of("root"))
            token = stage.call.login("root", OLD)
            users = stage.call("GET", "/users", token=token).json["list"]
            assert users == [{"userId": "root"}]
            assert list(look_at(place).admins) == ["root"]
        if not killed:
            break
    assert seen == ["no entry", *(step.state for step in FIRST_ADMIN)]
