"""IP addresses and networks, loopback and wildcard hosts, and the hosts and schemes of URLs."""

from __future__ import annotations

import ipaddress
import socket
from functools import lru_cache
from urllib.parse import urlsplit

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Of `::ffff:0:0/96`, before the IPv4 address (RFC 4291 §2.5.5.2).
_MAPPED_BITS = 96


@lru_cache(maxsize=64)  # each request parses its client's address several times
def parse_address(text: str) -> Address | None:
    """Return the address; an IPv4-mapped IPv6 address (RFC 4291 §2.5.5.2) as IPv4, others None."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def parse_network(text: str) -> Network:
    """Return the network, an IPv4-mapped one as IPv4, since `parse_address` returns those so.

    Raises:
        ValueError: the text is not a network.
    """
    network = ipaddress.ip_network(text, strict=False)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < _MAPPED_BITS:
        return network
    return ipaddress.ip_network((mapped, network.prefixlen - _MAPPED_BITS))


def is_loopback(host: str) -> bool:
    """Whether the host is `"localhost"`, `"127.0.0.1"`, `"::1"` or another loopback address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_wildcard(host: str) -> bool:
    """Whether a server with this host listens on all interfaces, as with `"0.0.0.0"`."""
    return host in ("0.0.0.0", "::")  # noqa: S104 - compared only


def own_host(listens_at: str) -> str:
    """Return the host of the service for other machines, without brackets.

    Args:
        listens_at: the host that the service listens at, `"0.0.0.0"` for all.
    """
    return socket.getfqdn() if is_wildcard(listens_at) else listens_at


def host_in_url(host: str) -> str:
    """Return the host as URLs have it, an IPv6 address in brackets (RFC 3986 §3.2.2)."""
    return f"[{host}]" if ":" in host else host


def scheme_of(url: str) -> str:
    """Return `"ldap"`, `"ldaps"` or `"ldapi"`, also for addresses with `+srv`."""
    return url.partition(":")[0].lower().removesuffix("+srv")


def leaves_the_machine(url: str) -> bool:
    """Whether the directory is reached over a network."""
    return scheme_of(url) != "ldapi" and not is_loopback(urlsplit(url).hostname or "")


def client_network(client: str, ipv6_prefix: int) -> str:
    """Return the network of an IPv6 address, `"2001:db8::/64"`; other texts unchanged."""
    address = parse_address(client)
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(address), ipv6_prefix), strict=False))
    return client if address is None else str(address)
