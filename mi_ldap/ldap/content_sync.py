"""Content synchronization (RFC 4533, mode refreshOnly): searches that are polled for changes.

A poll sends the cookie of the previous one. The server returns the entries that changed since, the
ids of those that were deleted, and a new cookie; without changes there is no new cookie.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Final, Protocol

from mi_ldap.ldap import ber, messages, requests
from mi_ldap.ldap import controls as ctl
from mi_ldap.ldap.exchanges import Exchanges
from mi_ldap.ldap.messages import Entry, Message
from mi_ldap.ldap.search import entry_below
from mi_ldap.ldap.search_stream import ensure_success, messages_in_pieces

_SYNC_INFO: Final = b"1.3.6.1.4.1.4203.1.9.1.4"  # an intermediate response, RFC 4533 §2.5

_PRESENT, _DELETE = 0, 3  # RFC 4533 §2.3
_ID_SET = 0xA3  # RFC 4533 §2.5
_RESPONSE_NAME, _RESPONSE_VALUE = 0x80, 0x81  # RFC 4511 §4.13
_REFRESH_ONLY = ber.element(ber.ENUMERATED, b"\x01")

_CSNS: Final = re.compile(rb"csn=([^,]+)")

_FIRST_ID: Final = 0x10000000
"""Message ids start here, far from those of other operations: all have the same length."""

_NEWER_OFFSET: Final = 0x10000000
"""Distance between the message ids of a search's poll and of its search for newer entries."""


class ChangeListener(Protocol):
    """Receiver of the changes that a poll reports; ids are the 16 bytes of an entryUUID."""

    def changed(self, uuid: bytes, entry: Entry) -> None:
        """Note an entry that was added or changed."""

    def unchanged(self, uuids: Sequence[bytes]) -> None:
        """Note entries that still exist, unchanged."""

    def gone(self, uuids: Sequence[bytes]) -> None:
        """Note entries that were deleted, or that the search does not match any more."""


class IgnoreChanges:
    """A listener that does nothing."""

    def changed(self, uuid: bytes, entry: Entry) -> None: ...

    def unchanged(self, uuids: Sequence[bytes]) -> None: ...

    def gone(self, uuids: Sequence[bytes]) -> None: ...


@dataclass(slots=True)
class SyncSearch:
    """A search below a base that is kept up to date.

    Attributes:
        base_dn: the base of the search.
        condition: a filter as encoded by `requests`.
        attributes: the attributes to return.
        listener: receives the changes.
        scope: `requests.BASE` or `requests.SUBTREE`.
        cookie: the state of the last poll; `b""` before the first.
        last_csn: the change sequence number of the last change in that state; `b""` for none.
        lists_all: whether the last poll named every entry that exists, changed or not; the others
            were deleted.
        verify_by_search: whether each poll also searches for entries that are newer than the
            server reports.
    """

    base_dn: str
    condition: bytes
    attributes: Sequence[str]
    listener: ChangeListener
    scope: bytes = requests.SUBTREE
    cookie: bytes = b""
    last_csn: bytes = b""
    lists_all: bool = False
    verify_by_search: bool = False
    _operation: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        # Aliases are never dereferenced: slapd 2.5.13 rejects a sync search that would.
        self._operation = requests.search(self.base_dn, self.condition, self.attributes, self.scope)

    def poll_request(self, number: int, cookie: bytes) -> bytes:
        """Return the message that asks for the changes since that cookie."""
        state = ber.element(ber.OCTET_STRING, cookie) if cookie else b""
        value = ber.element(ber.SEQUENCE, _REFRESH_ONLY, state)
        control = ctl.SYNC_REQUEST.with_value(value)
        return messages.message(number, self._operation, control.encode())

    def newer_request(self, number: int, csn: bytes) -> bytes:
        """Return the message that searches for one entry with a later change sequence number."""
        start, _, last = csn.decode().rpartition("#")
        newer = requests.at_least("entryCSN", f"{start}#{int(last, 16) + 1:06x}")
        condition = requests.all_of(self.condition, newer)
        operation = requests.search(self.base_dn, condition, ["1.1"], size_limit=1)
        return messages.message(number, operation)


