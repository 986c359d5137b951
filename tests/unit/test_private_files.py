"""Private files, written whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from mi_ldap.files import create_private, write_private


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_replaced_and_private(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("old")
    file.chmod(0o644)
    write_private(file, b"new")
    assert file.read_text() == "new"
    assert mode_of(file) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_symbolic_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "file")
    write_private(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "new"


def test_a_failed_write_keeps_the_old_file_and_leaves_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file"
    write_private(file, b"old")

    def fail(_descriptor: int) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="no space"):
        write_private(file, b"new")
    assert file.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_draft_that_a_crash_left_readable_is_made_private(tmp_path: Path) -> None:
    draft = tmp_path / f".file.{os.getpid()}"
    draft.write_text("a longer text that a crash left")
    draft.chmod(0o644)
    write_private(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_text() == "new"
    assert mode_of(tmp_path / "file") == 0o600


def test_a_file_is_created_once(tmp_path: Path) -> None:
    assert create_private(tmp_path / "file", b"first")
    assert not create_private(tmp_path / "file", b"second")
    assert (tmp_path / "file").read_text() == "first"
    assert mode_of(tmp_path / "file") == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
