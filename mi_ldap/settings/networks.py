"""Networks of trusted proxies, as they are compared with the addresses of peers."""

from __future__ import annotations

import ipaddress

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_MAPPED_BITS = 96
"""Of `::ffff:0:0/96`, before the IPv4 address (RFC 4291 §2.5.5.2)."""


def read_network(text: str) -> Network:
    """IPv4 addresses that are written as IPv6 ones are compared as IPv4, as those of peers are."""
    network = ipaddress.ip_network(text, strict=False)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < _MAPPED_BITS:
        return network
    return ipaddress.ip_network((mapped, network.prefixlen - _MAPPED_BITS))
