"""Bodies of any size out of bytes: what they contain does not depend on how the bytes are cut."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_ldap.serving.errors import RequestError
from mi_ldap.serving.request_body import BodyStream, ChunkedBody, ChunkedStream, SizedStream
from mi_ldap.serving.request_head import HeadReader
from tests.stopwatch import least_cpu_s

Found = tuple[bytes, bool, bytes]
"""The body, whether it is complete, and what follows it."""


def read(stream: BodyStream, pieces: list[bytes]) -> Found | str:
    """What a stream returns of bytes that arrive in these pieces; the sentence of an error."""
    buffer, body = bytearray(), b""
    for piece in pieces:
        buffer += piece
        try:
            body += stream.take(buffer)
        except RequestError as error:
            return error.sentence
        assert len(buffer) < 4096 + len(piece) or stream.is_complete
    return body, stream.is_complete, bytes(buffer)


def cut(sent: bytes, lengths: list[int]) -> list[bytes]:
    pieces, at = [], 0
    for length in lengths:
        pieces.append(sent[at : at + length])
        at += length
    return [*pieces, sent[at:]]


CHUNKS = st.lists(
    st.sampled_from(
        [b"3\r\nabc\r\n", b"0\r\n", b"\r\n", b"1;a=b\r\nx\r\n", b"A: b\r\n", b"\n", b"g"]
    )
    | st.binary(max_size=4),
    max_size=12,
).map(b"".join)
LENGTHS = st.lists(st.integers(1, 20), max_size=8)


@given(CHUNKS, LENGTHS)
@settings(max_examples=400, deadline=None)
def test_any_chunks_at_any_cut_give_the_same(sent: bytes, lengths: list[int]) -> None:
    whole = read(ChunkedStream(), [sent])
    in_pieces = read(ChunkedStream(), cut(sent, lengths))
    assert in_pieces == whole


@given(CHUNKS)
@settings(max_examples=200, deadline=None)
def test_a_stream_and_a_collected_body_agree(sent: bytes) -> None:
    found = read(ChunkedStream(), [sent])
    buffer = bytearray(sent)
    if isinstance(found, str):
        with pytest.raises(RequestError, match=found):
            ChunkedBody().read(buffer)
    else:
        body, is_complete, rest = found
        assert ChunkedBody().read(buffer) == (body if is_complete else None)
        assert bytes(buffer) == rest


@given(st.binary(max_size=40), st.integers(0, 50), LENGTHS)
def test_a_sized_body_ends_with_its_length(sent: bytes, length: int, lengths: list[int]) -> None:
    expected = (sent[:length], len(sent) >= length, sent[length:])
    assert read(SizedStream(length), cut(sent, lengths)) == expected


def test_a_large_body_may_have_much_framing_but_not_mainly() -> None:
    usual = b"1000\r\n%b\r\n" % (b"x" * 4096)
    found = read(ChunkedStream(), [usual * 64] * 64)
    assert not isinstance(found, str)
    assert len(found[0]) == 64 * 64 * 4096
    fragments = [b"1\r\nx\r\n" * 2000] * 100
    assert read(ChunkedStream(), fragments) == (
        "The body of the request is not valid chunked encoding."
    )
    assert least_cpu_s(lambda: read(ChunkedStream(), fragments)) < 5


HEAD = b"PUT /f%69le HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("fields", "length", "is_streamed"),
    [
        (b"Content-Length: 5000000000\r\n", 5_000_000_000, True),
        (b"Transfer-Encoding: chunked\r\n", None, True),
        (b"Content-Length: 0\r\n", 0, False),
        (b"", 0, False),
    ],
)
def test_a_decoded_path_decides_which_bodies_are_streamed(
    fields: bytes, length: int | None, is_streamed: bool
) -> None:
    reader = HeadReader(lambda method, path: (method, path) == ("PUT", "/file"))
    head = reader.read(bytearray(HEAD + fields + b"\r\n"))
    assert head is not None
    assert (head.length, head.streams_body) == (length, is_streamed)
