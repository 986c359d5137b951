"""The Micro Integrators (nodes): their connections, tokens, circuit breakers and counters."""

from __future__ import annotations

import asyncio
import threading
from asyncio import AbstractEventLoop
from collections.abc import Iterable, Iterator

import structlog

from mi_ldap.errors import NodeUnavailable
from mi_ldap.micro_integrators.breaker import Admission, CircuitBreaker
from mi_ldap.micro_integrators.concurrency import ConcurrencyLimit
from mi_ldap.micro_integrators.config import NodeConfig
from mi_ldap.micro_integrators.counters import SharedCounters
from mi_ldap.micro_integrators.failures import reason_of
from mi_ldap.micro_integrators.pool import MAX_CONNECTIONS, MAX_OF_USER, ConnectionPool
from mi_ldap.micro_integrators.session import Session
from mi_ldap.micro_integrators.transport import tls_context

log = structlog.get_logger(__name__)


class Node:
    """A node, created before the workers are forked.

    Each process sends its requests to the node in one event loop.

    Attributes:
        config: its address, and this service's account there.
        counters: the counters that all workers share.
        breaker: the circuit breaker of this process.
        problem: why the node did not answer the last request; `""` if it did.
    """

    def __init__(self, config: NodeConfig) -> None:
        self.config = config
        self.counters = SharedCounters()
        # A probe may wait for a permit for `timeout_s`, and then as long for the answer.
        self.breaker = CircuitBreaker(probe_s=2 * config.timeout_s)
        self.problem = ""
        # The pool connects at the first request, in the worker: processes must not share sockets.
        self.pool = ConnectionPool(config, tls_context(config))
        self.session = Session(config, self.pool)
        self.concurrency = ConcurrencyLimit(MAX_CONNECTIONS, MAX_OF_USER)
        # For threads that wait for answers of the node, see `fetch`.
        self.threads = threading.BoundedSemaphore(2)

    @property
    def id(self) -> str:
        return self.config.id

    @property
    def is_up(self) -> bool:
        """Whether it answered its last request, which any worker may have sent."""
        return self.counters.is_up

    def admit(self) -> Admission:
        """Return the breaker's admission of one request.

        Raises:
            NodeUnavailable: the node failed a moment ago.
        """
        admission = self.breaker.admit()
        if admission is None:
            raise NodeUnavailable(
                f"The Micro Integrator {self.id} cannot be used at the moment. Try again later."
            )
        return admission

    def note_success(self, admission: Admission) -> None:
        """Note that the node has answered."""
        if self.problem:
            log.info("node_recovered", node=self.id)
        self.problem = ""
        admission.succeeded()
        self.counters.note_state(is_up=True)

    def note_failure(self, admission: Admission, failure: BaseException) -> None:
        """Note that the node could not be reached, or gave no valid answer."""
        reason = reason_of(failure)
        if reason != self.problem:  # not for each request while the node is down
            log.warning("node_failed", node=self.id, reason=reason)
        self.problem = reason
        admission.failed()
        # At once: the failures that open a breaker may be spread over many workers.
        self.counters.note_state(is_up=False)


class Nodes:
    """All nodes, in the order of the configuration; the service's own port stands for the first.

    Args:
        configs: the nodes; their ids are unique.

    Raises:
        ConfigurationError: the CA file of a node cannot be used.
    """

    def __init__(self, configs: Iterable[NodeConfig]) -> None:
        self._nodes = {config.id: Node(config) for config in configs}
        self._loop: AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def __getitem__(self, node_id: str) -> Node:
        return self._nodes[node_id]

    def __contains__(self, node_id: str) -> bool:
        return node_id in self._nodes

    def __iter__(self) -> Iterator[Node]:
        return iter(self._nodes.values())

    def __len__(self) -> int:
        return len(self._nodes)

    def attach(self, loop: AbstractEventLoop, slot: int) -> None:
        """Send requests in this event loop, and count them in this slot.

        Called in each worker after the fork.
        """
        self._loop = loop
        for node in self:
            node.counters.use_slot(slot)

    def loop(self) -> AbstractEventLoop:
        """Return the event loop of the requests; without a worker, start one in a thread."""
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=self._run, args=(self._loop,), daemon=True)
                self._thread.start()
            return self._loop

    def close(self) -> None:
        """Close idle connections, and stop the thread that `loop` has started."""
        with self._lock:
            loop, self._loop = self._loop, None
            thread, self._thread = self._thread, None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    def _run(self, loop: AbstractEventLoop) -> None:
        loop.run_forever()
        for node in self:
            node.pool.close_idle()
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
