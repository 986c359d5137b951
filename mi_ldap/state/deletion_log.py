"""The users and roles that were deleted in the last minutes, in the state database."""

from __future__ import annotations

import json
import time
from typing import Final

import structlog

from mi_ldap.errors import StateUnavailable
from mi_ldap.state.database import StateDatabase
from mi_ldap.store import DeletedEntry

log = structlog.get_logger()

# How long a deletion is recorded, in seconds; replication should not take longer.
KEPT_S: Final = 600.0

_PREFIX: Final = "removed "


class StateDeletionLog:
    """`mi_ldap.store.DeletionLog` for all processes of this machine.

    Args:
        state: the database.
        is_replicated: whether the directory may be replicated, which may bring back memberships of
            a deleted user or role. Else an entry is needed only if the service is killed before it
            has removed these, which the entry survives without an fsync.
        domain: that of a secondary store, whose DNs may be those of other entries elsewhere.
    """

    def __init__(
        self, state: StateDatabase, *, is_replicated: bool = True, domain: str = ""
    ) -> None:
        self._prefix = f"{domain}/{_PREFIX}" if domain else _PREFIX
        self._state = state
        self._is_replicated = is_replicated

    def note(self, removed: DeletedEntry) -> None:
        key = self._prefix + json.dumps([time.time(), *removed])
        try:
            self._state.note(key, survives_power_failure=self._is_replicated)
        except StateUnavailable as error:
            log.warning("deletion_not_recorded", dn=removed.dn, error=str(error))

    def recent(self) -> list[DeletedEntry]:
        keys = self._state.keys_with_prefix(self._prefix)
        kept = {key: json.loads(key[len(self._prefix) :]) for key in keys}
        # Also forget deletions in the future: the clock was set back.
        old = [key for key, (at, *_) in kept.items() if abs(time.time() - at) > KEPT_S]
        self._state.delete(old)
        return list(dict.fromkeys(DeletedEntry(dn, member) for _, dn, member in kept.values()))
