"""Whatever any LDAP operation of a request raises: an answer of ours, and nothing half done."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ldap3.core.exceptions import LDAPSocketReceiveError
from pyasn1.error import PyAsn1Error
from structlog.testing import capture_logs

from mi_ldap.ldap import ber
from mi_ldap.ldap.deadline_socket import DeadlineSocket
from tests.service import LocalCaller, local
from tests.soundness import look_at
from tests.subtree import Subtree

PASSWORD = "correct horse"
KINDS: tuple[Callable[[], Exception], ...] = (
    lambda: KeyError("result"),
    lambda: IndexError("out of range"),
    lambda: TypeError("NoneType"),
    lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
    lambda: AttributeError("socket"),
    RecursionError,
    MemoryError,
    ConnectionResetError,
    TimeoutError,
    lambda: LDAPSocketReceiveError("cut off"),
    lambda: PyAsn1Error("not decoded"),
)
_UNBIND = 0x42


@dataclass
class Fault:
    """Raised once, at one exchange with the server.

    Attributes:
        at: at which exchange, counted from 1.
        lost: whether the server has got the request, and only its answer is lost.
        happened: whether it came to that.
    """

    at: int
    lost: bool
    error: Callable[[], Exception]
    count: int = 0
    happened: bool = False
    _is_due: bool = field(default=False, repr=False)
    _thread: int = field(default_factory=threading.get_ident, repr=False)

    def before_sending(self, data: bytes) -> None:
        (_, _, _), (tag, _, _), *_ = ber.elements(data, *ber.head(data)[1:])
        if tag == _UNBIND or self.happened or threading.get_ident() != self._thread:
            return
        self.count += 1
        self._is_due = self.count == self.at
        if self._is_due and not self.lost:
            self._raise()

    def after_receiving(self) -> None:
        is_ours = threading.get_ident() == self._thread
        if self._is_due and not self.happened and is_ours:
            self._raise()

    def _raise(self) -> None:
        self.happened = True
        raise self.error()


@contextmanager
def injected(fault: Fault) -> Iterator[None]:
    sendall, next_message = DeadlineSocket.sendall, DeadlineSocket.next_message

    def faulty_sendall(wire: DeadlineSocket, data: bytes) -> None:
        fault.before_sending(data)
        sendall(wire, data)

    def faulty_next_message(wire: DeadlineSocket, *arguments: Any) -> Any:
        message = next_message(wire, *arguments)
        fault.after_receiving()
        return message

    # Tracebacks as structlog prints them for people would take most of the time.
    with pytest.MonkeyPatch.context() as patch, capture_logs():
        patch.setattr(DeadlineSocket, "sendall", faulty_sendall)
        patch.setattr(DeadlineSocket, "next_message", faulty_next_message)
        yield


REQUESTS: dict[str, tuple[str, str, object]] = {
    "list": ("GET", "/users", None),
    "show": ("GET", "/users/bob", None),
    "create": ("POST", "/users", {"userId": "new", "password": PASSWORD}),
    "create an admin": ("POST", "/users", {"userId": "new", "password": PASSWORD, "isAdmin": True}),
    "assign": ("PUT", "/roles", {"userId": "bob", "addedRoles": ["dev", "ops"]}),
    "revoke": ("PUT", "/roles", {"userId": "bob", "removedRoles": ["held"]}),
    "promote": ("PUT", "/roles", {"userId": "bob", "addedRoles": ["admin", "dev"]}),
    "demote": ("PUT", "/roles", {"userId": "ann", "removedRoles": ["admin", "held"]}),
    "delete": ("DELETE", "/users/bob", None),
    "delete an admin": ("DELETE", "/users/ann", None),
    "create a role": ("POST", "/roles", {"role": "newrole"}),
    "delete a role": ("DELETE", "/roles/held", None),
}


@pytest.fixture
def call(subtree: Subtree, tmp_path: Path) -> Iterator[LocalCaller]:
    settings = subtree.settings(tmp_path, USER_STORE__INDEX_LIMIT="0")
    with local(settings) as caller:
        yield caller


def prepare(call: LocalCaller, token: str) -> None:
    """What the requests are about, whatever the last one has left."""
    for name, is_admin in (("bob", False), ("ann", True), ("carl", True)):
        user = {"userId": name, "password": PASSWORD, "isAdmin": is_admin}
        assert call("POST", "/users", user, token=token).status in (200, 400)
    call("DELETE", "/users/new", token=token)
    call("DELETE", "/roles/newrole", token=token)
    for role in ("dev", "ops", "held"):
        assert call("POST", "/roles", {"role": role}, token=token).status in (200, 400)
    for name, added, removed in (
        ("bob", ["held"], ["dev", "ops", "admin"]),
        ("ann", ["held", "admin"], []),
    ):
        change = {"userId": name, "addedRoles": added, "removedRoles": removed}
        assert call("PUT", "/roles", change, token=token).status == 200


def picture(subtree: Subtree) -> object:
    """Users with their roles and custodians; sound as soon as the overlay refint is done."""
    for _ in range(20):
        with suppress(AssertionError):
            return _picture(subtree)
        time.sleep(0.05)
    return _picture(subtree)


def _picture(subtree: Subtree) -> object:
    found = look_at(subtree)
    names = {user.id: name for name, user in found.users.items()}
    users = {
        name: (sorted(found.roles_of(name)), names.get(user.custodian or "", ""))
        for name, user in found.users.items()
    }
    return users, sorted(found.roles)


@pytest.mark.parametrize("lost", [False, True], ids=["not sent", "answer lost"])
@pytest.mark.parametrize("what", REQUESTS)
def test_no_fault_is_a_failure_of_ours_and_none_leaves_half_a_change(
    call: LocalCaller, subtree: Subtree, what: str, lost: bool
) -> None:
    token = call.login("root", PASSWORD)
    method, path, body = REQUESTS[what]
    pictures: list[tuple[object, object]] = []
    for at in range(1, 40):
        if not pictures or pictures[-1][0] != pictures[-1][1]:
            prepare(call, token)
        before = picture(subtree)
        fault = Fault(at, lost, KINDS[at % len(KINDS)])
        with injected(fault):
            answer = call(method, path, body, token=token)
        after = picture(subtree)
        if not fault.happened:
            assert answer.status == 200, answer
            assert at > 2
            break
        assert answer.status in (200, 503), (at, answer)
        if answer.status == 200:
            assert after != before or method == "GET"
        pictures.append((before, after))
    for each_before, each_after in pictures:
        assert each_after in (each_before, after), "half a change"


def test_a_login_fails_as_an_outage_whatever_happens(call: LocalCaller) -> None:
    call.login("root", PASSWORD)
    for lost in (False, True):
        for at in range(1, 10):
            fault = Fault(at, lost, KINDS[at % len(KINDS)])
            with injected(fault):
                answer = call("GET", "/login", basic=f"root:{PASSWORD}")
            assert answer.status == (503 if fault.happened else 200), (at, answer)
