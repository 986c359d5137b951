"""Comparison of names, since a database may return others than those that were searched for.

MI compares `LOWER(UM_USER_NAME)` in the database. MariaDB's usual collations also ignore accents
and spaces at the end: `jose` would find `José`. So each name that a database returns is compared
again.
"""

from __future__ import annotations

ANONYMOUS = "wso2.anonymous.user"
"""MI's user for requests without a login: never listed, and it cannot log in."""


def lowered(name: str) -> str:
    """Return the name in lower case, character by character, as databases convert it.

    `str.lower` treats a sigma at the end of a word differently, and `İ` becomes two characters.
    """
    return "".join("i" if char == "\u0130" else char.lower() for char in name)


def is_same(name: str, other: str, *, ignores_case: bool) -> bool:
    """Whether two names are the same."""
    return name == other or (ignores_case and lowered(name) == lowered(other))


def is_storable(text: str) -> bool:
    """Whether a database can store the text: no null character, no lone surrogate."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def like_pattern(pattern: str) -> str:
    """Return a pattern such as `"*ob*"` for SQL's LIKE, in lower case, escaped with `!`."""
    escaped = "".join(f"!{char}" if char in "!%_" else char for char in lowered(pattern))
    return escaped.replace("*", "%")
