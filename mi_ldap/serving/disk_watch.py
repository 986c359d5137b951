"""Logs a warning when a disk is nearly full; called by the supervisor."""

from __future__ import annotations

import time

from mi_ldap.state.disk_space import DiskSpace

CHECK_S = 5.0
"""Pause between two checks, in seconds."""


class DiskWatch:
    """Checks the free space every `CHECK_S` seconds."""

    def __init__(self, disk: DiskSpace) -> None:
        self._disk = disk
        self._next_check_at = 0.0

    def tick(self) -> None:
        """Check the free space, if the last check was `CHECK_S` ago; called in a loop."""
        now = time.monotonic()
        if now >= self._next_check_at:
            self._next_check_at = now + CHECK_S
            self._disk.log_changes()

    def stop(self) -> None:
        """Do nothing: no process or thread is running."""
