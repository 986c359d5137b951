"""A connection to a directory server, used by one thread at a time, and the LDAP operations on it.

All errors of ldap3 and of the socket end here. A failure of the connection becomes
`DirectoryUnavailable`; a response other than success becomes `LdapError`, with its result code.
"""

from __future__ import annotations

import contextlib
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import structlog
from ldap3 import Connection
from ldap3.core.exceptions import LDAPException
from pyasn1.error import PyAsn1Error

from mi_ldap.deadline import remaining_s
from mi_ldap.errors import DirectoryUnavailable, MiLdapError
from mi_ldap.ldap import controls as ctl
from mi_ldap.ldap import messages, requests
from mi_ldap.ldap.deadline_socket import DeadlineSocket
from mi_ldap.ldap.messages import Entry
from mi_ldap.ldap.operations import AssertOnly, Operation
from mi_ldap.ldap.result_codes import LdapError, ResultCode
from mi_ldap.ldap.search import PendingSearches, RawSearchResult, SearchRequest, SearchResult

__all__ = [
    "Entry",
    "LdapConnection",
    "LdapError",
    "RawSearchResult",
    "ReadStopped",
    "SearchRequest",
    "SearchResult",
]

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

UNBIND_TIMEOUT_S = 0.5
"""Most seconds that sending an unbind request may take."""

_ANY_ENTRY: Final = requests.condition("(objectClass=*)")

_FIRST_ID: Final = 0x08000000
"""Message ids of our own requests start here, far from those of ldap3 on the same connection."""

NOT_IN_TIME: Final = "The directory did not answer in time. Try again later."

_PASSWORD_POLICY: Final = ctl.PASSWORD_POLICY.with_value()

_LIMIT_CODES: Final = (ResultCode.SIZE_LIMIT_EXCEEDED, ResultCode.ADMIN_LIMIT_EXCEEDED)
_NO_SUCH_BASE: Final = (ResultCode.NO_SUCH_OBJECT, ResultCode.INVALID_DN_SYNTAX)


class ReadStopped(Exception):
    """The consumer of a response stopped reading it; not an error of the server."""


@dataclass(slots=True)
class LdapConnection:
    """Operations on one connection.

    Attributes:
        ldap3_connection: ldap3's connection over a `DeadlineSocket`; only for this package.
        observe: called with each operation's name, for counting.
        response_timeout_s: the longest wait for a response, within the request's remaining time.
        server: the address of the server.
        quiet: whether a failure is expected, so that no warning is logged.
        usable: False after an error of the connection; the pool then drops it.
        idle_since: `time.monotonic()` of the last use.
        policy: the response of the password policy to the last successful bind.
    """

    ldap3_connection: Connection
    observe: Callable[[str], None] = lambda operation: None
    response_timeout_s: float = 5.0
    server: str = ""
    quiet: bool = False
    usable: bool = True
    idle_since: float = field(default_factory=time.monotonic)
    policy: ctl.Policy = field(default_factory=ctl.Policy)
    _sent: int = 0

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

    def do(self, operation: Operation, *controls: ctl.Control) -> None:
        """Send one change, or one assertion.

        Raises:
            LdapError: the server rejected it.
        """
        if isinstance(operation, AssertOnly):
            return self._assert(operation.dn, controls)
        name, sent_with = type(operation).__name__.lower(), [each.for_ldap3() for each in controls]
        return self._exchange_by_ldap3(
            name, lambda: operation.send(self.ldap3_connection, sent_with)
        )

    def _assert(self, dn: str, controls: tuple[ctl.Control, ...]) -> None:
        search = SearchRequest(dn, _ANY_ENTRY, ["1.1"], base_only=True, controls=controls)
        result = self._exchange_searches([(search, search.encode())], "assert")[0]
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

    def certificate(self) -> dict[str, object] | None:
        """Return the server's certificate as `ssl.SSLSocket.getpeercert` does; None without TLS."""
        plain = self.ldap3_connection.socket.plain
        return dict(plain.getpeercert() or {}) if isinstance(plain, ssl.SSLSocket) else None

    def is_stale(self) -> bool:
        """Whether the server closed the connection or sent data since the last response."""
        # ldap3 sets its connection's socket to None when it closes the connection after an error.
        return self.ldap3_connection.socket is None or not self.ldap3_connection.socket.is_idle()

    def close(self) -> None:
        """Send an unbind request if that does not block, and close the connection."""
        self.usable = False
        sock = self.ldap3_connection.socket
        if sock is None:
            return
        with contextlib.suppress(Exception):
            sock.end_at = time.monotonic() + UNBIND_TIMEOUT_S
            self.ldap3_connection.unbind()
        with contextlib.suppress(Exception):
            sock.close()

    def _bind(self, operation: bytes) -> ctl.Policy:
        with self.exchange("bind"):
            sock = self._send(operation, _PASSWORD_POLICY.encode())
            result = messages.result_in(sock.next_message())
            policy = ctl.password_policy(result.controls.get(ctl.PASSWORD_POLICY.key))
        if result.code != ResultCode.SUCCESS:
            raise LdapError(result.code, result.text, policy.error)
        self.policy = policy
        return policy

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

    def next_message_id(self) -> int:
        """Return a message id that is unique on this connection."""
        self._sent += 1
        return _FIRST_ID + self._sent

    def _response_deadline(self) -> float:
        return time.monotonic() + min(remaining_s(), self.response_timeout_s)

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

    @contextmanager
    def exchange(self, operation: str, count: int = 1) -> Iterator[None]:
        """Convert the errors of sending requests and reading their responses; set the deadline.

        Args:
            operation: the name of the operation, for `observe` and the log.
            count: the number of requests.

        Raises:
            DirectoryUnavailable: the request's time is over, or the connection failed; it is not
                usable then.
        """
        sock = self.ldap3_connection.socket
        if remaining_s() <= 0:  # nothing was sent: the connection stays usable
            raise DirectoryUnavailable(NOT_IN_TIME)
        if sock is None:
            self.usable = False
            raise DirectoryUnavailable
        for _ in range(count):
            self.observe(operation)
        try:
            sock.end_at = self._response_deadline()
            yield
        except (LdapError, MiLdapError, ReadStopped):
            self.usable = False
            raise
        except Exception as error:
            # Any error: ldap3 2.9.1 raises KeyError, IndexError, TypeError or UnicodeError, too, if
            # it cannot decode a response.
            self.usable = False
            self._report(operation, error, sock.error)
            raise DirectoryUnavailable(*_reasons(sock.error)) from error
        except BaseException:
            self.usable = False
            raise
        finally:
            self.idle_since = time.monotonic()

    def _report(self, operation: str, error: Exception, socket_error: OSError | None) -> None:
        is_expected_type = isinstance(error, (LDAPException, OSError, PyAsn1Error))
        write = log.debug if self.quiet and is_expected_type else log.warning
        write(
            "directory_operation_failed",
            operation=operation,
            error=type(socket_error or error).__name__,
            cause=str(socket_error or ""),
            exc_info=None if is_expected_type else error,
        )


def _pipeline_size(encoded: Sequence[tuple[SearchRequest, bytes]]) -> int:
    """Return how many of the searches to send together; at least one."""
    total = 0
    for size, (_, operation) in enumerate(encoded[:MAX_PIPELINED]):
        total += len(operation)
        if size and total > MAX_PIPELINED_BYTES:
            return size
    return min(len(encoded), MAX_PIPELINED)


def _reasons(socket_error: OSError | None) -> tuple[str, ...]:
    return (NOT_IN_TIME,) if isinstance(socket_error, TimeoutError) else ()
