"""The relay between a client and a Micro Integrator (node), in the worker's event loop."""

from __future__ import annotations

import asyncio
from asyncio import Task
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from functools import partial

import structlog

from mi_ldap.errors import MiLdapError, NodeFailed, NodeUnavailable
from mi_ldap.micro_integrators.connection import AnswerHead
from mi_ldap.micro_integrators.exchange import Exchange, NodeRequest, UploadBroken
from mi_ldap.micro_integrators.forward import Forward, Outcome
from mi_ldap.micro_integrators.node import Nodes
from mi_ldap.serving.answer_fields import application_fields, merged_fields
from mi_ldap.serving.connection import Connection
from mi_ldap.serving.errors import RequestError
from mi_ldap.serving.request_head import RequestHead
from mi_ldap.serving.responses import PART_BYTES, Response
from mi_ldap.web.errors import forwarded_error

log = structlog.get_logger(__name__)

CLIENT_GONE = 499
"""The status in the log and the audit log if the client closed its connection before an answer."""

_WITHOUT_BODY = (204, 304)
_GONE = "The client closed the connection."
_SLOW = "The client did not receive the answer in time."
_STOPPED = "The service closed the connection."

Submit = Callable[[Callable[[], None]], "Future[None]"]
"""Runs a function in a thread, even while the worker stops."""


