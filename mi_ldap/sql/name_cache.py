"""A cache of lists of names, which are valid while nothing changes in the database server."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Final

from sqlalchemy import Connection, text

from mi_ldap.model import Names, in_order
from mi_ldap.sql.engine import Database

_MAX_LISTS: Final = 8
"""The users, the roles, and the members of recently shown roles. 100,000 names take 20 MB."""

# The snapshot of PostgreSQL is "xmin:xmax:ids": no transaction before xmin is under way, none from
# xmax on has begun. It changes with every transaction that writes, in any database of the server.
# After a failover the numbers may be used again, but the other server was started at another time.
_SNAPSHOT: Final = text(
    "SELECT CAST(txid_current_snapshot() AS text), CAST(pg_postmaster_start_time() AS text)"
)

ServerState = tuple[object, ...]


class NameCache:
    """Returns lists of names, from memory if the database has not changed since they were read.

    Only PostgreSQL can report that. With other databases every list is read.

    Args:
        database: the connections.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._detects_changes = database.config.dialect == "postgresql"
        self._lists: dict[Hashable, tuple[ServerState, Names]] = {}
        self._last_state: ServerState | None = None

    def names(
        self,
        key: Hashable,
        read: Callable[[Connection], Names],
        read_part: Callable[[Connection], Names] | None = None,
    ) -> Names:
        """Return a list of names: all of them, or at least those that `read_part` returns.

        Args:
            key: identifies the list.
            read: reads the whole list.
            read_part: reads the part that the caller needs, if that is faster.
        """
        # PostgreSQL's state does not show what this thread has changed and not committed yet.
        if not self._detects_changes or self._database.is_in_transaction:
            return self._database.read(read_part or read)
        return self._database.read(lambda connection: self._names(connection, key, read, read_part))

    def _names(
        self,
        connection: Connection,
        key: Hashable,
        read: Callable[[Connection], Names],
        read_part: Callable[[Connection], Names] | None,
    ) -> Names:
        state, last_state = _state_of_server(connection), self._last_state
        self._last_state = state
        cached = self._lists.get(key)
        if cached and cached[0] == state:
            return cached[1]
        # While other clients write, filling the cache would cost more than it saves.
        if state is None or state != last_state:
            return (read_part or read)(connection)
        names = in_order(read(connection).names)
        if _state_of_server(connection) == state:
            self._add(key, state, names)
        return names

    def _add(self, key: Hashable, state: ServerState, names: Names) -> None:
        """Add a list, and remove those of other states and the oldest above the limit."""
        # A new dictionary instead of a lock: other threads may be reading the present one.
        lists = {each: found for each, found in [*self._lists.items()] if found[0] == state}
        lists[key] = state, names
        while len(lists) > _MAX_LISTS:
            del lists[next(iter(lists))]
        self._lists = lists


def _state_of_server(connection: Connection) -> ServerState | None:
    """Return a value that differs after every change; None while a transaction is writing."""
    snapshot, started = connection.execute(_SNAPSHOT).one()
    xmin, xmax, under_way = snapshot.split(":")
    if xmin != xmax or under_way:
        return None
    return connection.info["host"], started, xmax
