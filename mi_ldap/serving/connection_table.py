"""The connections of a worker: limits of their number and memory, and which one is closed first.

When a limit is reached, connections are closed in this order:

1. connections that never sent a complete request, unfinished TLS handshakes included;
2. connections whose client does not read its response;
3. idle keep-alive connections, and those sending a further request;
4. connections whose client is reading a response.

In each class the address with the most connections comes first, and of its connections the one that
has waited longest. A connection whose request is being processed is never closed.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

import structlog

from mi_ldap.addresses import Network, parse_address

log = structlog.get_logger(__name__)

_STALLED_S: Final = 1.0
"""A client that has not read a slice of its response for so many seconds is stalled."""
_LOG_EVERY_S: Final = 10.0


class Phase(Enum):
    """The state of a connection."""

    NEW = auto()
    """No complete request has been received yet."""
    WAITING = auto()
    """The client is idle between requests or sending one, or the connection is being closed."""
    SERVED = auto()
    """The application is processing its request."""
    SENDING = auto()
    """A response is being sent."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one worker.

    Attributes:
        connections: the most connections; at most three quarters may have sent no request.
        per_address: the most connections of one address.
        held_bytes: the most bytes of requests being received and responses being sent.
        trusted_proxies: the networks of proxies, whose addresses are shared by many clients.
    """

    connections: int = 2048
    per_address: int = 1024
    held_bytes: int = 64 * 1024 * 1024
    trusted_proxies: tuple[Network, ...] = ()


@dataclass(eq=False, slots=True)
class Entry:
    """A connection in the table.

    Attributes:
        owner: the key of the client's address.
        drop: closes the connection; called at most once.
        phase: None after the removal from the table.
        since: when it entered the phase, by `time.monotonic`.
        held: the buffered bytes of its request and response.
    """

    owner: Hashable
    drop: Callable[[], object]
    phase: Phase | None = Phase.NEW
    since: float = field(default_factory=time.monotonic)
    held: int = 0

    @property
    def is_stalled(self) -> bool:
        return time.monotonic() - self.since > _STALLED_S


class _PhaseConnections:
    """Connections of one phase by owner, with the largest owner found in constant time."""

    # Under attack every new connection closes another one: a search of thousands would take longer
    # than the attacker needs to connect.

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
        """Return the owner's connection that has waited longest."""
        return next(iter(self._of.get(owner, ())), None)

    def first(self) -> Entry | None:
        """Return the longest-waiting connection of the owner with the most connections."""
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


class ConnectionTable:
    """All connections of a worker; used in its event loop only."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._in_phase = {phase: _PhaseConnections() for phase in Phase}
        self._count_of: defaultdict[Hashable, int] = defaultdict(int)
        self._holding: dict[Entry, None] = {}
        self._dropped = 0
        self._logged_at = -_LOG_EVERY_S
        self.held = 0

    def __len__(self) -> int:
        return sum(each.size for each in self._in_phase.values())

    def make_room(self, address: str) -> bool:
        """Close a connection if a limit requires it before a new one of the address is added.

        Returns:
            False if no connection may be closed: the new one must be rejected.
        """
        owner, new = self._owner(address), self._in_phase[Phase.NEW]
        if self._count_of.get(owner, 0) >= self._limits.per_address:
            return self._drop(
                self._first_to_close(lambda each: each.first_of(owner)), "per_address"
            )
        if len(self) >= self._limits.connections:
            return self.drop_one("connections")
        if new.size >= self._limits.connections * 3 // 4:
            return self._drop(new.first(), "connections_without_request")
        return True

    def drop_one(self, limit: str) -> bool:
        """Close the first connection in order; return False if none may be closed.

        Args:
            limit: the name of the exceeded limit, for the log.
        """
        return self._drop(self._first_to_close(_PhaseConnections.first), limit)

    def add(self, address: str, drop: Callable[[], object]) -> Entry:
        """Add a new connection, which has not sent a request."""
        entry = Entry(self._owner(address), drop)
        self._in_phase[Phase.NEW].add(entry)
        self._count_of[entry.owner] += 1
        return entry

    def remove(self, entry: Entry) -> None:
        """Remove a connection that is closed or about to be closed."""
        if entry.phase is None:
            return
        self._in_phase[entry.phase].remove(entry)
        entry.phase = None
        self._count_of[entry.owner] -= 1
        if not self._count_of[entry.owner]:
            del self._count_of[entry.owner]
        self.release(entry, entry.held)

    def enter(self, entry: Entry, phase: Phase) -> None:
        """Move the connection to another phase."""
        if entry.phase is not None:
            self._in_phase[entry.phase].remove(entry)
            self._in_phase[phase].add(entry)
            entry.phase, entry.since = phase, time.monotonic()

    def hold(self, entry: Entry, size: int) -> None:
        """Count bytes that are buffered; close other connections while the limit is exceeded."""
        if entry.phase is None or size <= 0:
            return
        entry.held += size
        self.held += size
        self._holding[entry] = None
        while self.held > self._limits.held_bytes and self._drop(
            self._largest_buffer(), "held_bytes"
        ):
            pass

    def release(self, entry: Entry, size: int) -> None:
        """Count bytes that are no longer buffered."""
        size = min(size, entry.held)
        entry.held -= size
        self.held -= size
        if not entry.held:
            self._holding.pop(entry, None)

    def entries(self, *phases: Phase) -> list[Entry]:
        """Return the connections in these phases."""
        return [entry for phase in phases for entry in self._in_phase[phase]]

    def _owner(self, address: str) -> Hashable:
        parsed = parse_address(address.partition("%")[0])
        if parsed is None:
            return address
        if any(parsed in network for network in self._limits.trusted_proxies):
            return object()  # many clients share the address: each connection counts alone
        # A subscriber has a whole /64 of IPv6 addresses (RFC 6177).
        return parsed.packed[:8] if parsed.version == 6 else parsed.packed

    def _first_to_close(self, first: Callable[[_PhaseConnections], Entry | None]) -> Entry | None:
        """Return the connection to close first, of those that `first` finds in each phase."""
        sending = first(self._in_phase[Phase.SENDING])
        stalled = sending if sending is not None and sending.is_stalled else None
        waiting = self._in_phase[Phase.WAITING]
        return first(self._in_phase[Phase.NEW]) or stalled or first(waiting) or sending

    def _largest_buffer(self) -> Entry | None:
        """Return the connection to close first for its memory; None if one has all the bytes."""
        if len(self._holding) < 2:
            return None  # a single large response is what the limit allows for
        of_owner: defaultdict[Hashable, int] = defaultdict(int)
        for entry in self._holding:
            of_owner[entry.owner] += entry.held

        def weight(entry: Entry) -> tuple[bool, int, int]:
            return entry.is_stalled, of_owner[entry.owner], entry.held

        closable = (entry for entry in self._holding if entry.phase is not Phase.SERVED)
        return max(closable, key=weight, default=None)

    def _drop(self, entry: Entry | None, limit: str) -> bool:
        if entry is None:
            return False
        self.remove(entry)
        entry.drop()
        self._note(limit)
        return True

    def _note(self, limit: str) -> None:
        """Log the number of closed connections, at most one line in ten seconds."""
        self._dropped += 1  # under attack, thousands in that time
        now = time.monotonic()
        if now - self._logged_at >= _LOG_EVERY_S:
            log.warning("connections_dropped", limit=limit, dropped=self._dropped, open=len(self))
            self._dropped, self._logged_at = 0, now
