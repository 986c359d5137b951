"""The limits of Active Directory, in front of a server that imposes none of them.

A page holds at most `page` entries, and a search without pages ends there with
sizeLimitExceeded. Of an attribute come at most `values` values at a time, as `member;range=0-1499`
beside an empty `member`; the others on request, as `member;range=1500-*`.
"""

from __future__ import annotations

import asyncio
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Self

from tests.hosts import ber
from tests.hosts.process import LOOPBACK, DirectoryHost, free_ports

_SEARCH, _ENTRY, _DONE = 0x63, 0x64, 0x65
_START_S = 5.0
_SIZE_LIMIT_EXCEEDED = 4
_SIZE_LIMIT = 3  # where it stands in a search request
_PAGED = b"1.2.840.113556.1.4.319"
_RANGE = re.compile(rb"(?P<name>.+?);range=(?P<first>\d+)-(?P<last>\d+|\*)$", re.IGNORECASE)

Range = tuple[int, int | None]


class AdLimits:
    """A proxy at `url` and `ldaps_url`; what it passes on goes over TLS."""

    def __init__(self, host: DirectoryHost, *, values: int = 1500, page: int = 1000) -> None:
        self._host = host
        self._values, self._page = values, page
        self._port, self._tls_port = free_ports(2)
        self._thread = threading.Thread(target=asyncio.run, args=(self._run(),), daemon=True)
        self._is_ready = threading.Event()

    @property
    def url(self) -> str:
        return f"ldap://{LOOPBACK}:{self._port}"

    @property
    def ldaps_url(self) -> str:
        return f"ldaps://{LOOPBACK}:{self._tls_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._is_ready.wait(_START_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ending.set)
        self._thread.join()

    async def _run(self) -> None:
        self._loop, self._ending = asyncio.get_running_loop(), asyncio.Event()
        certificates = self._host.certificates
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificates.cert_file, certificates.key_file)
        servers = (
            await asyncio.start_server(self._serve, LOOPBACK, self._port),
            await asyncio.start_server(self._serve, LOOPBACK, self._tls_port, ssl=context),
        )
        self._is_ready.set()
        await self._ending.wait()
        for server in servers:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The client may go, the server too, and our own end cancels what is still open.
        with suppress(OSError, asyncio.CancelledError), _aborted(writer):
            context = ssl.create_default_context(cafile=self._host.ca_file)
            far_reader, far_writer = await asyncio.open_connection(
                LOOPBACK, self._host.tls_port, ssl=context
            )
            searches = Searches(self._values, self._page)
            with _aborted(far_writer):
                await asyncio.gather(
                    _pass_on(reader, far_writer, searches.request),
                    _pass_on(far_reader, writer, searches.answer),
                )


@contextmanager
def _aborted(writer: asyncio.StreamWriter) -> Iterator[None]:
    """Closed at the end, without a farewell that nobody may hear."""
    try:
        yield
    finally:
        writer.transport.abort()


async def _pass_on(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    change: Callable[[list[ber.Part]], list[ber.Part]],
) -> None:
    """Until one side closes; `change` answers nothing for what is not passed on."""
    with suppress(OSError, asyncio.IncompleteReadError):
        while True:
            if message := change(await ber.read_message(reader)):
                writer.write(ber.join([(ber.SEQUENCE, ber.join(message))]))
                await writer.drain()
    writer.close()


@dataclass
class Search:
    """What was asked, and how much of it was answered.

    Attributes:
        most: entries until it ends; None where it has pages.
    """

    ranges: dict[bytes, Range]
    most: int | None
    sent: int = 0
    is_cut: bool = False


