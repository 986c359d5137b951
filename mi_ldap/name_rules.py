"""Rules of names and passwords: what a new one may contain, and domains.

New names may contain what the directory allows, except characters that could be used to imitate
another name or that clients do not escape in URLs. Users that other tools created with other names
are still listed, shown and removable, so `new_user_name` is called only for *new* names.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Collection
from typing import Final

from mi_ldap.errors import BadRequest, DomainNotFound
from mi_ldap.name_folding import MAX_TYPED, folded

EVERYONE: Final = "Internal/everyone"
PRIMARY: Final = "PRIMARY"
HYBRID_DOMAINS: Final = ("Internal", "Application")
"""The domains of roles that users of every user store may have."""


PRIMARY_ADMINS: Final = "Only a user of the primary user store can be an admin."
CONFIRMATION_DIFFERS: Final = "The new password and its confirmation differ."

MAX_NAME_BYTES: Final = 240
MAX_PASSWORD_BYTES: Final = 1024

Matches = Callable[[str], bool]
"""Returns whether a configured expression matches a whole text."""

_INVISIBLE = frozenset(
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


def new_user_name(text: str, *, allow_any: bool = False) -> str:
    """Return `text` as the name of a new user.

    Args:
        text: as typed.
        allow_any: whether characters that are special in URLs are allowed.

    Raises:
        BadRequest: the name breaks a rule; says which.
    """
    separates = "it contains '/', which separates the domain from the name"
    return _checked_name(text, "user name", separates, allow_any=allow_any)


def new_role_name(text: str, *, allow_any: bool = False) -> str:
    """Return `text` as the name of a new role; it may begin with `Internal/` or `Application/`.

    Args:
        text: as typed.
        allow_any: whether characters that are special in URLs are allowed.

    Raises:
        BadRequest: the name breaks a rule; says which.
    """
    # One character more than allowed, so that a longer text is still refused.
    domain, slash, rest = text[: MAX_TYPED + 1].strip().partition("/")
    if slash and _hybrid_domain(domain):
        return full_role_name(f"{domain}/{bare_role_name(rest, allow_any=allow_any)}")
    return bare_role_name(text, allow_any=allow_any)


def bare_role_name(text: str, *, allow_any: bool = False) -> str:
    """Return `text` as the name of a new role of a user store, which has no domain.

    Args:
        text: as typed.
        allow_any: whether characters that are special in URLs are allowed.

    Raises:
        BadRequest: the name breaks a rule; says which.
    """
    leads = "only 'Internal/' and 'Application/' may lead it"
    return _checked_name(text, "role name", leads, allow_any=allow_any)


def role_name_warning(name: str) -> str:
    """Return the warning for the creator of a role of that name, or `""`."""
    special = any(char in _SPECIAL_IN_URLS for char in name)
    if not special and not any(char.isspace() for char in name):
        return ""
    listed = ", ".join(f"'{char}'" for char in _SPECIAL_IN_URLS)
    what = f"one of {listed}" if special else "a space"
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
        raise _not_allowed("password", "it is empty")
    if len(text) > MAX_PASSWORD_BYTES or len(_utf8(text, "password")) > MAX_PASSWORD_BYTES:
        raise _not_allowed("password", f"it is longer than {MAX_PASSWORD_BYTES} bytes")
    if any(unicodedata.category(char) == "Cc" for char in text):
        raise _not_allowed("password", "it contains a control character")
    if not text.strip("?"):
        raise _not_allowed("password", _ONLY_QUESTION_MARKS)
    return text


def ensure_confirmed(new: str, confirmed: str) -> None:
    """Raise `BadRequest` if the two entries of a new password differ."""
    if new != confirmed:
        raise BadRequest(CONFIRMATION_DIFFERS, "confirmed")


def is_primary(domain: str | None) -> bool:
    """Whether `domain`, as sent by a client, is the primary user store."""
    if domain is None:
        return True
    # White space is no domain: WSO2's CLI on Windows sends "\r".
    return not is_too_long(domain) and domain.strip().casefold() in ("", PRIMARY.casefold())


def split_domain(text: str, domains: Collection[str]) -> tuple[str, str]:
    """Return the domain in capitals and the rest; `""` and the text if no domain leads it."""
    first, slash, rest = text.partition("/")
    domain = first.upper()
    # `"ſ".upper()` is "S", but a domain consists of ASCII characters.
    is_domain = slash and first.isascii() and domain in domains
    return (domain, rest) if is_domain else ("", text)


def user_of_domain(name: str, domain: str | None, domains: Collection[str] = ()) -> str:
    """Return a user's name, as typed, with its domain: `("x", "wso2.com")` is `"WSO2.COM/x"`.

    Args:
        name: as typed; it may begin with the domain already.
        domain: as sent by a client.
        domains: the domains of the secondary user stores, in capitals.

    Raises:
        DomainNotFound: there is no such domain.
    """
    if is_primary(domain):
        return name
    typed = (domain or "")[:MAX_TYPED].strip()
    known = split_domain(f"{typed}/", domains)[0]
    if not known:
        raise DomainNotFound(typed)
    # Clients send names as lists show them, with the domain.
    bare = name.strip() if is_too_long(name) else split_domain(name.strip(), (known,))[1]
    return f"{known}/{bare}"


def role_of_domain(name: str, domain: str | None, domains: Collection[str] = ()) -> str:
    """Return a role's name, as typed, with its domain: `("x", "internal")` is `"Internal/x"`.

    The arguments, and the error, are those of `user_of_domain`.
    """
    hybrid = _hybrid_domain((domain or "")[:MAX_TYPED].strip())
    if not hybrid:
        return user_of_domain(name, domain, domains)
    first, slash, rest = name.partition("/")
    # Clients send names as lists show them, with the domain.
    return f"{hybrid}/{rest if slash and _hybrid_domain(first.strip()) == hybrid else name}"


def full_role_name(name: str) -> str:
    """Return `name` without `PRIMARY/` and white space, the hybrid domain in standard spelling."""
    stripped = without_primary(name)
    domain, slash, rest = stripped.partition("/")
    hybrid = _hybrid_domain(domain) if slash else None
    full = f"{hybrid}/{rest}" if hybrid else stripped
    return EVERYONE if folded(full) == folded(EVERYONE) else full


def is_hybrid_name(name: str) -> bool:
    """Whether the full name of a role is one of a hybrid role, `Internal/x`."""
    domain, slash, _ = name.partition("/")
    return bool(slash) and _hybrid_domain(domain) is not None


def without_primary(name: str) -> str:
    """Return `name` without white space at its ends and without a leading `PRIMARY/`."""
    if is_too_long(name):
        return name
    domain, slash, rest = name.strip().partition("/")
    return rest.strip() if slash and is_primary(domain) and domain.strip() else name.strip()


def _hybrid_domain(domain: str) -> str | None:
    return next((known for known in HYBRID_DOMAINS if known.casefold() == domain.casefold()), None)


def is_too_long(text: str) -> bool:
    """Whether a text, as typed, is too long for a name."""
    return len(text) > MAX_TYPED


def is_password(text: str) -> bool:
    """Whether a text can be a password: neither empty nor too long."""
    return 0 < len(text) <= MAX_PASSWORD_BYTES >= len(text.encode(errors="replace"))


def _checked_name(text: str, what: str, why_no_slash: str, *, allow_any: bool) -> str:
    if is_too_long(text):
        raise _not_allowed(what, f"it is longer than {MAX_NAME_BYTES} bytes")
    name = text.strip()
    if not name:
        raise _not_allowed(what, "it is empty")
    if name in (".", ".."):
        raise _not_allowed(what, "clients rewrite '.' and '..' in an address")
    if not name.strip("?"):
        raise _not_allowed(what, _ONLY_QUESTION_MARKS)
    if not allow_any:
        _ensure_no_special(name, what)
    if ":" in name:
        raise _not_allowed(what, "it contains ':', which ends the name in a login")
    if any(unicodedata.category(c) in _FORBIDDEN_CATEGORIES or c in _INVISIBLE for c in name):
        raise _not_allowed(what, "it contains a control, format or invalid character")
    if len(_utf8(name, what)) > MAX_NAME_BYTES:
        raise _not_allowed(what, f"it is longer than {MAX_NAME_BYTES} bytes")
    if "/" in name:
        raise _not_allowed(what, why_no_slash)
    return name


def _ensure_no_special(name: str, what: str) -> None:
    """Raise `BadRequest` for a character that is special in URLs."""
    # WSO2's `mi delete user 'c#sharp'` would delete the user `c`.
    found = next((char for char in name if char in _SPECIAL_IN_URLS), None)
    if found is not None:
        raise _not_allowed(
            what,
            f"it contains '{found}', which WSO2's command-line clients and dashboard do not escape "
            "in a URL; user_store.allow_any_name permits it",
        )


def _utf8(text: str, what: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise _not_allowed(what, "it contains an invalid character") from None


def _not_allowed(what: str, why: str) -> BadRequest:
    field = "new" if what == "password" else "name"
    return BadRequest(f"The {what} is not allowed: {why}.", field)


def matcher_of(expression: str | None) -> Matches | None:
    """Return whether a text matches the RE2 expression as a whole; None without an expression."""
    if not expression:
        return None
    # Imported here, because most commands of `mi` need no expressions.
    import re2

    compiled = re2.compile(expression)
    return lambda text: compiled.fullmatch(text) is not None


def ensure_matches(text: str, matches: Matches | None, what: str) -> str:
    """Return `text` if the configured expression (if any) matches all of it.

    Raises:
        BadRequest: the expression does not match.
    """
    if matches is not None and not matches(text):
        raise _not_allowed(what, "it does not match the configured expression")
    return text
