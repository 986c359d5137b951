"""Under which word a name is filed, and whether memory may answer for the server."""

from __future__ import annotations

import unicodedata

from mi_ldap.directory import names
from mi_ldap.model import MAX_TYPED


class AskTheDirectory(Exception):
    """What is in memory does not decide the question; the directory does."""


def word(text: str) -> str:
    """The word of a name: names that any server takes for equal have the same one.

    Coarser than every server's own matching (RFC 4518), so that names under other words are surely
    others. Two names under one word may be equal or not.
    """
    if len(text) > MAX_TYPED:  # all of them under one: to normalize them would take too long
        return ""
    if text.isascii() and text.isprintable() and " " not in text:
        lowered = text.lower()
        return text if lowered == text else lowered  # one object where it is mostly one text
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(char for char in plain if char.isascii() and char.isprintable() and char != " ")


def words_of_dn(dn: str) -> set[str]:
    """The words of the values in the DN's own name."""
    return {word(value) for _, value in names.own_pairs(dn)}
