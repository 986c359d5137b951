"""Users, roles and their names: the words that every layer shares. No I/O.

Names follow the contract's rules: what the directory holds, except what a forger or a client's URL
could abuse. Users that other tools made under other names are still listed, shown and removable, so
`new_user_name` is asked only where a name is *made*.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from mi_ldap.errors import BadRequest, DomainNotFound

EVERYONE: Final = "Internal/everyone"
PRIMARY: Final = "PRIMARY"
HYBRID_DOMAINS: Final = ("Internal", "Application")

DIFFER: Final = "The new password and its confirmation differ."

MAX_NAME_BYTES: Final = 240
MAX_PASSWORD_BYTES: Final = 1024
MAX_TYPED: Final = 1024
"""Characters of a name as somebody typed it, domain and white space included.

Longer texts name nothing, and nothing is done with them: to normalize a megabyte of combining marks
takes CPython minutes, since it sorts them by insertion.
"""

Matches = Callable[[str], bool]
"""Whether a configured expression matches all of a text."""

_UNSEEN = frozenset(
    "\ufffd\u034f\u115f\u1160\u17b4\u17b5\u2028\u2029\u2800\u3164\uffa0"
    "\u180b\u180c\u180d\u180f" + "".join(map(chr, range(0xFE00, 0xFE10)))
)
"""What nobody sees in a name, besides control and format characters, and what is broken."""

_FORBIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs"})

_SPECIAL_IN_URLS = "#?%\\"
"""What WSO2's command-line clients and dashboard put into a URL without escaping it."""

_ONLY_QUESTION_MARKS = (
    "it consists of '?' only, which ISO-8859-1 clients send for other characters; send it as UTF-8"
)


