"""Answers of a node out of bytes: what is accepted, however the bytes are cut."""

from __future__ import annotations

import asyncio

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mi_ldap.micro_integrators import connection
from mi_ldap.micro_integrators.connection import AnswerHead, BadAnswer, NodeConnection
from mi_ldap.micro_integrators.failures import reason_of
from mi_ldap.serving.answer_fields import merged_fields
from tests.stopwatch import least_cpu_s

Found = tuple[int, tuple[tuple[str, str], ...], bytes, bool] | str
"""Status, fields, body and whether the connection may be used again; else the error."""


class Pieces:
    """In place of a socket: what arrives, in pieces, then the end of the stream."""

    def __init__(self, pieces: list[bytes]) -> None:
        self._pieces = [piece for piece in pieces if piece]

    async def receive(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    async def receive_into(self, buffer: memoryview) -> int:
        piece = await self.receive()
        data, rest = piece[: len(buffer)], piece[len(buffer) :]
        if rest:
            self._pieces.insert(0, rest)
        buffer[: len(data)] = data
        return len(data)

    async def send(self, data: bytes) -> None:
        """Take it."""

    def has_input(self) -> bool:
        return bool(self._pieces)

    def close(self) -> None:
        """Do nothing."""


async def _read(pieces: list[bytes]) -> Found:
    connection = NodeConnection(Pieces(pieces))  # type: ignore[arg-type]
    await connection.send_head("GET", "/", [("Host", "x")])
    await connection.send_end()
    try:
        head = await connection.receive_head()
        body = b""
        while part := await connection.receive_data():
            body += part
    except (BadAnswer, ConnectionError) as error:
        return type(error).__name__
    return head.status, head.fields, body, connection.is_reusable


def read(pieces: list[bytes]) -> Found:
    return asyncio.run(_read(pieces))


OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: 5\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"

ACCEPTED = {
    "a length": (OK + LENGTH + b"\r\nhello", b"hello", True),
    "chunks": (OK + CHUNKED + b"\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", b"hello", True),
    "until the end": (OK + b"\r\nhello", b"hello", False),
    "1.0": (b"HTTP/1.0 200 OK\r\n" + LENGTH + b"\r\nhello", b"hello", False),
    "a close": (OK + LENGTH + b"Connection: close\r\n\r\nhello", b"hello", False),
    "more than the length": (OK + LENGTH + b"\r\nhello!", b"hello", False),
    "no reason": (b"HTTP/1.1 200 \r\n" + LENGTH + b"\r\nhello", b"hello", True),
    "two equal lengths": (OK + LENGTH + LENGTH + b"\r\nhello", b"hello", True),
    "interim answers": (b"HTTP/1.1 103 x\r\n\r\n" * 3 + OK + LENGTH + b"\r\nhello", b"hello", True),
    "204": (b"HTTP/1.1 204 x\r\n\r\n", b"", True),
    "more than the chunks": (OK + CHUNKED + b"\r\n5\r\nhello\r\n0\r\n\r\n!", b"hello", False),
    "a folded field": (OK + LENGTH + b"A: b\r\n c\r\n\r\nhello", b"hello", True),
}


@pytest.mark.parametrize(("sent", "body", "is_reusable"), ACCEPTED.values(), ids=ACCEPTED)
def test_a_valid_answer_is_accepted(sent: bytes, body: bytes, is_reusable: bool) -> None:
    found = read([sent])
    assert not isinstance(found, str)
    assert found[2:] == (body, is_reusable)


REFUSED = {
    "nothing": b"",
    "other bytes": b"hello\r\n\r\n",
    "half a head": OK + LENGTH,
    "HTTP/2": b"HTTP/2.0 200 OK\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\nA: b\n\n\r\n\r\n",
    "a control character": OK + b"A: \x0bb\r\n\r\n",
    "a NUL": OK + b"A: \0\r\n\r\n",
    "a field without a name": OK + b": b\r\n\r\n",
    "a space before the colon": OK + b"Content-Length : 5\r\n\r\nhello",
    "two lengths": OK + LENGTH + b"Content-Length: 6\r\n\r\nhello",
    "a length of two numbers": OK + b"Content-Length: 5, 6\r\n\r\nhello",
    "a negative length": OK + b"Content-Length: -5\r\n\r\nhello",
    "a length in words": OK + b"Content-Length: five\r\n\r\nhello",
    "a length beside chunks": OK + LENGTH + CHUNKED + b"\r\n0\r\n\r\n",
    "another coding": OK + b"Transfer-Encoding: gzip\r\n\r\nhello",
    "a short body": OK + LENGTH + b"\r\nhell",
    "half a chunk": OK + CHUNKED + b"\r\n5\r\nhell",
    "no last chunk": OK + CHUNKED + b"\r\n5\r\nhello\r\n",
    "a chunk size in words": OK + CHUNKED + b"\r\nfive\r\n",
    "101": b"HTTP/1.1 101 x\r\n\r\n",
    "099": b"HTTP/1.1 099 x\r\n\r\n",
    "600": b"HTTP/1.1 600 x\r\n\r\n",
    "endless interim answers": b"HTTP/1.1 102 x\r\n\r\n" * 100,
    "a large head": OK + b"A: bbbbbbbb\r\n" * 10_000 + b"\r\n",
    "an endless line": OK + b"A: " + b"b" * 100_000,
}


@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED)
def test_an_invalid_answer_is_refused(sent: bytes) -> None:
    assert read([sent]) in ("BadAnswer", "ConnectionResetError")


