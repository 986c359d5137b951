"""Small answers of a node for a thread, such as that of a page of the console."""

from __future__ import annotations

import asyncio
from threading import BoundedSemaphore
from typing import Final

from mi_ldap.deadline import remaining_s
from mi_ldap.errors import NodeFailed, NodeUnavailable
from mi_ldap.micro_integrators.exchange import Exchange, NodeRequest
from mi_ldap.micro_integrators.forward import Fields
from mi_ldap.micro_integrators.node import Node, Nodes

MOST_BYTES: Final = 1024 * 1024
"""Bytes of an answer's body, at most."""

# A slow node must not take all eight threads of a worker.
_turns: Final = BoundedSemaphore(3)


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
        node_id: one of them.
        method: `"GET"`; every other one is sent at most once.
        target: path and query below the node's address, percent-encoded.
        body: the body of the request.
        fields: header fields besides those of the connection and the token.
        limit: the largest body of an answer, in bytes.

    Raises:
        NodeUnavailable: the node is down, slow or not trusted; nothing was done there.
        NodeFailed: it gave no valid answer, or a write may have been done without an answer.
    """
    node = nodes[node_id]
    request = NodeRequest(method, target, fields, is_write=method != "GET", body=body)
    if not _turns.acquire(timeout=remaining_s()):
        raise _too_slow(node)
    try:
        exchange = Exchange(node, request)
        coroutine = _fetch(exchange, node, limit, remaining_s())
        return asyncio.run_coroutine_threadsafe(coroutine, nodes.loop()).result()
    finally:
        _turns.release()


async def _fetch(
    exchange: Exchange, node: Node, limit: int, seconds: float
) -> tuple[int, Fields, bytes]:
    content = bytearray()
    try:
        async with asyncio.timeout(seconds):
            head = await exchange.open()
            while data := await exchange.read():
                content += data
                if len(content) > limit:
                    raise NodeFailed(f"The answer of the Micro Integrator {node.id} is too large.")
    except TimeoutError:
        if exchange.is_known:
            raise _too_slow(node) from None
        raise NodeFailed(
            f"The Micro Integrator {node.id} did not answer in time: whether it was done is not "
            "known."
        ) from None
    finally:
        exchange.close()
    return head.status, head.fields, bytes(content)


def _too_slow(node: Node) -> NodeUnavailable:
    return NodeUnavailable(
        f"The Micro Integrator {node.id} did not answer in time. Try again later."
    )
