"""The service's own disk cannot be written: 503, nothing is changed, and it recovers."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from mi_ldap.state import database
from tests.service import Answer, Caller, LocalCaller, Speaker, environment, local, running
from tests.soundness import look_at
from tests.subtree import Subtree

PASSWORD = "correct horse"
NEW = {"newPassword": "another horse", "confirmPassword": "another horse"}

CHANGES: list[tuple[str, str, object]] = [
    ("POST", "/users", {"userId": "carol", "password": PASSWORD}),
    ("POST", "/users", {"userId": "carol", "password": PASSWORD, "isAdmin": True}),
    ("PATCH", "/users/alice", NEW),
    ("PATCH", "/users/root", {**NEW, "oldPassword": PASSWORD}),
    ("PUT", "/roles", {"userId": "alice", "addedRoles": ["dev", "admin"]}),
    ("POST", "/roles", {"role": "ops"}),
    ("DELETE", "/roles/dev", None),
    ("DELETE", "/users/alice", None),
    ("GET", "/logout", None),
]

HOLD_LOCK = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN IMMEDIATE")
print("locked", flush=True)
sys.stdin.read()
"""


def assert_outage(answer: Answer) -> None:
    assert answer.status == 503, answer
    assert answer.headers["Retry-After"]
    assert set(answer.json) == {"Error"}


def prepare(call: Speaker) -> str:
    """The token of the first admin; besides, there are the user `alice` and the role `dev`."""
    token = call.login("root", PASSWORD)
    user = {"userId": "alice", "password": PASSWORD}
    assert call("POST", "/users", user, token=token).status == 200
    assert call("POST", "/roles", {"role": "dev"}, token=token).status == 200
    return token


@dataclass(frozen=True, slots=True)
class FullDisk:
    """A folder on a disk that is full until `make_room` is called."""

    folder: Path

    @property
    def audit_file(self) -> Path:
        return self.folder / "audit.log"

    def fill(self) -> None:
        """A small disk of its own; where that may not be made, the device that is always full."""
        if not os.path.ismount(self.folder):
            self.audit_file.unlink(missing_ok=True)
            self.audit_file.symlink_to("/dev/full")
            return
        with suppress(OSError), (self.folder / "filling").open("wb", buffering=0) as filling:
            while True:
                filling.write(b"x" * 512)
        # What is left of the last page of the log.
        with suppress(OSError), self.audit_file.open("ab", buffering=0) as log:
            while True:
                log.write(b"\n")

    def make_room(self) -> None:
        if not os.path.ismount(self.folder):
            self.audit_file.unlink()
            return
        (self.folder / "filling").unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[FullDisk]:
    folder = tmp_path / "disk"
    folder.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k,mode=0700", "tmpfs", str(folder)]
    subprocess.run(mount, capture_output=True, check=False)
    yield FullDisk(folder)
    if os.path.ismount(folder):
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_changes_nothing_and_one_with_room_again_does(
    subtree: Subtree, disk: FullDisk
) -> None:
    env = environment(disk.folder, subtree, audit__file=disk.audit_file)
    with running(env) as service, service.caller() as call:
        token = prepare(call)
        before = look_at(subtree)
        with open_database(disk.folder / "state.sqlite"):
            disk.fill()
            for method, path, body in CHANGES:
                assert_outage(call(method, path, body, token=token))
            for password in (PASSWORD, "wrong"):
                assert_outage(call("GET", "/login", basic=f"root:{password}"))
        assert look_at(subtree) == before
        assert call("GET", "/users", token=token).status == 200
        disk.make_room()
        assert_all_can_be_done(call, token, disk.audit_file)


@contextmanager
def open_database(file: Path) -> Iterator[None]:
    """Keep the write-ahead log: the last connection that is closed deletes it, and makes room."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("SELECT count(*) FROM facts").fetchone()
        yield


def assert_all_can_be_done(call: Caller, token: str, audit_file: Path) -> None:
    """What was refused is done now, and every line of the audit log is whole."""
    for method, path, body in (
        ("POST", "/users", {"userId": "dora", "password": PASSWORD}),
        ("DELETE", "/users/alice", None),
        ("GET", "/logout", None),
    ):
        assert call(method, path, body, token=token).status == 200
    assert call("GET", "/users", token=token).status == 401
    assert call.login("root", PASSWORD)
    actions = [line["action"] for line in audit_lines(audit_file)]
    assert actions[-4:] == ["created", "deleted", "logout", "login"]


def audit_lines(file: Path) -> list[dict[str, str]]:
    """The lines; one that a full disk cut short may stand in between."""
    lines = []
    for text in file.read_text().splitlines():
        with suppress(json.JSONDecodeError):
            lines.append(json.loads(text))
    return lines


def test_a_locked_state_file_is_an_outage_of_logouts_alone(
    subtree: Subtree, tmp_path: Path
) -> None:
    with running(environment(tmp_path, subtree)) as service, service.caller() as call:
        token = prepare(call)
        with (
            locked_by_another_process(tmp_path / "state.sqlite"),
            service.caller() as other,
            ThreadPoolExecutor(1) as pool,
        ):
            since_s = time.monotonic()
            refused = pool.submit(other, "GET", "/login", basic="root:wrong")
            assert_outage(call("GET", "/logout", token=token))
            assert refused.result().status == 401
            assert time.monotonic() - since_s > database.BUSY_S / 2
            assert call("GET", "/users", token=token).status == 200
            assert call("POST", "/roles", {"role": "ops"}, token=token).status == 200
            assert call.login("root", PASSWORD)
            statuses = [call("GET", "/login", basic="root:wrong").status for _ in range(25)]
            assert statuses[:15] == [401] * 15
            assert statuses[-1] == 429
        assert "login_failures_counted_in_memory" in service.log.read_text()
        assert call("GET", "/logout", token=token).status == 200
        assert call("GET", "/users", token=token).status == 401


@contextmanager
def locked_by_another_process(file: Path) -> Iterator[None]:
    command = [sys.executable, "-c", HOLD_LOCK, str(file)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"locked\n"
        try:
            yield
        finally:
            process.terminate()


def test_the_first_admin_is_made_although_the_state_file_cannot_be_written(
    subtree: Subtree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That bootstrap is over is noted there too: it must not cost the first admin its entry."""
    monkeypatch.setattr(database, "BUSY_S", 0.05)
    with local(subtree.settings(tmp_path)) as call:
        with locked_by_another_process(tmp_path / "state.sqlite"):
            token = call.login("root", PASSWORD)
        assert list(look_at(subtree).admins) == ["root"]
        assert call("GET", "/users", token=token).status == 200
        assert_only_root_remains_admin(call, token)


def assert_only_root_remains_admin(call: LocalCaller, token: str) -> None:
    user = {"userId": "mallory", "password": PASSWORD}
    assert call("POST", "/users", user, token=token).status == 200
    assert call("GET", "/users/mallory", token=token).json["isAdmin"] is False
    mallory = call.login("mallory", PASSWORD)
    assert call("GET", "/users", token=mallory).status == 403
