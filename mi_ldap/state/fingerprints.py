"""Keyed fingerprints of typed usernames, used in place of the names in counters and audit lines."""

from __future__ import annotations

import hashlib
import hmac
import unicodedata

# In characters. NFKD takes quadratic time for combining marks.
_LONGEST_FOLDED = 512


class Fingerprints:
    """Computes fingerprints. Typed names are not stored: people type passwords in their place.

    Args:
        key: a secret; without it short names could be found by brute force.
    """

    def __init__(self, key: str) -> None:
        # A derived key, so that fingerprints reveal nothing about the key itself.
        self._key = hashlib.sha256(b"fingerprint:" + key.encode(errors="replace")).digest()

    def of(self, name: str) -> str:
        """Return 32 hexadecimal digits, the same for all spellings that a directory may fold."""
        letters = _letters_of(name) if len(name) <= _LONGEST_FOLDED else name
        digest = hmac.digest(self._key, letters.encode(errors="replace"), "sha256")
        return digest.hex()[:32]


def _letters_of(name: str) -> str:
    # Casefolded again: NFKD can produce capitals, such as `H` of the mathematical letter `ℍ`.
    decomposed = unicodedata.normalize("NFKD", name.casefold()).casefold()
    # Neither marks, control characters nor separators: some servers ignore them when they compare.
    return "".join(c for c in decomposed if unicodedata.category(c)[0] not in "MCZ")
