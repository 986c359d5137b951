"""The proxy that shows Active Directory's limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ldap3 import BASE, LEVEL

from tests.hosts.ad_limits import AdLimits
from tests.hosts.fixtures import samba  # noqa: F401
from tests.hosts.samba import Samba
from tests.hosts.tls import opened

USERS, VALUES, PAGE = 7, 3, 4
SUCCESS, SIZE_LIMIT_EXCEEDED = 0, 4


@pytest.fixture(scope="module")
def limits(samba: Samba) -> Iterator[AdLimits]:  # noqa: F811
    with AdLimits(samba, values=VALUES, page=PAGE) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def group_dn(samba: Samba) -> Iterator[str]:  # noqa: F811
    """A group of more members than are shown at a time."""
    users = [f"CN=limited{number},{samba.user_base}" for number in range(USERS)]
    group = f"CN=limited,{samba.group_base}"
    with samba.connected(*samba.service) as service:
        for dn in users:
            assert service.add(dn, ["user"]), service.result
        assert service.add(group, ["group"], {"member": users}), service.result
        yield group
        for dn in (*users, group):
            assert service.delete(dn), service.result


@pytest.fixture
def service(samba: Samba, limits: AdLimits, group_dn: str) -> Iterator[Any]:  # noqa: F811
    with opened(limits.ldaps_url, samba.tls, *samba.service) as connection:
        connection.auto_range = connection.empty_attributes = False
        assert connection.bind(), connection.result
        yield connection


def members(service: Any, group_dn: str, asked: str) -> dict[str, int]:
    """How many values there are by the name they come under."""
    service.search(group_dn, "(&(objectClass=*)(!(cn=x)))", BASE, attributes=[asked])
    found = service.response[0]["raw_attributes"]
    return {name: len(values) for name, values in found.items()}


def test_ranges_of_members(service: Any, group_dn: str) -> None:
    assert members(service, group_dn, "member;range=3-*") == {"member;range=3-5": 3}
    assert members(service, group_dn, "member;range=6-*") == {"member;range=6-*": 1}
    assert members(service, group_dn, "member;range=1-2") == {"member;range=1-2": 2}


def test_members_without_a_range(service: Any, group_dn: str) -> None:
    service.empty_attributes = True  # ldap3 hides the empty `member`, and asserts that it was there
    assert members(service, group_dn, "member") == {"member;range=0-2": 3}


def test_few_values_come_at_once(service: Any, group_dn: str) -> None:
    assert members(service, group_dn, "objectClass") == {"objectClass": 2}


def test_a_search_ends_at_a_page(samba: Samba, service: Any) -> None:  # noqa: F811
    service.search(samba.user_base, "(cn=limited*)", LEVEL)
    assert len(service.response) == PAGE
    assert service.result["result"] == SIZE_LIMIT_EXCEEDED


def test_no_page_is_longer(samba: Samba, service: Any) -> None:  # noqa: F811
    service.search(samba.user_base, "(cn=limited*)", LEVEL, paged_size=100)
    assert len(service.response) == PAGE
    cookie = service.result["controls"]["1.2.840.113556.1.4.319"]["value"]["cookie"]
    service.search(samba.user_base, "(cn=limited*)", LEVEL, paged_size=100, paged_cookie=cookie)
    assert len(service.response) == USERS - PAGE
    assert service.result["result"] == SUCCESS


def test_without_tls_too(samba: Samba, limits: AdLimits) -> None:  # noqa: F811
    with opened(limits.url, None, *samba.service) as connection:
        assert connection.bind(), connection.result
