"""The gunicorn worker: a request gets a thread only when it has been received completely.

One event loop accepts connections, does the TLS handshakes, reads requests and sends responses,
each with a timeout; the threads of the pool only run the application. HTTP/1.1 and HTTP/1.0 are
supported, with keep-alive, pipelining and `Expect: 100-continue`, plain or over TLS 1.2 and newer.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import time
from asyncio import Task
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any, NoReturn

from gunicorn.workers.base import Worker

from mi_ldap.addresses import parse_network
from mi_ldap.micro_integrators.forward import CAN_FORWARD
from mi_ldap.micro_integrators.node import Nodes
from mi_ldap.micro_integrators.pool import MAX_CONNECTIONS
from mi_ldap.serving.certificate import ServedCertificate
from mi_ldap.serving.client_sockets import PlainSocket, TlsSocket
from mi_ldap.serving.connection import Connection, Request, Timeouts, endpoints_of, set_options
from mi_ldap.serving.connection_table import ConnectionTable, Entry, Limits, Phase
from mi_ldap.serving.environ import environ_of
from mi_ldap.serving.errors import RequestError
from mi_ldap.serving.file_descriptors import reserve_descriptors
from mi_ldap.serving.logs import log_request_error
from mi_ldap.serving.processes import unblock_stop_signals
from mi_ldap.serving.relay import Relay
from mi_ldap.serving.request_head import StreamsBody, streams_nothing
from mi_ldap.serving.responses import Response
from mi_ldap.settings import ServerSettings, load_settings

_REPORTS_S = 1.0
"""For writing the outcomes of forwarded requests when the worker stops, in seconds."""

_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


# gunicorn's own gthread (27.0) reads requests in its threads: as many incomplete requests as it has
# threads stop it for good.
class RequestWorker(Worker):  # type: ignore[misc]
    """Serves the application.

    `cfg.keepalive` is the timeout of idle connections, in seconds, and `cfg.worker_connections` the
    most connections; `limits` has the other limits. If `limits` is None, as under a separately
    configured gunicorn, they are taken from the settings. `nodes` are the Micro Integrators that
    requests are forwarded to, `streams_body` tells which requests' bodies are streamed to them, and
    `slot` is the number that no other live worker has.
    """

    timeouts = Timeouts()
    limits: Limits | None = None
    nodes: Nodes | None = None
    streams_body: StreamsBody = staticmethod(streams_nothing)
    slot: int = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.alive: bool = True
        self._tasks: set[Task[None]] = set()
        self._relays: set[Task[Any]] = set()
        self._reports: set[Future[None]] = set()

    def init_signals(self) -> None:
        """Called by gunicorn; SIGHUP stops no worker, not even before `run` has its handler."""
        super().init_signals()
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        unblock_stop_signals()  # blocked since before the fork

    def handle_quit(self, _number: int, _frame: Any) -> NoReturn:
        """Called by gunicorn for SIGQUIT and SIGINT: abandon requests in progress."""
        # A regular exit would wait for the threads of the pool.
        os._exit(0)

    def run(self) -> None:
        """Serve until a signal stops the worker, or until the arbiter has ended."""
        self._certificate = (
            ServedCertificate(self.cfg.certfile, self.cfg.keyfile) if self.cfg.is_ssl else None
        )
        self._pool = ThreadPoolExecutor(self.cfg.threads, "request")
        forwards = len(self.nodes or ()) * MAX_CONNECTIONS
        connections = reserve_descriptors(self.cfg.worker_connections, forwards)
        limits = self.limits or limits_of(load_settings().server)
        self._table = ConnectionTable(replace(limits, connections=connections))
        asyncio.run(self._serve())
        # The audit log has the outcome of every request that was sent to a node.
        futures.wait(self._reports.copy(), timeout=_REPORTS_S)
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _serve(self) -> None:
        stopping = asyncio.Event()
        if self.nodes:
            self.nodes.attach(asyncio.get_running_loop(), self.slot)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._refresh_certificate)
        acceptors = [asyncio.create_task(self._accept(each.sock)) for each in self.sockets]
        # The parent id changes when the arbiter is killed.
        while self.alive and not stopping.is_set() and os.getppid() == self.ppid:
            self.notify()
            self._refresh_certificate()
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), 1.0)
        self.alive = False
        for acceptor in acceptors:
            acceptor.cancel()
        await self._finish()

    def _refresh_certificate(self) -> None:
        if self._certificate:
            self._certificate.refresh()

    async def _finish(self) -> None:
        """Answer complete requests; close connections without one after a short time."""
        started = time.monotonic()
        graceful_s = self.cfg.graceful_timeout
        while self._tasks and time.monotonic() - started < graceful_s:
            self.notify()
            await asyncio.wait(self._tasks, timeout=0.25)
            # Before gunicorn kills this process, so that their outcome can be written.
            if time.monotonic() - started > max(graceful_s - 2 * _REPORTS_S, graceful_s / 2):
                for relay in self._relays:
                    relay.cancel()
            # A client may be sending a request, or be about to: it gets a moment to complete it.
            if time.monotonic() - started > self.timeouts.linger_s / 2:
                for entry in self._table.entries(Phase.NEW, Phase.WAITING):
                    entry.drop()

    async def _accept(self, listener: socket.socket) -> NoReturn:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, client = await loop.sock_accept(listener)
            except OSError as error:
                if error.errno in _EXHAUSTED:
                    self._table.drop_one("file_descriptors")
                    await asyncio.sleep(0.05)  # the closed one frees its descriptor meanwhile
                continue  # otherwise the client has closed the connection
            if self._table.make_room(_address(client)):
                task = asyncio.create_task(self._serve_connection(accepted, client))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
            else:
                accepted.close()  # an answer would need a TLS handshake, and so memory
            await asyncio.sleep(0)  # sock_accept does not yield while more clients wait

    async def _serve_connection(self, accepted: socket.socket, client: Any) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - runs in a task
        entry = self._table.add(_address(client), task.cancel)
        with accepted:
            connection = self._connection(accepted, client, entry)
            try:
                await self._request_loop(connection, entry)
            except (OSError, asyncio.CancelledError):  # closed, timed out or dropped
                connection.abort()
            finally:
                self._table.remove(entry)

    def _connection(self, accepted: socket.socket, client: Any, entry: Entry) -> Connection:
        set_options(accepted)
        wrapped = (
            TlsSocket(accepted, self._certificate.context)
            if self._certificate
            else PlainSocket(accepted)
        )
        endpoints = endpoints_of(accepted, client)
        return Connection(wrapped, endpoints, self._table, entry, self.timeouts, self.streams_body)

    async def _request_loop(self, connection: Connection, entry: Entry) -> None:
        """Answer requests until one side closes the connection."""
        idle_s: float | None = None
        request = None
        try:
            await connection.handshake()
            while (request := await connection.next_request(idle_s)) is not None:
                if not await self._answer(request, connection, entry):
                    break
                idle_s, request = self.cfg.keepalive, None
            await connection.close()
            await connection.drain_input()
        except RequestError as error:
            head = request.head if request else None
            log_request_error(error, head, _address(connection.endpoints[0]))
            await connection.send([error.response()])
            if request is not None:  # an invalid first request stays NEW, closed first
                self._table.enter(entry, Phase.WAITING)
            await connection.drain_input()  # first: some clients send until they have read it
            await connection.close()

    async def _answer(self, request: Request, connection: Connection, entry: Entry) -> bool:
        """Send the application's response; return whether the connection may be used again."""
        response = self._response(request, connection)
        loop = asyncio.get_running_loop()
        self._table.enter(entry, Phase.SERVED)
        try:
            while not response.is_complete:
                produce = response.produce
                pieces = await loop.run_in_executor(self._pool, produce, self.timeouts.queue_s)
                if response.forward is not None:
                    await self._forward(request, response, connection)
                    break
                await connection.send(pieces)
        except BaseException:
            # In a thread: an application's `close` may block.
            self._submit(response.abandon)
            raise
        self._table.enter(entry, Phase.WAITING)
        connection.forget_request()
        return response.keeps_connection

    async def _forward(self, request: Request, response: Response, connection: Connection) -> None:
        """Answer the request by the node that the application chose."""
        assert self.nodes is not None  # noqa: S101 - else the environment lacks CAN_FORWARD
        relay = Relay(request.head, response, connection, self.nodes, self._submit)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - runs in a task
        self._relays.add(task)
        try:
            await relay.run()
        finally:
            self._relays.discard(task)

    def _submit(self, run: Callable[[], None]) -> Future[None]:
        """Run a function in a thread; the worker waits for it when it stops."""
        future = self._pool.submit(run)
        self._reports.add(future)
        future.add_done_callback(self._reports.discard)
        return future

    def _response(self, request: Request, connection: Connection) -> Response:
        scheme = "https" if self._certificate else "http"
        head, endpoints = request.head, connection.endpoints
        environ = environ_of(head, request.body, endpoints, scheme, self.cfg.workers)
        if self.nodes:
            environ[CAN_FORWARD] = True
        response = Response(self.wsgi, head, environ, is_stopping=lambda: not self.alive)
        # Until the body was read: it must never be taken for the next request.
        response.must_close = head.streams_body
        return response


def limits_of(server: ServerSettings) -> Limits:
    """Return the limits of each worker in the settings."""
    return Limits(
        connections=server.max_connections,
        per_address=server.max_connections_per_address,
        held_bytes=server.max_buffered_mb * 1024 * 1024,
        trusted_proxies=tuple(map(parse_network, server.trusted_proxies)),
    )


def _address(client: Any) -> str:
    """Return the client's address, `""` for a UNIX socket."""
    return str(client[0]) if isinstance(client, tuple) else ""
