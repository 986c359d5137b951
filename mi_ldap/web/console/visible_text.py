"""Replacement of control characters in text from other programs, such as log files and names."""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Final

# Format characters (Unicode category Cf) that reorder or hide text, such as U+202E: with them a log
# line could look like another one.
_HIDDEN: Final = (
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2070),
    0xFEFF,
)
_SYMBOLS: Final = {
    **{code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\n\t"},
    0x7F: "\u2421",
    **dict.fromkeys(range(128, 160), "�"),
    **{code: f"<U+{code:04X}>" for code in _HIDDEN},
}

_LINE_SYMBOLS: Final = {0x09: "\u2409", 0x0A: "\u240a", 0x2028: " ", 0x2029: " "}


def visible(text: str) -> str:
    """Return the text with symbols in place of control characters; line ends and tabs stay."""
    return text.replace("\r\n", "\n").translate(_SYMBOLS)


def visible_line(text: str) -> str:
    """Return the text on one line."""
    return visible(text).translate(_LINE_SYMBOLS)


@dataclass(frozen=True, slots=True)
class LogPart:
    """A part of a log file.

    Attributes:
        text: the text, without control characters.
        end: the offset in the file at which the next part begins.
    """

    text: str
    end: int


def log_part(content: bytes, start: int, *, is_cut: bool) -> LogPart:
    """Return the text of bytes of a log file.

    Bytes that are not UTF-8 are replaced by U+FFFD. The bytes of an incomplete character at the end
    are left for the next part.

    Args:
        content: the bytes.
        start: the offset of the first byte.
        is_cut: whether they may begin in the middle of a line; the rest of that line is dropped.
    """
    end = start + len(content)
    if is_cut:
        _, line_end, rest = content.partition(b"\n")
        content = rest if line_end else content
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(content)
    return LogPart(visible(text), end - len(decoder.getstate()[0]))
