"""Mixed writes while processes are killed: nothing acknowledged is lost, nothing is half made.

    .venv/bin/python -m tests.faults.endurance --writes 10000 --kills 100

The service runs with its embedded directory and two workers. Each client owns its users and roles,
so it knows what they must be; a killer ends slapd or a worker with SIGKILL, again and again. When
all is done the directory, the answers and the audit log are compared with what the clients know.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path

from tests.faults.test_processes import children, is_slapd
from tests.service import Answer, Caller, Service, running

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
        half_made: users that are neither as before nor as after a request that was cut off.
        audit_lines: how many changes the audit log tells of for an acknowledged write, without
            reassignments of dependents and what it says was undone; each must have one.
    """

    writes: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    half_made: list[str] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    audit_lines: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0

    def __str__(self) -> str:
        return (
            f"{self.writes.total()} writes {dict(self.writes)}, kills {dict(self.kills)}, "
            f"{self.seconds:.0f} s; lost {len(self.lost)} {self.lost[:5]}, half made "
            f"{len(self.half_made)} {self.half_made[:5]}; audited changes of a write with 200: "
            f"{dict(self.audit_lines)}"
        )


class Client:
    """Makes, changes and removes users and roles of its own, one request after the other."""

    def __init__(self, number: int, service: Service, report: Report) -> None:
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
            self._report.half_made.append(f"{method} {name}: {before} -> {after} is {present}")
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


@contextmanager
def killing(
    service: Service, report: Report, kills: int, pace: Callable[[], bool]
) -> Iterator[None]:
    """Kill slapd or a worker each time `pace` says so, `kills` times at most."""
    over = threading.Event()
    chance = random.Random(0)

    def kill() -> None:
        while not over.wait(0.01) and report.kills.total() < kills:
            if not pace():
                continue
            found = children(service.process.pid)
            slapds = [pid for pid in found if is_slapd(pid)]
            workers = [pid for each in found if each not in slapds for pid in children(each)]
            kind, pids = ("slapd", slapds) if chance.random() < 0.5 else ("worker", workers)
            if pids:
                with suppress(ProcessLookupError):
                    os.kill(chance.choice(pids), signal.SIGKILL)
                    report.kills[kind] += 1

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def run(folder: Path, writes: int, kills: int, clients: int = 8) -> Report:
    """Write and kill, then compare what is there with what was acknowledged."""
    report = Report()
    environment = {"MI_LDAP_STATE_DIR": str(folder), "MI_LDAP_SERVER__WORKERS": "2"}
    began = time.monotonic()
    with running(environment) as service:
        with service.caller() as call:
            call.login(ADMIN, PASSWORD)
        everybody = [Client(number, service, report) for number in range(clients)]
        for client in everybody:
            client.make_roles()
        every = max(1, writes // kills) if kills else writes

        def pace() -> bool:
            return report.writes.total() >= every * (report.kills.total() + 1)

        def work(client: Client) -> None:
            while report.writes.total() < writes:
                client.act()

        with killing(service, report, kills, pace):
            threads = [threading.Thread(target=work, args=(client,)) for client in everybody]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        report.seconds = time.monotonic() - began
        _compare(everybody, report)
    _count_audit_lines(folder / "audit.log", report)
    return report


def _compare(everybody: list[Client], report: Report) -> None:
    expected = {ADMIN}
    for client in everybody:
        expected |= client.users.keys()
        for name, known in client.users.items():
            present = client.look(name)
            if present != known:
                report.lost.append(f"{name}: {known} is {present}")
            elif known.is_admin and present and present.custodian != known.custodian:
                report.lost.append(f"{name}: custodian {known.custodian} is {present.custodian}")
        for name in [*client.users][:20]:
            if not client.can_log_in(name):
                report.lost.append(f"{name} cannot log in")
    listed = everybody[0].listed()
    report.lost += [f"{name} is not listed" for name in sorted(expected - listed)]
    report.half_made += [f"{name} is listed" for name in sorted(listed - expected)]


def _count_audit_lines(file: Path, report: Report) -> None:
    lines = file.read_text(encoding="utf-8").split("\n")[:-1]
    blank = sum(not line for line in lines)
    if blank:
        report.half_made.append(f"{blank} blank lines in the audit log")
    standing: Counter[str] = Counter()
    for line in map(json.loads, filter(None, lines)):
        if line["action"] != "inherited":
            standing[line["requestId"]] += 1 if line["outcome"] == "done" else -1
    report.audit_lines.update(standing[each] for each in report.acknowledged)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--writes", type=int, default=10_000)
    options.add_argument("--kills", type=int, default=100)
    options.add_argument("--clients", type=int, default=8)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(run(Path(folder) / "state", chosen.writes, chosen.kills, chosen.clients))


if __name__ == "__main__":
    main()
