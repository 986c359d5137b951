"""Exclusive locks on files."""

from __future__ import annotations

import os
import stat
import threading
import time
from pathlib import Path

from mi_ldap.file_locks import lock, open_lock_file


def test_a_lock_file_is_private(tmp_path: Path) -> None:
    os.close(open_lock_file(tmp_path / "lock"))
    assert stat.S_IMODE((tmp_path / "lock").stat().st_mode) == 0o600


def test_a_fifo_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "lock")
    os.close(open_lock_file(tmp_path / "lock"))


def test_a_locked_file_is_refused_until_its_descriptor_is_closed(tmp_path: Path) -> None:
    first, second = (open_lock_file(tmp_path / "lock") for _ in range(2))
    assert lock(first)
    began = time.monotonic()
    assert not lock(second, within_s=0.05)
    assert time.monotonic() - began >= 0.05
    os.close(first)
    assert lock(second)
    os.close(second)


def test_a_lock_is_taken_as_soon_as_it_is_free(tmp_path: Path) -> None:
    first, second = (open_lock_file(tmp_path / "lock") for _ in range(2))
    assert lock(first)
    threading.Timer(0.05, os.close, (first,)).start()
    assert lock(second, within_s=10.0)
    os.close(second)
