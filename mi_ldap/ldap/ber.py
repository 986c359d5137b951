"""The part of BER that LDAP messages use: tags of one byte, definite lengths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

BOOLEAN: Final = 0x01
INTEGER: Final = 0x02
OCTET_STRING: Final = 0x04
ENUMERATED: Final = 0x0A
SEQUENCE: Final = 0x30
SET: Final = 0x31

# 389 DS 2.3 writes short lengths with four bytes, too. `LONGEST_MESSAGE` fits in four.
_MAX_LENGTH_BYTES: Final = 4
_MAX_INTEGER_BYTES: Final = 4
"""RFC 4511 §4.1.1: maxInt, 2^31 - 1."""


def element(tag: int, *content: bytes) -> bytes:
    """Encode an element whose content is the concatenation of the arguments."""
    body = b"".join(content)
    length = len(body)
    if length < 0x80:
        return bytes((tag, length)) + body
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + body


def integer(value: int) -> bytes:
    """Return the content of an INTEGER that is not negative."""
    # One bit more than the number has: the first bit is the sign (X.690 §8.3.3).
    return value.to_bytes(value.bit_length() // 8 + 1, "big")


def head(data: bytes | bytearray, at: int = 0) -> tuple[int, int, int]:
    """Return tag, start and end of the content of the element at `at`.

    The end may lie beyond the end of `data`.

    Raises:
        IndexError: `data` ends inside the head of the element.
        ValueError: the length is indefinite, or has more than four bytes.
    """
    length, start = data[at + 1], at + 2
    if length == 0x81:  # nearly all long lengths are of this form
        length, start = data[at + 2], at + 3
    elif length & 0x80:
        # 0x80, an indefinite length, is not allowed in LDAP (RFC 4511 §5.1).
        if not 0 < length & 0x7F <= _MAX_LENGTH_BYTES:
            raise ValueError("an indefinite length, or one of more than four bytes")
        start += length & 0x7F
        if start > len(data):
            raise IndexError
        length = int.from_bytes(data[at + 2 : start], "big")
    return data[at], start, start + length


def elements(data: bytes, at: int = 0, end: int | None = None) -> Iterator[tuple[int, int, int]]:
    """Yield tag, start and end of each element between `at` and `end`.

    Raises:
        IndexError, ValueError: the bytes are not elements, or the last one ends beyond `end`.
    """
    end = len(data) if end is None else end
    while at < end:
        tag, start, at = head(data, at)
        if at > end:
            raise IndexError("an element ends beyond its container")
        yield tag, start, at


def contents(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each element in `data`; raises the errors of `elements`."""
    for tag, start, end in elements(data):
        yield tag, data[start:end]


def enumerated(tag: int, content: bytes) -> int:
    """Return the number in an ENUMERATED element.

    Raises:
        ValueError: it is another kind of element, is empty, or has more than four bytes.
    """
    if tag != ENUMERATED or not 0 < len(content) <= _MAX_INTEGER_BYTES:
        raise ValueError("expected an ENUMERATED of one to four bytes")
    return int.from_bytes(content, "big")
