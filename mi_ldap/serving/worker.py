"""The gunicorn worker: a thread is spent on a request only when all of it is here.

One event loop accepts, does the TLS handshakes, reads requests and writes answers, each under a
time limit of its own; the threads of the pool run the application and nothing else. So however
many clients are slow, silent or half gone, they cost memory and never a thread. (gunicorn's gthread
reads inside its threads: as many half-sent requests as threads stop it.)

Spoken are HTTP/1.1 and HTTP/1.0, with keep-alive, pipelining and `Expect: 100-continue`, plain or
over TLS 1.2 and newer. Answers are collected in memory before they are sent.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from asyncio import Task
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import Context
from typing import Any, NoReturn

from gunicorn.workers.base import Worker

from mi_ldap.serving.answers import answer
from mi_ldap.serving.certificate import server_context
from mi_ldap.serving.connection import Address, Connection, Patience, open_connection
from mi_ldap.serving.logs import log_refusal
from mi_ldap.serving.refusals import Refusal


class RequestWorker(Worker):  # type: ignore[misc]
    """Serves the application; `cfg.keepalive` bounds idle connections, in seconds.

    `cfg.worker_connections` bounds all of them: over it, the one that has waited longest without
    a complete request makes room.
    """

    patience = Patience()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.alive: bool = True
        self._connections: set[Task[None]] = set()
        self._waiting: dict[
            Task[None] | None, None
        ] = {}  # those that nothing is owed; oldest first

    def handle_quit(self, _number: int, _frame: Any) -> NoReturn:
        """Called by gunicorn when it must be quick: requests in flight are given up."""
        os._exit(0)

    def run(self) -> None:
        """Serve until told to stop, or until the arbiter is gone."""
        self._tls = server_context(self.cfg.certfile, self.cfg.keyfile) if self.cfg.is_ssl else None
        self._pool = ThreadPoolExecutor(self.cfg.threads, "request")
        asyncio.run(self._serve())
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def _serve(self) -> None:
        stopping = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
        acceptors = [asyncio.create_task(self._accept(each.sock)) for each in self.sockets]
        while self.alive and not stopping.is_set() and os.getppid() == self.ppid:
            self.notify()
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), 1.0)
        self.alive = False
        for acceptor in acceptors:
            acceptor.cancel()
        await self._finish()

    async def _finish(self) -> None:
        """Complete requests are answered; who has sent none yet gets a moment to do so."""
        started = time.monotonic()
        while self._connections and time.monotonic() - started < self.cfg.graceful_timeout:
            self.notify()
            await asyncio.wait(self._connections, timeout=0.25)
            if time.monotonic() - started > self.patience.farewell_s / 2:
                for task in filter(None, self._waiting):
                    task.cancel()

    async def _accept(self, listener: socket.socket) -> NoReturn:
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, client = await loop.sock_accept(listener)
            except OSError:  # out of descriptors, or the client is gone already
                self._drop_oldest()
                await asyncio.sleep(0.05)
                continue
            if len(self._connections) >= self.cfg.worker_connections:
                self._drop_oldest()
            task = asyncio.create_task(self._attend(accepted, client))
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
            await asyncio.sleep(0)  # sock_accept does not yield while more clients wait

    def _drop_oldest(self) -> None:
        if task := next(iter(self._waiting), None):
            del self._waiting[task]
            task.cancel()

    @contextmanager
    def _waits(self) -> Iterator[None]:
        """Mark the present connection as one that may be dropped."""
        task = asyncio.current_task()
        self._waiting[task] = None
        try:
            yield
        finally:
            self._waiting.pop(task, None)

    async def _attend(self, accepted: socket.socket, client: Address) -> None:
        try:
            with self._waits():
                connection = await open_connection(
                    accepted, client, self._tls, self.cfg, self.patience
                )
        except (OSError, asyncio.CancelledError):  # no TLS, not in time, or dropped
            accepted.close()
            return
        try:
            await self._converse(connection)
        except OSError:  # the client is gone, or does not read its answer
            pass
        finally:
            connection.writer.transport.abort()

    async def _converse(self, connection: Connection) -> None:
        """Answer request after request, until one side has enough."""
        idle_s: float | None = None
        keep_alive = True
        while keep_alive:
            request = None
            try:
                with self._waits():
                    request = await connection.next_request(idle_s)
                if request is None:
                    break
                reply, keep_alive = await self._answer(request, connection)
                await connection.send(reply)
                idle_s = self.cfg.keepalive
            except Refusal as refusal:
                log_refusal(refusal, request, connection.client)
                await connection.send(refusal.response())
                with self._waits():
                    await connection.hear_out()
                break
        with self._waits():
            await connection.close()

    async def _answer(self, request: Any, connection: Connection) -> tuple[bytes, bool]:
        """Run the application in a thread, in a context of its own."""
        queued = time.monotonic()

        def work() -> tuple[bytes, bool]:
            if time.monotonic() - queued > self.patience.queue_s:
                raise Refusal(503, "The service is too busy. Try again later.", retry_after_s=1)
            return answer(self, request, connection)

        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, Context().run, work)
