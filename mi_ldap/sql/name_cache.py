"""A cache of lists of names, which are valid while nothing changes in the database server."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Final

from sqlalchemy import Connection

from mi_ldap.model import Names, in_order
from mi_ldap.sql.change_checks import ServerState
from mi_ldap.sql.engine import Database
from mi_ldap.sql.read_cache import CachedValue

_MAX_LISTS: Final = 8
"""The most lists: of users, roles, and members of recent roles. 100,000 names take 20 MB."""


class NameCache:
    """Returns lists of names, from memory if the database has not changed since they were read.

    Only PostgreSQL can report that. With other databases every list is read.

    Args:
        database: the connections.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lists: dict[Hashable, CachedValue] = {}
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
        check, last_state = self._database.change_check(), self._last_state
        self._last_state = check.state if check else None
        if check and (cached := self._lists.get(key)) and cached.is_valid(check):
            names: Names = cached.value
            return names
        # While other clients write, filling the cache would cost more than it saves.
        if check is None or check.state != last_state:
            return self._database.read(read_part or read)
        names = self._database.read(read)
        if names.folded is None:
            names = in_order(names.names)
        self._add(key, CachedValue(check.state, time.monotonic(), names))
        return names

    def _add(self, key: Hashable, added: CachedValue) -> None:
        """Add a list, and remove those of other states and the oldest above the limit."""
        # A new dictionary instead of a lock: other threads may be reading the present one.
        lists = {k: found for k, found in [*self._lists.items()] if found.state == added.state}
        lists[key] = added
        while len(lists) > _MAX_LISTS:
            del lists[next(iter(lists))]
        self._lists = lists
