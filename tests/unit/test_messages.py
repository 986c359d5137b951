"""LDAP's messages as bytes: what is written is what ldap3 writes, and rubbish is no answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from ldap3 import SASL, SIMPLE
from ldap3.operation.bind import bind_operation
from pyasn1.codec.ber import encoder

from mi_ldap.directory import ber, messages

PPOLICY = "1.3.6.1.4.1.42.2.27.8.5.1"
POLICY_SAYS = ber.element(ber.SEQUENCE, b"\x81\x01\x02")


def answer(number: int, code: int = 0, *, tag: int = 0x61, controls: bytes = b"") -> bytes:
    """What a server says to a bind, without the head of the message."""
    said = ber.element(
        tag,
        ber.element(ber.ENUMERATED, bytes((code,))),
        ber.element(ber.OCTET_STRING),
        ber.element(ber.OCTET_STRING, "né".encode()),
    )
    whole = messages.message(number, said, controls)
    return whole[ber.head(whole)[1] :]


@pytest.mark.parametrize("dn", ["uid=a,dc=x", "uid=ä\\2C b,dc=x", "cn=" + "n" * 300])
@pytest.mark.parametrize("password", ["secret", "pässword ", "p" * 1024])
def test_a_bind_is_written_as_ldap3_writes_it(dn: str, password: str) -> None:
    theirs = bind_operation(3, SIMPLE, dn, password.encode(), auto_encode=True)
    assert messages.simple_bind(dn, password) == encoder.encode(theirs)


def test_a_bind_as_this_process_is_written_as_ldap3_writes_it() -> None:
    theirs = bind_operation(3, SASL, "", None, "EXTERNAL", "")
    assert messages.sasl_bind("EXTERNAL") == encoder.encode(theirs)


def test_a_control_holds_what_is_not_the_default() -> None:
    # RFC 4511 §5.1: true is 0xFF, and a default is left out.
    written = messages.control("1.2", b"value", critical=True)
    assert written == bytes.fromhex("30 0f 04 03 31 2e 32 01 01 ff 04 05 76 61 6c 75 65")
    assert messages.control("1.2") == bytes.fromhex("30 05 04 03 31 2e 32")


def test_an_answer_is_its_code_its_text_and_its_controls() -> None:
    control = messages.control(PPOLICY, POLICY_SAYS)
    found = messages.bound(7, answer(7, 49, controls=control))
    assert found == messages.Answer(49, "né", {PPOLICY.encode(): POLICY_SAYS})


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"0",
        b"\x02\x01\x07",
        b"\x02\x01\x07\x61\x00",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        answer(8),
        answer(0, 52, tag=0x78),
        answer(7, tag=0x65),
        answer(7)[:-6],
    ],
)
def test_anything_else_is_no_answer(said: bytes) -> None:
    with pytest.raises(OSError, match="something else"):
        messages.bound(7, said)


def test_messages_are_told_apart_however_they_come() -> None:
    sent = [messages.message(number, b"\x42" + b"\0" * number) for number in (0, 200, 70_000)]
    for size in (1, 3, 7, 100_000):
        pieces = cut(b"".join(sent), size)
        found = messages.whole(lambda _, pieces=pieces: next(pieces, b""))  # type: ignore[misc]
        assert [next(found) for _ in sent] == [each[ber.head(each)[1] :] for each in sent]
        with pytest.raises(ConnectionResetError):
            next(found)


def cut(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))
