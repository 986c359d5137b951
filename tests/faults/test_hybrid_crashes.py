"""A worker that is killed during a change of both a directory and the database of hybrid roles.

The directory has the users and their groups, PostgreSQL the hybrid roles. After a kill there is
what docs/stores/hybrid.md says ("After a crash"). The same request, sent again, completes the
change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path

import pytest

from mi_ldap.services.container import Services
from mi_ldap.services.recovery import Recovery
from mi_ldap.settings import Settings
from mi_ldap.wiring import services
from tests.checks.hybrid import of_database
from tests.faults.steps import OLD, Request, Step
from tests.faults.test_crashes import MOST_OPERATIONS, WRITES, kill_before
from tests.hybrid.stores import ADMIN_ROLE, MiRows
from tests.service import Answer, LocalCaller
from tests.sql.fixtures import postgresql  # noqa: F401
from tests.sql.stores import server_place
from tests.subtree import Subtree

# Other statements of the database are not seen by anybody until COMMIT.
ENDS_OF_STEPS = WRITES | {"commit"}
PAGE = Path(__file__).parents[2] / "docs/stores/hybrid.md"


@dataclass(frozen=True)
class Stage:
    """The admins `root` and `boss`, and a service that outlives the crashes."""

    settings: Settings
    found: Services
    rows: MiRows
    tokens: dict[str, str] = field(default_factory=dict)

    def send(self, request: Request, through: LocalCaller | None = None) -> Answer:
        call = through or LocalCaller(self.found)
        return call(request.method, request.path, request.body, token=self.tokens[request.by])

    def do(self, method: str, path: str, body: object = None, by: str = "boss") -> None:
        answer = self.send(Request(method, path, body, by))
        assert answer.status == 200, answer

    def create(self, name: str, *roles: str, by: str = "boss") -> None:
        self.do("POST", "/users", {"userId": name, "password": OLD}, by)
        if roles:
            self.do("PUT", "/roles", {"userId": name, "addedRoles": roles}, by)

    def log_in(self, name: str) -> None:
        self.tokens[name] = LocalCaller(self.found).login(name, OLD)

    def state_of(self, name: str) -> str:
        """A user with its custodian and roles, and the custodian of `NAME-1`, if there is one."""
        parts = [self._standing(name) or "no user"]
        if dependent := self._standing(f"{name}-1"):
            parts.append(f"dependent: {dependent}")
        return ", ".join(parts)

    def _standing(self, name: str) -> str:
        answer = self.send(Request("GET", f"/users/{name}"))
        if answer.status == 404:
            return ""
        roles = [each for each in answer.json["roles"] if each != "Internal/everyone"]
        creator = answer.json.get("createdBy", "nobody")
        return " ".join([f"admin of {creator}" if answer.json["isAdmin"] else "user", *roles])


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change of a user, whose name is given.

    Attributes:
        title: what it is.
        prepare: makes what the change needs.
        request: what asks for it.
        before: the state before it; `{0}` is the name.
        steps: those that can be told from outside, in their order.
        admin_role: with which admin role.
    """

    title: str
    prepare: Callable[[Stage, str], None]
    request: Callable[[str], Request]
    before: str
    steps: tuple[Step, ...]
    admin_role: str = ADMIN_ROLE


def nothing(stage: Stage, name: str) -> None:
    """The change needs nothing."""


def user(stage: Stage, name: str) -> None:
    stage.create(name, "dev", "Internal/old")


def admin_with_dependent(stage: Stage, name: str) -> None:
    stage.create(name, "dev", ADMIN_ROLE)
    stage.log_in(name)
    stage.create(f"{name}-1", ADMIN_ROLE, by=name)


def deletion(name: str) -> Request:
    return Request("DELETE", f"/users/{name}")


def roles_of(name: str, added: list[str], removed: list[str]) -> Request:
    body = {"userId": name, "addedRoles": added, "removedRoles": removed}
    return Request("PUT", "/roles", body)


_ADMIN = f"admin of boss {ADMIN_ROLE}"
_DEPENDENT = f"dependent: admin of {{}} {ADMIN_ROLE}"

