"""The connections of a worker: how many there may be, what they may hold, and which one goes first.

Room is made at the expense of those who have done least for it:

1. who has never sent a request, a TLS handshake that does not end among them;
2. who does not take the response that it asked for;
3. who is kept open between two requests, or is sending a further one;
4. who is taking a response.

In each class the address with the most connections comes first, and of its connections the one that
has waited longest. A connection whose request is being served is never closed. An IPv6 address
counts by its /64, which is what one subscriber has. A trusted proxy stands for many clients: each
of its connections counts as an address of its own.
"""

from __future__ import annotations

import ipaddress
import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

import structlog

from mi_ldap.settings.networks import Network

log = structlog.get_logger(__name__)

_STALLED_S: Final = 1.0
_LOG_EVERY_S: Final = 10.0


class Phase(Enum):
    """What a connection is about."""

    NEW = auto()
    """No complete request has come yet."""
    WAITING = auto()
    """It is between requests, is sending one, or is being closed."""
    SERVED = auto()
    """The application has its request."""
    SENDING = auto()
    """It is being sent a response."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one worker.

    Attributes:
        connections: all of them; those without a request may be three quarters of that.
        per_address: those of one address.
        held_bytes: of requests that are arriving and responses that are being sent.
        trusted_proxies: networks whose addresses stand for many clients.
    """

    connections: int = 2048
    per_address: int = 1024
    held_bytes: int = 64 * 1024 * 1024
    trusted_proxies: tuple[Network, ...] = ()


@dataclass(eq=False, slots=True)
class Entry:
    """A connection in the table.

    Attributes:
        owner: what stands for its address.
        drop: closes it; called at most once.
        phase: None once it is not in the table any more.
        since: when it entered the phase, by `time.monotonic`.
        held: bytes of memory for what it sends or is sent.
    """

    owner: Hashable
    drop: Callable[[], object]
    phase: Phase | None = Phase.NEW
    since: float = field(default_factory=time.monotonic)
    held: int = 0

    @property
    def is_stalled(self) -> bool:
        return time.monotonic() - self.since > _STALLED_S


class _Crowd:
    """Connections of one phase, by their owners; the owner with the most is found at once."""

    def __init__(self) -> None:
        self._of: dict[Hashable, dict[Entry, None]] = {}
        self._owners_with: defaultdict[int, dict[Hashable, None]] = defaultdict(dict)
        self._largest = 0
        self.size = 0

    def add(self, entry: Entry) -> None:
        own = self._of.setdefault(entry.owner, {})
        self._recount(entry.owner, len(own), len(own) + 1)
        own[entry] = None
        self.size += 1

    def remove(self, entry: Entry) -> None:
        own = self._of[entry.owner]
        del own[entry]
        self._recount(entry.owner, len(own) + 1, len(own))
        if not own:
            del self._of[entry.owner]
        self.size -= 1

    def __iter__(self) -> Iterator[Entry]:
        return (entry for own in self._of.values() for entry in own)

    def first_of(self, owner: Hashable) -> Entry | None:
        """The connection of that owner that has waited longest."""
        return next(iter(self._of.get(owner, ())), None)

    def first(self) -> Entry | None:
        """That of the owner with the most of them."""
        owners = self._owners_with.get(self._largest)
        return self.first_of(next(iter(owners))) if owners else None

    def _recount(self, owner: Hashable, before: int, after: int) -> None:
        self._owners_with[before].pop(owner, None)
        if not self._owners_with[before]:
            del self._owners_with[before]
        if after:
            self._owners_with[after][owner] = None
        self._largest = max(self._largest, after)
        while self._largest and self._largest not in self._owners_with:
            self._largest -= 1


class _Served:
    """Connections that are never chosen: nothing is counted but how many there are."""

    def __init__(self) -> None:
        self._entries: set[Entry] = set()

    @property
    def size(self) -> int:
        return len(self._entries)

    def add(self, entry: Entry) -> None:
        self._entries.add(entry)

    def remove(self, entry: Entry) -> None:
        self._entries.remove(entry)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)


