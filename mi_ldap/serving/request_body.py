"""Parsing of request bodies from a buffer, in whatever pieces the bytes arrive; no I/O."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final, Protocol

from mi_ldap.serving.errors import (
    BODY_LIMIT,
    INVALID_CHUNKS,
    body_too_large,
    invalid,
)

# RFC 9112 §7.1: the size of a chunk, and extensions, which are ignored. h11 0.16 accepts control
# characters in extensions, bare line feeds in trailers, and any number of bytes of framing.
_CHUNK_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[\t\x20-\x7e]*)?\r\n")
_TRAILER: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*\r\n")
_LINE_LIMIT: Final = 4096
# Bytes of sizes, line ends and trailers; parsing 1 MB in chunks of one byte takes a second.
_FRAMING_LIMIT: Final = 256 * 1024


class BodyReader(Protocol):
    """Reads a body from a buffer."""

    def read(self, buffer: bytearray) -> bytes | None:
        """Remove the body from the buffer and return it; None while it is not complete.

        Raises:
            RequestError: the body is too large, or not encoded as announced.
        """


class BodyStream(Protocol):
    """Reads a body of any size from a buffer, part by part."""

    @property
    def is_complete(self) -> bool:
        """Whether all of the body has been returned."""

    def take(self, buffer: bytearray) -> bytes:
        """Remove what has arrived of the body from the buffer and return it.

        Raises:
            RequestError: the body is not encoded as announced.
        """


class SizedBody:
    """A body with a Content-Length."""

    def __init__(self, length: int) -> None:
        self._length = length

    def read(self, buffer: bytearray) -> bytes | None:
        if len(buffer) < self._length:
            return None
        with memoryview(buffer) as view:
            body = bytes(view[: self._length])
        del buffer[: self._length]
        return body


class SizedStream:
    """A body with a Content-Length, of any size."""

    def __init__(self, length: int) -> None:
        self._left = length

    @property
    def is_complete(self) -> bool:
        return self._left == 0

    def take(self, buffer: bytearray) -> bytes:
        with memoryview(buffer) as view:
            data = bytes(view[: self._left])
        del buffer[: len(data)]
        self._left -= len(data)
        return data


class _Part(Enum):
    """What is read next of a chunked body."""

    SIZE = auto()
    CONTENT = auto()
    LINE_END = auto()
    TRAILERS = auto()
    NOTHING = auto()


class ChunkedStream:
    """A chunked body of any size; `take` decodes it and discards the trailers."""

    def __init__(self) -> None:
        self._content = bytearray()  # decoded, not returned yet
        self._part = _Part.SIZE
        self._left = 0  # missing bytes of the current chunk
        self._framing = 0  # bytes so far that are not content
        self.size = 0
        """Bytes of the chunks that have begun."""

    @property
    def is_complete(self) -> bool:
        return self._part is _Part.NOTHING

    def take(self, buffer: bytearray) -> bytes:
        at = 0
        try:
            while self._part is not _Part.NOTHING:
                end = self._read_part(buffer, at)
                if end == at:
                    break
                at = end
        finally:
            del buffer[:at]
        content = bytes(self._content)
        self._content.clear()
        return content

    def _read_part(self, buffer: bytearray, at: int) -> int:
        """Read the part at an index; return the index behind it, or `at` if it is incomplete."""
        if self._part is _Part.CONTENT:
            return self._read_content(buffer, at)
        end = buffer.find(b"\n", at, at + _LINE_LIMIT) + 1
        if end == 0:
            if len(buffer) - at >= _LINE_LIMIT:
                raise invalid(INVALID_CHUNKS)
            return at
        self._take_line(bytes(buffer[at:end]))
        return end

    def _read_content(self, buffer: bytearray, at: int) -> int:
        with memoryview(buffer) as view:
            content = view[at : at + self._left]
            self._content += content
            length = len(content)
            content.release()
        self._left -= length
        if not self._left:
            self._part = _Part.LINE_END
        return at + length

    def _take_line(self, line: bytes) -> None:
        self._framing += len(line)
        # A large body may have more framing in all, but not mainly small chunks.
        if self._framing > _FRAMING_LIMIT + self.size // 8:
            raise invalid(INVALID_CHUNKS)
        if self._part is _Part.SIZE:
            self._take_size(line)
        elif self._part is _Part.LINE_END and line == b"\r\n":
            self._part = _Part.SIZE
        elif self._part is _Part.TRAILERS and _TRAILER.fullmatch(line):
            self._part = _Part.NOTHING if line == b"\r\n" else _Part.TRAILERS
        else:
            raise invalid(INVALID_CHUNKS)

    def _take_size(self, line: bytes) -> None:
        match = _CHUNK_SIZE.fullmatch(line)
        if match is None:
            raise invalid(INVALID_CHUNKS)
        self._left = int(match[1], 16)
        self.size += self._left
        self._part = _Part.CONTENT if self._left else _Part.TRAILERS


class ChunkedBody:
    """A chunked body of at most `BODY_LIMIT` bytes."""

    def __init__(self) -> None:
        self._stream = ChunkedStream()
        self._body = bytearray()

    def read(self, buffer: bytearray) -> bytes | None:
        self._body += self._stream.take(buffer)
        if self._stream.size > BODY_LIMIT:
            raise body_too_large()
        return bytes(self._body) if self._stream.is_complete else None
