"""Lists with hybrid roles while a user store hangs."""

from __future__ import annotations

import time
from typing import Any

import pytest

from mi_ldap.deadline import deadline, remaining_s
from mi_ldap.domains.hybrid_reads import HybridReads
from mi_ldap.errors import DirectoryUnavailable
from mi_ldap.hybrid_roles import HybridMember
from mi_ldap.model import EntryId, Names, Role
from mi_ldap.store import FindUser, Read
from tests.contract.words import make_user
from tests.memory_store import MemoryStore

REQUEST_S = 0.4


def hang() -> None:
    """Wait as long as the caller has time, as for a server that does not answer."""
    time.sleep(remaining_s())
    raise DirectoryUnavailable


def answer() -> None:
    """Answer, if the caller has left time for it."""
    if remaining_s() <= 0:
        raise DirectoryUnavailable


class Stores(MemoryStore):
    """A primary store with a secondary one that hangs."""

    def role_names(self) -> Names:
        try:
            hang()
        except DirectoryUnavailable:
            return Names(("dev",), complete=False)
        raise AssertionError

    def prefetch(self, *reads: Read) -> Any:
        is_secondary = any(isinstance(each, FindUser) and "/" in each.name for each in reads)
        (hang if is_secondary else answer)()
        return self


class HybridRoles:
    """Hybrid roles in a database that answers."""

    hides_groups = True

    def role_names(self) -> Names:
        answer()
        return Names(("Internal/x",))

    def members(self, role: object) -> list[HybridMember]:
        answer()
        return [HybridMember("WSO2.COM", "bob", None), HybridMember("", "bob", None)]


@pytest.fixture
def reads() -> HybridReads:
    stores: Any = Stores()
    make_user(stores, "bob")
    hybrid: Any = HybridRoles()
    return HybridReads(stores, hybrid, has_accounts=False)


def test_hybrid_roles_are_listed_while_a_store_hangs(reads: HybridReads) -> None:
    with deadline(REQUEST_S):
        found = reads.role_names()
    assert (sorted(found.names), found.complete) == (["Internal/x", "dev"], False)


def test_primary_members_are_listed_while_a_store_hangs(reads: HybridReads) -> None:
    role = Role(EntryId("1"), "Internal/x", "1", "", domain="Internal", is_hybrid=True)
    with deadline(REQUEST_S):
        found = reads.member_names(role)
    assert (found.names, found.complete) == (("bob",), False)
