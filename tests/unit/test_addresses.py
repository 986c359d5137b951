"""IP addresses and networks."""

from __future__ import annotations

import pytest

from mi_ldap.addresses import (
    client_network,
    is_loopback,
    is_wildcard,
    parse_address,
    parse_network,
)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_hosts_are_recognized(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "localhost.example.org", ""])
def test_other_hosts_are_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_wildcard_addresses_are_recognized() -> None:
    assert [is_wildcard(host) for host in ("0.0.0.0", "::", "127.0.0.1")] == [True, True, False]


def test_a_mapped_address_is_an_ipv4_address() -> None:
    assert str(parse_address("::ffff:192.0.2.1")) == "192.0.2.1"
    assert str(parse_network("::ffff:192.0.2.0/120")) == "192.0.2.0/24"
    assert parse_address("example.org") is None


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
    ],
)
def test_an_ipv6_client_is_its_network(client: str, network: str) -> None:
    assert client_network(client, 64) == network
