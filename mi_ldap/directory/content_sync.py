"""Content synchronization (RFC 4533): one search, asked again for what has changed.

A poll (mode refreshOnly) sends the cookie of the last one and gets the entries that changed since,
the ids of those that went, and a new cookie; no new cookie where nothing has changed. ldap3 keeps a
whole answer before it gives anything of it, and knows no intermediate responses inside a search.

Seen on OpenLDAP 2.5.13: a poll wants derefAliases never; a wrong cookie is no error, but everything
is sent again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from ldap3 import DEREF_NEVER, SUBTREE
from ldap3.operation.search import search_operation
from pyasn1.codec.ber import encoder

from mi_ldap.deadline import remaining_s
from mi_ldap.directory import ber, messages
from mi_ldap.directory.session import Entry, Refused, Session

SYNC_REQUEST: Final = "1.3.6.1.4.1.4203.1.9.1.1"
_SYNC_STATE: Final = b"1.3.6.1.4.1.4203.1.9.1.2"
_SYNC_DONE: Final = b"1.3.6.1.4.1.4203.1.9.1.3"
_SYNC_INFO: Final = b"1.3.6.1.4.1.4203.1.9.1.4"

_ENTRY, _DONE, _REFERENCE, _INTERMEDIATE = 0x64, 0x65, 0x73, 0x79  # RFC 4511 §4.5.2, §4.13
_PRESENT, _DELETE = 0, 3  # RFC 4533 §2.3
_ID_SET = 0xA3  # RFC 4533 §2.5
_REFRESH_ONLY = ber.element(ber.ENUMERATED, b"\x01")

_FIRST_ID: Final = 0x10000000
"""Far from the message ids that ldap3 gives, and of as many bytes whatever is added."""


class Listener(Protocol):
    """Who is told what has changed; ids are the 16 bytes of an entryUUID."""

    def changed(self, uuid: bytes, entry: Entry) -> None:
        """The entry is there, and is now as given."""

    def unchanged(self, uuids: Sequence[bytes]) -> None:
        """The entries are still there, and what they were."""

    def gone(self, uuids: Sequence[bytes]) -> None:
        """The entries are not found any more."""


@dataclass(slots=True)
class Search:
    """A search below a base that is kept up to date.

    Attributes:
        listener: told what a poll finds.
        cookie: stands for what was told so far; `b""` for nothing.
        is_told_all: whether the last poll named every entry that is there, changed or not: what
            it did not name is gone.
    """

    base_dn: str
    ldap_filter: str
    attributes: Sequence[str]
    listener: Listener
    cookie: bytes = b""
    is_told_all: bool = False
    _operation: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        self._operation = _operation(self.base_dn, self.ldap_filter, self.attributes)

    def request(self, number: int) -> bytes:
        """The message that asks for what has changed."""
        cookie = ber.element(ber.OCTET_STRING, self.cookie) if self.cookie else b""
        value = ber.element(ber.SEQUENCE, _REFRESH_ONLY, cookie)
        control = messages.control(SYNC_REQUEST, value, critical=True)
        return messages.message(number, self._operation, control)


class Poller:
    """Keeps searches up to date.

    In one database, and where all have the same cookie, the first is asked alone: a server that has
    no new cookie for it has had no change at all (seen on OpenLDAP 2.5.13, whose cookies
    are its `contextCSN`). So the usual poll is one short message each way, the same bytes time and
    again; a search keeps its message id, since one poll is over before the next begins.

    Args:
        searches: what is asked for.
        is_one_database: whether all of them surely are of one.
    """

    def __init__(self, searches: Sequence[Search], *, is_one_database: bool = False) -> None:
        self._is_one_database = is_one_database
        self._searches = {_FIRST_ID + at: search for at, search in enumerate(searches)}
        self._requests: dict[int, tuple[bytes, bytes]] = {}
        self._has_nothing_new = False
        self._nothing_new: dict[bytes, int] = {}

    def poll(self, session: Session, goes_on: Callable[[], bool] = lambda: True) -> bool:
        """Bring the searches up to date.

        Args:
            session: of the account that may see the entries; for nobody else meanwhile.
            goes_on: asked after each message; where it says no, the poll is given up and the
                session with it. What was told until then is true, and will be told again.

        Returns:
            Whether the poll came to its end.

        Raises:
            Refused: the server does not do it.
            DirectoryUnavailable: it was cut off.
        """
        first, *others = self._searches
        cookies = {search.cookie for search in self._searches.values()}
        for search in self._searches.values():
            search.is_told_all = False
        if not self._is_one_database or len(cookies) > 1 or b"" in cookies:
            return self._ask(session, [first, *others], goes_on)
        if not self._ask(session, [first], goes_on):
            return False
        return self._has_nothing_new or not others or self._ask(session, others, goes_on)

    def _ask(self, session: Session, numbers: list[int], goes_on: Callable[[], bool]) -> bool:
        asked, self._has_nothing_new = set(numbers), True
        with session.on_the_wire("poll"):
            session.connection.socket.sendall(b"".join(map(self._request, numbers)))
            for message in _messages(session):
                number = self._nothing_new.get(message)
                if number is None:
                    self._has_nothing_new = False
                    number = self._taken_in(message)
                asked.discard(number)
                if not asked:
                    return True
                if not goes_on():
                    break
            session.usable = False  # the rest of the answer is still to come
        return False

    def _request(self, number: int) -> bytes:
        search = self._searches[number]
        cookie, said = self._requests.get(number, (None, b""))
        if cookie != search.cookie:
            said = search.request(number)
            self._requests[number] = search.cookie, said
        return said

    def _taken_in(self, message: bytes) -> int:
        """The id of a search that is through, 0 while none is."""
        _, start, stop = ber.head(message)
        number = int.from_bytes(message[start:stop], "big")
        search = self._searches.get(number)
        if search is None:
            raise ConnectionResetError("the server says something that nobody asked for")
        if message[stop] != _DONE:
            _told(search, message[stop], message, stop, len(message))
            return 0
        before = search.cookie
        _done(search, message, stop, len(message))
        if search.cookie == before and not search.is_told_all:
            self._nothing_new[message] = number
        return number


def found(
    session: Session, base_dn: str, ldap_filter: str, attributes: Sequence[str]
) -> Iterator[Entry]:
    """The entries that a plain search finds, as they come: the largest groups are read so.

    Raises:
        Refused: the server does not give all of them.
        DirectoryUnavailable: it was cut off.
    """
    request = messages.message(_FIRST_ID - 1, _operation(base_dn, ldap_filter, attributes))
    with session.on_the_wire("search"):
        session.connection.socket.sendall(request)
        for message in _messages(session):
            _, _, at = ber.head(message)
            _, start, stop = ber.head(message, at)
            if message[at] == _ENTRY:
                yield _entry(message, start, stop)
            elif message[at] == _DONE:
                _must_be_success(message, start, stop)
                return


def _operation(base_dn: str, ldap_filter: str, attributes: Sequence[str]) -> bytes:
    wanted = list(attributes)
    operation = search_operation(
        base_dn, ldap_filter, SUBTREE, DEREF_NEVER, wanted, 0, 0, False, None, None, None, None
    )
    return bytes(encoder.encode(operation))


def _messages(session: Session) -> Iterator[bytes]:
    """The messages as they come; the answer may be long, and each piece has its time."""
    wire = session.connection.socket

    def receive(size: int) -> bytes:
        wire.end_at = time.monotonic() + min(remaining_s(), session.answer_s)
        data: bytes = wire.recv(size)
        return data

    return messages.whole(receive)


def _told(search: Search, tag: int, message: bytes, at: int, end: int) -> None:
    _, start, stop = ber.head(message, at)
    if tag == _ENTRY:
        _entry_told(search, message, start, stop, end)
    elif tag == _INTERMEDIATE:
        _info_told(search, message, start, stop)


def _entry_told(search: Search, message: bytes, start: int, stop: int, end: int) -> None:
    for oid, value in messages.controls(message, stop, end):
        if oid == _SYNC_STATE:
            parts = dict(ber.contents(next(ber.contents(value))[1]))
            uuid, kind = parts[ber.OCTET_STRING], parts[ber.ENUMERATED][0]
            if kind == _DELETE:
                search.listener.gone([uuid])
            elif kind == _PRESENT:
                search.listener.unchanged([uuid])
            else:
                search.listener.changed(uuid, _entry(message, start, stop))


def _entry(message: bytes, start: int, stop: int) -> Entry:
    _, dn_at, dn_end = ber.head(message, start)
    _, at, _ = ber.head(message, dn_end)
    attributes: dict[str, list[bytes]] = {}
    while at < stop:
        _, at, attribute_end = ber.head(message, at)
        _, name_at, name_end = ber.head(message, at)
        _, value_at, values_end = ber.head(message, name_end)
        values = []
        while value_at < values_end:
            _, start, value_at = ber.head(message, value_at)
            values.append(message[start:value_at])
        attributes[message[name_at:name_end].decode().lower()] = values
        at = attribute_end
    return Entry(message[dn_at:dn_end].decode(errors="replace"), attributes)


def _info_told(search: Search, message: bytes, start: int, stop: int) -> None:
    """A sync info message (RFC 4533 §2.5); cookies on the way are not kept."""
    parts = {tag: message[a:b] for tag, a, b in ber.elements(message, start, stop)}
    if parts.get(0x80) != _SYNC_INFO:
        return
    for tag, content in ber.contents(parts.get(0x81, b"")):
        if tag == _ID_SET:
            _ids_told(search, dict(ber.contents(content)))


def _ids_told(search: Search, parts: dict[int, bytes]) -> None:
    uuids = [uuid for _, uuid in ber.contents(parts.get(ber.SET, b""))]
    if any(parts.get(ber.BOOLEAN, b"")):
        search.listener.gone(uuids)
    else:
        search.listener.unchanged(uuids)


def _done(search: Search, message: bytes, at: int, end: int) -> None:
    _, start, stop = ber.head(message, at)
    _must_be_success(message, start, stop)
    for oid, value in messages.controls(message, stop, end):
        if oid == _SYNC_DONE:
            parts = dict(ber.contents(next(ber.contents(value))[1]))
            search.cookie = parts.get(ber.OCTET_STRING) or search.cookie
            search.is_told_all = not any(parts.get(ber.BOOLEAN, b""))


def _must_be_success(message: bytes, start: int, stop: int) -> None:
    code, text = messages.result(message, start, stop)
    if code != 0:
        raise Refused(code, text)
