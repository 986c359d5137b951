"""What a request to a node leaves behind, however it ends, and what it is made of."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from mi_ldap.errors import MiLdapError, NodeUnavailable
from mi_ldap.micro_integrators.breaker import BreakerState, CircuitBreaker
from mi_ldap.micro_integrators.concurrency import ConcurrencyLimit
from mi_ldap.micro_integrators.config import NodeConfig
from mi_ldap.micro_integrators.connection import AnswerHead
from mi_ldap.micro_integrators.exchange import Exchange, NodeRequest
from mi_ldap.micro_integrators.forward import Forward
from mi_ldap.micro_integrators.node import Node, Nodes
from mi_ldap.serving.relay import Relay

CONFIG = NodeConfig("mi-1", "http://localhost:9164/management", "door", "password")
READ = NodeRequest("GET", "/apis", (), is_write=False, user="bob")


def node_of_one_permit(monkeypatch: pytest.MonkeyPatch, failure: Exception | None) -> Node:
    """A node that waits for a probe; connecting to it fails, or takes for ever."""
    node = Node(CONFIG)
    node.concurrency = ConcurrencyLimit(1, 1)
    node.breaker = CircuitBreaker(failures=1, pause_s=0, probe_s=3600)

    async def connect() -> None:
        if failure:
            raise failure
        await asyncio.Event().wait()

    monkeypatch.setattr(node.pool, "connect", connect)
    admission = node.breaker.admit()
    assert admission
    admission.failed()
    assert node.breaker.state is BreakerState.HALF_OPEN
    return node


@pytest.mark.parametrize("failure", [None, OSError("down"), RuntimeError("a bug")])
def test_a_request_that_ends_in_any_way_gives_its_probe_and_its_permit_back(
    monkeypatch: pytest.MonkeyPatch, failure: Exception | None
) -> None:
    async def ask() -> None:
        node = node_of_one_permit(monkeypatch, failure)
        exchange = Exchange(node, READ)
        try:
            with pytest.raises((TimeoutError, NodeUnavailable, RuntimeError)):
                async with asyncio.timeout(0.02):
                    await exchange.open()
        finally:
            assert node.concurrency.must_wait("bob")
            exchange.close()
        assert not node.concurrency.must_wait("bob")
        assert node.breaker.admit()

    asyncio.run(ask())


def test_the_requests_of_a_user_are_limited_at_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask() -> None:
        node = node_of_one_permit(monkeypatch, None)
        node.concurrency = ConcurrencyLimit(5, 1)
        exchange = Exchange(node, READ)
        opening = asyncio.create_task(exchange.open())
        await asyncio.sleep(0)
        assert node.concurrency.must_wait("bob")
        assert not node.concurrency.must_wait("eve")
        opening.cancel()
        await asyncio.wait([opening])
        exchange.close()

    asyncio.run(ask())


@pytest.mark.parametrize("body", [b"{}", b""])
def test_all_that_the_application_allows_is_sent_as_it_is(body: bytes) -> None:
    def ignore(_: object) -> None:
        """Do nothing."""

    forward = Forward(
        node="mi-1",
        method="POST",
        target="/apis",
        fields=(("accept", "application/json"),),
        body=body,
        is_write=True,
        finished=ignore,
        refused=ignore,
        user="bob",
    )
    head: Any = SimpleNamespace(streams_body=False, length=len(body))
    response: Any = SimpleNamespace(forward=forward)
    nothing: Any = None
    relay = Relay(head, response, nothing, Nodes([CONFIG]), nothing)
    assert relay._exchange.request == NodeRequest(
        method=forward.method,
        target=forward.target,
        fields=forward.fields,
        is_write=True,
        body=body,
        length=len(body),
        user="bob",
    )


class Client:
    """In place of the client's connection and response: what happened, in order."""

    application_fields: tuple[tuple[str, str], ...] = ()

    def __init__(self, forward: Forward) -> None:
        self.forward = forward
        self.events: list[str] = []

    def call_on_input(self, _call: object) -> None:
        """Never call: the client sends nothing."""

    async def send(self, pieces: list[bytes]) -> None:
        self.events.append(b"".join(pieces).decode())

    def frame_head(self, status: int, _reason: str, _fields: object) -> list[bytes]:
        return [f"{status} ".encode()]

    def frame_data(self, data: bytes) -> list[bytes]:
        return [data]

    def frame_end(self) -> list[bytes]:
        return [b"."]

    def finish_forward(self, _status: int, report: Callable[[Forward], None]) -> None:
        time.sleep(0.05)  # a slow disk
        report(self.forward)


class Answering:
    """In place of an exchange: an answer in two parts, or an error."""

    def __init__(self, request: NodeRequest, answer: AnswerHead | MiLdapError) -> None:
        self.request = request
        self._answer = answer
        self._parts = [b"ab", b"cd", b""]
        self.is_sent = self.is_effect_known = isinstance(answer, AnswerHead)
        self.status = None
        self.sent_bytes = self.received_bytes = 0
        self.seconds = 0.0

    async def open(self) -> AnswerHead:
        if isinstance(self._answer, MiLdapError):
            raise self._answer
        return self._answer

    async def read(self) -> bytes:
        return self._parts.pop(0)

    def close(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (AnswerHead(200, "OK", (), 4), ["200 ab", "finished 200", "cd."]),
        (AnswerHead(200, "OK", (), None), ["200 ab", "cd", "finished 200", "."]),
        (NodeUnavailable("mi-1 is down."), ["refused"]),
    ],
    ids=["a length", "no length", "an error"],
)
def test_a_client_gets_the_end_of_its_answer_after_the_audit_line(
    answer: AnswerHead | MiLdapError, expected: list[str]
) -> None:
    client: Any = None
    forward = Forward(
        node="mi-1",
        method="POST",
        target="/apis",
        fields=(),
        body=b"{}",
        is_write=True,
        finished=lambda outcome: client.events.append(f"finished {outcome.status}"),
        refused=lambda _: client.events.append("refused"),
    )
    client = Client(forward)
    head: Any = SimpleNamespace(streams_body=False, length=2, method="POST")
    with ThreadPoolExecutor(1) as threads:
        relay: Any = Relay(head, client, client, Nodes([CONFIG]), threads.submit)
        relay._exchange = Answering(relay._exchange.request, answer)
        asyncio.run(relay.run())
    assert client.events[: len(expected)] == expected
    assert len(client.events) == len(expected) + isinstance(answer, MiLdapError)