class Poller:
    """Polls several searches on one connection.

    Args:
        searches: the searches.
        is_one_database: whether all of them are known to be in one database of the server.

    Attributes:
        lags_behind: whether the server had changes at the last poll that it did not report.
    """

    def __init__(self, searches: Sequence[SyncSearch], *, is_one_database: bool = False) -> None:
        self.lags_behind = False
        self._is_one_database = is_one_database
        self._searches = {_FIRST_ID + at: search for at, search in enumerate(searches)}
        self._verified = {
            number + _NEWER_OFFSET: search
            for number, search in self._searches.items()
            if search.verify_by_search
        }
        # A search keeps its message id: one poll ends before the next begins. So requests and
        # responses of polls without changes are the same bytes each time, and neither encoded nor
        # decoded again.
        self._requests: dict[int, tuple[bytes, bytes]] = {}
        self._unchanged_responses: dict[bytes, int] = {}
        self._is_unchanged = False

    def poll(
        self,
        connection: Exchanges,
        should_continue: Callable[[], bool] = lambda: True,
        *,
        expects_change: bool = False,
    ) -> bool:
        """Report the changes since the last poll to the listeners.

        Args:
            connection: a connection of an account that may read the entries; used by nobody else.
            should_continue: called after each message; if it returns False, the poll ends and the
                connection must not be used again. The changes reported until then are valid.
            expects_change: whether something has probably changed: all searches are sent together,
                which takes one round trip less than if the first one must report the change.

        Returns:
            Whether the poll was completed.

        Raises:
            LdapError: the server rejected it.
            DirectoryUnavailable: the connection failed.
        """
        for search in self._searches.values():
            search.lists_all = False
        numbers = [*self._searches]
        first = numbers[:1] if self._is_first_enough() and not expects_change else numbers
        if not self._exchange(connection, first, self._last_csns(), should_continue):
            return False
        if self._is_unchanged:
            return True
        others = numbers[len(first) :]
        if others and not self._exchange(connection, others, {}, should_continue):
            return False
        # Only after the sync searches were answered. slapd 2.5.13 runs several operations of a
        # connection in parallel, and a sync search leaves out an entry that changes while it runs,
        # and so an earlier change of that entry.
        # A search for newer entries at the same time could miss that entry as well.
        csns = self._last_csns()
        return not csns or self._exchange(connection, [], csns, should_continue)

    def _is_first_enough(self) -> bool:
        """Whether no change in the first search means no change in any of them."""
        # Cookies of slapd 2.5.13 are the database's contextCSN: a search without a new cookie has
        # had no change, and neither have the others of that database with the same cookie.
        cookies = {search.cookie for search in self._searches.values()}
        return self._is_one_database and len(cookies) == 1 and b"" not in cookies

    def _last_csns(self) -> dict[int, bytes]:
        """Return the last CSN of each verified search, by the id of its search for newer ones."""
        # slapd 2.5.13 does not report a change, though its client has the response, while another
        # one is in progress that began before it (`slap_get_commit_csn`). So each poll also
        # searches for entries with a later CSN. It does not find an entry deleted in that time.
        return {
            number: search.last_csn for number, search in self._verified.items() if search.last_csn
        }

    def _exchange(
        self,
        connection: Exchanges,
        numbers: list[int],
        csns: dict[int, bytes],
        should_continue: Callable[[], bool],
    ) -> bool:
        """Send polls and searches for newer entries together, and process their responses."""
        pending, self._is_unchanged, self.lags_behind = {*numbers, *csns}, True, False
        if not pending:
            return True
        sent = [
            *(self._request(number, self._searches[number].cookie) for number in numbers),
            *(self._request(number, csn) for number, csn in csns.items()),
        ]
        with connection.exchange("poll"):
            # Not by ldap3 2.9.1: it collects a whole response before it returns any of it, and does
            # not know intermediate responses inside a search.
            connection.ldap3_connection.socket.sendall(b"".join(sent))
            for message in messages_in_pieces(connection):
                number = self._unchanged_responses.get(message.body)
                if number is None:
                    number = self._process(message)
                pending.discard(number)
                if not pending:
                    return True
                if not should_continue():
                    break
            connection.usable = False  # the rest of the response was not read
        return False

    def _request(self, number: int, since: bytes) -> bytes:
        known, request = self._requests.get(number, (None, b""))
        if known != since:
            verified = self._verified.get(number)
            encode = verified.newer_request if verified else self._searches[number].poll_request
            request = encode(number, since)
            self._requests[number] = since, request
        return request

    def _process(self, message: Message) -> int:
        """Process a message; return the id of the request that it completes, or 0."""
        if message.number in self._verified:
            return self._process_newer(message)
        search = self._searches[message.number]
        if message.tag != messages.DONE:
            self._is_unchanged = False
            _report(search, message)
            return 0
        if _finish(search, message) or search.lists_all:
            self._is_unchanged = False
        else:
            self._unchanged_responses[message.body] = message.number
        return message.number

    def _process_newer(self, message: Message) -> int:
        """Process a response to a search for newer entries, like `_process`."""
        if message.tag != messages.DONE:
            self.lags_behind = self.lags_behind or message.tag == messages.ENTRY
            return 0
        if not self.lags_behind:  # else the result may be sizeLimitExceeded
            ensure_success(messages.result_in(message))
            self._unchanged_responses[message.body] = message.number
        return message.number


