"""How a stand-in misbehaves: faults, and the requests that they apply to."""

from __future__ import annotations

import threading
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self


class Fault(StrEnum):
    """What goes wrong. `Mode` says which of its fields a fault reads."""

    # Time. A hang ends when the client closes the connection, or the modes change.
    SLOW_HEAD = "slow_head"
    """`seconds` pass before the head of the answer."""
    SLOW_BODY = "slow_body"
    """`seconds` pass before each piece of `piece_bytes` of the answer's body."""
    SLOW_READER = "slow_reader"
    """`seconds` pass before each `piece_bytes` of the request's body are read."""
    HANG_BEFORE_READ = "hang_before_read"
    """The request's body is not read, and no answer comes."""
    HANG_BEFORE_HEAD = "hang_before_head"
    """The request is read and not carried out, and no answer comes."""
    HANG_IN_BODY = "hang_in_body"
    """The answer stops after `after_bytes` of its body."""

    # The connection is closed; with `reset` by a TCP RST.
    CLOSE_BEFORE_READ = "close_before_read"
    """After the request's head was read."""
    CLOSE_IN_UPLOAD = "close_in_upload"
    """After `after_bytes` of the request's body were read."""
    CLOSE_BEFORE_HEAD = "close_before_head"
    """After the request was read; it is not carried out."""
    CLOSE_AFTER_WRITE = "close_after_write"
    """After the request was carried out, without an answer."""
    CLOSE_IN_HEAD = "close_in_head"
    """In the middle of the answer's head."""
    CLOSE_IN_BODY = "close_in_body"
    """After `after_bytes` of the answer's body."""
    CLOSE_AFTER_ANSWER = "close_after_answer"
    """After a whole answer that does not announce it."""

    # Answers that break HTTP/1.1, or the expectations of a client.
    GARBAGE = "garbage"
    """Bytes that are not HTTP, then the connection is closed."""
    OTHER_PROTOCOL = "other_protocol"
    """The greeting of another protocol, and then nothing; the connection is kept open."""
    LENGTH_TOO_LONG = "length_too_long"
    """`Content-Length` promises `after_bytes` more than come before the connection is closed."""
    LENGTH_TOO_SHORT = "length_too_short"
    """`Content-Length` promises `after_bytes` fewer than are sent."""
    ENDLESS_HEAD = "endless_head"
    """Header lines without end, until the client closes the connection."""
    BIG_HEAD = "big_head"
    """`after_bytes` of header lines before the end of a head that is valid else."""
    CHUNKED = "chunked"
    """The body is sent in chunks of `piece_bytes`, without `Content-Length`."""
    BROKEN_CHUNKS = "broken_chunks"
    """The same, with a chunk size that is no number after `after_bytes` of the body."""
    UNTIL_CLOSE = "until_close"
    """Neither `Content-Length` nor chunks: the body ends with the connection."""
    HOP_HEADERS = "hop_headers"
    """Hop-by-hop headers (RFC 9110, section 7.6.1), cookies and CORS headers in the answer."""
    INTERIM = "interim"
    """Two interim answers, 102 and 103, before the real one."""
    REDIRECT = "redirect"
    """302 to `location`."""

    # Answers of a whole other kind; the request is not carried out.
    UNAUTHORIZED = "unauthorized"
    """401, whatever the token: the account lost its rights, or the clock is wrong."""
    ANSWER = "answer"
    """`status` and `reason`, with `text` as `content_type`, once the request was read."""
    ANSWER_EARLY = "answer_early"
    """The same before the request's body is read; then the connection is closed."""


@dataclass(frozen=True, slots=True)
class Mode:
    """A fault and the requests that it applies to.

    Attributes:
        fault: what goes wrong.
        resource: the path below `/management` that it applies to, with what is below it; `""` for
            all but login and logout, `"*"` for all.
        method: the method that it applies to; `""` for all.
        times: the number of requests that it applies to; 0 for all.
        seconds: a pause.
        after_bytes: a number of bytes; see `Fault`.
        piece_bytes: the size of a piece or chunk.
        status: of the answer.
        reason: the reason phrase of the answer; that of the status if empty.
        text: the body of the answer, as MI's HTTP transport sends it when a mediator fails.
        content_type: of `text`.
        location: where a redirect leads.
        reset: a connection is closed by a RST instead of a FIN.
    """

    fault: Fault
    resource: str = ""
    method: str = ""
    times: int = 0
    seconds: float = 0.05
    after_bytes: int = 10
    piece_bytes: int = 65_536
    status: int = 500
    reason: str = ""
    text: str = "<html><body><h1>500 Internal Server Error</h1></body></html>"
    content_type: str = "text/html; charset=UTF-8"
    location: str = "https://127.0.0.1:1/"
    reset: bool = False

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> Self:
        return cls(**{**given, "fault": Fault(given["fault"])})

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def applies_to(self, method: str, resource: str) -> bool:
        """Whether it applies to a request for `resource`, the path below `/management/`."""
        if self.method not in {"", method}:
            return False
        if self.resource == "*":
            return True
        if self.resource == "":
            return resource not in {"login", "logout"}
        return resource == self.resource or resource.startswith(f"{self.resource}/")


class ActiveModes:
    """The modes in force, of which the first that applies to a request is used."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._modes: list[tuple[Mode, int]] = []
        self._changed = threading.Event()

    def replace(self, modes: list[Mode]) -> None:
        """Use these, in their order. Pauses of the former ones end; what hangs is closed."""
        with self._lock:
            self._modes = [(mode, mode.times) for mode in modes]
            self._changed.set()
            self._changed = threading.Event()

    def pick(self, method: str, resource: str) -> tuple[Mode | None, threading.Event]:
        """The mode of a request, and an event that is set when the modes change."""
        with self._lock:
            for position, (mode, left) in enumerate(self._modes):
                if mode.applies_to(method, resource):
                    if left == 1:
                        del self._modes[position]
                    elif left:
                        self._modes[position] = (mode, left - 1)
                    return mode, self._changed
            return None, self._changed
