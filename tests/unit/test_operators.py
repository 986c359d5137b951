"""Who is an operator, by the roles that a store returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from mi_ldap.errors import AmbiguousName, DirectoryUnavailable
from mi_ldap.model import EntryId, Role, User, UserDetails
from mi_ldap.services.operators import Operators

OPERATORS = Operators(("operators",))
ROLE = Role(EntryId("5"), "operators", "role/5", "1/1")
USER = User(EntryId("1"), "bob", "user/1", "", "")


class Reads:
    """In place of a store: one role of the name, and the roles of each user."""

    def __init__(
        self,
        roles: Sequence[Role] = (),
        inherited: Sequence[Role] = (),
        found: Role | Exception | None = ROLE,
    ) -> None:
        self._details = UserDetails(tuple(roles), None, tuple(inherited))
        self._found = found

    def find_role(self, _name: str) -> Role | None:
        if isinstance(self._found, Exception):
            raise self._found
        return self._found

    def details(self, _user: User) -> UserDetails:
        return self._details


def is_operator(**given: Any) -> bool:
    reads: Any = Reads(**given)
    return OPERATORS.include(reads, USER)


HYBRID = replace(ROLE, is_hybrid=True, domain="Internal", name="Internal/operators")


@pytest.mark.parametrize("role", [ROLE, HYBRID, replace(ROLE, domain="WSO2.COM")])
def test_a_role_makes_operators_directly_or_through_others(role: Role) -> None:
    renamed = replace(role, name="OPERATORS", revision="unread")
    assert is_operator(roles=[renamed], found=role)
    assert is_operator(inherited=[renamed], found=role)
    assert not is_operator(found=role)


@pytest.mark.parametrize(
    "other",
    [
        replace(ROLE, id=EntryId("6")),
        replace(ROLE, is_hybrid=True),
        replace(ROLE, domain="WSO2.COM"),
        HYBRID,
    ],
    ids=["another id", "a hybrid role", "another store", "a hybrid role of the name"],
)
def test_an_equal_id_or_name_is_not_the_role(other: Role) -> None:
    """Ids are unique in one store only: those of a database are numbers of rows."""
    assert not is_operator(roles=[other], inherited=[other])
    assert not is_operator(roles=[ROLE], inherited=[ROLE], found=other)


def test_a_role_that_is_missing_or_ambiguous_makes_none() -> None:
    for found in (None, AmbiguousName("role", "operators")):
        assert not is_operator(roles=[ROLE], inherited=[ROLE], found=found)


def test_a_store_that_cannot_be_read_is_an_outage_and_no_refusal() -> None:
    with pytest.raises(DirectoryUnavailable):
        is_operator(roles=[ROLE], found=DirectoryUnavailable())