def csns(cookie: bytes) -> list[bytes]:
    """Return the change sequence numbers in a cookie of OpenLDAP, one for each server."""
    found = _CSNS.search(cookie)
    return found[1].split(b";") if found else []


@lru_cache(8)
def seconds_of(csn: bytes) -> float:
    """Return the time of a change sequence number in seconds since the epoch; 0.0 for none."""
    if not csn:
        return 0.0
    return datetime.strptime(f"{csn[:14].decode()}Z", "%Y%m%d%H%M%S%z").timestamp()


def _report(search: SyncSearch, message: Message) -> None:
    if message.tag == messages.ENTRY:
        _report_entry(search, message)
    elif message.tag == messages.INTERMEDIATE:
        _report_info(search, message)


def _report_entry(search: SyncSearch, message: Message) -> None:
    for oid, value in messages.controls(message.body, message.end, len(message.body)):
        if oid == ctl.SYNC_STATE.key:
            parts = dict(ber.contents(next(ber.contents(value))[1]))
            uuid, state = parts[ber.OCTET_STRING], parts[ber.ENUMERATED][0]
            if state == _DELETE:
                search.listener.gone([uuid])
            elif state == _PRESENT:
                search.listener.unchanged([uuid])
            else:
                search.listener.changed(uuid, entry_below(search.base_dn, message))


def _report_info(search: SyncSearch, message: Message) -> None:
    """Report the ids in a sync info message (RFC 4533 §2.5); its cookie is not used."""
    body = message.body
    parts = {tag: body[a:b] for tag, a, b in ber.elements(body, message.start, message.end)}
    if parts.get(_RESPONSE_NAME) != _SYNC_INFO:
        return
    for tag, content in ber.contents(parts.get(_RESPONSE_VALUE, b"")):
        if tag == _ID_SET:
            _report_ids(search, dict(ber.contents(content)))


def _report_ids(search: SyncSearch, parts: dict[int, bytes]) -> None:
    uuids = [uuid for _, uuid in ber.contents(parts.get(ber.SET, b""))]
    if any(parts.get(ber.BOOLEAN, b"")):
        search.listener.gone(uuids)
    else:
        search.listener.unchanged(uuids)


def _finish(search: SyncSearch, message: Message) -> bool:
    """Store the new cookie; return whether there is one."""
    result = messages.result_in(message)
    ensure_success(result)
    cookie = b""
    if value := result.controls.get(ctl.SYNC_DONE.key):
        parts = dict(ber.contents(next(ber.contents(value))[1]))
        cookie = parts.get(ber.OCTET_STRING) or b""
        # slapd 2.5.13 reports no error for a cookie that it cannot use, but returns all entries.
        search.lists_all = not any(parts.get(ber.BOOLEAN, b""))
    if cookie:
        search.cookie, search.last_csn = cookie, max(csns(cookie), default=b"")
    return bool(cookie)
