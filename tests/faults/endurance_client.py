"""One client of the endurance run: it knows what its users and roles must be."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Protocol

from tests.service import Answer, Caller

ADMIN, PASSWORD = "root", "correct horse"
RETRY_S = 0.05
ANSWER_S = 60.0
"""How long a client goes on asking before it gives up on a service that should come back."""


@dataclass
class Known:
    """What a client knows of one of its users; `None` for a user that must not exist.

    Attributes:
        custodian: of an admin. A change that was cut off may have replaced it by the custodian's
            own custodian.
    """

    is_admin: bool = False
    roles: frozenset[str] = frozenset()
    custodian: str = field(default=ADMIN, compare=False)


@dataclass
class Report:
    """What came of it.

    Attributes:
        writes: requests sent that change something, by their outcome (`"200"`, `"cut off"`).
        lost: acknowledged changes that are not so at the end.
        between: users whose change was cut off after a step that docs/custody.md ("After a crash")
            names: deleted admins who are users still, new admins who are users only.
        half_made: other users that are neither as before nor as after a request.
        audit_lines: how many changes the audit log tells of for an acknowledged write, without
            reassignments of dependents and what it says was undone; each must have one.
    """

    writes: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    between: list[str] = field(default_factory=list)
    half_made: list[str] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    audit_lines: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.writes.total()} writes {dict(self.writes)}, kills {dict(self.kills)}, "
            f"{self.seconds:.0f} s; lost {len(self.lost)} {self.lost[:5]}, half made "
            f"{len(self.half_made)} {self.half_made[:5]}, between two steps {len(self.between)}; "
            "audited changes of a write with 200: "
            f"{dict(self.audit_lines)}"
        )


def _is_between(before: Known | None, after: Known | None, present: Known | None) -> bool:
    """Whether a change of several entries may be here when the service is killed."""
    if present is None or present.is_admin:
        return False
    if before is None:
        return after is not None and after.is_admin and not present.roles
    return after is None and present.roles <= before.roles


class Answering(Protocol):
    """A service, which may be another process from time to time."""

    def caller(self) -> Caller: ...


class Client:
    """Makes, changes and removes users and roles of its own, one request after the other."""

    def __init__(self, number: int, service: Answering, report: Report) -> None:
        self._prefix, self._service, self._report = f"c{number}", service, report
        self._random = random.Random(number)
        self._names = (f"{self._prefix}-{count}" for count in range(10**9))
        self._call: Caller | None = None
        self._tokens: dict[str, str] = {}
        self.users: dict[str, Known] = {}
        self.roles = [f"{self._prefix}-role{count}" for count in range(3)]

    def make_roles(self) -> None:
        for role in self.roles:
            answer = self._send("POST", "/roles", {"role": role})
            assert answer, f"no answer to making {role}"
            assert answer.status == 200, answer

    def close(self) -> None:
        if self._call:
            self._call.__exit__()

    def act(self) -> None:
        """One write of a random kind, and what is to be known of it afterwards."""
        if len(self.users) < 3:
            return self._create()
        kinds = [
            *(self._create, self._delete, self._change_roles, self._toggle_admin, self._reset),
            *(self._create_dependent, self._create_role, self._delete_role),
        ]
        return self._random.choice(kinds)()

    def _create(self) -> None:
        name, is_admin = next(self._names), self._random.random() < 0.3
        body = {"userId": name, "password": PASSWORD, "isAdmin": is_admin}
        self._write(name, None, Known(is_admin), "POST", "/users", body)

    def _create_dependent(self) -> None:
        """By an admin of the client's own, which becomes its custodian."""
        admins = [each for each, known in self.users.items() if known.is_admin]
        if not admins:
            return
        name, by = next(self._names), self._random.choice(admins)
        body = {"userId": name, "password": PASSWORD, "isAdmin": True}
        self._write(name, None, Known(True, custodian=by), "POST", "/users", body, by=by)

    def _create_role(self) -> None:
        role = f"{next(self._names)}-role"
        self._write_role(role, "POST", "/roles", {"role": role}, exists=True)

    def _delete_role(self) -> None:
        if len(self.roles) > 3:
            role = self._random.choice(self.roles)
            self._write_role(role, "DELETE", f"/roles/{role}", exists=False)

    def _write_role(
        self, role: str, method: str, path: str, body: object = None, *, exists: bool
    ) -> None:
        answer = self._send(method, path, body)
        self._note(answer)
        is_there = exists
        if not (answer and answer.status == 200):
            shown = self._until_known(lambda: self._send("GET", f"/roles/{role}"))
            is_there = shown.status == 200
        self.roles = [each for each in self.roles if each != role] + [role] * is_there
        if not is_there:
            for known in self.users.values():
                known.roles -= {role}

    def _delete(self) -> None:
        name = self._random.choice([*self.users])
        by = self.users[name].custodian
        self._write(name, self.users[name], None, "DELETE", f"/users/{name}", by=by)

    def _reset(self) -> None:
        name = self._random.choice([*self.users])
        body = {"newPassword": PASSWORD, "confirmPassword": PASSWORD}
        known = self.users[name]
        self._write(name, known, known, "PATCH", f"/users/{name}", body, by=known.custodian)

    def _toggle_admin(self) -> None:
        name = self._random.choice([*self.users])
        before = self.users[name]
        after = Known(not before.is_admin, before.roles)
        key = "addedRoles" if after.is_admin else "removedRoles"
        body = {"userId": name, key: ["admin"]}
        by = ADMIN if after.is_admin else before.custodian
        self._write(name, before, after, "PUT", "/roles", body, by=by)

    def _change_roles(self) -> None:
        name = self._random.choice([*self.users])
        before = self.users[name]
        role = self._random.choice(self.roles)
        after = Known(before.is_admin, before.roles ^ {role}, before.custodian)
        key = "addedRoles" if role in after.roles else "removedRoles"
        self._write(name, before, after, "PUT", "/roles", {"userId": name, key: [role]})

    def _write(
        self,
        name: str,
        before: Known | None,
        after: Known | None,
        method: str,
        path: str,
        body: object = None,
        *,
        by: str = ADMIN,
    ) -> None:
        """Send it once; where no answer tells what came of it, look."""
        answer = self._send(method, path, body, by=by)
        self._note(answer)
        if answer and answer.status == 200:
            self._set(name, before, after)
            return
        present = self.look(name)
        if present not in (before, after):
            is_foreseen = answer is None and _is_between(before, after, present)
            noted = self._report.between if is_foreseen else self._report.half_made
            noted.append(f"{method} {name}: {before} -> {after} is {present}")
        self._set(name, before, present)
        for each in [each for each, known in self.users.items() if known.custodian == name]:
            seen = self.look(each)
            self.users[each].custodian = seen.custodian if seen else ADMIN

    def _note(self, answer: Answer | None) -> None:
        self._report.writes[str(answer.status) if answer else "cut off"] += 1
        if answer and answer.status == 200:
            self._report.acknowledged.append(answer.headers["X-Request-Id"])

    def _set(self, name: str, before: Known | None, known: Known | None) -> None:
        """What is so now; dependents of one that is no admin any more go to its custodian."""
        if before and before.is_admin and not (known and known.is_admin):
            for each in self.users.values():
                if each.custodian == name:
                    each.custodian = before.custodian
        if known is None:
            self.users.pop(name, None)
            self._tokens.pop(name, None)
        else:
            self.users[name] = known

    def look(self, name: str) -> Known | None:
        """The user as it is shown, once the service answers again."""
        answer = self._until_known(lambda: self._send("GET", f"/users/{name}"))
        if answer.status == 404:
            return None
        shown = answer.json
        roles = frozenset(shown["roles"]) - {"admin", "Internal/everyone"}
        return Known(shown["isAdmin"], roles, shown.get("createdBy") or ADMIN)

    def can_log_in(self, name: str) -> bool:
        answer = self._until_known(lambda: self._send_as("GET", "/login", f"{name}:{PASSWORD}"))
        return answer.status == 200

    def listed(self) -> set[str]:
        answer = self._until_known(lambda: self._send("GET", "/users"))
        return {each["userId"] for each in answer.json["list"]}

    def _until_known(self, send: Callable[[], Answer | None]) -> Answer:
        until = time.monotonic() + ANSWER_S
        while time.monotonic() < until:
            answer = send()
            if answer and answer.status in {200, 401, 404}:
                return answer
            time.sleep(RETRY_S)
        raise AssertionError(f"no answer within {ANSWER_S} s: {answer}")

    def _send(
        self, method: str, path: str, body: object = None, *, by: str = ADMIN
    ) -> Answer | None:
        until = time.monotonic() + ANSWER_S
        while by not in self._tokens:
            assert time.monotonic() < until, f"{by} cannot log in"
            answer = self._send_as("GET", "/login", f"{by}:{PASSWORD}")
            if answer and answer.status == 200:
                self._tokens[by] = str(answer.json["AccessToken"])
            else:
                time.sleep(RETRY_S)
        answer = self._exchange(method, path, body, token=self._tokens[by])
        if answer and answer.status == 401:  # a new password or another standing ends tokens
            del self._tokens[by]
        return answer

    def _send_as(self, method: str, path: str, basic: str) -> Answer | None:
        return self._exchange(method, path, None, basic=basic)

    def _exchange(self, method: str, path: str, body: object, **who: str) -> Answer | None:
        self._call = self._call or self._service.caller()
        try:
            return self._call(method, path, body, **who)
        except (OSError, HTTPException):
            self._call.__exit__()
            self._call = None
            return None
