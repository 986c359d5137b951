"""Carbon applications: lists, upload of a `.car` file, deletion (CarbonAppResource of MI)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any

from tests.micro_integrator.answers import (
    OCTETS,
    Answer,
    Refused,
    Request,
    answer_of,
    json_answer,
    matching,
    message,
)
from tests.micro_integrator.artifacts import NAMES

_FAILURE = "Error when deploying the Carbon Application."
_MOST_PART_HEAD_BYTES = 16_384
_FILE = b"PK\x03\x04 the file of an application \x00\xff"


class Applications:
    """The applications of a node, the faulty ones apart."""

    def __init__(self) -> None:
        artifacts = [{"name": "OrderService", "type": "api"}]
        self._active: dict[str, dict[str, Any]] = {
            name: {"name": name, "version": "1.0.0", "artifacts": artifacts} for name in NAMES
        }
        self._faulty = [{"name": "Faulty éxporter", "version": "1.0.0", "artifacts": []}]

    def handle(self, request: Request) -> Answer:
        """`applications`, without a name in the path."""
        if request.method == "POST":
            return self._deploy(request)
        if request.method != "GET":
            raise Refused(405, f"Unsupported HTTP method, {request.method}.")
        if "carbonAppName" in request.query:
            return self._one(request.query["carbonAppName"], request)
        active = matching(list(self._active.values()), request.query, "name")
        faulty = matching(self._faulty, request.query, "name")
        return json_answer(
            {
                "totalCount": len(active) + len(faulty),
                "activeCount": len(active),
                "activeList": active,
                "faultyCount": len(faulty),
                "faultyList": faulty,
            }
        )

    def handle_named(self, request: Request, name: str) -> Answer:
        """`applications/{name}`."""
        if request.method == "GET":
            return self._one(name, request)
        if request.method != "DELETE":
            raise Refused(405, f"Unsupported HTTP method, {request.method}.")
        if self._active.pop(name, None) is None:
            raise Refused(404, f"Cannot remove the Carbon Application: {name} does not exist")
        return message(f"Successfully removed Carbon Application {name}")

    def _one(self, name: str, request: Request) -> Answer:
        """One application, or its file for `Accept: application/octet-stream`."""
        if name not in self._active:
            raise Refused(404, f"Carbon Application ('{name}') not found")
        if request.headers.get("accept") == OCTETS:
            return answer_of(_FILE, OCTETS)
        return json_answer(self._active[name])

    def _deploy(self, request: Request) -> Answer:
        """Take one `.car` file; its bytes are counted and hashed, and not kept."""
        media, _, parameters = request.headers.get("content-type", "").partition(";")
        boundary = re.search(r'boundary="?([^";]{1,70})"?', parameters)
        if media.strip() != "multipart/form-data" or boundary is None:
            supported = "Supports only for the Content-Type : multipart/form-data"
            raise Refused(400, f"{_FAILURE} {supported}")
        request.parts += MultipartParser(boundary[1].encode()).parse(request.body())
        if len(request.parts) != 1:
            raise Refused(
                400, f"{_FAILURE} Uploading Multiple files in one request is not supported. "
            )
        name = request.parts[0]["filename"] or ""
        if not name.endswith(".car"):
            raise Refused(400, f"{_FAILURE} Only files with the extension .car is supported. ")
        known = name.removesuffix(".car")
        self._active[known] = {"name": known, "version": "1.0.0", "artifacts": []}
        return message(f"Successfully added Carbon Application {name}")


class MultipartParser:
    """Parts of a multipart/form-data body (RFC 7578) as it comes: a part is hashed, not kept."""

    def __init__(self, boundary: bytes) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._pieces: Iterator[memoryview] = iter([])
        self._buffer = b""

    def parse(self, pieces: Iterator[memoryview]) -> list[dict[str, Any]]:
        """`name`, `filename`, `content_type`, `length` and `sha256` of each part.

        Raises:
            Refused: 400: the body is not multipart, or ends before its last delimiter.
        """
        # As if a line stood before: the first delimiter may be the first line.
        self._pieces, self._buffer = pieces, b"\r\n"
        for _ in self._until(self._delimiter):
            pass
        found = []
        while self._take(2) == b"\r\n":
            found.append(self._part())
        for _ in self._pieces:
            pass
        return found

    def _part(self) -> dict[str, Any]:
        head = b"\r\n" + b"".join(self._until(b"\r\n\r\n", _MOST_PART_HEAD_BYTES))
        digest, length = hashlib.sha256(), 0
        for piece in self._until(self._delimiter):
            digest.update(piece)
            length += len(piece)
        return {
            "name": _parameter(head, rb'[; ]name="([^"]*)"'),
            "filename": _parameter(head, rb'filename="([^"]*)"'),
            "content_type": _parameter(head, rb"(?i)\r\ncontent-type: ?([^\r]*)"),
            "length": length,
            "sha256": digest.hexdigest(),
        }

    def _until(self, mark: bytes, most: int | None = None) -> Iterator[bytes]:
        """The bytes before the mark, which is dropped."""
        length = 0
        while (position := self._buffer.find(mark)) < 0:
            # The mark may have begun in the last bytes.
            keep = len(mark) - 1
            ready, self._buffer = self._buffer[:-keep], self._buffer[-keep:]
            yield ready
            length += len(ready)
            if most is not None and length > most:
                raise Refused(400, f"{_FAILURE} The head of a part is too long.")
            self._fill()
        yield self._buffer[:position]
        self._buffer = self._buffer[position + len(mark) :]

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._fill()
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def _fill(self) -> None:
        try:
            self._buffer += next(self._pieces)
        except StopIteration:
            raise Refused(400, f"{_FAILURE} The last delimiter is missing.") from None


def _parameter(head: bytes, pattern: bytes) -> str | None:
    found = re.search(pattern, head)
    return found[1].decode() if found else None
