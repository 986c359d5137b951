"""389 Directory Server, Samba AD and OpenLDAP answer several searches that were sent together."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mi_ldap.deadline import deadline
from mi_ldap.ldap import connection, search
from mi_ldap.ldap.connection import LdapConnection
from mi_ldap.ldap.search import SearchRequest
from tests.hosts.fixtures import ds389, openldap, samba  # noqa: F401
from tests.hosts.process import DirectoryHost
from tests.ldap.connectors import connector


@pytest.fixture(params=["openldap", "ds389", "samba"])
def host(request: pytest.FixtureRequest) -> DirectoryHost:
    found: DirectoryHost = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def session(host: DirectoryHost) -> Iterator[LdapConnection]:
    connect = connector(host.ldaps_url, account=host.service, ca_file=host.ca_file)
    with deadline(60):
        session = connect.bound()
        yield session
        session.close()


def searches_at(host: DirectoryHost) -> list[SearchRequest]:
    return [
        SearchRequest("", "(objectClass=*)", ["supportedLDAPVersion"], base_only=True),
        SearchRequest(f"ou=nowhere,{host.base}", "(objectClass=*)", ["1.1"]),
        SearchRequest(host.user_base, "(objectClass=*)", ["1.1"]),
        SearchRequest(host.group_base, "(objectClass=*)", ["1.1"], base_only=True),
    ]


def test_servers_answer_together_as_one_by_one(
    host: DirectoryHost, session: LdapConnection
) -> None:
    for _ in range(20):
        together = session.search_all(searches_at(host) * 4)
        assert together == [session.search_once(each) for each in searches_at(host)] * 4
    assert session.usable


def test_requests_up_to_the_limits_of_a_batch_do_not_block(
    host: DirectoryHost, session: LdapConnection
) -> None:
    """A server that reads one request after the other would block if the buffers were full."""
    size = search.MAX_PIPELINED_BYTES // search.MAX_PIPELINED - 200
    named = f"(|(objectClass=*)(cn={'a' * size}))"
    long = SearchRequest(host.user_base, named, ["*"])
    alone = session.search_once(long)
    together = session.search_all([long] * search.MAX_PIPELINED)
    assert [each.code for each in together] == [alone.code] * search.MAX_PIPELINED
    assert session.usable


def test_searches_that_need_pages_are_read_in_pages(
    host: DirectoryHost, session: LdapConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [SearchRequest(host.base, "(objectClass=organizationalUnit)", ["1.1"])] * 3
    expected = {each.dn for each in session.find_all(wanted)[0].entries}
    assert len(expected) >= 2
    monkeypatch.setattr(connection, "PAGE_SIZE", 1)
    for result in session.find_all(wanted):
        assert result.complete
        assert {each.dn for each in result.entries} == expected