class Relay:
    """Forwards one request to a node, and the answer of the node to the client.

    Args:
        head: the head of the client's request.
        response: the application's response to it, which has a `Forward`.
        connection: the client's connection.
        nodes: the nodes.
        submit: runs a blocking function in a thread.
    """

    def __init__(
        self,
        head: RequestHead,
        response: Response,
        connection: Connection,
        nodes: Nodes,
        submit: Submit,
    ) -> None:
        assert response.forward is not None  # noqa: S101 - the caller has checked it
        self._head = head
        self._response = response
        self._connection = connection
        self._submit = submit
        self._node = nodes[response.forward.node]
        self._exchange = Exchange(self._node, self._request_of(response.forward))
        self._watcher: Task[None] | None = None
        self._is_watched = False
        self._is_awaited = response.forward.is_reported
        self._status = 0  # of the head that was sent to the client
        self._is_reported = False

    async def run(self) -> None:
        """Answer the client; report the end of the request exactly once.

        Raises:
            RequestError: the body of the request is not valid, or the client stopped sending it.
            OSError: the client or the node closed its connection before the end of the answer. The
                client's connection must be aborted.
        """
        try:
            # Without a time limit of its own: `_client_gone` lets it expire.
            async with asyncio.timeout(None) as self._until_gone:
                try:
                    if not self._is_upload:
                        self._watch()
                    await self._relay()
                finally:
                    await self._stop_watching()
        except TimeoutError as error:
            # Either the client went away, or it did not receive a slice in time.
            gone = ConnectionResetError(_GONE) if self._until_gone.expired() else error
            await self._report_failure(gone)
            raise gone from None
        except asyncio.CancelledError as error:
            if not self._is_reported:
                self._report_in_thread(*self._failure(error))
            raise
        except BaseException as error:
            await self._report_failure(error)
            raise
        finally:
            self._exchange.close()

    @property
    def _is_upload(self) -> bool:
        return self._exchange.request.stream is not None

    def _request_of(self, forward: Forward) -> NodeRequest:
        is_streamed = forward.body is None and self._head.streams_body
        return NodeRequest(
            method=forward.method,
            target=forward.target,
            fields=forward.fields,
            is_write=forward.is_write,
            body=forward.body or b"",
            stream=self._body_parts() if is_streamed else None,
            length=self._head.length,
            user=forward.user,
        )

    async def _body_parts(self) -> AsyncIterator[bytes]:
        async for part in self._connection.body_parts(self._head):
            yield part
        # The body was read completely, so the next request can follow on this connection.
        self._response.must_close = False
        self._watch()  # not earlier: until here, input is a part of the body

    def _watch(self) -> None:
        """Notice when the client closes its connection.

        The task that reads from the connection is created only when there is input.
        """
        self._connection.call_on_input(self._start_watcher)
        self._is_watched = True

    def _start_watcher(self) -> None:
        self._watcher = asyncio.create_task(self._connection.wait_for_close())
        self._watcher.add_done_callback(self._client_gone)

    async def _stop_watching(self) -> None:
        if self._is_watched:
            self._is_watched = False
            self._connection.call_on_input(None)
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.cancel()
            # Wait until the task has ended. It removes the socket's reader from the loop; if it did
            # so later, it would remove the reader of the next request.
            await asyncio.wait([watcher])

    def _client_gone(self, _watcher: Task[None]) -> None:
        """End the request at once, even if the node sends nothing."""
        if self._watcher is not None:  # otherwise the request has ended already
            self._until_gone.reschedule(asyncio.get_running_loop().time())

    async def _relay(self) -> None:
        try:
            answer = await self._exchange.open()
            data = b"" if self._omits_body(answer) else await self._exchange.read()
        except MiLdapError as error:
            await self._send_error(error)
        except UploadBroken as broken:
            raise broken.__cause__ or broken from None
        else:
            await self._send_answer(answer, data)

    async def _send_answer(self, answer: AnswerHead, data: bytes | memoryview) -> None:
        """Send the answer; its last bytes only after the outcome was reported."""
        pieces = self._framed_head(answer)
        left = None if self._omits_body(answer) else answer.length
        while data:
            pieces += self._response.frame_data(data)
            left = None if left is None else left - len(data)
            if left == 0:
                break
            self._status = answer.status
            await self._connection.send(_joined(pieces))
            pieces = []
            await asyncio.sleep(0)  # a fast node with a fast client must not block others
            try:
                data = await self._exchange.read()
            except NodeFailed as error:
                # Abort, so that the client does not mistake the part that it has for the whole.
                raise ConnectionAbortedError(str(error)) from None
        pieces += self._response.frame_end()
        await self._report(
            answer.status, lambda forward: forward.finished(self._outcome(answer.status))
        )
        await self._connection.send(_joined(pieces))

    def _framed_head(self, answer: AnswerHead) -> list[bytes]:
        fields = merged_fields(self._response.application_fields, answer)
        return self._response.frame_head(answer.status, answer.reason, fields)

    async def _send_error(self, error: MiLdapError) -> None:
        status, reason, fields, body = forwarded_error(error, self._head.method)
        await self._report(status, self._failure_report(error, status))
        given = application_fields(self._response.application_fields)
        pieces = self._response.frame_head(status, reason, [*given, *fields])
        if self._head.method != "HEAD":
            pieces += self._response.frame_data(body)
        await self._connection.send(_joined(pieces + self._response.frame_end()))

    def _omits_body(self, answer: AnswerHead) -> bool:
        return self._head.method == "HEAD" or answer.status in _WITHOUT_BODY

    # Reports

    def _outcome(self, status: int, reason: str = "") -> Outcome:
        exchange = self._exchange
        if exchange.request.is_write and exchange.status is not None:
            # The status shows what the node did, even if the body or the client was lost later.
            status = exchange.status
        return Outcome(
            status,
            exchange.sent_bytes,
            exchange.received_bytes,
            exchange.seconds,
            exchange.is_effect_known,
            reason,
        )

    def _failure_report(self, error: MiLdapError, status: int) -> Callable[[Forward], None]:
        if not self._exchange.is_sent:
            return lambda forward: forward.refused(error)
        outcome = self._outcome(status, str(error))
        return lambda forward: forward.finished(outcome)

    def _failure(self, error: BaseException) -> tuple[int, Callable[[Forward], None]]:
        """Return the status for the log, and the report, of a request without a complete answer."""
        status = self._status or CLIENT_GONE
        match error:
            case RequestError():
                status, reason = error.status.value, error.sentence
            case ConnectionAbortedError():
                reason = str(error)
            case TimeoutError():
                reason = _SLOW
            case OSError():
                reason = _GONE
            case asyncio.CancelledError():
                reason = _STOPPED
            case _:
                log.error("relay_failed", exc_info=error)
                status, reason = 500, "The service failed."
        return status, self._failure_report(NodeUnavailable(reason), status)

    async def _report_failure(self, error: BaseException) -> None:
        await self._report(*self._failure(error))

    async def _report(self, status: int, report: Callable[[Forward], None]) -> None:
        if not self._is_reported:
            future = self._report_in_thread(status, report)
            if self._is_awaited:
                # Without the shield a cancellation would also cancel a report that has not begun.
                await asyncio.shield(asyncio.wrap_future(future))

    def _report_in_thread(self, status: int, report: Callable[[Forward], None]) -> Future[None]:
        self._is_reported = True
        return self._submit(partial(self._response.finish_forward, status, report))


def _joined(pieces: list[bytes]) -> list[bytes]:
    """Join small pieces, so that they are sent as one TLS record."""
    return [b"".join(pieces)] if sum(map(len, pieces)) <= PART_BYTES else pieces
