"""The log files of a node (LogFilesResource of MI): the list, and the bytes of one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import quote

from tests.micro_integrator.answers import OCTETS, Answer, Refused, Request, listing, matching
from tests.micro_integrator.log_content import log_pieces

_SIZES = {
    "wso2carbon.log": 150_000,
    "wso2error.log": 0,
    "audit.log": 4_096,
    "http_access_management_api.log": 65_537,
    "wso2 carbon 2026-11-30.log": 1_000,
    "übersicht.log": 1_000,
    "correlation.log": 1,
}


class Logs:
    """The log files; a test adds one of any size."""

    def __init__(self) -> None:
        self._sizes = dict(_SIZES)
        self._contents: dict[str, bytes] = {}
        self._knows_ranges = True

    def add(self, name: str, size: int) -> None:
        """A file whose bytes are made as they are sent."""
        self._sizes[name] = size

    def write(self, name: str, content: str, *, appends: bool) -> None:
        """A file with that content, in Latin-1; or what is added to it."""
        before = self._contents.get(name, b"") if appends else b""
        self._contents[name] = before + content.encode("latin-1")
        self._sizes[name] = len(self._contents[name])

    def know_ranges(self, *, known: bool) -> None:
        """Whether a part of a file is sent if it is asked for; MI sends the whole."""
        self._knows_ranges = known

    def handle(self, request: Request) -> Answer:
        """Answer with the list, or with one file as `application/octet-stream`.

        An unknown file is 404 with a sentence; MI 4.2 answers 500 without a body. MI sends chunks
        and knows no `Range`: see `Fault.CHUNKED` for the former.
        """
        if request.method != "GET":
            raise Refused(405, f"Unsupported HTTP method, {request.method}.")
        if name := request.query.get("file"):
            asked = request.headers.get("range") if self._knows_ranges else None
            return self._file(name, asked)
        files = [{"FileName": name, "Size": _shown(size)} for name, size in self._sizes.items()]
        return listing(matching(files, request.query, "FileName"))

    def _file(self, name: str, asked: str | None) -> Answer:
        if name not in self._sizes:
            raise Refused(404, f"Could not find the requested file : {name}")
        size = self._sizes[name]
        headers = [
            ("Content-Disposition", f"attachment; filename*=UTF-8''{quote(name)}"),
            ("Accept-Ranges", "bytes"),
        ]
        content = self._contents.get(name)

        def bytes_between(first: int, last: int) -> Iterator[memoryview]:
            if content is None:
                return log_pieces(first, last)
            return iter([memoryview(content)[first:last]])

        if asked is None:
            return Answer(200, OCTETS, size, bytes_between, headers)
        start, end = _range(asked, size)
        headers.append(("Content-Range", f"bytes {start}-{end - 1}/{size}"))

        def pieces(first: int, last: int) -> Iterator[memoryview]:
            return bytes_between(start + first, start + last)

        return Answer(206, OCTETS, end - start, pieces, headers)


def _range(asked: str, size: int) -> tuple[int, int]:
    """First offset and end (exclusive) of a single range (RFC 9110, section 14.1.2)."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", asked)
    if found is None or found[0] == "bytes=-":
        raise Refused(416, f"Not a range that is supported: {asked}")
    if not found[1]:
        start, end = max(0, size - int(found[2])), size
    else:
        start, end = int(found[1]), min(size, int(found[2] or size) + 1)
    if start >= end:
        raise Refused(416, f"The file has {size} bytes")
    return start, end


def _shown(size: int) -> str:
    """A size as MI shows it, with one digit after the point."""
    return f"{size} B" if size < 1000 else f"{size / 1000:.1f} kB"