@pytest.mark.parametrize(
    ("begin", "repeated"),
    [
        (OK, b"A: bbbbbbbb\r\n" * 1000),
        (OK + b"A: ", b"b" * 10_000),
        (b"", b"HTTP/1.1 102 x\r\n\r\n"),
    ],
    ids=["fields", "a line", "interim answers"],
)
def test_a_head_without_an_end_is_refused_before_the_node_ends_it(
    begin: bytes, repeated: bytes
) -> None:
    pieces = [begin, *[repeated] * 100]
    socket = Pieces(pieces)

    async def receive() -> None:
        connection = NodeConnection(socket)  # type: ignore[arg-type]
        await connection.send_head("GET", "/", [("Host", "x")])
        with pytest.raises(BadAnswer):
            await connection.receive_head()

    asyncio.run(receive())
    assert socket.has_input()


def test_a_body_ends_with_its_length_however_many_pieces_arrive() -> None:
    sent = OK + LENGTH + b"\r\nhello"
    cuts = [b"", *(bytes([byte]) for byte in b"hell"), b"o and more"]
    found = read([sent.removesuffix(b"hello"), *cuts])
    assert not isinstance(found, str)
    assert found[2:] == (b"hello", False)


def test_a_body_that_was_not_read_to_its_end_ends_the_connection() -> None:
    for head in (OK + LENGTH, OK + CHUNKED):
        body = b"5\r\nhello\r\n0\r\n\r\n" if head.endswith(CHUNKED) else b"hello"

        async def receive(sent: bytes) -> bool:
            connection = NodeConnection(Pieces([sent]))  # type: ignore[arg-type]
            await connection.send_head("GET", "/", [("Host", "x")])
            await connection.send_end()
            await connection.receive_head()
            return connection.is_reusable

        for length in (0, 2):
            assert not asyncio.run(receive(head + b"\r\n" + body[:length]))


def test_nothing_of_an_answer_counts_for_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_FRAMING_LIMIT", 256)
    head, body = OK + CHUNKED + b"\r\n", b"1\r\nx\r\n" * 30 + b"0\r\n\r\n"

    async def receive() -> None:
        socket = Pieces([])
        node = NodeConnection(socket)  # type: ignore[arg-type]
        for _ in range(20):
            socket._pieces = [head, body]
            await node.send_head("GET", "/", [("Host", "x")])
            await node.send_end()
            assert not node.has_answered
            await node.receive_head()
            size = 0
            while part := await node.receive_data():
                size += len(part)
            assert (size, node.has_answered, node.is_reusable) == (30, True, True)
            node.renew()

    asyncio.run(receive())


