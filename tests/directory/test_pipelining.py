"""Searches are sent together, but not to servers that answer them late then."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from mi_ldap.ldap.connection import LdapConnection
from tests.hosts_of_kinds import Hosts
from tests.kinds import ACTIVE_DIRECTORY, DS389, OPENLDAP, Kind
from tests.table.directories import api_on, place_on


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many operations each exchange has."""
    found: list[int] = []
    exchange = LdapConnection.exchange

    def counted(
        connection: LdapConnection, operation: str, count: int = 1
    ) -> AbstractContextManager[None]:
        found.append(count)
        return exchange(connection, operation, count)

    monkeypatch.setattr(LdapConnection, "exchange", counted)
    return found


@pytest.mark.parametrize("kind", [OPENLDAP, DS389, ACTIVE_DIRECTORY], ids=lambda kind: kind.name)
def test_searches_are_sent_together_where_that_is_quick(
    hosts: Hosts, kind: Kind, tmp_path: Path, counts: list[int]
) -> None:
    with place_on(hosts, kind) as place, api_on(place, tmp_path) as api:
        admin = api.logged_in("admin")  # which detects the kind of server
        counts.clear()
        admin.add_user("bob")
        admin.add_role("dev", "bob")
        assert admin.user("bob")["roles"] == ["Internal/everyone", "dev"]
        admin.do("DELETE", "/users/bob")
        assert (max(counts) == 1) is (kind is DS389)
