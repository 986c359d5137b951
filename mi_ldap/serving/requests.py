"""Reading one request off a connection, whole, before a thread is spent on it.

gunicorn's own parser judges the head, so what it refuses is refused here; the body is read as the
head announced it. Nothing here is bounded in time: who calls sets the time limits.
"""

from __future__ import annotations

import re
from asyncio import LimitOverrunError, StreamReader, StreamWriter, sleep
from io import BytesIO
from typing import Any

from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import (
    LimitRequestHeaders,
    LimitRequestLine,
    NoMoreData,
    ParseException,
)
from gunicorn.http.message import Request
from gunicorn.http.unreader import IterUnreader

from mi_ldap.serving.refusals import BODY_LIMIT, HEAD_LIMIT, Refusal, refuse_head, too_large

# RFC 9112, 7.1: the size of a chunk, and extensions that mean nothing to anybody.
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})(?:[ \t]*;[\t\x20-\x7e]*)?\r\n")
_TRAILER = re.compile(rb"[\t\x20-\x7e\x80-\xff]*\r\n")


async def read_head(stream: StreamReader, first: bytes, cfg: Any, client: tuple[Any, ...]) -> Any:
    """The request without its body, as gunicorn's `Request`.

    Args:
        stream: a stream whose limit is `HEAD_LIMIT`.
        first: the first byte, which has been read already.
        cfg: gunicorn's configuration; its limits on line and fields count too.
        client: the peer's address.

    Raises:
        Refusal: the parser does not take the head, or it is too large.
        IncompleteReadError: the client went away.
    """
    head = bytearray(first)
    while not head.endswith((b"\n\r\n", b"\n\n")):
        head += await _read_head_line(stream, is_first=b"\n" not in head)
        if len(head) > HEAD_LIMIT:
            raise refuse_head(LimitRequestHeaders("head"))
    try:
        return Request(cfg, IterUnreader([bytes(head)]), client)
    except (ParseException, NoMoreData, StopIteration) as error:
        raise refuse_head(error) from None


async def read_body(stream: StreamReader, writer: StreamWriter, request: Any) -> None:
    """Put the whole body, bare of any chunks, into `request.body`.

    Raises:
        Refusal: it is too large, or not chunked as it should be.
        IncompleteReadError: the client went away.
    """
    framing = request.body.reader
    is_chunked = isinstance(framing, ChunkedReader)
    length = 0 if is_chunked else framing.length
    if length > BODY_LIMIT:
        raise too_large()
    if request._expected_100_continue and (is_chunked or length):
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    request._expected_100_continue = False  # else gunicorn says it once more
    body = await (_read_chunks(stream) if is_chunked else stream.readexactly(length))
    request.body = BytesIO(body)


async def _read_head_line(stream: StreamReader, is_first: bool) -> bytes:
    try:
        return await stream.readuntil(b"\n")
    except LimitOverrunError:
        error = LimitRequestLine(HEAD_LIMIT) if is_first else LimitRequestHeaders("field")
        raise refuse_head(error) from None


async def _read_chunks(stream: StreamReader) -> bytes:
    body = bytearray()
    while size := await _read_chunk_size(stream):
        if len(body) + size > BODY_LIMIT:
            raise too_large()
        chunk = await stream.readexactly(size + 2)
        if not chunk.endswith(b"\r\n"):
            raise _malformed()
        body += chunk[:-2]
        await sleep(0)  # a flood of tiny chunks must not hold up the other connections
    await _skip_trailers(stream)
    return bytes(body)


async def _read_chunk_size(stream: StreamReader) -> int:
    match = _CHUNK_SIZE.fullmatch(await _read_chunk_line(stream))
    if match is None:
        raise _malformed()
    return int(match[1], 16)


async def _skip_trailers(stream: StreamReader) -> None:
    skipped = 0
    while (line := await _read_chunk_line(stream)) != b"\r\n":
        skipped += len(line)
        if skipped > HEAD_LIMIT or not _TRAILER.fullmatch(line):
            raise _malformed()


async def _read_chunk_line(stream: StreamReader) -> bytes:
    try:
        return await stream.readuntil(b"\r\n")
    except LimitOverrunError:
        raise _malformed() from None


def _malformed() -> Refusal:
    return Refusal(400, "The body of the request is not chunked as it announces.")
