"""Content synchronization (RFC 4533): one search, asked again for what has changed.

A poll (mode refreshOnly) sends the cookie of the last one and gets the entries that changed since,
the ids of those that went, and a new cookie; no new cookie where nothing has changed. ldap3 keeps a
whole answer before it gives anything of it, and knows no intermediate responses inside a search.

Seen on OpenLDAP 2.5.13: a poll wants derefAliases never; a wrong cookie is no error, but everything
is sent again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Final, Protocol

from mi_ldap.deadline import remaining_s
from mi_ldap.ldap import ber, messages, requests
from mi_ldap.ldap import controls as ctl
from mi_ldap.ldap.connection import LdapConnection, LdapError
from mi_ldap.ldap.messages import Entry, Message
from mi_ldap.ldap.result_codes import ResultCode
from mi_ldap.ldap.search import entry_below

_SYNC_INFO: Final = b"1.3.6.1.4.1.4203.1.9.1.4"

_PRESENT, _DELETE = 0, 3  # RFC 4533 §2.3
_ID_SET = 0xA3  # RFC 4533 §2.5
_REFRESH_ONLY = ber.element(ber.ENUMERATED, b"\x01")

_CSNS: Final = re.compile(rb"csn=([^,]+)")

_LOOKING: Final = 0x10000000
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


class Ignore:
    """A listener that does nothing."""

    def changed(self, uuid: bytes, entry: Entry) -> None: ...

    def unchanged(self, uuids: Sequence[bytes]) -> None: ...

    def gone(self, uuids: Sequence[bytes]) -> None: ...


@dataclass(slots=True)
class Search:
    """A search below a base that is kept up to date.

    Attributes:
        listener: told what a poll finds.
        cookie: stands for what was told so far; `b""` for nothing.
        told: the newest change that it stands for, by its CSN; `b""` for none.
        is_told_all: whether the last poll named every entry that is there, changed or not: what
            it did not name is gone.
        is_looked_into: whether a poll looks as well for entries of which the server does not tell.
    """

    base_dn: str
    condition: bytes
    attributes: Sequence[str]
    listener: Listener
    scope: bytes = requests.SUBTREE
    cookie: bytes = b""
    told: bytes = b""
    is_told_all: bool = False
    verify_by_search: bool = False
    _operation: bytes = field(default=b"", repr=False)

    def __post_init__(self) -> None:
        self._operation = requests.search(self.base_dn, self.condition, self.attributes, self.scope)

    def request(self, number: int, since: bytes) -> bytes:
        """The message that asks for what has changed since that cookie was given."""
        cookie = ber.element(ber.OCTET_STRING, since) if since else b""
        value = ber.element(ber.SEQUENCE, _REFRESH_ONLY, cookie)
        control = ctl.SYNC_REQUEST.with_value(value)
        return messages.message(number, self._operation, control.encode())

    def look(self, number: int, since: bytes) -> bytes:
        """The message that asks for an entry with a later change sequence number than that."""
        start, _, last = since.decode().rpartition("#")
        newer = requests.at_least("entryCSN", f"{start}#{int(last, 16) + 1:06x}")
        condition = requests.all_of(self.condition, newer)
        looked_for = requests.search(self.base_dn, condition, ["1.1"], size_limit=1)
        return messages.message(number, looked_for)


class Poller:
    """Keeps searches up to date.

    In one database, and where all have the same cookie, the first is asked alone: a server that has
    no new cookie for it has had no change at all (seen on OpenLDAP 2.5.13, whose cookies
    are its `contextCSN`). So the usual poll is a few short messages in one piece, the same bytes
    time and again; a search keeps its message id, since one poll is over before the next begins.

    A server keeps a change to itself, after its author had the answer, as long as another is under
    way that began before it (slapd 2.5.13: `slap_get_commit_csn`). So each poll looks as well for
    entries that are newer than what was told; what is removed at such a moment leaves none.

    Args:
        searches: what is asked for.
        is_one_database: whether all of them surely are of one.

    Attributes:
        is_behind: whether there was any at the last poll.
    """

    def __init__(
        self,
        searches: Sequence[Search],
        *,
        is_one_database: bool = False,
    ) -> None:
        self.lags_behind = False
        self._is_one_database = is_one_database
        self._searches = {_FIRST_ID + at: search for at, search in enumerate(searches)}
        self._looks = {
            number + _LOOKING: search
            for number, search in self._searches.items()
            if search.verify_by_search
        }
        self._requests: dict[int, tuple[bytes, bytes]] = {}
        self._has_nothing_new = False
        self._nothing: dict[bytes, int] = {}

    def poll(self, session: LdapConnection, goes_on: Callable[[], bool] = lambda: True) -> bool:
        """Bring the searches up to date.

        Args:
            session: of the account that may see the entries; for nobody else meanwhile.
            goes_on: asked after each message; where it says no, the poll is given up and the
                session with it. What was reported until then is valid.

        Returns:
            Whether the poll came to its end.

        Raises:
            LdapError: the server does not do it.
            DirectoryUnavailable: it was cut off.
        """
        for search in self._searches.values():
            search.is_told_all = False
        numbers = [*self._searches]
        first = numbers[:1] if self._may_ask_one_for_all() else numbers
        if not self._ask(session, first, self._told(), goes_on):
            return False
        if self._has_nothing_new:
            return True
        others = numbers[len(first) :]
        if others and not self._ask(session, others, {}, goes_on):
            return False
        # Only after the sync searches were answered. slapd 2.5.13 runs several operations of a
        # connection in parallel, and a sync search leaves out an entry that changes while it runs.
        # A search for newer entries at the same time could miss that entry as well.
        looks = self._told()
        return not looks or self._ask(session, [], looks, goes_on)

    def _may_ask_one_for_all(self) -> bool:
        cookies = {search.cookie for search in self._searches.values()}
        return self._is_one_database and len(cookies) == 1 and b"" not in cookies

    def _told(self) -> dict[int, bytes]:
        """How far each search that is looked into has been told, by its look's id."""
        return {number: search.told for number, search in self._looks.items() if search.told}

    def _ask(
        self,
        session: LdapConnection,
        numbers: list[int],
        looks: dict[int, bytes],
        goes_on: Callable[[], bool] = lambda: True,
    ) -> bool:
        asked, self._has_nothing_new, self.lags_behind = {*numbers, *looks}, True, False
        if not asked:
            return True
        wanted = [
            *(self._request(number, self._searches[number].cookie) for number in numbers),
            *(self._request(number, since) for number, since in looks.items()),
        ]
        with session.exchange("poll"):
            session.connection.socket.sendall(b"".join(wanted))
            for message in _messages(session):
                number = self._nothing.get(message.body)
                if number is None:
                    number = self._taken_in(message)
                asked.discard(number)
                if not asked:
                    return True
                if not goes_on():
                    break
            session.usable = False  # the rest of the answer is still to come
        return False

    def _request(self, number: int, since: bytes) -> bytes:
        known, said = self._requests.get(number, (None, b""))
        if known != since:
            looks = self._looks.get(number)
            write = looks.look if looks else self._searches[number].request
            said = write(number, since)
            self._requests[number] = since, said
        return said

    def _taken_in(self, message: Message) -> int:
        """The id of a search that is through, 0 while none is."""
        if message.number in self._looks:
            return self._seen(message)
        search = self._searches[message.number]
        if message.tag != messages.DONE:
            self._has_nothing_new = False
            _told(search, message)
            return 0
        if _done(search, message) or search.is_told_all:
            self._has_nothing_new = False
        else:
            self._nothing[message.body] = message.number
        return message.number

    def _seen(self, message: Message) -> int:
        """As `_taken_in`, for a look: an entry, and where there is another one, a limit."""
        if message.tag != messages.DONE:
            self.lags_behind = self.lags_behind or message.tag == messages.ENTRY
            return 0
        if not self.lags_behind:
            _must_be_success(messages.answer_in(message))
            self._nothing[message.body] = message.number
        return message.number


