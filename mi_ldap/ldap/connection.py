"""A connection to a directory server, used by one thread at a time, and the LDAP operations on it.

A response other than success becomes `LdapError`, with its result code; a failure of the connection
`DirectoryUnavailable`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

import structlog

from mi_ldap.ldap import controls as ctl
from mi_ldap.ldap import messages, requests
from mi_ldap.ldap.deadline_socket import DeadlineSocket
from mi_ldap.ldap.exchanges import Exchanges
from mi_ldap.ldap.messages import Entry
from mi_ldap.ldap.operations import AssertOnly, Operation
from mi_ldap.ldap.result_codes import LdapError, ResultCode
from mi_ldap.ldap.search import (
    Convert,
    PendingSearches,
    RawSearchResult,
    SearchRequest,
    SearchResult,
    empty_if_optional,
    pipeline_size,
    whole,
)

T = TypeVar("T")

log = structlog.get_logger()

PAGE_SIZE = 1000
"""Entries of a page; Active Directory returns no more for one request (MaxPageSize)."""

_ANY_ENTRY: Final = requests.condition("(objectClass=*)")
_PASSWORD_POLICY: Final = ctl.PASSWORD_POLICY.with_value()
_LIMIT_CODES: Final = (ResultCode.SIZE_LIMIT_EXCEEDED, ResultCode.ADMIN_LIMIT_EXCEEDED)


@dataclass(slots=True)
class LdapConnection(Exchanges):
    """Binds, changes and searches on one connection.

    Attributes:
        can_pipeline: whether the server answers searches that are sent together without delay.
    """

    can_pipeline: Callable[[], bool] = lambda: True

    def bind(self, dn: str, password: str) -> ctl.Policy:
        """Verify a password by a single simple bind (RFC 4513 §5.1), without a retry.

        Returns:
            The response of the password policy to a successful bind.

        Raises:
            LdapError: the server rejected it.
            ValueError: the password is empty.
        """
        if not password:
            # Such a bind is an anonymous one, and succeeds (RFC 4513 §5.1.2).
            raise ValueError("an empty password is not verified by a bind")
        return self._bind(messages.simple_bind(dn, password))

    def bind_as_process(self) -> None:
        """Bind as the user of this process (SASL EXTERNAL over ldapi, RFC 4422 appendix A).

        Raises:
            LdapError: the server rejected it.
        """
        self._bind(messages.sasl_bind("EXTERNAL"))

    def do(self, operation: Operation, *controls: ctl.Control) -> None:
        """Send one change, or one assertion.

        Raises:
            LdapError: the server rejected it.
        """
        if isinstance(operation, AssertOnly):
            return self.assert_all([(operation.dn, controls)])
        name, sent_with = type(operation).__name__.lower(), [each.for_ldap3() for each in controls]
        return self._exchange_by_ldap3(
            name, lambda: operation.send(self.ldap3_connection, sent_with)
        )

    def assert_all(self, assertions: Sequence[tuple[str, Sequence[ctl.Control]]]) -> None:
        """Send assertions about entries together, each with its controls.

        Raises:
            LdapError: of the first one that the server rejected.
        """
        searches = [
            SearchRequest(dn, _ANY_ENTRY, ["1.1"], base_only=True, controls=tuple(controls))
            for dn, controls in assertions
        ]
        for result in self._search_together(searches, whole, "assert"):
            if result.code != ResultCode.SUCCESS:
                raise LdapError(result.code, result.text)

    def who_am_i(self) -> str:
        """Return the authorization identity of the connection (RFC 4532), `"dn:uid=svc,dc=x"`."""
        results: list[object] = []
        standard = self.ldap3_connection.extend.standard
        self._exchange_by_ldap3("whoami", lambda: results.append(standard.who_am_i()))
        identity = results[0]
        if isinstance(identity, bytes):
            return identity.decode(errors="replace")
        return str(identity or "")

    def set_password(self, dn: str, new: str, old: str | None = None) -> None:
        """Set a password by the password-modify operation (RFC 3062); the server hashes it.

        Raises:
            LdapError: with the password policy's error if the server returns one.
        """
        # Without an assertion: OpenLDAP 2.5 rejects it here with code 12.
        old_bytes, new_bytes = old.encode() if old else None, new.encode()
        controls = [_PASSWORD_POLICY.for_ldap3()]
        self._exchange_by_ldap3(
            "password",
            lambda: self.ldap3_connection.extend.standard.modify_password(
                dn, old_bytes, new_bytes, controls=controls
            ),
        )

    # Searches

    def search(
        self, base_dn: str, ldap_filter: str, attributes: Sequence[str]
    ) -> SearchResult[Entry]:
        """Return all matching entries, read in pages (RFC 2696), without search references.

        If the server allows this account no paged results, return what one request finds.
        """
        search = SearchRequest(base_dn, ldap_filter, attributes)
        return self._search_in_pages(search, whole)

    def search_once(self, search: SearchRequest) -> RawSearchResult[Entry]:
        """Send one search request and return its result, whatever the result code."""
        return self._exchange_search(search, whole)

    def search_all(self, searches: Sequence[SearchRequest]) -> list[RawSearchResult[Entry]]:
        """Send several search requests together, and return the result of each in their order.

        This takes one round trip for each `MAX_PIPELINED` searches, or for each search if the
        server delays pipelined ones. The server may process them in
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
            size = pipeline_size(encoded) if self.can_pipeline() else 1
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
        return empty_if_optional(search, result)

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
                return empty_if_optional(search, page)
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

    def _bind(self, operation: bytes) -> ctl.Policy:
        with self.exchange("bind"):
            sock = self._send(operation, _PASSWORD_POLICY.encode())
            result = messages.result_in(sock.next_message())
            policy = ctl.password_policy(result.controls.get(ctl.PASSWORD_POLICY.key))
        if result.code != ResultCode.SUCCESS:
            raise LdapError(result.code, result.text, policy.error)
        self.policy = policy
        return policy

    def _send(self, operation: bytes, controls: bytes = b"") -> DeadlineSocket:
        """Send one request, with a message id that is unique on this connection."""
        sock: DeadlineSocket = self.ldap3_connection.socket
        sock.sendall(messages.message(self.next_message_id(), operation, controls))
        return sock

    def _exchange_by_ldap3(self, name: str, send: Callable[[], object]) -> None:
        """Run one operation whose request and response ldap3 encodes and decodes.

        Raises:
            LdapError: the server rejected it; with the password policy's error, if any.
        """
        with self.exchange(name):
            send()
            result = self.ldap3_connection.result
            code = int(result["result"])
            control = (result.get("controls") or {}).get(ctl.PASSWORD_POLICY.oid) or {}
            policy = ctl.password_policy(control.get("value"))
            message = str(result.get("message") or result["description"])
        if code != ResultCode.SUCCESS:
            raise LdapError(code, message, policy.error)


def _warn_of_limit(base_dn: str, count: int) -> None:
    hint = "raise the account's limit (OpenLDAP: olcLimits; 389: nsPagedLookThroughLimit)"
    log.warning("directory_limit_reached", base=base_dn, got=count, hint=hint)
