"""Search requests, their results, and the collection of several searches' responses (sans-IO)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar

from mi_ldap.ldap import controls, messages, names, requests
from mi_ldap.ldap.controls import Control
from mi_ldap.ldap.filter_encoding import encode_filter
from mi_ldap.ldap.message_reader import ProtocolViolation
from mi_ldap.ldap.messages import Entry, Message
from mi_ldap.ldap.result_codes import LdapError, ResultCode

T = TypeVar("T")

Convert = Callable[[Entry], T | None]
"""Returns what to keep of an entry, None for nothing.

It is called as soon as the entry has arrived. To keep 20,000 whole entries takes as long as to
decode them: they are 100,000 objects.
"""

MAX_PIPELINED: Final = 16
"""Most searches that are sent before their responses are read. Servers queue so many: OpenLDAP 2.5
closes a connection with more than conn_max_pending requests (default 100)."""

MAX_PIPELINED_BYTES: Final = 64 * 1024
"""Most bytes of such searches; they must fit in the buffers of the sockets. Samba 4.17 and 389
Directory Server 2.3 read no further request while the client does not read their responses, so both
sides would wait for each other."""

MAX_RESPONSE_BYTES: Final = 256 * 1024 * 1024
"""A server without paged results returns all users in one response."""

_NO_SUCH_BASE: Final = (ResultCode.NO_SUCH_OBJECT, ResultCode.INVALID_DN_SYNTAX)


class SearchRequest(NamedTuple):
    """One search request (RFC 4511 §4.5.1).

    Attributes:
        base_dn: the base of the search.
        condition: the filter as text (RFC 4515), or as encoded by `requests`.
        attributes: the attributes to return; `["1.1"]` for none.
        base_only: whether to read the base entry alone.
        size_limit: the most entries, 0 for all.
        controls: those that the request is sent with.
        is_base_optional: whether a base that does not exist is an empty result for
            `LdapConnection.find_all`, and not an error.
        may_leave_base: whether entries outside the base are valid, because a control asks for
            them.
    """

    base_dn: str
    condition: str | bytes
    attributes: Sequence[str]
    base_only: bool = False
    size_limit: int = 0
    controls: tuple[Control, ...] = ()
    is_base_optional: bool = False
    may_leave_base: bool = False

    def entry_in(self, message: Message) -> Entry:
        """Decode an entry that this search has found.

        Raises:
            ProtocolViolation: the entry lies outside the base.
            IndexError, ValueError: the message is malformed.
        """
        if self.may_leave_base:
            return messages.entry_in(message)
        return entry_below(self.base_dn, message, base_only=self.base_only)

    def encoded_condition(self) -> bytes:
        """Return the encoded filter."""
        if isinstance(self.condition, bytes):
            return self.condition
        return encode_filter(self.condition)

    def encoded_controls(self) -> bytes:
        """Return the encoded controls, one after the other."""
        return b"".join([control.encode() for control in self.controls])

    def encode(self) -> bytes:
        """Return the operation, without its message id and controls."""
        scope = requests.BASE if self.base_only else requests.SUBTREE
        condition = self.encoded_condition()
        return requests.search(self.base_dn, condition, self.attributes, scope, self.size_limit)


@dataclass(frozen=True, slots=True)
class RawSearchResult(Generic[T]):
    """The result of one search request, whatever its result code.

    Attributes:
        code: the LDAP result code.
        entries: what was kept of the entries.
        count: the number of entries that the server returned.
        matched_dn: with code 32, the part of the DN that exists (RFC 4511 §4.1.9); `""` if the
            server does not return it.
        text: the server's diagnostic text.
        next_page: the cookie for the next page, `b""` after the last.
    """

    code: ResultCode
    entries: list[T]
    count: int
    matched_dn: str = ""
    text: str = ""
    next_page: bytes = b""


@dataclass(frozen=True, slots=True)
class SearchResult(Generic[T]):
    """The result of a search; `complete` is False if the server stopped at one of its limits."""

    entries: list[T]
    complete: bool = True


class PendingSearches(Generic[T]):
    """Searches that were sent together, whose responses may arrive in any order.

    Args:
        searches: the requests by message id.
        convert: returns what to keep of an entry.
    """

    def __init__(self, searches: Mapping[int, SearchRequest], convert: Convert[T]) -> None:
        self._searches = searches
        self._convert = convert
        self._kept: dict[int, list[T]] = {number: [] for number in searches}
        self._counts = dict.fromkeys(searches, 0)
        self._results: dict[int, RawSearchResult[T]] = {}
        self._bytes_left = MAX_RESPONSE_BYTES

    def are_done(self) -> bool:
        """Whether the last response to each search has arrived."""
        return len(self._results) == len(self._searches)

    def receive(self, message: Message) -> bool:
        """Take in a message that answers one of the searches; return whether it ends that search.

        Raises:
            ProtocolViolation: an entry lies outside the base, or the responses are too long.
            IndexError, ValueError: the message is malformed.
        """
        number = message.number
        if message.tag == messages.DONE:
            self._results[number] = self._result(message)
            return True
        self._bytes_left -= len(message.body)
        if self._bytes_left < 0:
            raise ProtocolViolation(f"search responses of more than {MAX_RESPONSE_BYTES} bytes")
        # References (RFC 4511 §4.5.3) are ignored: following one means to bind at another server
        # with the account's password.
        if message.tag == messages.ENTRY:
            kept = self._convert(self._searches[number].entry_in(message))
            self._counts[number] += 1
            if kept is not None:
                self._kept[number].append(kept)
        return False

    def results(self) -> list[RawSearchResult[T]]:
        """Return the results in the order of the requests, once all `are_done`."""
        return [self._results[number] for number in self._searches]

    def _result(self, message: Message) -> RawSearchResult[T]:
        number, result = message.number, messages.result_in(message)
        return RawSearchResult(
            result.code,
            self._kept[number],
            self._counts[number],
            result.matched_dn,
            result.text,
            controls.next_page(result.controls),
        )


def pipeline_size(encoded: Sequence[tuple[SearchRequest, bytes]]) -> int:
    """Return how many of the searches to send together; at least one."""
    total = 0
    for size, (_, operation) in enumerate(encoded[:MAX_PIPELINED]):
        total += len(operation)
        if size and total > MAX_PIPELINED_BYTES:
            return size
    return min(len(encoded), MAX_PIPELINED)


def empty_if_optional(search: SearchRequest, result: RawSearchResult[T]) -> SearchResult[T]:
    """Return no entries if only the base is missing, and may be.

    Raises:
        LdapError: the search failed.
    """
    if search.is_base_optional and result.code in _NO_SUCH_BASE:
        return SearchResult([])
    raise LdapError(result.code, result.text)


def whole(entry: Entry) -> Entry:
    """Keep the entry as it is."""
    return entry


def entry_below(base_dn: str, message: Message, *, base_only: bool = False) -> Entry:
    """Decode an entry that a search below the base has found.

    Raises:
        ProtocolViolation: the entry lies outside the base.
    """
    entry = messages.entry_in(message)
    if not names.may_lie_at(entry.dn, base_dn, exactly=base_only):
        raise ProtocolViolation("the server returned an entry outside of the search base")
    return entry
