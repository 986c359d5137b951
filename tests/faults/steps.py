"""The changes of users and roles, step by step: what is there after a crash at each step.

docs/custody.md has the same table for people, see `test_crashes.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ldap3 import NONE, Connection, Server

from mi_ldap.directory.store import DirectoryStore
from mi_ldap.ldap.names import parsed_dn
from mi_ldap.settings import Settings
from mi_ldap.store import UserStore
from tests.hosts.tls import VerifyingTls
from tests.service import Answer, LocalCaller, local
from tests.subtree import Subtree

OLD, NEW = "correct horse", "another horse"


class Request(NamedTuple):
    """What an admin sends; `by` is the admin's name."""

    method: str
    path: str
    body: object = None
    by: str = "boss"


class Step(NamedTuple):
    """A step of a change, and what is there once it is done.

    Attributes:
        done: which step.
        state: as `Stage.state_of` tells it.
        holds: the same for people; empty after the last step.
    """

    done: str
    state: str
    holds: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """A place with the admins `root` and `boss`, and a service that outlives the crashes."""

    place: Subtree
    settings: Settings
    call: LocalCaller
    store: DirectoryStore
    tokens: dict[str, str] = field(default_factory=dict)
    names_by_id: dict[str, str] = field(default_factory=dict)

    def create(self, name: str, *, is_admin: bool = False, by: str = "boss") -> None:
        request = creation(name, is_admin=is_admin)
        assert self.send(request._replace(by=by)).status == 200
        user = self.store.find_user(name)
        assert user
        self.names_by_id[user.id] = name
        if is_admin:
            self.tokens[name] = self.call.login(name, OLD)

    def assign(self, name: str, *roles: str) -> None:
        for role in roles:
            if not self.store.find_role(role):
                assert self.send(Request("POST", "/roles", {"role": role})).status == 200
        body = {"userId": name, "addedRoles": list(roles)}
        assert self.send(Request("PUT", "/roles", body)).status == 200

    def send(self, request: Request, through: LocalCaller | None = None) -> Answer:
        call = through or self.call
        return call(request.method, request.path, request.body, token=self.tokens[request.by])

    def state_of(self, name: str) -> str:
        """A user, its dependents and its roles, or a role, as another tool sees them."""
        entry = self._users().get(name)
        role = self._groups().get(name)
        if role is not None:
            return f"role, {len(role)} members"
        parts = [] if entry is None else [*self._marks(name, entry), *self._standing(name, entry)]
        users = self._users()
        custodians = sorted(self._custodian(users[each]) for each in dependents_of(name, self))
        if custodians:  # `boss` comes before all names of the tests
            parts.append(f"dependents of {' and '.join(custodians)}")
        return ", ".join(["no entry" if entry is None else "user", *parts])

    def _marks(self, name: str, entry: dict[str, list[str]]) -> Iterator[str]:
        mark = "".join(entry.get(self.store.layout().epoch, [])).partition(":")[0]
        yield from {"unfinished": ["unfinished"], "resetting": ["being reset"]}.get(mark, [])
        passwords = [text for text in (OLD, NEW) if self._can_bind(name, text)]
        yield from {(): ["no password"], (NEW,): ["new password"]}.get(tuple(passwords), [])

    def _standing(self, name: str, entry: dict[str, list[str]]) -> Iterator[str]:
        dn = parsed_dn(self.place.user_dn(name))
        held = sorted(role for role, members in self._groups().items() if dn in members)
        if "admin" in held:
            yield "admin"
        if self._custodian(entry) != "nobody":
            yield f"custodian {self._custodian(entry)}"
        if others := [role for role in held if role != "admin"]:
            yield f"in {' '.join(others)}"

    def _custodian(self, entry: dict[str, list[str]]) -> str:
        (found,) = entry.get(self.store.layout().custodian) or [""]
        return self.names_by_id[found] if found else "nobody"

    def _users(self) -> dict[str, dict[str, list[str]]]:
        login = self.place.kind.login
        wanted = (login, self.store.layout().epoch, self.store.layout().custodian)
        found = self.place.tool.read_below(self.place.user_base, *wanted)
        return {entry[login][0]: entry for entry in found.values()}

    def _groups(self) -> dict[str, list[object]]:
        member = self.place.kind.member
        found = self.place.tool.read_below(self.place.group_base, "cn", member)
        return {
            entry["cn"][0]: [parsed_dn(dn) for dn in entry.get(member, []) if dn]
            for entry in found.values()
        }

    def _can_bind(self, name: str, password: str) -> bool:
        host = self.place.host
        tls = VerifyingTls(host.ca_file) if host.ca_file else None
        connection = Connection(
            Server(host.url, get_info=NONE, tls=tls), self.place.user_dn(name), password
        )
        try:
            return bool(connection.bind())
        finally:
            connection.unbind()


