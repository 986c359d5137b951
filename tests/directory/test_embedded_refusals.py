"""What the embedded directory refuses, in a sentence that says what to do."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.errors import ConfigurationError


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[EmbeddedDirectory]:
    directory = EmbeddedDirectory(tmp_path / "directory")
    yield directory
    directory.stop()


def test_a_second_start_on_the_same_folder_is_refused(
    directory: EmbeddedDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mi_ldap.embedded.folder._LOCK_WAIT_S", 0.1)
    directory.start()
    with pytest.raises(ConfigurationError, match="in use by another process"):
        EmbeddedDirectory(directory.folder).start()
    assert directory.is_running()


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port}.*embedded_directory.port"):
            EmbeddedDirectory(tmp_path, port=port).start()


def test_a_wrong_password_in_the_file_is_named(directory: EmbeddedDirectory) -> None:
    directory.start()
    directory.stop()
    directory.service_password_file.write_text("something else")
    with pytest.raises(ConfigurationError, match=r"service\.password does not contain"):
        directory.start()
    assert not directory.is_running()


def test_another_suffix_than_the_folders_is_refused(directory: EmbeddedDirectory) -> None:
    directory.start()
    directory.stop()
    with pytest.raises(ConfigurationError, match="created with the suffix 'dc=mi'"):
        EmbeddedDirectory(directory.folder, suffix="dc=other").start()


@pytest.mark.parametrize(
    "suffix", ["", "mi", "cn=mi", "dc=", "dc=a\ndc=b", 'dc="', "dc=a,", "dc=é"]
)
def test_the_suffix_may_not_be(suffix: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"embedded_directory\.suffix"):
        EmbeddedDirectory(tmp_path, suffix=suffix)


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nolcRootPW: x"])
def test_a_folder_that_slapd_cannot_be_told_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be given to slapd"):
        EmbeddedDirectory(tmp_path / name).start()


def test_a_missing_slapd_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match=r"embedded_directory\.slapd.*no-slapd"):
        EmbeddedDirectory(tmp_path, slapd=tmp_path / "no-slapd").start()
    monkeypatch.setattr("mi_ldap.embedded.configuration._PROGRAM_DIRS", "")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigurationError, match="apt install slapd"):
        EmbeddedDirectory(tmp_path).start()


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match=r"cannot be used: Not a directory .*file"):
        EmbeddedDirectory(tmp_path / "file" / "directory").start()
