"""One request and its answer, with the fault of a mode."""

from __future__ import annotations

import threading
from collections.abc import Generator

from tests.micro_integrator import faults
from tests.micro_integrator.answers import Answer, Request, answer_of
from tests.micro_integrator.connection import ClientGone, Connection
from tests.micro_integrator.http_wire import Disconnected, Head, RequestReader
from tests.micro_integrator.management import Management, query_of, resource_of, unauthorized
from tests.micro_integrator.modes import Fault, Mode
from tests.micro_integrator.recording import BodyDigest, Received

_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_NO_MODE = Mode(Fault.ANSWER)


class Closed(Exception):
    """The connection is to be closed as a broken server does."""


class Exchange:
    """Reads a request to its end, has it carried out, and sends the answer."""

    def __init__(
        self,
        connection: Connection,
        reader: RequestReader,
        head: Head,
        received: Received,
        mode: Mode | None,
        changed: threading.Event,
    ) -> None:
        self._connection = connection
        self._reader = reader
        self._head = head
        self._received = received
        self._mode = mode or _NO_MODE
        self._fault = mode.fault if mode else None
        self._changed = changed
        self._body = self._read_body()

    def run(self, management: Management) -> bool:
        """Whether another request may follow on the connection.

        Raises:
            BadRequest: the body is malformed.
            ClientGone: the client closed the connection.
            Closed: by the fault.
            Disconnected: the client closed the connection within the request.
            OSError: the client reset the connection within the request.
        """
        try:
            return self._run(management)
        except (ClientGone, Disconnected, OSError):
            self._received.client_gone = True
            raise
        finally:
            self._body.close()

    def _run(self, management: Management) -> bool:
        early = self._answer_early(management)
        if early is not None:
            return self._refuse_early(early)
        answer = self._carry_out(management)
        self._drain()
        if self._fault is Fault.CLOSE_AFTER_WRITE:
            raise Closed
        if self._fault is Fault.SLOW_HEAD:
            self._connection.pause(self._mode.seconds, self._changed)
        return self._send(answer)

    def _answer_early(self, management: Management) -> Answer | None:
        """An answer that does not depend on the body, and comes before it is read."""
        match self._fault:
            case Fault.CLOSE_BEFORE_READ:
                raise Closed
            case Fault.HANG_BEFORE_READ:
                self._hang()
            case Fault.UNAUTHORIZED:
                return unauthorized(has_credentials=True)
            case Fault.ANSWER_EARLY:
                return self._given_answer()
        return management.authenticate(self._head)

    def _refuse_early(self, answer: Answer) -> bool:
        """Answer before the body is read; then read it, unless the client may not send it."""
        is_last = self._fault is Fault.ANSWER_EARLY or self._expects_continue()
        if is_last:
            answer.headers.append(("Connection", "close"))
        self._send(answer)
        if is_last:
            return False
        self._drain()
        return self._may_stay()

    def _carry_out(self, management: Management) -> Answer:
        match self._fault:
            case Fault.ANSWER | Fault.REDIRECT:
                self._drain()
                return self._given_answer()
            case Fault.CLOSE_BEFORE_HEAD:
                self._drain()
                raise Closed
            case Fault.HANG_BEFORE_HEAD:
                self._drain()
                self._hang()
        request = Request(
            self._head.method,
            resource_of(self._head.target),
            query_of(self._head.target),
            {name.lower(): value for name, value in self._head.headers},
            lambda: self._body,
            self._received.parts,
        )
        return management.handle(request)

    def _given_answer(self) -> Answer:
        mode = self._mode
        if mode.fault is Fault.REDIRECT:
            answer = answer_of(b"", "text/plain", 302)
            answer.headers.append(("Location", mode.location))
            return answer
        answer = answer_of(mode.text.encode(), mode.content_type, mode.status)
        answer.reason = mode.reason
        return answer

    def _send(self, answer: Answer) -> bool:
        self._received.status = answer.status
        if self._head.method == "HEAD":
            answer.pieces = lambda _start, _end: iter([])
        if self._head.header("connection") == "close":
            answer.headers.append(("Connection", "close"))
        sender = faults.Sender(self._connection, self._received, self._mode, self._changed)
        outcome = sender.send(answer, self._fault)
        if outcome is faults.Outcome.CLOSE:
            raise Closed
        return outcome is faults.Outcome.KEEP and self._may_stay()

    def _hang(self) -> None:
        self._connection.pause(float("inf"), self._changed)
        raise Closed

    def _may_stay(self) -> bool:
        return self._head.header("connection") != "close"

    def _expects_continue(self) -> bool:
        return (self._head.header("expect") or "").lower() == "100-continue"

    def _drain(self) -> None:
        """Read what nobody has read of the body."""
        for _ in self._body:
            pass

    def _read_body(self) -> Generator[memoryview, None, None]:
        """The body, recorded as it passes."""
        digest, mode = BodyDigest(self._received), self._mode
        is_slow = self._fault is Fault.SLOW_READER
        most = mode.piece_bytes if is_slow else 262_144
        if self._expects_continue():
            self._connection.send(_CONTINUE)
        try:
            for piece in self._reader.body(self._head, most):
                digest.add(piece)
                if (
                    self._fault is Fault.CLOSE_IN_UPLOAD
                    and self._received.length >= mode.after_bytes
                ):
                    raise Closed
                yield piece
                if is_slow:
                    self._connection.pause(mode.seconds, self._changed)
            self._received.is_complete = True
        finally:
            digest.finish()