CHANGES = (
    Change(
        title="change groups and hybrid roles",
        admin_role="admin",
        prepare=user,
        request=lambda name: roles_of(name, ["ops", "Internal/new"], ["dev", "Internal/old"]),
        before="user dev Internal/old",
        steps=(
            Step("assign a group", "user dev Internal/old ops", "the new group and the old roles"),
            Step("revoke a group", "user Internal/old ops", "the new groups, the old hybrid roles"),
            Step("commit", "user Internal/new ops"),
        ),
    ),
    Change(
        title="delete a user",
        admin_role="admin",
        prepare=user,
        request=deletion,
        before="user dev Internal/old",
        steps=(
            Step("revoke the groups", "user Internal/old", "the user with its hybrid roles"),
            Step("delete the entry", "no user", "a dangling member of its hybrid roles"),
        ),
    ),
    Change(
        title="create an admin",
        prepare=nothing,
        request=lambda name: Request(
            "POST", "/users", {"userId": name, "password": OLD, "isAdmin": True}
        ),
        before="no user",
        steps=(
            Step("finish the entry", "user", "a user, no admin"),
            Step("commit", _ADMIN),
        ),
    ),
    Change(
        title="promote a user, and assign a group",
        prepare=lambda stage, name: stage.create(name),
        request=lambda name: roles_of(name, ["dev", ADMIN_ROLE], []),
        before="user",
        steps=(
            Step("assign the group", "user dev", "no admin; that group"),
            Step("commit", f"admin of boss dev {ADMIN_ROLE}"),
        ),
    ),
    Change(
        title="demote an admin, and revoke a group",
        prepare=admin_with_dependent,
        request=lambda name: roles_of(name, [], ["dev", ADMIN_ROLE]),
        before=f"admin of boss dev {ADMIN_ROLE}, {_DEPENDENT.format('{0}')}",
        steps=(
            Step(
                "revoke the group",
                f"{_ADMIN}, {_DEPENDENT.format('{0}')}",
                "the admin without that group, with its dependents",
            ),
            Step("commit", f"user, {_DEPENDENT.format('boss')}"),
        ),
    ),
    Change(
        title="delete an admin",
        prepare=admin_with_dependent,
        request=deletion,
        before=f"admin of boss dev {ADMIN_ROLE}, {_DEPENDENT.format('{0}')}",
        steps=(
            Step(
                "revoke the groups",
                f"{_ADMIN}, {_DEPENDENT.format('{0}')}",
                "the admin with its hybrid roles and dependents",
            ),
            Step(
                "delete the entry",
                f"no user, {_DEPENDENT.format('nobody')}",
                "a dangling member of its hybrid roles; its dependents have no custodian",
            ),
            Step("commit", f"no user, {_DEPENDENT.format('boss')}"),
        ),
    ),
)


@pytest.fixture(params=CHANGES, ids=lambda change: change.title)
def change(request: pytest.FixtureRequest) -> Change:
    found: Change = request.param
    return found


@pytest.fixture
def stage(
    request: pytest.FixtureRequest, change: Change, subtree: Subtree, tmp_path: Path
) -> Iterator[Stage]:
    with server_place(request.getfixturevalue("postgresql")) as place:
        settings = subtree.settings(
            tmp_path, SUPER_ADMIN__ADMIN_ROLE=change.admin_role, **of_database(place.config)
        )
        with closing(services(settings)) as found:
            made = Stage(settings, found, MiRows(place))
            made.log_in("root")
            for role in ("dev", "ops", "Internal/old", "Internal/new"):
                made.do("POST", "/roles", {"role": role}, by="root")
            made.create("boss", change.admin_role, by="root")
            made.log_in("boss")
            yield made
            found.state.close()


def test_killed_at_each_step(stage: Stage, change: Change) -> None:
    seen: list[str] = []
    for number in range(1, MOST_OPERATIONS):
        name = f"k{number}"
        change.prepare(stage, name)
        act = partial(stage.send, change.request(name))
        is_killed = kill_before(number, stage.settings, act, ENDS_OF_STEPS)
        seen.append(stage.state_of(name).replace(name, "{0}"))
        if not is_killed:
            break
        send_again(stage, change, name)
    expected = [change.before, *(step.state for step in change.steps)]
    assert [state for state, _ in groupby(seen)] == expected


def send_again(stage: Stage, change: Change, name: str) -> None:
    """The change is made, whatever is left of it; if the user is gone, nothing of it has effect."""
    answer = stage.send(change.request(name))
    if "already exists" in answer.body.decode():
        answer = stage.send(roles_of(name, [change.admin_role], []))
    is_gone = change.request(name).method == "DELETE" and answer.status == 404
    assert answer.status == 200 or is_gone, answer
    if is_gone:
        found = stage.found
        recovery = Recovery(found.store, found.audit, found.rules, "root on this machine")
        recovery.adopt(recovery.find("boss"))
    assert stage.state_of(name).replace(name, "{0}") == change.steps[-1].state
    if change.request(name).method == "DELETE":
        stage.create(name)
        assert stage.state_of(name).startswith("user"), "a new user of the name has no roles"
        assert name not in [*stage.rows.members("old"), *stage.rows.members("admin")]
        stage.do("DELETE", f"/users/{name}")


def test_the_page_says_what_is_there_after_a_crash() -> None:
    told = [(change.title, step.done, step.holds) for change in CHANGES for step in change.steps]
    section = PAGE.read_text().partition("## After a crash")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", section, re.MULTILINE)
    assert rows[1:] == [row for row in told if row[2]]
