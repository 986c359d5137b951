"""Blocking requests to nodes with small answers, for the threads that render console pages."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import Final

from mi_ldap.deadline import remaining_s
from mi_ldap.errors import MiLdapError, NodeUnavailable
from mi_ldap.micro_integrators.exchange import Exchange, NodeRequest
from mi_ldap.micro_integrators.failures import AnswerTooLarge
from mi_ldap.micro_integrators.forward import Fields
from mi_ldap.micro_integrators.node import Node, Nodes

MOST_BYTES: Final = 1024 * 1024
"""The largest body of an answer, in bytes, unless the caller sets another limit."""

_PERMIT_S: Final = 1.0
"""Seconds for which a thread waits for a permit to send, while other threads wait for answers."""

_OVERVIEWS: Final = BoundedSemaphore(3)
"""Permits for `fetch_starts`, whose requests go to several nodes: three threads of a worker."""


@dataclass(frozen=True, slots=True)
class Tail:
    """An answer with the end of its body.

    Attributes:
        status: the status.
        fields: the header fields.
        body: the last bytes of the body.
        length: the size of the whole body, in bytes.
    """

    status: int
    fields: Fields
    body: bytes
    length: int


def fetch(
    nodes: Nodes,
    node_id: str,
    method: str,
    target: str,
    body: bytes = b"",
    *,
    fields: Fields = (),
    limit: int = MOST_BYTES,
) -> tuple[int, Fields, bytes]:
    """Return status, header fields and body of an answer, within the request's remaining time.

    Args:
        nodes: the nodes.
        node_id: the id of one of them.
        method: `"GET"`; a request with another method is sent at most once.
        target: path and query below the node's address, percent-encoded.
        body: the body of the request.
        fields: header fields besides those of the connection and the token.
        limit: the largest body of an answer, in bytes.

    Raises:
        NodeUnavailable: the node is down, slow or not trusted; the request had no effect there.
        NodeFailed: the node gave no valid answer; also if the body has more than `limit` bytes.
        EffectUnknown: the node may have carried out a write, but did not answer.
    """
    node = nodes[node_id]
    request = NodeRequest(method, target, fields, is_write=method != "GET", body=body)
    with _permit(node):
        found = _run(nodes, node, request, keep=limit, limit=limit)
    return found.status, found.fields, found.body


def fetch_tail(
    nodes: Nodes, node_id: str, target: str, *, fields: Fields, keep: int, limit: int
) -> Tail:
    """Return the answer to a GET, with the last `keep` bytes of its body.

    The bytes before them are read and dropped.

    Raises:
        NodeUnavailable: see `fetch`.
        NodeFailed: see `fetch`; also if the body has more than `limit` bytes.
    """
    node = nodes[node_id]
    with _permit(node):
        request = NodeRequest("GET", target, fields, is_write=False)
        return _run(nodes, node, request, keep=keep, limit=limit)


def fetch_starts(
    nodes: Nodes, targets: Sequence[tuple[str, str]], *, keep: int, seconds: float
) -> list[tuple[int, bytes] | MiLdapError]:
    """Send several GETs at the same time; return status and first bytes of each answer.

    A request that fails does not affect the others: its place has the error.

    Args:
        nodes: the nodes.
        targets: pairs of a node's id and a target, as in `fetch`.
        keep: how many bytes of each body are read, at most.
        seconds: the time limit for all of them together.

    Raises:
        NodeUnavailable: too many threads wait for such answers.
    """
    if not _OVERVIEWS.acquire(timeout=_PERMIT_S):
        raise NodeUnavailable(
            "Too many requests to Micro Integrators are under way. Try again later."
        )

    async def together() -> list[tuple[int, bytes] | MiLdapError]:
        found = (_fetch_start(nodes[node_id], target, keep, seconds) for node_id, target in targets)
        return await asyncio.gather(*found)

    try:
        return asyncio.run_coroutine_threadsafe(together(), nodes.loop()).result()
    finally:
        _OVERVIEWS.release()


@contextmanager
def _permit(node: Node) -> Iterator[None]:
    """Run the block while at most one other thread of this worker waits for the node."""
    # Otherwise a slow node could take all eight threads of the worker, and delay all other pages.
    if not node.threads.acquire(timeout=min(_PERMIT_S, remaining_s())):
        raise NodeUnavailable(
            f"Too many requests to the Micro Integrator {node.id} are under way. Try again later."
        )
    try:
        yield
    finally:
        node.threads.release()


def _run(nodes: Nodes, node: Node, request: NodeRequest, keep: int, limit: int) -> Tail:
    coroutine = _fetch(node, request, keep, limit, remaining_s())
    return asyncio.run_coroutine_threadsafe(coroutine, nodes.loop()).result()


async def _fetch(node: Node, request: NodeRequest, keep: int, limit: int, seconds: float) -> Tail:
    content, length = bytearray(), 0
    exchange = Exchange(node, request)
    try:
        async with asyncio.timeout(seconds):
            head = await exchange.open()
            while data := await exchange.read():
                content += data
                length += len(data)
                if length > limit:
                    raise AnswerTooLarge(
                        f"The answer of the Micro Integrator {node.id} is too large."
                    )
                if len(content) > 2 * keep:  # not for each part: each deletion moves the rest
                    del content[:-keep]
    except (TimeoutError, MiLdapError) as error:
        # After a write the status of the answer is enough, even if its body is incomplete.
        if exchange.status is None or not request.is_write:
            raise exchange.error_of(error) if isinstance(error, TimeoutError) else error from None
    finally:
        exchange.close()
    return Tail(head.status, head.fields, bytes(content[-keep:]), length)


async def _fetch_start(
    node: Node, target: str, keep: int, seconds: float
) -> tuple[int, bytes] | MiLdapError:
    content = bytearray()
    exchange = Exchange(node, NodeRequest("GET", target, (), is_write=False))
    try:
        async with asyncio.timeout(seconds):
            head = await exchange.open()
            while len(content) < keep and (data := await exchange.read()):
                content += data
    except TimeoutError as error:
        return exchange.error_of(error)
    except MiLdapError as error:
        return error
    finally:
        exchange.close()
    return head.status, bytes(content[:keep])
