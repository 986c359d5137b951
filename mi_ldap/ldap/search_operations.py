"""Searches on one connection: single ones, several in one round trip, long ones in pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from mi_ldap.ldap import controls as ctl
from mi_ldap.ldap import messages
from mi_ldap.ldap.deadline_socket import DeadlineSocket
from mi_ldap.ldap.exchanges import Exchanges
from mi_ldap.ldap.messages import Entry
from mi_ldap.ldap.result_codes import LdapError, ResultCode
from mi_ldap.ldap.search import PendingSearches, RawSearchResult, SearchRequest, SearchResult

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
    ) -> SearchResult:
        """Return all matching entries, read in pages (RFC 2696), without search references.

        If the server allows this account no paged results, return what one request finds.
        """
        return self._search_in_pages(SearchRequest(base_dn, ldap_filter, attributes, base_only))

    def search_once(self, search: SearchRequest) -> RawSearchResult:
        """Send one search request and return its result, whatever the result code."""
        return self._exchange_searches([(search, search.encode())])[0]

    def search_all(self, searches: Sequence[SearchRequest]) -> list[RawSearchResult]:
        """Send several search requests together, and return the result of each in their order.

        This takes one round trip for each `MAX_PIPELINED` searches. The server may process them in
        any order, so none may depend on the result of another. The server has `response_timeout_s`
        seconds for each, within the request's own time. A refused search does not affect the
        others: look at the result codes.

        Raises:
            DirectoryUnavailable: the connection failed, or the server violated the protocol; also
                if some of the searches had ended before.
        """
        encoded = [(search, search.encode()) for search in searches]
        results: list[RawSearchResult] = []
        while encoded:
            size = _pipeline_size(encoded)
            results += self._exchange_searches(encoded[:size])
            del encoded[:size]
        return results

    def find_all(self, searches: Sequence[SearchRequest]) -> list[SearchResult]:
        """Send several searches together, and return all entries that each of them matches.

        A search that matches more entries than fit in one response is sent again, read in pages.

        Raises:
            LdapError: of the first search that failed. A search with a `size_limit` fails if
                another limit of the server was reached first.
        """
        # Not with the control for paged results: slapd 2.5 has one paged search per connection, and
        # the cookie of a second one makes that of the first invalid.
        sent = [
            search
            if search.size_limit or search.base_only
            else search._replace(size_limit=PAGE_SIZE)
            for search in searches
        ]
        pairs = zip(searches, self.search_all(sent), strict=True)
        return [self._complete(search, result) for search, result in pairs]

    def _complete(self, search: SearchRequest, result: RawSearchResult) -> SearchResult:
        if result.code == ResultCode.SUCCESS:
            return SearchResult(result.entries)
        if search.is_base_optional and result.code in _NO_SUCH_BASE:
            return SearchResult([])
        if result.code in _LIMIT_CODES and not search.size_limit:
            return self._search_in_pages(search)
        if (
            result.code == ResultCode.SIZE_LIMIT_EXCEEDED
            and len(result.entries) == search.size_limit
        ):
            return SearchResult(result.entries, complete=False)
        raise LdapError(result.code, result.text)

    def _search_in_pages(self, search: SearchRequest) -> SearchResult:
        entries: list[Entry] = []
        cookie, page_size = b"", 0 if search.base_only else PAGE_SIZE
        encoded = search._replace(condition=search.encoded_condition())
        while True:
            paging = (ctl.paged_results(page_size, cookie),) if page_size else ()
            page = self.search_once(encoded._replace(controls=search.controls + paging))
            entries += page.entries
            if page.code == ResultCode.ADMIN_LIMIT_EXCEEDED and page_size and not entries:
                # Not even one page: OpenLDAP forbids pages by `size.prtotal=disabled` in olcLimits.
                page_size = 0
                continue
            if page.code in _LIMIT_CODES:
                hint = (
                    "raise the account's limit (OpenLDAP: olcLimits; 389: nsPagedLookThroughLimit)"
                )
                log.warning(
                    "directory_limit_reached", base=search.base_dn, got=len(entries), hint=hint
                )
                return SearchResult(entries, complete=False)
            if page.code != ResultCode.SUCCESS:
                raise LdapError(page.code, page.text)
            cookie = page.next_page
            if not cookie:
                return SearchResult(entries)

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

    def _exchange_searches(
        self, encoded: Sequence[tuple[SearchRequest, bytes]], name: str = "search"
    ) -> list[RawSearchResult]:
        """Send search requests in one piece, and collect their responses."""
        sent: dict[int, SearchRequest] = {}
        parts: list[bytes] = []
        for search, operation in encoded:
            number = self.next_message_id()
            sent[number] = search
            parts.append(messages.message(number, operation, search.encoded_controls()))
        pending = PendingSearches(sent)
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


def _pipeline_size(encoded: Sequence[tuple[SearchRequest, bytes]]) -> int:
    """Return how many of the searches to send together; at least one."""
    total = 0
    for size, (_, operation) in enumerate(encoded[:MAX_PIPELINED]):
        total += len(operation)
        if size and total > MAX_PIPELINED_BYTES:
            return size
    return min(len(encoded), MAX_PIPELINED)