class ConnectionTable:
    """All connections of a worker; used in its event loop only."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._crowds: dict[Phase, _Crowd] = {
            phase: _Crowd() for phase in Phase if phase is not Phase.SERVED
        }
        self._groups: dict[Phase, _Crowd | _Served] = {Phase.SERVED: _Served()}
        self._groups.update(self._crowds)
        self._count_of: defaultdict[Hashable, int] = defaultdict(int)
        self._holding: dict[Entry, None] = {}
        self._dropped = 0
        self._logged_at = -_LOG_EVERY_S
        self.held = 0

    def __len__(self) -> int:
        return sum(group.size for group in self._groups.values())

    def make_room(self, address: str) -> bool:
        """Close what must go before a new connection of the address is added.

        Returns:
            False where nothing may be closed for it: it can't be taken.
        """
        owner, new = self._owner(address), self._crowds[Phase.NEW]
        if self._count_of.get(owner, 0) >= self._limits.per_address:
            return self._drop(self._least(lambda crowd: crowd.first_of(owner)), "per_address")
        if len(self) >= self._limits.connections:
            return self.drop_one("connections")
        if new.size >= self._limits.connections * 3 // 4:
            return self._drop(new.first(), "connections_without_request")
        return True

    def drop_one(self, limit: str) -> bool:
        """Close the connection that goes first; False where none may be closed.

        Args:
            limit: what there is too much of, for the log.
        """
        return self._drop(self._least(_Crowd.first), limit)

    def add(self, address: str, drop: Callable[[], object]) -> Entry:
        """A new connection, which has not sent a request."""
        entry = Entry(self._owner(address), drop)
        self._crowds[Phase.NEW].add(entry)
        self._count_of[entry.owner] += 1
        return entry

    def remove(self, entry: Entry) -> None:
        """The connection is closed, or about to be."""
        if entry.phase is None:
            return
        self._groups[entry.phase].remove(entry)
        entry.phase = None
        self._count_of[entry.owner] -= 1
        if not self._count_of[entry.owner]:
            del self._count_of[entry.owner]
        self.release(entry, entry.held)

    def enter(self, entry: Entry, phase: Phase) -> None:
        """The connection is about something else from now on."""
        if entry.phase is not None:
            self._groups[entry.phase].remove(entry)
            self._groups[phase].add(entry)
            entry.phase, entry.since = phase, time.monotonic()

    def hold(self, entry: Entry, size: int) -> None:
        """So many more bytes are in memory for the connection; others are closed for them."""
        if entry.phase is None or size <= 0:
            return
        entry.held += size
        self.held += size
        self._holding[entry] = None
        while self.held > self._limits.held_bytes and self._drop(self._heaviest(), "held_bytes"):
            pass

    def release(self, entry: Entry, size: int) -> None:
        """So many bytes are not in memory any more."""
        size = min(size, entry.held)
        entry.held -= size
        self.held -= size
        if not entry.held:
            self._holding.pop(entry, None)

    def entries(self, *phases: Phase) -> list[Entry]:
        """The connections in these phases."""
        return [entry for phase in phases for entry in self._groups[phase]]

    def _owner(self, address: str) -> Hashable:
        try:
            parsed = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return address
        parsed = getattr(parsed, "ipv4_mapped", None) or parsed
        if any(parsed in network for network in self._limits.trusted_proxies):
            return object()
        return parsed.packed[:8] if parsed.version == 6 else parsed.packed

    def _least(self, first: Callable[[_Crowd], Entry | None]) -> Entry | None:
        """Which one goes first, of those that `first` finds in each crowd."""
        sending = first(self._crowds[Phase.SENDING])
        stalled = sending if sending is not None and sending.is_stalled else None
        waiting = self._crowds[Phase.WAITING]
        return first(self._crowds[Phase.NEW]) or stalled or first(waiting) or sending

    def _heaviest(self) -> Entry | None:
        """Which one goes first for its bytes: none where one connection holds all of them."""
        if len(self._holding) < 2:
            return None
        of_owner: defaultdict[Hashable, int] = defaultdict(int)
        for entry in self._holding:
            of_owner[entry.owner] += entry.held

        def weight(entry: Entry) -> tuple[bool, int, int]:
            return entry.is_stalled, of_owner[entry.owner], entry.held

        loose = (entry for entry in self._holding if entry.phase is not Phase.SERVED)
        return max(loose, key=weight, default=None)

    def _drop(self, entry: Entry | None, limit: str) -> bool:
        if entry is None:
            return False
        self.remove(entry)
        entry.drop()
        self._note(limit)
        return True

    def _note(self, limit: str) -> None:
        """One line every ten seconds: there may be thousands of them in each."""
        self._dropped += 1
        now = time.monotonic()
        if now - self._logged_at >= _LOG_EVERY_S:
            log.warning("connections_dropped", limit=limit, dropped=self._dropped, open=len(self))
            self._dropped, self._logged_at = 0, now