def test_a_head_is_checked_in_linear_time() -> None:
    sent = OK + (b"A: " + b" " * 60_000 + b"\0") + b"\r\n\r\n"
    assert read([sent]) == "BadAnswer"
    assert least_cpu_s(lambda: read([sent])) < 0.3


def test_an_answer_may_arrive_in_two_parts() -> None:
    small = (sent for sent in REFUSED.values() if len(sent) < 500)
    for sent in [*(sent for sent, _, _ in ACCEPTED.values()), *small]:
        whole = read([sent])
        for at in range(1, len(sent)):
            assert read([sent[:at], sent[at:]]) == whole, sent


FRAGMENTS = st.sampled_from(
    [
        *(OK, LENGTH, CHUNKED, b"\r\n", b"hello", b"5\r\nhello\r\n", b"0\r\n\r\n", b"\n", b"\0"),
        *(
            b"HTTP/1.1 100 x\r\n\r\n",
            b"A: b\r\n",
            b" ",
            b"HTTP/1.0 404 \r\n",
            b"Connection: close\r\n",
        ),
    ]
)
ANSWERS = st.lists(FRAGMENTS | st.binary(max_size=6), max_size=14).map(b"".join)


@given(ANSWERS, st.lists(st.integers(1, 40), max_size=8))
@settings(max_examples=400, deadline=None)
def test_any_bytes_are_an_answer_or_an_error(sent: bytes, lengths: list[int]) -> None:
    pieces, at = [], 0
    for length in lengths:
        pieces.append(sent[at : at + length])
        at += length
    whole, in_pieces = read([sent]), read([*pieces, sent[at:]])
    if isinstance(whole, str) or isinstance(in_pieces, str):
        assert isinstance(whole, str) == isinstance(in_pieces, str)
        return
    assert whole[:3] == in_pieces[:3]


def test_tiny_chunks_do_not_block_the_event_loop_and_end_the_answer() -> None:
    async def forward() -> int:
        turns, is_ended = 0, False

        async def count_turns() -> None:
            nonlocal turns
            while not is_ended:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count_turns())
        chunks = [b"1\r\nx\r\n" * 10_000] * 10
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        assert await _read([head, *chunks, b"0\r\n\r\n"]) == "BadAnswer"
        is_ended = True
        await counting
        return turns

    assert asyncio.run(forward()) > 500


def test_chunks_of_100_bytes_are_accepted_however_they_arrive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "_FRAMING_LIMIT", 256)
    body = b"64\r\n" + b"x" * 100 + b"\r\n"
    sent = body * 100 + b"0\r\n\r\n"
    for size in (1, 7, 100):
        pieces = [sent[at : at + size] for at in range(0, len(sent), size)]
        found = read([OK + CHUNKED + b"\r\n", *pieces])
        assert not isinstance(found, str)
        assert found[2] == b"x" * 10_000


def test_an_error_does_not_quote_the_answer() -> None:
    async def failure() -> BadAnswer:
        connection = NodeConnection(Pieces([b"HTTP/1.1 200 OK\r\nA b: secret\r\n\r\n"]))  # type: ignore[arg-type]
        await connection.send_head("GET", "/", [("Host", "x")])
        with pytest.raises(BadAnswer) as caught:
            await connection.receive_head()
        return caught.value

    assert reason_of(asyncio.run(failure())) == "invalid answer: the head is not valid"


def test_an_answer_without_a_body_announces_none() -> None:
    head = AnswerHead(204, "No Content", (("content-length", "5"),), 5)
    assert "content-length" not in {name.lower() for name, _ in merged_fields([], head)}


@given(ANSWERS)
@settings(max_examples=200, deadline=None)
def test_what_was_accepted_can_be_sent_to_a_client(sent: bytes) -> None:
    async def forward() -> None:
        connection = NodeConnection(Pieces([sent]))  # type: ignore[arg-type]
        await connection.send_head("GET", "/", [("Host", "x")])
        try:
            head = await connection.receive_head()
        except (BadAnswer, ConnectionError):
            return
        fields = merged_fields([("X-Request-Id", "r1")], head)
        encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields]
        reason = head.reason.encode("latin-1")
        h11.Response(status_code=head.status, reason=reason, headers=encoded)

    asyncio.run(forward())
