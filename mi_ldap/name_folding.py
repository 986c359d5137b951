"""Which names are equal: their case, width and spaces are folded."""

from __future__ import annotations

import unicodedata
from typing import Final

# Longest name as typed, in characters, domain and white space included. Longer texts are no
# names and are not processed: CPython needs minutes to normalize a megabyte of combining marks,
# since it sorts them by insertion.
MAX_TYPED: Final = 1024


def folded(name: str) -> str:
    """Return the name as OpenLDAP compares it: lower case by character, NFKC, single spaces.

    A text that is too long for a name is returned unchanged.
    """
    if len(name) > MAX_TYPED:
        return name
    # Not `casefold()`, by which `straße` and `strasse` are equal: in a directory they differ. And
    # `lower()` makes two characters of `İ`.
    lowered = "".join("i" if char == "\u0130" else char.lower() for char in name)
    return " ".join(unicodedata.normalize("NFKC", lowered).split())


def may_be_same(name: str, other: str) -> bool:
    """Whether any directory may take the two names for the same.

    That is without case, accents, width and white space; Active Directory ignores the most.
    """
    return _loosely_folded(name) == _loosely_folded(other)


def _loosely_folded(name: str) -> str:
    if len(name) > MAX_TYPED:
        return name
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    return "".join(
        char for char in decomposed if not (unicodedata.combining(char) or char.isspace())
    )
