"""Escaping of text such as names for terminals and spreadsheets."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

_UNSAFE: Final = {"Cc", "Cf", "Cs", "Zl", "Zp"}
# Spreadsheets evaluate cells that begin with one of these, also in full width (OWASP, "CSV
# Injection"). A tab or a line end at the beginning is escaped like all control characters.
_FORMULA: Final = r"[=+\-@\uff1d\uff0b\uff0d\uff20]"
_NEEDS_QUOTE: Final = re.compile(rf"'*{_FORMULA}")
_HAS_QUOTE: Final = re.compile(rf"'+{_FORMULA}")


def safe(text: str) -> str:
    """Escape every character that could control a terminal."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(char) for char in text)


def csv_line(cells: Iterable[str]) -> str:
    """Return a line of CSV (RFC 4180) without formulas and control characters."""
    return ",".join(_quoted(escape_formula(safe(cell))) for cell in cells) + "\n"


def escape_formula(cell: str) -> str:
    """Prefix the cell with `'` if a spreadsheet would evaluate it as a formula."""
    return f"'{cell}" if _NEEDS_QUOTE.match(cell) else cell


def unescape_formula(cell: str) -> str:
    """Remove the `'` that `escape_formula` added."""
    return cell[1:] if _HAS_QUOTE.match(cell) else cell


def _quoted(text: str) -> str:
    # Some spreadsheets separate cells by semicolons.
    if not any(char in text for char in ',;"\r\n\t'):
        return text
    return '"' + text.replace('"', '""') + '"'


def _visible(char: str) -> str:
    if unicodedata.category(char) not in _UNSAFE:
        return char
    return char.encode("unicode_escape", "surrogatepass").decode()
