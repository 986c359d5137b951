"""Rules of names and passwords: what a new one may contain, domains, and which names are equal.

New names may contain what the directory allows, except characters that could be used to imitate
another name or that clients do not escape in URLs. Users that other tools created with other names
are still listed, shown and removable, so `new_user_name` is called only for *new* names.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Final

from mi_ldap.errors import BadRequest, DomainNotFound

EVERYONE: Final = "Internal/everyone"
PRIMARY: Final = "PRIMARY"
HYBRID_DOMAINS: Final = ("Internal", "Application")

DIFFER: Final = "The new password and its confirmation differ."

MAX_NAME_BYTES: Final = 240
MAX_PASSWORD_BYTES: Final = 1024
MAX_TYPED: Final = 1024
"""Longest name as typed, in characters, domain and white space included.

Longer texts are no names and are not processed: CPython needs minutes to normalize a megabyte of
combining marks, since it sorts them by insertion.
"""

Matches = Callable[[str], bool]
"""Returns whether a configured expression matches a whole text."""

_UNSEEN = frozenset(
    "\ufffd\u034f\u115f\u1160\u17b4\u17b5\u2028\u2029\u2800\u3164\uffa0"
    "\u180b\u180c\u180d\u180f" + "".join(map(chr, range(0xFE00, 0xFE10)))
)
"""Invisible and invalid characters, besides control and format characters."""

_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs"})

_SPECIAL_IN_URLS = "#?%\\"
"""Characters that WSO2's command-line clients and dashboard do not escape in URLs."""

_ONLY_QUESTION_MARKS = (
    "it consists of '?' only, which ISO-8859-1 clients send for other characters; send it as UTF-8"
)


def folded(name: str) -> str:
    """Return the name as OpenLDAP compares it: lower case by character, NFKC, single spaces.

    This is not `casefold()`, by which `straße` and `strasse` are equal; in a directory they differ.
    A text that is too long for a name is returned unchanged.
    """
    if len(name) > MAX_TYPED:
        return name
    lowered = "".join("i" if char == "\u0130" else char.lower() for char in name)
    return " ".join(unicodedata.normalize("NFKC", lowered).split())


def new_user_name(text: str, *, allow_any: bool = False) -> str:
    """Return `text` as the name of a new user.

    Args:
        text: as typed.
        allow_any: whether characters that are special in URLs are allowed.

    Raises:
        BadRequest: the name breaks a rule; says which.
    """
    name = _plain_name(text, "user name", allow_any=allow_any)
    if "/" in name:
        raise _refused("user name", "it holds '/', which separates the domain from the name")
    return name


def new_role_name(text: str, *, allow_any: bool = False) -> str:
    """Return `text` as the name of a new role; it may begin with `Internal/` or `Application/`.

    Args:
        text: as typed.
        allow_any: whether characters that are special in URLs are allowed.

    Raises:
        BadRequest: the name breaks a rule; says which.
    """
    domain, slash, rest = text[: MAX_TYPED + 1].strip().partition("/")
    if slash and _hybrid_domain(domain):
        return full_role_name(f"{domain}/{_bare_role_name(rest, allow_any=allow_any)}")
    return _bare_role_name(text, allow_any=allow_any)


def role_name_warning(name: str) -> str:
    """Return the warning for the creator of a role of that name, or `""`."""
    special = any(char in _SPECIAL_IN_URLS for char in name)
    if not special and not any(char.isspace() for char in name):
        return ""
    what = f"one of {_listed(_SPECIAL_IN_URLS)}" if special else "a space"
    return (
        f"The role name contains {what}: the Roles page of the WSO2 dashboard fails "
        "while a role of such a name exists."
    )


def new_password(text: str) -> str:
    """Return `text` as a new password.

    Raises:
        BadRequest: it is empty, too long, or contains control characters.
    """
    if not text:
        raise _refused("password", "it is empty")
    if len(text) > MAX_PASSWORD_BYTES or len(_utf8(text, "password")) > MAX_PASSWORD_BYTES:
        raise _refused("password", f"it is longer than {MAX_PASSWORD_BYTES} bytes")
    if any(unicodedata.category(char) == "Cc" for char in text):
        raise _refused("password", "it holds a control character")
    if not text.strip("?"):
        raise _refused("password", _ONLY_QUESTION_MARKS)
    return text


def must_agree(new: str, confirmed: str) -> None:
    """Raise `BadRequest` if the two entries of a new password differ."""
    if new != confirmed:
        raise BadRequest(DIFFER, "confirmed")


