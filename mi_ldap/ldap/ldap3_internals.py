"""What this package uses of ldap3 2.9.1 that is not in ldap3's documentation.

No other module does so. A test compares each of these with the installed version: read the new
source before raising `VERSION`.
"""

from __future__ import annotations

from typing import Final

from ldap3 import ANONYMOUS, NONE, SYNC, Connection, Server
from ldap3.operation.search import compile_filter, parse_filter
from ldap3.utils import asn1
from pyasn1.codec.ber import encoder

VERSION: Final = "2.9.1"
"""The version of ldap3 whose source this module was written against."""

# ldap3 2.9.1 does not decode the referral in the response to an extended operation (RFC 4511
# §4.12). A read-only server returns one to a password-modify operation, and ldap3 raises KeyError.
REFERRAL_TAG: Final = 3
asn1.EXTENDED_RESPONSE_CONTEXT.setdefault(REFERRAL_TAG, asn1.decode_sequence)


def connection_over(opened: object) -> Connection:
    """Return ldap3's connection over an open socket, in the state that `Connection.open` leaves.

    `Connection.open` itself would connect to each address of a host name with the whole timeout,
    and would keep only the text of an error.

    Args:
        opened: a `DeadlineSocket`, or what else has the methods of a socket that ldap3 calls.
    """
    connection = Connection(
        # By default ldap3 reads the schema at each bind: 119 binds/s against 2,270.
        Server("", get_info=NONE),
        authentication=ANONYMOUS,
        # The SAFE strategies return tuples, which are true for a rejected bind as well, and copy
        # each result (twice the time).
        client_strategy=SYNC,
        # ldap3 would follow a referral to any server with our DN and password.
        auto_referrals=False,
        check_names=False,
    )
    connection.socket = opened
    connection.strategy._outstanding = {}
    connection.closed, connection.listening = False, True
    return connection


def use_tls_socket(connection: Connection, encrypted: object) -> None:
    """Replace the socket of a connection by the encrypted one over the same TCP connection."""
    connection.socket = encrypted
    connection.tls_started = True


def encode_filter(ldap_filter: str) -> bytes:
    """Return the BER encoding of a filter (RFC 4515).

    Raises:
        LDAPInvalidFilterError: the text is not a filter.
    """
    parsed = parse_filter(ldap_filter, None, True, None, None, False).elements[0]
    return bytes(encoder.encode(compile_filter(parsed)))
