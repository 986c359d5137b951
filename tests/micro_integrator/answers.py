"""Requests to the management API, and answers of it, apart from how they travel."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json; charset=UTF-8"
OCTETS = "application/octet-stream"
_MOST_CONTENT_BYTES = 10_000_000

Pieces = Iterator[memoryview | bytes]


@dataclass(slots=True)
class Request:
    """A request that was authenticated.

    Attributes:
        method: as sent.
        resource: the decoded path below `/management/`, without a final slash.
        query: the first value of each key.
        headers: by names in lower case.
        body: makes an iterator over the body; called once. A piece is valid until the next.
        parts: filled by who parses a multipart body.
    """

    method: str
    resource: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Callable[[], Iterator[memoryview]]
    parts: list[dict[str, Any]] = field(default_factory=list)
    _content: bytes | None = None

    def read(self) -> bytes:
        """The whole body, at most 10 MB; it is read once."""
        if self._content is None:
            content = bytearray()
            for piece in self.body():
                content += piece
                if len(content) > _MOST_CONTENT_BYTES:
                    raise Refused(413, "The payload is too large")
            self._content = bytes(content)
        return self._content

    def json(self, required: set[str], optional: set[str] | None = None) -> dict[str, Any]:
        """The JSON object of the body, with these keys.

        Raises:
            Refused: 400: the query is not empty, the type is not JSON, a key is missing or unknown.
        """
        if self.query:
            raise Refused(400, f"Unknown query parameters: {', '.join(self.query)}")
        if self.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
            raise Refused(400, "The Content-Type is not application/json")
        try:
            payload = json.loads(self.read())
        except ValueError:
            raise Refused(400, "Error when parsing JSON payload") from None
        if not isinstance(payload, dict):
            raise Refused(400, "JSON payload is missing")
        if missing := required - payload.keys():
            raise Refused(400, f"Missing parameters in payload: {', '.join(sorted(missing))}")
        if unknown := payload.keys() - required - (optional or set()):
            raise Refused(400, f"Unknown parameters in payload: {', '.join(sorted(unknown))}")
        return payload


@dataclass(slots=True)
class Answer:
    """An answer.

    Attributes:
        pieces: makes the bytes of the body from one offset to another (exclusive).
        headers: besides those that frame the body.
        reason: the reason phrase; that of the status if empty.
    """

    status: int
    content_type: str
    length: int
    pieces: Callable[[int, int], Pieces]
    headers: list[tuple[str, str]] = field(default_factory=list)
    reason: str = ""


class Refused(Exception):
    """An error of the management API: `{"Error": sentence}` (Utils.createJsonError of MI).

    MI answers some of these with 200 and the same body, where its code calls
    Utils.createJsonErrorObject without a status; here all have the status of a failure.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status

    @property
    def answer(self) -> Answer:
        return json_answer({"Error": str(self)}, self.status)


def answer_of(content: bytes, content_type: str, status: int = 200) -> Answer:
    """An answer with that body."""
    view = memoryview(content)
    return Answer(status, content_type, len(content), lambda start, end: iter([view[start:end]]))


def json_answer(content: object, status: int = 200) -> Answer:
    """An answer with that JSON; MI's org.json writes non-ASCII characters as they are."""
    return answer_of(json.dumps(content, ensure_ascii=False).encode(), JSON, status)


def message(sentence: str) -> Answer:
    """What a write that succeeded answers."""
    return json_answer({"message": sentence})


def listing(items: list[dict[str, Any]]) -> Answer:
    """A list, as Utils.createJSONList of MI makes it."""
    return json_answer({"count": len(items), "list": items})


def matching(items: list[dict[str, Any]], query: Mapping[str, str], key: str) -> list[Any]:
    """The items whose `key` contains the query's `searchKey`, without case."""
    wanted = query.get("searchKey", "").lower()
    return [item for item in items if wanted in str(item[key]).lower()]