def is_primary(domain: str | None) -> bool:
    """Whether `domain`, as sent by a client, is the primary user store."""
    if domain is None:
        return True
    # White space is no domain: WSO2's CLI on Windows sends "\r".
    return not is_too_long(domain) and domain.strip().casefold() in ("", PRIMARY.casefold())


def role_of_domain(name: str, domain: str | None) -> str:
    """Return a role's name, as typed, with its domain: `("x", "internal")` is `"Internal/x"`.

    Raises:
        DomainNotFound: there is no such domain.
    """
    if is_primary(domain):
        return name
    typed = (domain or "")[:MAX_TYPED].strip()
    hybrid = _hybrid_domain(typed)
    if hybrid is None:
        raise DomainNotFound(typed)
    return f"{hybrid}/{name}"


def full_role_name(name: str) -> str:
    """Return `name` without `PRIMARY/` and white space, the hybrid domain in standard spelling."""
    stripped = without_primary(name)
    domain, slash, rest = stripped.partition("/")
    hybrid = _hybrid_domain(domain) if slash else None
    full = f"{hybrid}/{rest}" if hybrid else stripped
    return EVERYONE if folded(full) == folded(EVERYONE) else full


def without_primary(name: str) -> str:
    """Return `name` without white space at its ends and without a leading `PRIMARY/`."""
    if is_too_long(name):
        return name
    domain, slash, rest = name.strip().partition("/")
    return rest.strip() if slash and is_primary(domain) and domain.strip() else name.strip()


def _hybrid_domain(domain: str) -> str | None:
    return next((known for known in HYBRID_DOMAINS if known.casefold() == domain.casefold()), None)


def _bare_role_name(text: str, *, allow_any: bool) -> str:
    name = _plain_name(text, "role name", allow_any=allow_any)
    if "/" in name:
        raise _refused("role name", "only 'Internal/' and 'Application/' may lead it")
    return name


def is_too_long(text: str) -> bool:
    """Whether a text, as typed, is too long for a name."""
    return len(text) > MAX_TYPED


def is_password(text: str) -> bool:
    """Whether a text can be a password: neither empty nor too long."""
    return 0 < len(text) <= MAX_PASSWORD_BYTES >= len(text.encode(errors="replace"))


def _plain_name(text: str, what: str, *, allow_any: bool) -> str:
    if is_too_long(text):
        raise _refused(what, f"it is longer than {MAX_NAME_BYTES} bytes")
    name = text.strip()
    if not name:
        raise _refused(what, "it is empty")
    if name in (".", ".."):
        raise _refused(what, "clients rewrite '.' and '..' in an address")
    if not name.strip("?"):
        raise _refused(what, _ONLY_QUESTION_MARKS)
    if not allow_any:
        _ensure_no_special(name, what)
    if ":" in name:
        raise _refused(what, "it holds ':', which ends the name in a login")
    if any(unicodedata.category(c) in _FORBIDDEN_CATEGORIES or c in _UNSEEN for c in name):
        raise _refused(what, "it holds a control, format or broken character")
    if len(_utf8(name, what)) > MAX_NAME_BYTES:
        raise _refused(what, f"it is longer than {MAX_NAME_BYTES} bytes")
    return name


def _ensure_no_special(name: str, what: str) -> None:
    """Raise `BadRequest`: WSO2's `mi delete user 'c#sharp'` would delete the user `c`."""
    found = next((char for char in name if char in _SPECIAL_IN_URLS), None)
    if found is not None:
        raise _refused(
            what,
            f"it contains '{found}', which WSO2's command-line clients and dashboard do not escape "
            "in a URL; user_store.allow_any_name permits it",
        )


def _listed(characters: str) -> str:
    return ", ".join(f"'{char}'" for char in characters)


def _utf8(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise _refused(what, "it holds a broken character") from None


def _refused(what: str, why: str) -> BadRequest:
    field = "new" if what == "password" else "name"
    return BadRequest(f"The {what} is not allowed: {why}.", field)


def matcher_of(expression: str | None) -> Matches | None:
    """Return whether a text matches the RE2 expression as a whole; None without an expression."""
    if not expression:
        return None
    import re2  # here: `mi` needs no expressions for most commands

    compiled = re2.compile(expression)
    return lambda text: compiled.fullmatch(text) is not None


def narrowed(text: str, matches: Matches | None, what: str) -> str:
    """Return `text` if the configured expression (if any) matches all of it.

    Raises:
        BadRequest: the expression does not match.
    """
    if matches is not None and not matches(text):
        raise _refused(what, "the configured expression for it does not match")
    return text
