"""Searches on one connection: single ones, several in one round trip, long ones in pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog

from mi_ldap.ldap import controls as ctl
from mi_ldap.ldap import messages
from mi_ldap.ldap.deadline_socket import DeadlineSocket
from mi_ldap.ldap.exchanges import Exchanges
from mi_ldap.ldap.messages import Entry
from mi_ldap.ldap.result_codes import LdapError, ResultCode
from mi_ldap.ldap.search import (
    Convert,
    PendingSearches,
    RawSearchResult,
    SearchRequest,
    SearchResult,
    whole,
)

T = TypeVar("T")

log = structlog.get_logger()

PAGE_SIZE = 1000
"""Entries of a page; Active Directory returns no more for one request (MaxPageSize)."""

MAX_PIPELINED: Final = 16
"""Most searches that are sent before their responses are read. Servers queue so many: OpenLDAP 2.5
closes a connection with more than conn_max_pending requests (default 100)."""

MAX_PIPELINED_BYTES: Final = 64 * 1024
"""Most bytes of such searches; they must fit in the buffers of the sockets. Samba 4.17 and 389
Directory Server 2.3 read no further request while the client does not read their responses, so both
sides would wait for each other."""

_LIMIT_CODES: Final = (ResultCode.SIZE_LIMIT_EXCEEDED, ResultCode.ADMIN_LIMIT_EXCEEDED)
_NO_SUCH_BASE: Final = (ResultCode.NO_SUCH_OBJECT, ResultCode.INVALID_DN_SYNTAX)


@dataclass(slots=True)
class SearchOperations(Exchanges):
    """The searches of a connection."""

    def search(
        self, base_dn: str, ldap_filter: str, attributes: Sequence[str], *, base_only: bool = False
    ) -> SearchResult[Entry]:
        """Return all matching entries, read in pages (RFC 2696), without search references.

        If the server allows this account no paged results, return what one request finds.
        """
        search = SearchRequest(base_dn, ldap_filter, attributes, base_only)
        return self._search_in_pages(search, whole)

    def search_once(self, search: SearchRequest) -> RawSearchResult[Entry]:
        """Send one search request and return its result, whatever the result code."""
        return self._exchange_search(search, whole)

    def search_all(self, searches: Sequence[SearchRequest]) -> list[RawSearchResult[Entry]]:
        """Send several search requests together, and return the result of each in their order.

        This takes one round trip for each `MAX_PIPELINED` searches. The server may process them in
        any order, so none may depend on the result of another. The server has `response_timeout_s`
        seconds for each, within the request's own time. A refused search does not affect the
        others: look at the result codes.

        Raises:
            DirectoryUnavailable: the connection failed, or the server violated the protocol; also
                if some of the searches had ended before.
        """
        return self._search_together(searches, whole)

    def find_all(self, searches: Sequence[SearchRequest]) -> list[SearchResult[Entry]]:
        """Send several searches together, and return all entries that each of them matches.

        A search that matches more entries than fit in one response is sent again, read in pages.

        Raises:
            LdapError: of the first search that failed. A search with a `size_limit` fails if
                another limit of the server was reached first.
        """
        return self.collect(searches, whole)

    def collect(
        self, searches: Sequence[SearchRequest], convert: Convert[T]
    ) -> list[SearchResult[T]]:
        """Return what `convert` keeps of all entries that each search matches, like `find_all`."""
        if len(searches) == 1 and not (searches[0].size_limit or searches[0].base_only):
            # Nothing to send together: the first page at once, however many more there are.
            return [self._search_in_pages(searches[0], convert)]
        # Not with the control for paged results: slapd 2.5 has one paged search per connection, and
        # the cookie of a second one makes that of the first invalid.
        sent = [
            search
            if search.size_limit or search.base_only
            else search._replace(size_limit=PAGE_SIZE)
            for search in searches
        ]
        pairs = zip(searches, self._search_together(sent, convert), strict=True)
        return [self._complete(search, result, convert) for search, result in pairs]

    def _search_together(
        self, searches: Sequence[SearchRequest], convert: Convert[T], name: str = "search"
    ) -> list[RawSearchResult[T]]:
        encoded = [(search, search.encode()) for search in searches]
        results: list[RawSearchResult[T]] = []
        while encoded:
            size = _pipeline_size(encoded)
            results += self._exchange_searches(encoded[:size], convert, name)
            del encoded[:size]
        return results

    def _complete(
        self, search: SearchRequest, result: RawSearchResult[T], convert: Convert[T]
    ) -> SearchResult[T]:
        if result.code == ResultCode.SUCCESS:
            return SearchResult(result.entries)
        if result.code in _LIMIT_CODES and not search.size_limit:
            return self._search_in_pages(search, convert)
        if result.code == ResultCode.SIZE_LIMIT_EXCEEDED and result.count == search.size_limit:
            return SearchResult(result.entries, complete=False)
        return _empty_if_optional(search, result)

    def _search_in_pages(self, search: SearchRequest, convert: Convert[T]) -> SearchResult[T]:
        kept: list[T] = []
        count, cookie, page_size = 0, b"", 0 if search.base_only else PAGE_SIZE
        encoded = search._replace(condition=search.encoded_condition())
        while True:
            paging = (ctl.paged_results(page_size, cookie),) if page_size else ()
            request = encoded._replace(controls=search.controls + paging)
            page = self._exchange_search(request, convert)
            kept += page.entries
            count += page.count
            if page.code == ResultCode.ADMIN_LIMIT_EXCEEDED and page_size and not count:
                # Not even one page: OpenLDAP forbids pages by `size.prtotal=disabled` in olcLimits.
                page_size = 0
                continue
            if page.code in _LIMIT_CODES:
                _warn_of_limit(search.base_dn, count)
                return SearchResult(kept, complete=False)
            if page.code != ResultCode.SUCCESS:
                return _empty_if_optional(search, page)
            cookie = page.next_page
            if not cookie:
                return SearchResult(kept)

    def read(self, dn: str, ldap_filter: str, attributes: Sequence[str]) -> Entry | None:
        """Return the entry at `dn` if it exists and matches."""
        search = SearchRequest(dn, ldap_filter, attributes, base_only=True, is_base_optional=True)
        entries = self.find_all([search])[0].entries
        return entries[0] if entries else None

    def first(self, base_dn: str, ldap_filter: str, attributes: Sequence[str]) -> Entry | None:
        """Return any one matching entry; None if there is none."""
        return next(iter(self.some(base_dn, ldap_filter, attributes, 1)), None)

    def some(
        self, base_dn: str, ldap_filter: str, attributes: Sequence[str], at_most: int
    ) -> list[Entry]:
        """Return at most `at_most` matching entries.

        Raises:
            LdapError: the search failed, or a limit of the server was reached first.
        """
        search = SearchRequest(base_dn, ldap_filter, attributes, size_limit=at_most)
        return self.find_all([search])[0].entries

    def _exchange_search(self, search: SearchRequest, convert: Convert[T]) -> RawSearchResult[T]:
        return self._exchange_searches([(search, search.encode())], convert)[0]

    def _exchange_searches(
        self,
        encoded: Sequence[tuple[SearchRequest, bytes]],
        convert: Convert[T],
        name: str = "search",
    ) -> list[RawSearchResult[T]]:
        """Send search requests in one piece, and collect their responses."""
        sent: dict[int, SearchRequest] = {}
        parts: list[bytes] = []
        for search, operation in encoded:
            number = self.next_message_id()
            sent[number] = search
            parts.append(messages.message(number, operation, search.encoded_controls()))
        pending = PendingSearches(sent, convert)
        with self.exchange(name, len(sent)):
            sock: DeadlineSocket = self.ldap3_connection.socket
            sock.sendall(b"".join(parts))
            while True:
                is_search_done = pending.receive(sock.next_message())
                if is_search_done and pending.are_done():
                    break
                if is_search_done:
                    sock.end_at = self._response_deadline()
        return pending.results()


def _empty_if_optional(search: SearchRequest, result: RawSearchResult[T]) -> SearchResult[T]:
    """Return no entries if only the base is missing, and may be.

    Raises:
        LdapError: the search failed.
    """
    if search.is_base_optional and result.code in _NO_SUCH_BASE:
        return SearchResult([])
    raise LdapError(result.code, result.text)


def _warn_of_limit(base_dn: str, count: int) -> None:
    hint = "raise the account's limit (OpenLDAP: olcLimits; 389: nsPagedLookThroughLimit)"
    log.warning("directory_limit_reached", base=base_dn, got=count, hint=hint)


def _pipeline_size(encoded: Sequence[tuple[SearchRequest, bytes]]) -> int:
    """Return how many of the searches to send together; at least one."""
    total = 0
    for size, (_, operation) in enumerate(encoded[:MAX_PIPELINED]):
        total += len(operation)
        if size and total > MAX_PIPELINED_BYTES:
            return size
    return min(len(encoded), MAX_PIPELINED)
