"""The state folder: ours alone, and one service's."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mi_ldap.errors import ConfigurationError
from mi_ldap.serving.state_folder import held_state_folder, prepare_state_folder


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_missing_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    prepare_state_folder(tmp_path / "a" / "b")
    assert mode(tmp_path / "a" / "b") == 0o700


def test_a_folder_that_others_may_enter_is_closed_to_them(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    prepare_state_folder(tmp_path)
    assert mode(tmp_path) == 0o700


def test_a_second_service_is_refused_by_the_name_of_the_first(tmp_path: Path) -> None:
    second = held_state_folder(tmp_path)
    with held_state_folder(tmp_path), pytest.raises(ConfigurationError) as refusal, second:
        pass
    assert f"process {os.getpid()}" in str(refusal.value)
    assert str(tmp_path) in str(refusal.value)
    assert "MI_LDAP_STATE_DIR" in str(refusal.value)


def test_the_folder_is_free_again_afterwards(tmp_path: Path) -> None:
    for _ in range(2):
        with held_state_folder(tmp_path):
            assert mode(tmp_path / "lock") == 0o600


@pytest.fixture
def strangers_folder(tmp_path: Path) -> Path:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    folder = tmp_path / "theirs"
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    return folder


def test_a_folder_of_somebody_else_is_refused(strangers_folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="belongs to another user"):
        prepare_state_folder(strangers_folder)


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ConfigurationError, match="cannot be used: File exists"):
        prepare_state_folder(file)
    with pytest.raises(ConfigurationError, match="cannot be used: Not a directory"):
        prepare_state_folder(file / "below")
