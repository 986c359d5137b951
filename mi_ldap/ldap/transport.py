"""From an address to an open connection, within what is left of the request's time.

ldap3 would dial by itself: each of a name's addresses with the whole timeout, and with nothing
left of an error but its text.
"""

from __future__ import annotations

import socket
import ssl
from urllib.parse import unquote, urlsplit

from ldap3 import ANONYMOUS, NONE, SYNC, Connection, Server
from ldap3.utils import asn1

from mi_ldap.deadline import remaining_s
from mi_ldap.ldap.deadline_socket import DeadlineSocket
from mi_ldap.ldap.name_resolution import addresses_of

# ldap3 2.9.1 reads no referral in the answer to an extended operation (RFC 4511 §4.12), as a server
# that takes no changes gives one to a new password.
asn1.EXTENDED_RESPONSE_CONTEXT.setdefault(3, asn1.decode_sequence)

_PORTS = {"ldap": 389, "ldaps": 636}


def is_local_socket(url: str) -> bool:
    """True for `"ldapi://%2Frun%2Fldapi"`."""
    return url.lower().startswith("ldapi:")


def is_ldaps(url: str) -> bool:
    """True for `"ldaps://ldap.example.org"`, where TLS comes before anything else."""
    return url.lower().startswith("ldaps:")


def host_in(url: str) -> str:
    """`"ldap.example.org"`, which the certificate must be for."""
    return urlsplit(url).hostname or ""


def dial(url: str, unheard_s: float) -> socket.socket:
    """A connected socket, without TLS.

    Args:
        url: `"ldap://ldap.example.org:389"`; a name's addresses are tried in the system's order.
        unheard_s: after how many seconds without the peer's acknowledgement the connection ends.

    Raises:
        OSError: nobody answers there in time.
        UnicodeError: no host can have such a name.
    """
    if is_local_socket(url):
        return _dial_local(unquote(url[len("ldapi://") :]))
    parts = urlsplit(url)
    return _dial_host(host_in(url), parts.port or _PORTS[parts.scheme.lower()], unheard_s)


def encrypted(plain: socket.socket, url: str, context: ssl.SSLContext) -> ssl.SSLSocket:
    """The socket within TLS, the server's certificate verified for the host of the address.

    Raises:
        OSError: the handshake failed (`ssl.SSLError`), or took too long.
    """
    plain.settimeout(_left_s())
    return context.wrap_socket(plain, server_hostname=host_in(url))


def connection_over(wire: DeadlineSocket) -> Connection:
    """ldap3's connection as its own `open` leaves it; its server has no name to dial."""
    connection = Connection(
        Server("", get_info=NONE),
        authentication=ANONYMOUS,
        client_strategy=SYNC,
        auto_referrals=False,
        check_names=False,
        return_empty_attributes=False,
        # Left to itself, ldap3 takes the first of many members for all when the next ones fail.
        auto_range=False,
    )
    connection.socket = wire
    connection.strategy._outstanding = {}
    connection.closed, connection.listening = False, True
    return connection


def _dial_local(path: str) -> socket.socket:
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        opened.settimeout(_left_s())
        opened.connect(path)
    except BaseException:
        opened.close()
        raise
    return opened


def _dial_host(host: str, port: int, unheard_s: float) -> socket.socket:
    found = addresses_of(host, port)
    for at, (family, kind, protocol, _, address) in enumerate(found):
        opened = socket.socket(family, kind, protocol)
        try:
            opened.settimeout(_left_s() / (len(found) - at))
            opened.connect(address)
            _set_options(opened, unheard_s)
        except OSError:
            opened.close()
            if at == len(found) - 1:
                raise
        else:
            return opened
    raise OSError("the name has no address")


def _set_options(opened: socket.socket, unheard_s: float) -> None:
    opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # RFC 5482; Linux has it
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(unheard_s * 1000))


def _left_s() -> float:
    left_s = remaining_s()
    if left_s <= 0:
        raise TimeoutError("the time for the connection is over")
    return left_s
