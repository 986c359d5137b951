"""Tokens of a node: how long each is used, and how many logins there are."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Callable

import pytest

from mi_ldap.micro_integrators import session
from mi_ldap.micro_integrators.config import NodeConfig
from mi_ldap.micro_integrators.connection import AnswerHead, BadAnswer
from mi_ldap.micro_integrators.session import Session

CONFIG = NodeConfig("mi-1", "http://localhost:9164/management", "door", "password")
HOUR_S = 3600


class Clock:
    """In place of `time`: the wall clock and the monotonic one advance together."""

    def __init__(self) -> None:
        self.passed_s = 0.0

    def time(self) -> float:
        return time.time() + self.passed_s

    def monotonic(self) -> float:
        return time.monotonic() + self.passed_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(session, "time", made)
    return made


class LoginNode:
    """In place of a pool: each connection is answered with a new token."""

    def __init__(self, answer_of: Callable[[int], bytes]) -> None:
        self._answer_of = answer_of
        self.logins = 0
        self.pieces: list[bytes] = []

    async def connect(self) -> LoginNode:
        await asyncio.sleep(0)
        self.logins += 1
        answer = self._answer_of(self.logins)
        self.pieces = [answer[at : at + 1000] for at in range(0, len(answer), 1000)]
        return self

    def give_back(self, _connection: object) -> None:
        """Take it."""

    async def send_head(self, *_given: object) -> None:
        """Take it."""

    async def send_end(self) -> None:
        """Take it."""

    async def receive_head(self) -> AnswerHead:
        return AnswerHead(200, "OK", (), None)

    async def receive_data(self) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""


def session_at(node: LoginNode) -> Session:
    return Session(CONFIG, node)  # type: ignore[arg-type]


def node_with_tokens(clock: Clock, life_s: float) -> LoginNode:
    def answer(number: int) -> bytes:
        claims = json.dumps({"exp": clock.time() + life_s, "n": number}).encode()
        payload = base64.urlsafe_b64encode(claims).decode().rstrip("=")
        return json.dumps({"AccessToken": f"x.{payload}.y"}).encode()

    return LoginNode(answer)


def logins_after(clock: Clock, life_s: float, passed_s: float) -> int:
    """How many logins there are for requests now and after that time."""
    node = node_with_tokens(clock, life_s)

    async def ask() -> None:
        used = session_at(node)
        for _ in range(3):
            await used.token()
        clock.passed_s += passed_s
        for _ in range(3):
            await used.token()

    asyncio.run(ask())
    return node.logins


@pytest.mark.parametrize(
    ("life_s", "used_s"),
    [
        (HOUR_S, HOUR_S - 60),
        (100, 50),  # half of a short life
        (-HOUR_S, HOUR_S - 60),  # by a wrong clock; not a login for each request
        (10 * 365 * 24 * HOUR_S, 24 * HOUR_S - 60),
        (float("inf"), 24 * HOUR_S - 60),
    ],
)
def test_a_token_is_used_for_its_life_and_no_longer(
    clock: Clock, life_s: float, used_s: float
) -> None:
    assert logins_after(clock, life_s, used_s - 5) == 1
    assert logins_after(clock, life_s, used_s + 5) == 2


def test_requests_at_the_same_time_share_a_login(clock: Clock) -> None:
    node = node_with_tokens(clock, HOUR_S)

    async def ask() -> set[str]:
        used = session_at(node)
        tokens = set(await asyncio.gather(*(used.token() for _ in range(20))))
        for token in tokens:
            used.refuse(token)
        return tokens | set(await asyncio.gather(*(used.token() for _ in range(20))))

    assert len(asyncio.run(ask())) == node.logins == 2


def test_a_token_that_was_replaced_is_not_refused_twice(clock: Clock) -> None:
    node = node_with_tokens(clock, HOUR_S)

    async def ask() -> None:
        used = session_at(node)
        first = await used.token()
        used.refuse(first)
        second = await used.token()
        used.refuse(first)
        assert await used.token() == second

    asyncio.run(ask())
    assert node.logins == 2


def test_an_endless_answer_to_the_login_is_not_read() -> None:
    node = LoginNode(lambda _: b" " * 10_000_000)

    async def ask() -> None:
        with pytest.raises(BadAnswer):
            await session_at(node).token()

    asyncio.run(ask())
    assert len(node.pieces) > 9_000
