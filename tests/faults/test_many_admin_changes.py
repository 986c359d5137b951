"""32 clients change the admins of one machine at once: no answer is 409, all is consistent."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.service import Answer, Caller, Service, environment, running
from tests.soundness import look_at
from tests.subtree import Subtree

CLIENTS = 32
CHANGES = 6
PASSWORD = "correct horse"


@dataclass
class Told:
    """What all clients were answered."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    slowest_s: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, kind: str, answer: Answer, since_s: float) -> None:
        with self.lock:
            self.statuses[kind, answer.status] += 1
            self.slowest_s = max(self.slowest_s, time.monotonic() - since_s)


def change_admins(service: Service, token: str, number: int, told: Told) -> None:
    """Create, promote, demote and delete admins, as an admin of the first one's."""
    chance = random.Random(number)
    with service.caller() as call:
        for turn in range(CHANGES):
            name = f"u{number}x{turn}"
            is_admin = chance.random() < 0.5
            body = {"userId": name, "password": PASSWORD, "isAdmin": is_admin}
            done = ask(call, told, "create", ("POST", "/users", body), token)
            if done.status != 200:
                continue
            promote = {"userId": name, "addedRoles": ["admin"]}
            demote = {"userId": name, "removedRoles": ["admin"]}
            if not is_admin:
                ask(call, told, "promote", ("PUT", "/roles", promote), token)
            if chance.random() < 0.5:
                ask(call, told, "demote", ("PUT", "/roles", demote), token)
            ask(call, told, "delete", ("DELETE", f"/users/{name}", None), token)


def ask(
    call: Caller, told: Told, kind: str, request: tuple[str, str, object], token: str
) -> Answer:
    method, path, body = request
    since_s = time.monotonic()
    answer = call(method, path, body, token=token)
    told.note(kind, answer, since_s)
    return answer


def test_32_clients_change_admins_at_once(subtree: Subtree, tmp_path: Path) -> None:
    # However busy the machine is: this is not about time.
    env = environment(
        tmp_path,
        subtree,
        server__workers=2,
        server__request_deadline_s=20,
        server__threads=CLIENTS // 2,
    )
    told = Told()
    with running(env) as service, service.caller() as call:
        token = call.login("root", PASSWORD)
        since_s = time.monotonic()
        with ThreadPoolExecutor(CLIENTS) as pool:
            list(
                pool.map(lambda number: change_admins(service, token, number, told), range(CLIENTS))
            )
        took_s = time.monotonic() - since_s
        print(dict(told.statuses), f"slowest {told.slowest_s:.2f} s, in all {took_s:.1f} s")
        after = look_at(subtree)
    assert {status for _, status in told.statuses} == {200}
    assert list(after.admins) == list(after.users) == ["root"]
    assert_one_pair_a_request(tmp_path / "audit.log")


def assert_one_pair_a_request(file: Path) -> None:
    texts = file.read_text().split("\n")
    assert texts.pop() == ""
    lines = [json.loads(text) for text in texts]
    per_request = Counter((line["requestId"], line["action"], line["outcome"]) for line in lines)
    assert set(per_request.values()) == {1}
    assert {line["outcome"] for line in lines} == {"done"}
    print(len(lines), "audit lines")
