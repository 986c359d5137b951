"""Free space on the file systems that the service writes to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import structlog

log = structlog.get_logger()

MEGABYTE = 1_000_000
_MIN_FREE_INODES = 100


class DiskSpace:
    """Checks the free space of folders.

    Args:
        folders: where the service writes: the state folder, and the folder of the audit log.
        min_free_mb: the least free space of each, in megabytes; 0 to check nothing.
    """

    def __init__(self, folders: Sequence[Path], min_free_mb: int) -> None:
        self._folders = folders
        self._min_free_mb = min_free_mb
        self._was_low = False

    def is_low(self) -> bool:
        """Whether one of the folders has less free space than `min_free_mb`."""
        return any(self._free_mb(folder) < self._min_free_mb for folder in self._folders)

    def log_changes(self) -> None:
        """Log once when free space falls below the minimum, and once when it is back above."""
        is_low = self.is_low()
        if is_low and not self._was_low:
            free = {str(folder): self._free_mb(folder) for folder in self._folders}
            # On a full disk logins and changes are refused, since they cannot be audited.
            log.warning("disk_space_low", free_mb=free, min_free_mb=self._min_free_mb)
        elif self._was_low and not is_low:
            log.info("disk_space_sufficient", min_free_mb=self._min_free_mb)
        self._was_low = is_low

    def _free_mb(self, folder: Path) -> float:
        """Return the free space for users other than root; infinity where it cannot be read."""
        try:
            found = os.statvfs(folder)
        except OSError:
            return float("inf")
        # Without free inodes no file can be created. btrfs has no fixed number, and reports 0.
        if found.f_files and found.f_favail < _MIN_FREE_INODES:
            return 0
        return found.f_bavail * found.f_frsize // MEGABYTE