def found(
    session: LdapConnection,
    base_dn: str,
    condition: bytes,
    attributes: Sequence[str],
    *,
    as_stored: bool = False,
) -> Iterator[Entry]:
    """The entries that a plain search finds, as they come: the largest groups are read so.

    Args:
        session: a bound session; not to be used otherwise until all entries have been returned.
        base_dn: the search base.
        condition: a filter, as `requests` encodes it.
        attributes: the names of the attributes to return.
        as_stored: True to leave out computed values. OpenLDAP's overlay dynlist computes none when
            the control ManageDsaIT (RFC 3296) is sent.

    Raises:
        LdapError: the server does not give all of them.
        DirectoryUnavailable: it was cut off.
    """
    operation = requests.search(base_dn, condition, attributes)
    controls = ctl.MANAGE_DSA_IT.with_value().encode() if as_stored else b""
    request = messages.message(_FIRST_ID - 1, operation, controls)
    with session.exchange("search"):
        session.connection.socket.sendall(request)
        for message in _messages(session):
            if message.tag == messages.ENTRY:
                yield entry_below(base_dn, message)
            elif message.tag == messages.DONE:
                _must_be_success(messages.answer_in(message))
                return


def csns(cookie: bytes) -> list[bytes]:
    """What a cookie of OpenLDAP's stands for: a change sequence number of each server."""
    found = _CSNS.search(cookie)
    return found[1].split(b";") if found else []