class EntryId(str):
    """The immutable id of a user or role, never empty: an absent id must equal no other one.

    Raises:
        ValueError: there is nothing in the text.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> EntryId:
        if not text.strip():
            raise ValueError("an id is never empty")
        return super().__new__(cls, text)


def entry_id(text: str | None) -> EntryId | None:
    """The text as an id; None where there is nothing in it."""
    return EntryId(text) if text and text.strip() else None


@dataclass(frozen=True, slots=True)
class User:
    """A user as it was read.

    Attributes:
        id: the entry's immutable id, `"8a3d1872-7a1f-1041-82f4-05905a505f39"`.
        name: the stored name, `"alice"`.
        locator: where the store finds the entry (a DN in a directory); opaque to the rules.
        revision: opaque; stands for what a decision about the entry depends on, see `Unchanged`.
        epoch: opaque; tokens made under another one are dead.
        custodian_id: the id of the admin who answers for this one, or None.
        appointment: opaque; replaced whenever another admin makes the user an admin, and kept for
            good; `""` for somebody who never had a custodian.
        enabled: False when the directory closes the account for good.
        busy: True while it is being made, or its password is being set by an admin who was told
            that it is no admin; nobody may make it one meanwhile.
        marked: whether the entry carries the store's own class; without it, it is added first.
        unfinished: True until its creation has finished. Such a user is found by no read.
    """

    id: EntryId
    name: str
    locator: str
    revision: str
    epoch: str
    custodian_id: EntryId | None = None
    appointment: str = ""
    enabled: bool = True
    busy: bool = False
    marked: bool = True
    unfinished: bool = False

    @property
    def is_unappointed(self) -> bool:
        """Whether it has no custodian and never had one."""
        return not (self.custodian_id or self.appointment)


@dataclass(frozen=True, slots=True)
class Role:
    """A role as it was read; the attributes as in `User`.

    Attributes:
        is_dynamic: whether the directory works out its members.
        foreign_class: the class of a group that holds its members in another attribute than the
            configured one, `"posixGroup"`; `""` where it does not.
    """

    id: EntryId
    name: str
    locator: str
    revision: str
    marked: bool = True
    is_dynamic: bool = False
    foreign_class: str = ""


@dataclass(frozen=True, slots=True)
class AdminRole:
    """The admin role with everybody who holds it.

    Attributes:
        role: the group itself.
        holders: locators of all members, those of nested groups too, placeholders left out.
        nested: ids of the groups through which some hold it.
        nested_holders: locators of the members of those groups.
        first_admin_id: the mark that a first admin was made, or None.
    """

    role: Role
    holders: frozenset[str]
    nested: frozenset[EntryId] = frozenset()
    nested_holders: frozenset[str] = frozenset()
    first_admin_id: EntryId | None = None


@dataclass(frozen=True, slots=True)
class UserDetails:
    """What is shown of a user besides its entry.

    Attributes:
        roles: the roles given to the user itself.
        custodian: as it is now.
        inherited: the roles that it holds only through those.
    """

    roles: tuple[Role, ...]
    custodian: User | None
    inherited: tuple[Role, ...] = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """A proved password, and what the directory's policy says of it.

    Attributes:
        must_change: whether it opens nothing but its own change.
        grace_logins: how many more logins it has, being expired.
        expires_in_s: seconds until it expires, where that is soon.
    """

    must_change: bool = False
    grace_logins: int | None = None
    expires_in_s: int | None = None


@dataclass(frozen=True, slots=True)
class Performer:
    """Whose token a request carries.

    Attributes:
        user: the entry, read for this request.
        must_change_password: whether the token opens nothing but that.
        client: the address the request came from.
        admin_role: the admin role as it was read to let the request in, if it was.
    """

    user: User
    must_change_password: bool = False
    client: str = ""
    admin_role: AdminRole | None = None

    @property
    def name(self) -> str:
        return self.user.name


@dataclass(frozen=True, slots=True)
class Reads:
    """What answers a store's view now.

    Attributes:
        source: `"memory"` or `"directory"`.
        why: why it is not memory, `"it is being filled"`; `""` where it is.
    """

    source: str
    why: str = ""


BETWEEN: Final = b"\xff"
"""In no text that is UTF-8, so in no name, whatever it holds."""


@dataclass(frozen=True)
class Names:
    """A list of names.

    Attributes:
        complete: False where the server would not give everything.
        folded: where the names are sorted, and each is there once: their casefolds, side by side;
            the same object as `names` where they have no case.
    """

    names: tuple[str, ...]
    complete: bool = True
    folded: tuple[str, ...] | None = None

    @cached_property
    def text(self) -> bytes:
        """All casefolds in one, as UTF-8, with `BETWEEN` before and after each."""
        between = BETWEEN.decode(errors="surrogateescape")
        return between.join(("", *(self.folded or ()), "")).encode(errors="surrogateescape")


def in_order(names: Iterable[str], *, complete: bool = True) -> Names:
    """The names without regard to case, ties by code point, each once; empty ones left out."""
    by_code_point = sorted({name for name in names if name})
    listed = tuple(sorted(by_code_point, key=casefolded))
    return Names(listed, complete, shared(tuple(map(casefolded, listed)), listed))


def shared(folded: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    """The casefolds of the names; the names themselves, and no copy, where they are the same."""
    return names if folded == names else folded


def sorted_names(names: Iterable[str]) -> tuple[str, ...]:
    """The names in order."""
    return in_order(names).names


def casefolded(name: str) -> str:
    """The name without case; the name itself, and not a copy, where it has none."""
    fold = name.casefold()
    return name if fold == name else fold


def folded(name: str) -> str:
    """The name as OpenLDAP compares it: each character to lower case, NFKC, single spaces.

    Not `casefold()`: to it `straße` and `strasse` are one name, to a directory they are two. A text
    that is too long for a name is left as it is.
    """
    if len(name) > MAX_TYPED:
        return name
    lowered = "".join("i" if char == "\u0130" else char.lower() for char in name)
    return " ".join(unicodedata.normalize("NFKC", lowered).split())


def new_user_name(text: str, *, allow_any: bool = False) -> str:
    """`text` as the name of a new user.

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
    """`text` as the name of a new role; `Internal/` and `Application/` may lead it.

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
    """What the creator of a role of that name should know, or `""`."""
    special = any(char in _SPECIAL_IN_URLS for char in name)
    if not special and not any(char.isspace() for char in name):
        return ""
    what = f"one of {_listed(_SPECIAL_IN_URLS)}" if special else "a space"
    return (
        f"The role name contains {what}: the Roles page of the WSO2 dashboard fails "
        "while a role of such a name exists."
    )


def new_password(text: str) -> str:
    """`text` as a new password.

    Raises:
        BadRequest: it is empty, too long, or holds control characters.
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
    """Raises `BadRequest` where a new password was given in two ways."""
    if new != confirmed:
        raise BadRequest(f"Error processing the request. {DIFFER}", "confirmed")


def is_primary(domain: str | None) -> bool:
    """Whether `domain`, as a client sent it, means the main user store."""
    if domain is None:
        return True
    return not is_too_long(domain) and domain.strip().casefold() in ("", PRIMARY.casefold())


def role_of_domain(name: str, domain: str | None) -> str:
    """The name of a role, as typed, with its domain: `("x", "internal")` is `"Internal/x"`.

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
    """`name` without `PRIMARY/` and white space, the hybrid domain in its own spelling."""
    stripped = without_primary(name)
    domain, slash, rest = stripped.partition("/")
    hybrid = _hybrid_domain(domain) if slash else None
    full = f"{hybrid}/{rest}" if hybrid else stripped
    return EVERYONE if folded(full) == folded(EVERYONE) else full


def without_primary(name: str) -> str:
    """`name` as typed, without white space at its ends and without a leading `PRIMARY/`."""
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
    """Whether a text, as typed, is too long to name anything."""
    return len(text) > MAX_TYPED


def is_password(text: str) -> bool:
    """Whether a text may be somebody's password: not empty, and no longer than one may be."""
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
    """Raises `BadRequest`: `mi delete user 'c#sharp'` of WSO2 would delete the user `c`."""
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
    return BadRequest(f"Error processing the request. The {what} is not allowed: {why}.", field)


def narrowed(text: str, matches: Matches | None, what: str) -> str:
    """`text`, when the configured expression (if any) matches all of it.

    Raises:
        BadRequest: it does not.
    """
    if matches is not None and not matches(text):
        raise _refused(what, "the configured expression for it does not match")
    return text
