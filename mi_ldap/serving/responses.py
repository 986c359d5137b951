"""Running the application for one request, and framing its response in parts of about 64 kB."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextvars import Context
from email.utils import formatdate
from functools import lru_cache
from typing import Any, Final

import h11
import structlog

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

    `produce` and `abandon` are called in threads, never two at once.

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
        produced = self._context.run(self._try_to_produce)
        self._is_begun = True
        self._spent_s += time.monotonic() - began
        if self.is_complete:
            self._context.run(log_request, self._head, self._status, self._environ, self._spent_s)
            self._context.run(self._finish)
        return produced

    def abandon(self) -> None:
        """Close the application's iterable, because the rest of the response is not needed."""
        if not self.is_complete:
            self.is_complete = True
            self._finish()

    def _try_to_produce(self) -> list[bytes]:
        try:
            return self._produce()
        except Exception:
            log.exception("application_failed")
            self.abandon()
            if self._is_begun:
                raise ConnectionAbortedError from None
            sentence = "The service failed. See its log under the request id."
            raise RequestError(500, sentence) from None

    def _produce(self) -> list[bytes]:
        if self._parts is None:
            iterable = self._application(self._environ, self._start_response)
            self._close = getattr(iterable, "close", None)
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
        own = [
            ("Date", _date(int(time.time()))),
            ("Connection", "close" if self._is_stopping() else "keep-alive"),
        ]
        encoded = [
            (name.encode("latin-1"), value.encode("latin-1")) for name, value in own + fields
        ]
        return self._framed_by_h11(
            h11.Response(status_code=int(code), reason=reason.encode("latin-1"), headers=encoded)
        )

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
        close, self._close, self._parts = self._close, None, iter(())
        try:
            if close is not None:
                close()
        except Exception:
            log.exception("application_failed")
        finally:
            # Frees a body of 1 MB now; cycles would keep it until the garbage collector runs.
            self._environ.clear()


@lru_cache(1)  # the same for all responses of a second
def _date(now: int) -> str:
    return formatdate(now, usegmt=True)


def _refuse_write(_data: bytes) -> None:
    raise NotImplementedError("write() of PEP 3333 is not supported: return an iterable")
