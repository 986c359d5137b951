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

KEPT_S: Final = 600.0
"""How long a deletion is recorded, in seconds; replication should not take longer."""

_PREFIX: Final = "removed "


class StateDeletionLog:
    """`mi_ldap.store.DeletionLog` for all processes of this machine."""

    # Replication between directory servers may bring back memberships of a deleted user or role.

    def __init__(self, state: StateDatabase) -> None:
        self._state = state

    def note(self, removed: DeletedEntry) -> None:
        try:
            self._state.set_default(_PREFIX + json.dumps([time.time(), *removed]), "")
        except StateUnavailable as error:
            log.warning("deletion_not_recorded", dn=removed.dn, error=str(error))

    def recent(self) -> list[DeletedEntry]:
        keys = self._state.keys_with_prefix(_PREFIX)
        kept = {key: json.loads(key[len(_PREFIX) :]) for key in keys}
        # Also forget deletions in the future: the clock was set back.
        old = [key for key, (at, *_) in kept.items() if abs(time.time() - at) > KEPT_S]
        self._state.delete(old)
        return list(dict.fromkeys(DeletedEntry(dn, member) for _, dn, member in kept.values()))
