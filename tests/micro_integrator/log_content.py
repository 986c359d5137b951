"""The bytes of log files of any size: deterministic, not text, and made without work per byte."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

# A prime: a piece that is lost or moved changes the hash, unless its size is a multiple of this.
_BLOCK_BYTES = 1_048_573
_BLOCK = memoryview(hashlib.shake_128(b"wso2carbon.log").digest(_BLOCK_BYTES))


def log_pieces(start: int, end: int) -> Iterator[memoryview]:
    """The bytes from offset `start` to `end` (exclusive), in pieces of at most 1 MiB."""
    while start < end:
        offset = start % _BLOCK_BYTES
        piece = _BLOCK[offset : offset + end - start]
        yield piece
        start += len(piece)


def log_bytes(size: int) -> bytes:
    """The whole content of a log file of that size."""
    return b"".join(log_pieces(0, size))


def log_sha256(size: int) -> str:
    """The SHA-256 of a log file of that size, in hexadecimal digits."""
    digest = hashlib.sha256()
    for piece in log_pieces(0, size):
        digest.update(piece)
    return digest.hexdigest()
