"""As much BER as it takes to look into an LDAP message: tags of one byte, definite lengths."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

INTEGER, OCTET_STRING, ENUMERATED, SEQUENCE, SET = 0x02, 0x04, 0x0A, 0x30, 0x31

Part = tuple[int, bytes]


def parts(body: bytes) -> list[Part]:
    """Tag and content of each element."""
    found = []
    while body:
        start, length = 2, body[1]
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(body[2:start])
        found.append((body[0], body[start : start + length]))
        body = body[start + length :]
    return found


def join(elements: Iterable[Part]) -> bytes:
    return b"".join(_element(tag, content) for tag, content in elements)


def _element(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8)
    return bytes((tag, 0x80 | len(octets))) + octets + content


def integer(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1)


async def read_message(reader: asyncio.StreamReader) -> list[Part]:
    """The next message's id, operation and perhaps controls."""
    head = await reader.readexactly(2)
    length = head[1]
    if length & 0x80:
        length = int.from_bytes(await reader.readexactly(length & 0x7F))
    return parts(await reader.readexactly(length))