@contextmanager
def empty_stage_in(place: Subtree, folder: Path, **more: str) -> Iterator[Stage]:
    """A stage without anybody."""
    settings = place.settings(folder, MANAGEMENT_API__THROTTLE__FAILURES_PER_NAME="1000", **more)
    stores: list[DirectoryStore] = []

    def keep(store: UserStore) -> UserStore:
        assert isinstance(store, DirectoryStore)
        stores.append(store)
        return store

    with local(settings, keep) as call:
        yield Stage(place, settings, call, stores[0])


@contextmanager
def stage_in(place: Subtree, folder: Path, **more: str) -> Iterator[Stage]:
    """A stage on which `root` is the first admin, and has made `boss`."""
    with empty_stage_in(place, folder, **more) as stage:
        stage.tokens["root"] = stage.call.login("root", OLD)
        stage.create("boss", is_admin=True, by="root")
        yield stage


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one user or role, whose name is given.

    Attributes:
        title: what it is.
        prepare: makes what the change needs.
        request: what asks for it.
        before: the state before it.
        steps: those that can be told from outside, in their order.
        ends_midway: whether a change that was cut off may stay where it was, for a minute.
    """

    title: str
    prepare: Callable[[Stage, str], object]
    request: Callable[[str], Request]
    before: str
    steps: tuple[Step, ...]
    ends_midway: bool = False

    @property
    def states(self) -> list[str]:
        return [self.before, *(step.state for step in self.steps)]


def dependents_of(name: str, stage: Stage) -> list[str]:
    return [each for each in stage.names_by_id.values() if each.startswith(f"{name}-")]


def creation(name: str, *, is_admin: bool) -> Request:
    return Request("POST", "/users", {"userId": name, "password": OLD, "isAdmin": is_admin})


def admin_with_dependents(stage: Stage, name: str) -> None:
    stage.create(name, is_admin=True)
    stage.assign(name, "dev")
    for number in (1, 2):
        stage.create(f"{name}-{number}", is_admin=True, by=name)


def role_with_members(stage: Stage, name: str) -> None:
    stage.create(f"m{name}")
    stage.assign(f"m{name}", name)


def user_in(*roles: str) -> Callable[[Stage, str], None]:
    def prepare(stage: Stage, name: str) -> None:
        stage.create(name)
        if roles:
            stage.assign(name, *roles)

    return prepare


def user_in_one_of_three_roles(stage: Stage, name: str) -> None:
    stage.create(name)
    stage.assign("boss", "ops", "qa")
    stage.assign(name, "dev")


def nothing(stage: Stage, name: str) -> None:
    """The change needs nothing."""


_LEFT_CUSTODIAN = "a custodian at a user who is not an admin has no effect"
_PASSED_ON = "the dependents belong to the admin's custodian already"

CHANGES = (
    Change(
        "create a user",
        nothing,
        lambda name: creation(name, is_admin=False),
        "no entry",
        (
            Step("add", "user, unfinished, no password", "an unfinished user without a password"),
            Step("set the password", "user, unfinished", "an unfinished user"),
            Step("finish", "user"),
        ),
    ),
    Change(
        "create an admin",
        nothing,
        lambda name: creation(name, is_admin=True),
        "no entry",
        (
            Step("add", "user, unfinished, no password", "an unfinished user without a password"),
            Step("set the password", "user, unfinished", "an unfinished user"),
            Step("finish, set the custodian", "user, custodian boss", "a user, no admin"),
            Step("assign the admin role", "user, admin, custodian boss"),
        ),
    ),
    Change(
        "delete a user",
        user_in("dev"),
        lambda name: Request("DELETE", f"/users/{name}"),
        "user, in dev",
        (
            Step("revoke the roles", "user", "the user without roles"),
            Step("delete", "no entry"),
        ),
    ),
    Change(
        "delete an admin",
        admin_with_dependents,
        lambda name: Request("DELETE", f"/users/{name}"),
        "user, admin, custodian boss, in dev, dependents of {0} and {0}",
        (
            Step(
                "reassign a dependent",
                "user, admin, custodian boss, in dev, dependents of boss and {0}",
                "the admin; that dependent belongs to the admin's custodian already",
            ),
            Step(
                "reassign the last dependent",
                "user, admin, custodian boss, in dev, dependents of boss and boss",
                f"the admin; {_PASSED_ON}",
            ),
            Step(
                "revoke the admin role",
                "user, custodian boss, in dev, dependents of boss and boss",
                "a user, no admin",
            ),
            Step(
                "revoke the other roles",
                "user, custodian boss, dependents of boss and boss",
                "a user without roles",
            ),
            Step("delete", "no entry, dependents of boss and boss"),
        ),
    ),
    Change(
        "promote a user",
        user_in(),
        lambda name: Request("PUT", "/roles", {"userId": name, "addedRoles": ["admin"]}),
        "user",
        (
            Step("set the custodian", "user, custodian boss", f"no admin; {_LEFT_CUSTODIAN}"),
            Step("assign the admin role", "user, admin, custodian boss"),
        ),
    ),
    *(
        Change(
            title,
            admin_with_dependents,
            request,
            "user, admin, custodian boss, in dev, dependents of {0} and {0}",
            (
                Step(
                    "reassign a dependent",
                    "user, admin, custodian boss, in dev, dependents of boss and {0}",
                    "the admin; that dependent belongs to the admin's custodian already",
                ),
                Step(
                    "reassign the last dependent",
                    "user, admin, custodian boss, in dev, dependents of boss and boss",
                    f"the admin; {_PASSED_ON}",
                ),
                Step(
                    "revoke the admin role",
                    "user, custodian boss, in dev, dependents of boss and boss",
                    f"no admin; {_LEFT_CUSTODIAN}",
                ),
                Step("remove the custodian", "user, in dev, dependents of boss and boss"),
            ),
        )
        for title, request in (
            ("demote an admin", lambda name: demotion(name, by="boss")),
            ("resign", lambda name: demotion(name, by=name)),
        )
    ),
    Change(
        "reset a password",
        user_in(),
        lambda name: Request(
            "PATCH", f"/users/{name}", {"newPassword": NEW, "confirmPassword": NEW}
        ),
        "user",
        (
            Step(
                "mark the user",
                "user, being reset",
                "the old password; tokens have ended; nobody promotes the user for a minute",
            ),
            Step(
                "set the password",
                "user, being reset, new password",
                "the new password; tokens have ended; nobody promotes the user for a minute",
            ),
            Step("remove the mark", "user, new password"),
        ),
        ends_midway=True,
    ),
    Change(
        "change several roles",
        user_in_one_of_three_roles,
        lambda name: Request(
            "PUT",
            "/roles",
            {"userId": name, "addedRoles": ["ops", "qa", "admin"], "removedRoles": ["dev"]},
        ),
        "user, in dev",
        (
            Step("set the custodian", "user, custodian boss, in dev", "no admin; the old roles"),
            Step(
                "assign a role",
                "user, custodian boss, in dev ops",
                "no admin; that role and the old ones",
            ),
            Step(
                "assign the last role",
                "user, custodian boss, in dev ops qa",
                "no admin; the new roles and the old ones",
            ),
            Step("revoke a role", "user, custodian boss, in ops qa", "no admin; the new roles"),
            Step("assign the admin role", "user, admin, custodian boss, in ops qa"),
        ),
    ),
    Change(
        "create a role",
        nothing,
        lambda name: Request("POST", "/roles", {"role": name}),
        "no entry",
        (Step("add", "role, 0 members"),),
    ),
    Change(
        "delete a role",
        role_with_members,
        lambda name: Request("DELETE", f"/roles/{name}"),
        "role, 1 members",
        (Step("delete", "no entry"),),
    ),
)

FIRST_ADMIN = (
    Step("add", "user, unfinished, no password", "an unfinished user without a password"),
    Step("set the password", "user, unfinished", "an unfinished user"),
    Step("finish", "user", "a user; the next login makes the first admin"),
    Step("add the admin role", "user, admin"),
)


def demotion(name: str, *, by: str) -> Request:
    return Request("PUT", "/roles", {"userId": name, "removedRoles": ["admin"]}, by)
