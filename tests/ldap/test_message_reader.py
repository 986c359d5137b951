"""Received bytes become complete messages that answer requests, or errors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mi_ldap.ldap import messages
from mi_ldap.ldap.message_reader import LONGEST_MESSAGE, MessageReader, ProtocolViolation
from mi_ldap.ldap.messages import Message
from mi_ldap.ldap.result_codes import ResultCode
from tests.ldap.answers import (
    DONE,
    ENTRY,
    EXTENDED,
    POLICY_SAYS,
    PPOLICY,
    answer,
    entry,
    mutated,
    mutations,
)

BIND, SEARCH = 0x60, 0x63


def reader_after(*requests: tuple[int, int]) -> MessageReader:
    """One that expects answers to requests, each an id and a tag."""
    reader = MessageReader()
    for number, tag in requests:
        reader.note_sent(messages.message(number, bytes((tag, 0))))
    return reader


def read_all(reader: MessageReader, data: bytes, size: int = 1000) -> list[Message]:
    found = []
    for at in range(0, len(data), size):
        reader.feed(data[at : at + size])
        while (message := reader.next_message()) is not None:
            found.append(message)
    return found


def test_a_result_has_code_text_and_controls() -> None:
    sent = answer(7, 49, controls=messages.control(PPOLICY, POLICY_SAYS))
    (message,) = read_all(reader_after((7, BIND)), sent)
    expected = messages.LdapResult(
        ResultCode.INVALID_CREDENTIALS, "né", {PPOLICY.encode(): POLICY_SAYS}
    )
    assert messages.result_in(message) == expected


@pytest.mark.parametrize("size", [1, 3, 7, 100_000])
def test_messages_are_split_however_the_bytes_arrive(size: int) -> None:
    sent = [entry(3, f"uid={'a' * length},dc=x", uid="a") for length in (0, 200, 70_000)]
    found = read_all(reader_after((3, SEARCH)), b"".join([*sent, answer(3, tag=DONE)]), size)
    assert [message.tag for message in found] == [ENTRY] * 3 + [DONE]
    assert [messages.entry_in(message).dn for message in found[:3]] == [
        f"uid={'a' * length},dc=x" for length in (0, 200, 70_000)
    ]


NOTICE = messages.message(
    0,
    bytes((EXTENDED, 32)) + b"\x0a\x01\x34\x04\x00\x04\x01x\x8a\x16" + b"1.3.6.1.4.1.1466.20036",
)
BAD: dict[str, bytes] = {
    "no LDAP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "another id": answer(8),
    "another operation's": answer(7, tag=DONE),
    "an entry for a bind": entry(7, "dc=x"),
    "unasked": messages.message(0, b"\x78\x07\x0a\x01\x00\x04\x00\x04\x00"),
    "notice of disconnection": NOTICE,
    "twice": answer(7) + answer(7),
    "an empty code": messages.message(7, b"\x61\x06\x0a\x00\x04\x00\x04\x00"),
    "no code": messages.message(7, b"\x61\x00"),
    "a code that is no ENUMERATED": messages.message(7, b"\x61\x07\x04\x01\x00\x04\x00\x04\x00"),
    "a text that ends elsewhere": messages.message(7, b"\x61\x08\x0a\x01\x00\x04\x00\x04\x09x"),
    "an indefinite length": b"\x30\x80" + answer(7)[2:] + b"\x00\x00",
    "a length of five bytes": b"\x30\x85\x00\x00\x00\x00\x10",
    "an endless message": b"\x30\x84" + (LONGEST_MESSAGE + 1).to_bytes(4, "big"),
    "a fourth part": b"\x30\x12" + answer(7)[2:] + b"\x04\x00\x04\x00",
}


@pytest.mark.parametrize("what", BAD)
def test_invalid_messages_are_protocol_violations(what: str) -> None:
    with pytest.raises(ProtocolViolation):
        read_all(reader_after((7, BIND)), BAD[what])


def test_the_notice_of_disconnection_has_the_servers_reason() -> None:
    with pytest.raises(ProtocolViolation, match="LDAP result 52: x"):
        read_all(reader_after((7, BIND)), NOTICE)


def test_no_memory_is_reserved_for_an_announced_length() -> None:
    reader = reader_after((7, BIND))
    reader.feed(b"\x30\x84" + LONGEST_MESSAGE.to_bytes(4, "big"))
    assert reader.next_message() is None
    assert len(reader._buffer) == 6


@given(st.lists(st.binary(max_size=40), max_size=8))
def test_random_bytes_are_messages_or_an_error(pieces: list[bytes]) -> None:
    reader = reader_after((7, BIND), (8, SEARCH))
    try:
        for piece in pieces:
            reader.feed(piece)
            while reader.next_message() is not None:
                pass
    except ProtocolViolation:
        pass


ANSWERS = b"".join(
    [
        entry(8, "uid=a,dc=x", uid="a", cn="A b c", description="d" * 200),
        answer(8, tag=DONE, controls=messages.control(PPOLICY, POLICY_SAYS)),
        answer(7, 49, controls=messages.control(PPOLICY, POLICY_SAYS)),
    ]
)


@given(mutations, st.integers(1, 400))
def test_a_mutated_response_is_decoded_or_an_error(
    changes: list[tuple[str, int, int]], size: int
) -> None:
    """Whoever decodes what the reader gives meets errors of two kinds only."""
    try:
        found = read_all(reader_after((7, BIND), (8, SEARCH)), mutated(ANSWERS, changes), size)
    except ProtocolViolation:
        return
    for message in found:
        decode = messages.entry_in if message.tag == ENTRY else messages.result_in
        try:
            decode(message)
        except (IndexError, ValueError):
            assert message.tag == ENTRY