@dataclass
class Searches:
    """The searches of one connection, by message id."""

    values: int
    page: int
    running: dict[bytes, Search] = field(default_factory=dict)

    def request(self, message: list[ber.Part]) -> list[ber.Part]:
        (_, number), (kind, operation), *controls = message
        if kind != _SEARCH:
            return message
        *before, (_, selection) = ber.parts(operation)
        ranges = {name.lower(): wanted for name, wanted in _ranges(selection)}
        asked = int.from_bytes(before[_SIZE_LIMIT][1]) or self.page
        is_paged, controls = _shrink_page(controls, self.page)
        self.running[number] = Search(ranges, None if is_paged else min(asked, self.page))
        changed = ber.join([*before, (ber.SEQUENCE, _without_ranges(selection))])
        return [message[0], (kind, changed), *controls]

    def answer(self, message: list[ber.Part]) -> list[ber.Part]:
        (_, number), (kind, operation), *controls = message
        if kind == _DONE:
            changed = _ended(self.running.pop(number), operation)
            return [message[0], (kind, changed), *controls]
        if kind != _ENTRY:
            return message
        search = self.running[number]
        search.is_cut = search.sent == search.most
        if search.is_cut:
            return []
        search.sent += 1
        return [message[0], (kind, self._entry(operation, search.ranges)), *controls]

    def _entry(self, operation: bytes, ranges: dict[bytes, Range]) -> bytes:
        dn, (_, attributes) = ber.parts(operation)
        if not dn[1]:  # the root DSE is not stored: it comes whole
            return operation
        shown: list[ber.Part] = []
        for _, attribute in ber.parts(attributes):
            (_, name), (_, values) = ber.parts(attribute)
            shown.extend(self._shown(name, ber.parts(values), ranges.get(name.lower())))
        return ber.join([dn, (ber.SEQUENCE, ber.join(shown))])

    def _shown(
        self, name: bytes, values: list[ber.Part], wanted: Range | None
    ) -> Iterator[ber.Part]:
        if not wanted and len(values) <= self.values:
            yield _attribute(name, values)
            return
        if not wanted:
            yield _attribute(name, [])
        first, last = wanted or (0, None)
        end = min(first + self.values, len(values) if last is None else last + 1)
        label = "*" if end >= len(values) else str(end - 1)
        yield _attribute(b"%b;range=%d-%b" % (name, first, label.encode()), values[first:end])


def _attribute(name: bytes, values: list[ber.Part]) -> ber.Part:
    content = [(ber.OCTET_STRING, name), (ber.SET, ber.join(values))]
    return ber.SEQUENCE, ber.join(content)


def _ended(search: Search, result: bytes) -> bytes:
    code, *others = ber.parts(result)
    if search.is_cut and code == (ber.ENUMERATED, b"\0"):
        code = ber.ENUMERATED, ber.integer(_SIZE_LIMIT_EXCEEDED)
    return ber.join([code, *others])


def _ranges(selection: bytes) -> Iterator[tuple[bytes, Range]]:
    for _, attribute in ber.parts(selection):
        if match := _RANGE.match(attribute):
            last = None if match["last"] == b"*" else int(match["last"])
            yield match["name"], (int(match["first"]), last)


def _without_ranges(selection: bytes) -> bytes:
    """The server is asked for all values."""
    return ber.join((tag, _RANGE.sub(rb"\g<name>", name)) for tag, name in ber.parts(selection))


def _shrink_page(controls: list[ber.Part], most: int) -> tuple[bool, list[ber.Part]]:
    """Whether it has pages, and the controls with pages no longer than that."""
    if not controls:
        return False, controls
    ((kind, given),) = controls
    is_paged, changed = False, []
    for tag, control in ber.parts(given):
        oid, *criticality, value = ber.parts(control)
        if oid[1] == _PAGED:
            is_paged = True
            value = ber.OCTET_STRING, _smaller(value[1], most)
        changed.append((tag, ber.join([oid, *criticality, value])))
    return is_paged, [(kind, ber.join(changed))]


def _smaller(page: bytes, most: int) -> bytes:
    ((_, content),) = ber.parts(page)
    (_, size), cookie = ber.parts(content)
    shrunk = ber.integer(min(int.from_bytes(size), most))
    return ber.join([(ber.SEQUENCE, ber.join([(ber.INTEGER, shrunk), cookie]))])
