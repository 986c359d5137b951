"""Has the log tell when the disk is nearly full; a companion of the supervisor."""

from __future__ import annotations

import time

from mi_ldap.disk_space import DiskSpace

CHECK_S = 5.0


class DiskWatch:
    """Looks every `CHECK_S` seconds."""

    def __init__(self, disk: DiskSpace) -> None:
        self._disk = disk
        self._next_look = 0.0

    def look_after(self) -> None:
        """Called every now and then."""
        now = time.monotonic()
        if now >= self._next_look:
            self._next_look = now + CHECK_S
            self._disk.log_changes()

    def stop(self) -> None:
        """Nothing is to be stopped."""
