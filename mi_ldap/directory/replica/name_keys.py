"""Keys of names, coarser than the matching rules of any server."""

from __future__ import annotations

import unicodedata

from mi_ldap.ldap import names
from mi_ldap.name_folding import MAX_TYPED


class CacheMiss(Exception):
    """Memory cannot answer the question; the directory must be read."""


def name_key(text: str) -> str:
    """Return the key of a name: names that any server considers equal have the same key.

    Names with different keys differ on every server; names with the same key may be equal or not.
    """
    if len(text) > MAX_TYPED:  # one key for all long names: normalization would take too long
        return ""
    if text.isascii() and text.isprintable() and " " not in text:
        lowered = text.lower()
        return text if lowered == text else lowered  # one object for both saves memory
    # Servers normalize differently (RFC 4518): full width, case, accents, spaces. The key drops all
    # of these; what remains may be equal for different names, never different for equal ones.
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(char for char in plain if char.isascii() and char.isprintable() and char != " ")


def name_keys_of_dn(dn: str) -> set[str]:
    """Return the keys of the values in the DN's RDN."""
    return {name_key(value) for _, value in names.rdn_pairs(dn)}
