"""What a stand-in has received, request by request."""

from __future__ import annotations

import base64
import hashlib
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

_MOST_REQUESTS = 20_000
_KEPT_BODY_BYTES = 65_536


@dataclass(slots=True)
class Received:
    """One request, and what became of it.

    Attributes:
        connection: the number of the connection, from 1.
        method: as sent.
        target: the request target as sent, neither decoded nor normalized.
        headers: names and values as sent, in their order.
        length: the bytes of the body that arrived.
        sha256: of these bytes, in hexadecimal digits.
        body: these bytes, unless there are more than 64 KB: then empty.
        is_complete: the body arrived to its end.
        status: of the answer; 0 while there is none.
        sent: the bytes of the answer's body that were sent, with the piece (at most 1 MB) in hand.
        client_gone: the client closed the connection before it had the whole answer.
        parts: of a multipart body: `name`, `filename`, `content_type`, `length`, `sha256`.
    """

    connection: int
    method: str
    target: str
    headers: Sequence[tuple[str, str]]
    length: int = 0
    sha256: str = hashlib.sha256().hexdigest()
    body: bytes = b""
    is_complete: bool = False
    status: int = 0
    sent: int = 0
    client_gone: bool = False
    parts: list[dict[str, Any]] = field(default_factory=list)

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    def header(self, name: str) -> str | None:
        """The value of a header, the name without case; several are joined by a comma."""
        found = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(found) if found else None

    def as_json(self) -> dict[str, Any]:
        fields = {name: getattr(self, name) for name in self.__slots__}
        return {**fields, "body": base64.b64encode(self.body).decode()}

    @classmethod
    def from_json(cls, given: dict[str, Any]) -> Self:
        headers = tuple((name, value) for name, value in given["headers"])
        return cls(**{**given, "headers": headers, "body": base64.b64decode(given["body"])})


class BodyDigest:
    """Length and hash of a body that passes by, written to its record at each piece."""

    def __init__(self, received: Received) -> None:
        self._received = received
        self._digest = hashlib.sha256()

    def add(self, piece: memoryview | bytes) -> None:
        received = self._received
        self._digest.update(piece)
        received.length += len(piece)
        received.body = received.body + piece if received.length <= _KEPT_BODY_BYTES else b""

    def finish(self) -> None:
        """The hash is made once: a copy for each piece would cost as much as the pieces."""
        self._received.sha256 = self._digest.hexdigest()


class Recorder:
    """The latest 20,000 requests, and counters of all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: deque[Received] = deque(maxlen=_MOST_REQUESTS)
        self._violations: deque[str] = deque(maxlen=_MOST_REQUESTS)
        self._counters = {"requests": 0, "logins": 0, "connections": 0, "open": 0, "peak": 0}

    def add(self, received: Received) -> None:
        with self._lock:
            self._requests.append(received)
            self._counters["requests"] += 1

    def add_violation(self, reason: str) -> None:
        """Note that something was not a request of HTTP/1.1."""
        self._violations.append(reason)

    def violations(self) -> list[str]:
        return list(self._violations)

    def login(self) -> None:
        """Count a login that succeeded."""
        with self._lock:
            self._counters["logins"] += 1

    def connect(self) -> int:
        """Count a connection; its number."""
        with self._lock:
            counters = self._counters
            counters["connections"] += 1
            counters["open"] += 1
            counters["peak"] = max(counters["peak"], counters["open"])
            return counters["connections"]

    def disconnect(self) -> None:
        with self._lock:
            self._counters["open"] -= 1

    def requests(self) -> list[dict[str, Any]]:
        """The requests as JSON, the oldest first."""
        with self._lock:
            return [received.as_json() for received in self._requests]

    def counters(self) -> dict[str, int]:
        """`requests`, `logins`, `connections` so far, `open` ones now, and their `peak`."""
        with self._lock:
            return dict(self._counters)

    def clear(self) -> None:
        """Forget requests and violations, and count from 0; open connections stay counted."""
        with self._lock:
            self._requests.clear()
            self._violations.clear()
            still_open = self._counters["open"]
            self._counters.update(requests=0, logins=0, connections=0, peak=still_open)
