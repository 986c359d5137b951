"""How much room the file systems have left that the service writes to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import structlog

log = structlog.get_logger()

MEGABYTE = 1_000_000
_MIN_FREE_INODES = 100


class DiskSpace:
    """Watches folders; a full disk ends logins and changes, whose audit lines can't be written.

    Args:
        folders: where the service writes: the state folder, and that of the audit log.
        min_free_mb: what there should be at least on each, in megabytes; 0 to watch nothing.
    """

    def __init__(self, folders: Sequence[Path], min_free_mb: int) -> None:
        self._folders = folders
        self._min_free_mb = min_free_mb
        self._was_low = False

    def is_low(self) -> bool:
        """Whether one of them has less room."""
        return any(self._free_mb(folder) < self._min_free_mb for folder in self._folders)

    def log_changes(self) -> None:
        """Log a warning when there is too little room, once; and when there is enough again."""
        is_low = self.is_low()
        if is_low and not self._was_low:
            free = {str(folder): self._free_mb(folder) for folder in self._folders}
            log.warning("disk_space_low", free_mb=free, min_free_mb=self._min_free_mb)
        elif self._was_low and not is_low:
            log.info("disk_space_sufficient", min_free_mb=self._min_free_mb)
        self._was_low = is_low

    def _free_mb(self, folder: Path) -> float:
        """Room for whoever is not root; endless where that can't be told."""
        try:
            found = os.statvfs(folder)
        except OSError:
            return float("inf")
        if found.f_files and found.f_favail < _MIN_FREE_INODES:
            return 0
        return found.f_bavail * found.f_frsize // MEGABYTE