@lru_cache(8)
def seconds_of(csn: bytes) -> float:
    """When a change sequence number was given, in seconds since the epoch; 0.0 for none."""
    if not csn:
        return 0.0
    return datetime.strptime(f"{csn[:14].decode()}Z", "%Y%m%d%H%M%S%z").timestamp()


def _messages(session: LdapConnection) -> Iterator[Message]:
    """The messages as they come; the answer may be long, and each piece has its time."""
    wire = session.connection.socket

    def end_of_next_piece() -> float:
        return time.monotonic() + min(remaining_s(), session.response_timeout_s)

    while True:
        yield wire.next_message(end_of_next_piece)


def _told(search: Search, message: Message) -> None:
    if message.tag == messages.ENTRY:
        _entry_told(search, message)
    elif message.tag == messages.INTERMEDIATE:
        _info_told(search, message)


def _entry_told(search: Search, message: Message) -> None:
    for oid, value in messages.controls(message.body, message.end, len(message.body)):
        if oid == ctl.SYNC_STATE.key:
            parts = dict(ber.contents(next(ber.contents(value))[1]))
            uuid, kind = parts[ber.OCTET_STRING], parts[ber.ENUMERATED][0]
            if kind == _DELETE:
                search.listener.gone([uuid])
            elif kind == _PRESENT:
                search.listener.unchanged([uuid])
            else:
                search.listener.changed(uuid, entry_below(search.base_dn, message))


def _info_told(search: Search, message: Message) -> None:
    """A sync info message (RFC 4533 §2.5); cookies on the way are not kept."""
    body = message.body
    parts = {tag: body[a:b] for tag, a, b in ber.elements(body, message.start, message.end)}
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


def _done(search: Search, message: Message) -> bool:
    """Whether there is a new cookie."""
    answer = messages.answer_in(message)
    _must_be_success(answer)
    given = b""
    if value := answer.controls.get(ctl.SYNC_DONE.key):
        parts = dict(ber.contents(next(ber.contents(value))[1]))
        given = parts.get(ber.OCTET_STRING) or b""
        search.is_told_all = not any(parts.get(ber.BOOLEAN, b""))
    if given:
        search.cookie, search.told = given, max(csns(given), default=b"")
    return bool(given)


def _must_be_success(answer: messages.Answer) -> None:
    if answer.code != ResultCode.SUCCESS:
        raise LdapError(answer.code, answer.text)
