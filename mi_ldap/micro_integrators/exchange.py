"""One request to a node, and its answer."""

from __future__ import annotations

import asyncio
import time
from asyncio import Timeout
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import structlog

from mi_ldap.errors import MiLdapError, NodeFailed, NodeUnavailable
from mi_ldap.micro_integrators.breaker import Admission
from mi_ldap.micro_integrators.connection import (
    AnswerHead,
    BadAnswer,
    InvalidRequest,
    NodeConnection,
)
from mi_ldap.micro_integrators.failures import (
    FAILURES,
    error_before_answer,
    reason_of,
    unknown_effect,
)
from mi_ldap.micro_integrators.forward import Fields
from mi_ldap.micro_integrators.node import Node
from mi_ldap.micro_integrators.tasks import cancel

log = structlog.get_logger(__name__)


class UploadBroken(Exception):
    """The client's request body could not be received; `__cause__` is the error."""


@dataclass(frozen=True, slots=True)
class NodeRequest:
    """What is sent to a node.

    Attributes:
        method: `"GET"`.
        target: path and query below the node's address.
        fields: header fields besides those of the connection and the token.
        is_write: whether it may change something there, so that it is sent at most once.
        body: a body that is in memory.
        stream: in place of `body`, the parts of a body that is still being received.
        length: the size of `stream` in bytes; None if it is not known.
        user: the id of the user, see `ConcurrencyLimit.acquire`.
    """

    method: str
    target: str
    fields: Fields
    is_write: bool
    body: bytes = field(default=b"", repr=False)
    stream: AsyncIterator[bytes] | None = field(default=None, repr=False)
    length: int | None = None
    user: str = ""


