"""Sockets to the addresses of a directory, connected within the request's remaining time."""

from __future__ import annotations

import socket
import ssl
from urllib.parse import unquote, urlsplit

from mi_ldap.deadline import remaining_s
from mi_ldap.ldap.name_resolution import addresses_of

_PORTS = {"ldap": 389, "ldaps": 636}


def is_local_socket(url: str) -> bool:
    """Whether an address is a UNIX socket: `"ldapi://%2Frun%2Fldapi"`."""
    return url.lower().startswith("ldapi:")


def is_ldaps(url: str) -> bool:
    """Whether TLS starts before any LDAP message: `"ldaps://ldap.example.org"`."""
    return url.lower().startswith("ldaps:")


def host_of(url: str) -> str:
    """Return the host of an address, for which the certificate must be: `"ldap.example.org"`."""
    return urlsplit(url).hostname or ""


def connect(url: str, unacknowledged_s: float) -> socket.socket:
    """Return a connected socket, without TLS.

    Args:
        url: `"ldap://ldap.example.org:389"`; a name's addresses are tried in the system's order.
        unacknowledged_s: seconds after which unacknowledged data ends the connection.

    Raises:
        OSError: the server cannot be reached in time.
        UnicodeError: the name cannot be a host name.
    """
    if is_local_socket(url):
        return _connect_unix(unquote(url[len("ldapi://") :]))
    parts = urlsplit(url)
    return _connect_tcp(host_of(url), parts.port or _PORTS[parts.scheme.lower()], unacknowledged_s)


def wrap_in_tls(plain: socket.socket, url: str, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Return the socket in TLS, with a certificate that is verified for the host of the address.

    Raises:
        OSError: the handshake failed (`ssl.SSLError`), or took too long.
    """
    plain.settimeout(_time_left_s())
    return context.wrap_socket(plain, server_hostname=host_of(url))


def _connect_unix(path: str) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        opened.settimeout(_time_left_s())
        opened.connect(path)
    except BaseException:
        opened.close()
        raise
    return opened


def _connect_tcp(host: str, port: int, unacknowledged_s: float) -> socket.socket:
    addresses = addresses_of(host, port)
    for at, (family, kind, protocol, _, address) in enumerate(addresses):
        opened = socket.socket(family, kind, protocol)
        try:
            # Each address gets its share of the time: a host that drops packets (a wrong AAAA
            # record, a firewall) would otherwise use up the time of the others.
            opened.settimeout(_time_left_s() / (len(addresses) - at))
            opened.connect(address)
            _set_options(opened, unacknowledged_s)
        except OSError:
            opened.close()
            if at == len(addresses) - 1:
                raise
        else:
            return opened
    raise OSError("the host name has no address")


def _set_options(opened: socket.socket, unacknowledged_s: float) -> None:
    # Otherwise a request may wait for the acknowledgement of the one before (RFC 896).
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # RFC 5482; only Linux
        # Without it, data to a host that vanished is sent again for 15 minutes (tcp_retries2).
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(unacknowledged_s * 1000))


def _time_left_s() -> float:
    left_s = remaining_s()
    if left_s <= 0:
        raise TimeoutError("the time for connecting is over")
    return left_s
