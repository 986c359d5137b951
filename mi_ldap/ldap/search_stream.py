"""Long responses, read entry by entry: each piece has a deadline of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator

from mi_ldap.deadline import remaining_s
from mi_ldap.ldap import messages
from mi_ldap.ldap.exchanges import Exchanges
from mi_ldap.ldap.messages import Entry, Message
from mi_ldap.ldap.result_codes import LdapError, ResultCode
from mi_ldap.ldap.search import SearchRequest


def stream_search(connection: Exchanges, search: SearchRequest) -> Iterator[Entry]:
    """Yield the entries of one search as they arrive, without a limit for the whole response.

    Args:
        connection: a bound connection; not to be used otherwise until all entries were returned.
        search: the request.

    Raises:
        LdapError: the server does not return all entries.
        DirectoryUnavailable: the connection failed.
    """
    request = messages.message(
        connection.next_message_id(), search.encode(), search.encoded_controls()
    )
    with connection.exchange("search"):
        connection.ldap3_connection.socket.sendall(request)
        for message in messages_in_pieces(connection):
            if message.tag == messages.ENTRY:
                yield search.entry_in(message)
            elif message.tag == messages.DONE:
                ensure_success(messages.result_in(message))
                return


def messages_in_pieces(connection: Exchanges) -> Iterator[Message]:
    """Yield messages as they arrive; the deadline applies to each piece and not to all of them."""
    sock = connection.ldap3_connection.socket

    def end_of_next_piece() -> float:
        return time.monotonic() + min(remaining_s(), connection.response_timeout_s)

    while True:
        yield sock.next_message(end_of_next_piece)


def ensure_success(result: messages.LdapResult) -> None:
    """Raise the `LdapError` of a result other than success."""
    if result.code != ResultCode.SUCCESS:
        raise LdapError(result.code, result.text)
