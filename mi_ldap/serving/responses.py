"""Running the application for one request, and framing its response in parts of about 64 kB."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextvars import Context
from email.utils import formatdate
from functools import lru_cache
from threading import Lock
from typing import Any, Final

import h11
import structlog

from mi_ldap.errors import NodeUnavailable
from mi_ldap.micro_integrators.forward import FORWARD, Forward
from mi_ldap.serving.errors import RequestError, too_busy
from mi_ldap.serving.logs import log_request
from mi_ldap.serving.request_head import RequestHead

log = structlog.get_logger(__name__)

PART_BYTES: Final = 64 * 1024
"""Bytes that are produced at a time, unless the application yields larger pieces."""

# RFC 9110 §7.6.1: they belong to this server, not to the application.
_HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "upgrade"})
_WITHOUT_BODY: Final = (204, 304)

Fields = list[tuple[str, str]]


class Response:
    """The application's answer to one request.

    `produce`, `abandon` and `finish_forward` are called in threads, and wait for each other. If the
    application left a `Forward`, its own body is discarded: `forward` is set after `produce`, the
    caller frames the answer of the node, and calls `finish_forward` in place of `produce`.

    Args:
        application: the WSGI application.
        head: the request, whose h11 connection frames the response.
        environ: the WSGI environment.
        is_stopping: whether the worker stops, so that the connection must be closed afterwards.
    """

    def __init__(
        self,
        application: Any,
        head: RequestHead,
        environ: dict[str, Any],
        is_stopping: Callable[[], bool],
    ) -> None:
        self._application = application
        self._head = head
        self._environ = environ
        self._is_stopping = is_stopping
        self._context = Context()  # the parts may be produced in different threads
        self._parts: Iterator[bytes] | None = None
        self._close: Callable[[], object] | None = None
        self._start: tuple[str, Fields] | None = None
        self._left: int | None = None  # missing bytes, if there is a Content-Length
        self._asked_at = time.monotonic()
        self._spent_s = 0.0
        self._is_head_framed = False
        self._is_begun = False
        self._lock = Lock()
        self.forward: Forward | None = None
        self.must_close = False
        """Whether the connection cannot be used again, because of an unread body."""
        self.is_complete = False

    @property
    def keeps_connection(self) -> bool:
        """Whether the connection may be used again; valid once the response is complete."""
        return self._head.exchange.our_state is h11.DONE

    def produce(self, queue_s: float) -> list[bytes]:
        """Produce the next bytes of the response; set `is_complete` with the last ones.

        Args:
            queue_s: the longest time that the request may have waited for a thread.

        Raises:
            RequestError: the application failed, or no thread was free in time; nothing was sent.
            ConnectionAbortedError: the application failed after a part was sent.
        """
        began = time.monotonic()
        # Only before the first part: a response that has begun cannot become an error.
        if self._parts is None and began - self._asked_at > queue_s:
            raise too_busy()
        with self._lock:
            produced = self._context.run(self._try_to_produce)
            self._is_begun = True
            self._spent_s += time.monotonic() - began
            if self.is_complete:
                self._log(self._status, self._spent_s)
                self._context.run(self._finish)
        return produced

    def abandon(self) -> None:
        """Close the application's iterable, because the rest of the response is not needed."""
        with self._lock:
            self._abandon()

    def finish_forward(self, status: int, report: Callable[[Forward], None]) -> None:
        """Report the end of the forwarded request, unless it was reported before.

        Args:
            status: of the answer that the client gets.
            report: calls `finished` or `refused`.
        """
        with self._lock:
            if self.forward is None or self.is_complete:
                return
            self.is_complete = True
            self._report(report)
            self._log(status, time.monotonic() - self._asked_at)
            self._context.run(self._finish)

    @property
    def application_fields(self) -> Fields:
        """The header fields that the application gave."""
        return self._start[1] if self._start else []

    def frame_head(self, status: int, reason: str, fields: Fields) -> list[bytes]:
        """Return the head as bytes, with the fields of the connection."""
        is_last = self.must_close or self._is_stopping()
        own = [
            ("Date", _date(int(time.time()))),
            ("Connection", "close" if is_last else "keep-alive"),
        ]
        encoded = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in own + fields
        ]
        return self._framed_by_h11(
            h11.Response(status_code=status, reason=reason.encode("latin-1"), headers=encoded)
        )

    def frame_data(self, data: bytes | memoryview) -> list[bytes]:
        """Return a part of the body with its framing; the part itself is not copied."""
        return self._framed_by_h11(h11.Data(data=data))  # type: ignore[arg-type]

    def frame_end(self) -> list[bytes]:
        """Return the end of the body."""
        return self._framed_by_h11(h11.EndOfMessage())

    def _abandon(self) -> None:
        if self.is_complete:
            return
        self.is_complete = True
        if self.forward is not None:  # the connection was closed before it was carried out
            stopped = NodeUnavailable("The request was ended before it was sent.")
            self._report(lambda forward: forward.refused(stopped))
        self._finish()

    def _report(self, report: Callable[[Forward], None]) -> None:
        if self.forward is not None:
            self._context.run(_try_to_report, report, self.forward)

    def _log(self, status: int, seconds: float) -> None:
        self._context.run(log_request, self._head, status, self._environ, seconds)

    def _try_to_produce(self) -> list[bytes]:
        try:
            return self._produce()
        except Exception:
            log.exception("application_failed")
            self._abandon()
            if self._is_begun:
                raise ConnectionAbortedError from None
            sentence = "The service failed. See its log under the request id."
            raise RequestError(500, sentence) from None

    def _produce(self) -> list[bytes]:
        if self._parts is None:
            iterable = self._application(self._environ, self._start_response)
            self._close = getattr(iterable, "close", None)
            self.forward = self._environ.pop(FORWARD, None)
            if self.forward is not None:
                self._close_iterable()
                return []
            self._parts = iter(iterable)
        produced: list[bytes] = []
        size = 0
        for part in self._parts:
            produced += self._framed(part) if part else ()
            size += len(part)
            # The thread returns to the pool while the client receives this part. So a slow client
            # blocks no thread, and one part of a streamed response is in memory.
            if size >= PART_BYTES and self._left != 0:
                return produced
            if self._omits_body:
                break
        produced += self._framed_head()
        produced += self._framed_by_h11(h11.EndOfMessage())
        self.is_complete = True
        return [b"".join(produced)] if size < PART_BYTES else produced

    def _start_response(
        self, status: str, fields: Fields, exc_info: object = None
    ) -> Callable[[bytes], object]:
        if self._start is not None and (exc_info is None or self._is_head_framed):
            raise RuntimeError("the response was started already")
        self._start = status, fields
        return _refuse_write

    def _framed(self, part: bytes) -> list[bytes]:
        framed = self._framed_head()
        if not self._omits_body:
            framed += self._framed_by_h11(h11.Data(data=part))
            self._left = None if self._left is None else self._left - len(part)
        return framed

    def _framed_head(self) -> list[bytes]:
        """Return the head as bytes the first time, nothing afterwards."""
        if self._is_head_framed:
            return []
        if self._start is None:
            raise RuntimeError("the application gave no status")
        self._is_head_framed = True
        status, headers = self._start
        code, _, reason = status.partition(" ")
        fields = [each for each in headers if each[0].lower() not in _HOP_BY_HOP]
        length = next((value for name, value in fields if name.lower() == "content-length"), None)
        self._left = None if length is None else int(length)
        return self.frame_head(int(code), reason, fields)

    def _framed_by_h11(self, event: h11.Event) -> list[bytes]:
        return self._head.exchange.send_with_data_passthrough(event) or []

    @property
    def _status(self) -> int:
        return int(self._start[0].partition(" ")[0]) if self._start else 0

    @property
    def _omits_body(self) -> bool:
        return self._head.method == "HEAD" or self._status in _WITHOUT_BODY

    def _finish(self) -> None:
        """Close the iterable, and release the request's body."""
        self._parts = iter(())
        self._close_iterable()
        # Frees a body of 1 MB now; cycles would keep it until the garbage collector runs.
        self._environ.clear()

    def _close_iterable(self) -> None:
        close, self._close = self._close, None
        try:
            if close is not None:
                close()
        except Exception:
            log.exception("application_failed")


def _try_to_report(report: Callable[[Forward], None], forward: Forward) -> None:
    try:
        report(forward)
    except Exception:
        # The node has carried it out, or not; the answer must say so nevertheless.
        log.exception("application_failed")


@lru_cache(1)  # the same for all responses of a second
def _date(now: int) -> str:
    return formatdate(now, usegmt=True)


def _refuse_write(_data: bytes) -> None:
    raise NotImplementedError("write() of PEP 3333 is not supported: return an iterable")