class Exchange:
    """A request and its answer, in the event loop of `Nodes.loop`.

    Call `open`, then `read` until it returns `b""`, and `close` in any case.

    Attributes:
        is_sent: whether a byte of the request may have reached the node.
        is_effect_known: False while it is unknown whether the node has carried out a write.
        status: of the node's answer; None until its head has arrived.
        sent_bytes: bytes of the request's body that were sent.
        received_bytes: bytes of the answer's body that were received.
    """

    def __init__(self, node: Node, request: NodeRequest) -> None:
        self._node = node
        self.request = request
        self._connection: NodeConnection | None = None
        self._admission: Admission | None = None
        self._has_permit = False
        self._began_at = time.monotonic()
        self._is_failed = False
        self._is_counted = False
        self.is_sent = False
        self.is_effect_known = True
        self.status: int | None = None
        self.sent_bytes = 0
        self.received_bytes = 0

    @property
    def seconds(self) -> float:
        """The time since the request began."""
        return time.monotonic() - self._began_at

    async def open(self) -> AnswerHead:
        """Send the request; return the head of the answer.

        Raises:
            NodeUnavailable: the node is down, slow or not trusted; the request had no effect there.
            NodeFailed: it gave no valid answer, or refuses this service's account.
            UploadBroken: the request's body could not be received.
        """
        config = self._node.config
        try:
            self._admission = self._node.admit()
            await self._wait_for_permit()
            async with asyncio.timeout(config.timeout_s) as time_limit:
                head = await self._authenticated(time_limit)
                self.status = head.status
                return head
        except MiLdapError:
            self._is_failed = True
            raise
        except InvalidRequest as failure:
            self._is_failed = True
            # h11 refuses such a request before a byte of it is sent. The node has not failed, so
            # the circuit breaker does not count it.
            self.is_sent, self.is_effect_known = False, True
            raise error_before_answer(config, failure) from None
        except FAILURES as failure:
            self._is_failed = True
            if self._admission:
                self._node.note_failure(self._admission, failure)
            raise self.error_of(failure) from None

    def error_of(self, failure: BaseException) -> MiLdapError:
        """Return the error for a request whose answer did not arrive."""
        error = error_before_answer if self.is_effect_known else unknown_effect
        return error(self._node.config, failure)

    async def read(self) -> bytes | memoryview:
        """Return the next part of the answer's body, valid until the next call; `b""` at its end.

        Raises:
            NodeFailed: the node broke off its answer, or sent nothing for too long.
        """
        assert self._connection is not None  # noqa: S101 - `open` has returned
        config = self._node.config
        try:
            data: bytes | memoryview | None = self._connection.received_data()
            if data is None:
                async with asyncio.timeout(config.body_timeout_s):
                    data = await self._connection.receive_data()
        except FAILURES as failure:
            self._is_failed = True
            log.warning("node_broke_answer", node=config.id, reason=reason_of(failure))
            raise NodeFailed(f"The Micro Integrator {config.id} broke off its answer.") from None
        self.received_bytes += len(data)
        return data

    def close(self) -> None:
        """Keep the connection if the answer was read completely, else close it."""
        if self._connection is not None:
            self._node.pool.give_back(self._connection)
            self._connection = None
        if self._has_permit:
            self._has_permit = False
            self._node.concurrency.release(self.request.user)
        if self._admission is not None:
            self._admission.abandoned()
            self._admission = None
        if not self._is_counted:
            self._is_counted = True
            self._node.counters.add(self.seconds, is_error=self._is_failed)

    async def _wait_for_permit(self) -> None:
        concurrency, user = self._node.concurrency, self.request.user
        try:
            if concurrency.must_wait(user):
                async with asyncio.timeout(self._node.config.timeout_s):
                    await concurrency.acquire(user)
            else:
                await concurrency.acquire(user)  # returns at once
        except TimeoutError:
            raise NodeUnavailable(
                f"Too many requests to the Micro Integrator {self._node.id} are under way. "
                "Try again later."
            ) from None
        self._has_permit = True

    async def _authenticated(self, time_limit: Timeout) -> AnswerHead:
        session = self._node.session
        token = await session.token()
        head = await self._answered(token, time_limit)
        if head.status != 401:
            session.accept(token)
            return head
        self._drop_connection()
        session.refuse(token)
        if self.request.stream is not None:
            # The stream cannot be read a second time. Log in now, so that the client's next attempt
            # finds a valid token.
            await session.token()
            raise NodeUnavailable(
                f"The login at the Micro Integrator {self._node.id} had expired, so nothing was "
                "changed. Send the request again."
            )
        token = await session.token()
        head = await self._answered(token, time_limit)
        if head.status == 401:
            self._drop_connection()
            raise session.refused_token()
        session.accept(token)
        return head

    async def _answered(self, token: str, time_limit: Timeout) -> AnswerHead:
        """Send the request, a second time if an idle connection was closed; return the head."""
        # A write gets a new connection: the node may be closing an idle one, and then it would be
        # unknown whether the write arrived.
        idle = None if self.request.is_write else self._node.pool.take_idle()
        if idle is not None:
            self._connection = idle
            try:
                return await self._attempt(idle, token, time_limit)
            except (OSError, BadAnswer) as failure:
                if idle.has_answered or isinstance(failure, TimeoutError):
                    raise
                self._drop_connection()
        self._connection = await self._node.pool.connect()
        return await self._attempt(self._connection, token, time_limit)

    async def _attempt(
        self, connection: NodeConnection, token: str, time_limit: Timeout
    ) -> AnswerHead:
        request, config = self.request, self._node.config
        fields = [
            ("Host", config.authority),
            ("Authorization", f"Bearer {token}"),
            *(each for each in request.fields if each[0] not in _OWN),
            *_framing(request),
        ]
        target = config.base_path + request.target
        # Set before the first byte is sent, because the byte may arrive although `send` fails.
        self.is_sent, self.is_effect_known = True, not request.is_write
        if request.stream is not None:
            await connection.send_head(request.method, target, fields)
            head = await self._streamed(connection, request.stream, time_limit)
        else:
            await connection.send_head(request.method, target, fields, request.body)
            await connection.send_end()
            self.sent_bytes = len(request.body)
            head = await connection.receive_head()
        self.is_effect_known = True
        if self._admission:
            self._node.note_success(self._admission)
        return head

    async def _streamed(
        self, connection: NodeConnection, stream: AsyncIterator[bytes], time_limit: Timeout
    ) -> AnswerHead:
        """Send the body while waiting for the answer, which may come before its end."""
        upload = asyncio.create_task(self._upload(connection, stream, time_limit))
        answer = asyncio.create_task(connection.receive_head())
        try:
            await asyncio.wait({upload, answer}, return_when=asyncio.FIRST_COMPLETED)
            # If sending failed because the node closed the connection, its answer may still arrive.
            if not answer.done() and isinstance(failure := upload.exception(), UploadBroken):
                raise failure
            return await answer
        finally:
            await cancel(upload)
            await cancel(answer)

    async def _upload(
        self, connection: NodeConnection, stream: AsyncIterator[bytes], time_limit: Timeout
    ) -> None:
        """Send the body; the time limit of the node is suspended while the client sends nothing."""
        now = asyncio.get_running_loop().time
        config = self._node.config
        while True:
            time_limit.reschedule(None)
            try:
                piece = await anext(stream, b"")
            except Exception as error:
                raise UploadBroken from error
            if not piece:
                break
            time_limit.reschedule(now() + config.body_timeout_s)
            await connection.send_data(piece)
            self.sent_bytes += len(piece)
            await asyncio.sleep(0)  # a fast client with a fast node must not block others
        time_limit.reschedule(now() + config.timeout_s)
        await connection.send_end()

    def _drop_connection(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


# Fields of the client's connection and credentials, which must not reach the node (RFC 9110
# §7.6.1): the request to the node has its own, or none.
_OWN = frozenset(
    (
        "host",
        "authorization",
        "cookie",
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "upgrade",
        "te",
        "trailer",
        "expect",
        "proxy-authorization",
        "proxy-connection",
    )
)


def _framing(request: NodeRequest) -> list[tuple[str, str]]:
    """Return the header field that frames the body, if any (RFC 9112 §6)."""
    if request.stream is None:
        has_body = bool(request.body) or request.method in ("POST", "PUT", "PATCH")
        return [("Content-Length", str(len(request.body)))] if has_body else []
    if request.length is None:
        return [("Transfer-Encoding", "chunked")]
    return [("Content-Length", str(request.length))]
