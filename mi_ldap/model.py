"""Users, roles and lists of names, as a store returns them; no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final


class EntryId(str):
    """The immutable id of a user or role.

    Raises:
        ValueError: the text is blank.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> EntryId:
        # Otherwise two entries whose ids cannot be read would count as the same.
        if not text.strip():
            raise ValueError("an id is never empty")
        return super().__new__(cls, text)


def entry_id(text: str | None) -> EntryId | None:
    """Return the text as an id; None if it is blank."""
    return EntryId(text) if text and text.strip() else None


@dataclass(frozen=True, slots=True)
class User:
    """A user as it was read.

    Attributes:
        id: the entry's immutable id, `"8a3d1872-7a1f-1041-82f4-05905a505f39"`.
        name: the stored name, `"alice"`.
        locator: the entry's address in the store (a DN in a directory); opaque to other modules.
        revision: opaque; represents the state that a decision depends on, see `Unchanged`.
        epoch: opaque; tokens that were issued under another one are invalid.
        custodian_id: the id of the custodian, or None.
        appointment: opaque; renewed whenever an admin promotes the user, otherwise permanent;
            `""` if the user never had a custodian.
        enabled: False when the account is disabled in the directory.
        busy: True while the user is being created, or while an admin is setting its password
            after checking that it is not an admin; it cannot be promoted meanwhile.
        has_store_class: whether the entry has the store's object class; if not, it is added first.
        unfinished: True until its creation has finished. Reads leave such a user out.
        domain: the secondary user store that it is in, `"WSO2.COM"`; `""` for the primary one.
        stored: the user as its store returned it, where custodian and account state are stored
            elsewhere; otherwise None.
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
    has_store_class: bool = True
    unfinished: bool = False
    domain: str = ""
    stored: User | None = field(default=None, repr=False, compare=False)

    @property
    def is_unappointed(self) -> bool:
        """Whether the user has no custodian and never had one."""
        return not (self.custodian_id or self.appointment)


@dataclass(frozen=True, slots=True)
class Role:
    """A role as it was read; the attributes as in `User`.

    Attributes:
        domain: of a hybrid role `"Internal"` or `"Application"`.
        is_dynamic: whether the directory computes its members.
        foreign_class: the class of a group whose members are in another attribute than the
            configured one, `"posixGroup"`; `""` for other groups.
        is_hybrid: whether users of every user store may have the role.
    """

    id: EntryId
    name: str
    locator: str
    revision: str
    has_store_class: bool = True
    is_dynamic: bool = False
    foreign_class: str = ""
    domain: str = ""
    is_hybrid: bool = False


@dataclass(frozen=True, slots=True)
class AdminRole:
    """The admin role with all its members.

    Attributes:
        role: the group itself.
        holders: locators of all members, including those of nested groups, without placeholders.
        nested: ids of the nested groups.
        nested_holders: locators of the members of those groups.
        first_admin_id: the mark that a first admin was created, or None.
    """

    role: Role
    holders: frozenset[str]
    nested: frozenset[EntryId] = frozenset()
    nested_holders: frozenset[str] = frozenset()
    first_admin_id: EntryId | None = None


@dataclass(frozen=True, slots=True)
class UserDetails:
    """Details of a user that are not in its entry.

    Attributes:
        roles: the roles assigned to the user directly.
        custodian: the present state of the custodian.
        inherited: the roles that the user has only through nested groups.
    """

    roles: tuple[Role, ...]
    custodian: User | None
    inherited: tuple[Role, ...] = ()


@dataclass(frozen=True, slots=True)
class AuthenticationResult:
    """A verified password, with the response of the directory's password policy.

    Attributes:
        must_change: whether the password must be changed before any other operation.
        grace_logins: the remaining logins of an expired password.
        expires_in_s: seconds until it expires, if that is soon.
    """

    must_change: bool = False
    grace_logins: int | None = None
    expires_in_s: int | None = None


@dataclass(frozen=True, slots=True)
class Performer:
    """The user whose token a request carries.

    Attributes:
        user: the user, read for this request.
        must_change_password: whether the token allows nothing but a password change.
        client: the client's address.
        admin_role: the admin role, if it was read to authorize the request.
        may_create_admins: False if the request comes from a control plane that may not, whoever
            its account is.
    """

    user: User
    must_change_password: bool = False
    client: str = ""
    admin_role: AdminRole | None = None
    may_create_admins: bool = True

    @property
    def name(self) -> str:
        return self.user.name


@dataclass(frozen=True, slots=True)
class ReadSource:
    """The source of a store's reads at present.

    Attributes:
        source: `"memory"`, `"directory"` or `"database"`.
        why: why the source is not memory, `"it is being filled"`; `""` if it is.
    """

    source: str
    why: str = ""


BETWEEN: Final = b"\xff"
"""A byte that occurs in no UTF-8 text, so in no name."""


@dataclass(frozen=True)
class Names:
    """A list of names.

    Attributes:
        complete: False if the server returned only a part.
        folded: if the names are sorted and unique, their casefolds in the same order; the same
            object as `names` if the casefolds are equal to the names.
    """

    names: tuple[str, ...]
    complete: bool = True
    folded: tuple[str, ...] | None = None

    @cached_property
    def text(self) -> bytes:
        """Return all casefolds as one UTF-8 text, with `BETWEEN` before and after each."""
        # One search of one text is faster than a test of each of 100,000 names.
        between = BETWEEN.decode(errors="surrogateescape")
        return between.join(("", *(self.folded or ()), "")).encode(errors="surrogateescape")


def in_order(names: Iterable[str], *, complete: bool = True) -> Names:
    """Return the unique names sorted without case, ties by code point, without empty ones."""
    # Sorted twice: the second sort is stable, so that it leaves ties by code point.
    by_code_point = sorted({name for name in names if name})
    listed = tuple(sorted(by_code_point, key=casefolded))
    return Names(listed, complete, shared(tuple(map(casefolded, listed)), listed))


def shared(folded: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the casefolds; the same object as `names` if they are equal, to save memory."""
    return names if folded == names else folded


def sorted_names(names: Iterable[str]) -> tuple[str, ...]:
    """Return the names sorted without case, ties by code point."""
    return in_order(names).names


def casefolded(name: str) -> str:
    """Return the name's casefold; the same object if it is equal, to save memory."""
    fold = name.casefold()
    return name if fold == name else fold
