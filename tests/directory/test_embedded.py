"""The embedded directory as a process: its starts and ends, and what it keeps to itself."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mi_ldap.directory import slapd_process
from mi_ldap.directory.embedded import EmbeddedDirectory
from tests.directory.slapd_fixture import connected

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[EmbeddedDirectory]:
    directory = EmbeddedDirectory(tmp_path / "directory")
    yield directory
    directory.stop()


@pytest.fixture
def command(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """`python -m mi_ldap.directory.embedded`, once it has said where the directory is."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mi_ldap.directory.embedded", "--folder", tmp_path / "directory"],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline().startswith("dc=mi is at ldap://127.0.0.1:")
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def wait_until(condition: Callable[[], bool]) -> None:
    assert slapd_process.wait_for(condition, 5)


def pid_of(directory: EmbeddedDirectory) -> int:
    assert directory.pid is not None
    return directory.pid


def slapd_below(parent: subprocess.Popen[str]) -> int:
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
    assert len(children) == 1
    return int(children[0])


def is_alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def listening_addresses(port: int) -> set[str]:
    """The addresses, in hexadecimal as /proc has them, on which that port is listened on."""
    rows = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    sockets = [row.split()[1:4] for row in rows.splitlines() if "local_address" not in row]
    return {
        local.partition(":")[0]
        for local, _, state in sockets
        if state == "0A" and int(local.partition(":")[2], 16) == port
    }


def names_below(directory: EmbeddedDirectory, base: str) -> list[str]:
    with connected(directory.url, directory.service_dn, directory.service_password) as service:
        service.search(base, "(uid=*)", attributes=["uid"])
        return [entry["dn"] for entry in service.response or []]


def test_a_new_directory_answers_once_it_is_started(directory: EmbeddedDirectory) -> None:
    directory.start()
    assert names_below(directory, directory.user_base) == []


def test_a_restart_keeps_entries_passwords_and_port(tmp_path: Path) -> None:
    with EmbeddedDirectory(tmp_path) as first:
        with connected(first.url, first.service_dn, first.service_password) as service:
            service.add(f"uid=ann,{first.user_base}", ["inetOrgPerson"], {"cn": "A", "sn": "A"})
        password = first.service_password
    with EmbeddedDirectory(tmp_path) as second:
        assert second.url == first.url
        assert second.service_password == password
        assert names_below(second, second.user_base) == [f"uid=ann,{second.user_base}"]


def test_another_process_finds_the_url_of_a_running_directory(
    directory: EmbeddedDirectory,
) -> None:
    directory.start()
    assert EmbeddedDirectory(directory.folder).url == directory.url


def test_a_slapd_that_was_killed_is_started_again_on_its_port(
    directory: EmbeddedDirectory,
) -> None:
    directory.start()
    url = directory.url
    os.kill(pid_of(directory), signal.SIGKILL)
    wait_until(lambda: not directory.is_running())
    assert directory.pid is None
    directory.start()
    assert directory.url == url
    assert names_below(directory, directory.user_base) == []


def test_stop_ends_slapd_and_may_be_called_twice(directory: EmbeddedDirectory) -> None:
    directory.start()
    pid = pid_of(directory)
    directory.stop()
    directory.stop()
    assert not is_alive(pid)
    assert not directory.is_running()


def test_stop_ends_a_slapd_that_no_longer_reacts(
    directory: EmbeddedDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mi_ldap.directory.embedded._STOP_WAIT_S", 0.1)
    directory.start()
    pid = pid_of(directory)
    os.kill(pid, signal.SIGSTOP)
    directory.stop()
    assert not is_alive(pid)


def test_kill_9_of_the_parent_leaves_no_slapd(
    command: subprocess.Popen[str], directory: EmbeddedDirectory
) -> None:
    slapd = slapd_below(command)
    command.kill()
    command.wait()
    directory.start()  # waits for a slapd that is still closing its database
    assert not is_alive(slapd)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_ends_with_its_slapd_when_told(
    command: subprocess.Popen[str], number: signal.Signals
) -> None:
    slapd = slapd_below(command)
    command.send_signal(number)
    assert command.wait(5) == 0
    assert not is_alive(slapd)


def test_the_command_ends_when_its_slapd_does(command: subprocess.Popen[str]) -> None:
    os.kill(slapd_below(command), signal.SIGKILL)
    assert command.wait(5) == 1


def test_slapd_is_out_of_reach_of_ctrl_c(directory: EmbeddedDirectory) -> None:
    directory.start()
    assert os.getsid(pid_of(directory)) != os.getsid(0)


def test_start_belongs_to_the_main_thread(directory: EmbeddedDirectory) -> None:
    errors: list[Exception] = []

    def start() -> None:
        try:
            directory.start()
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    assert "main thread" in str(errors[0])


def test_it_listens_on_loopback_only(directory: EmbeddedDirectory) -> None:
    directory.start()
    assert listening_addresses(directory.port) == {"0100007F"}


def test_another_port_is_chosen_when_the_kept_one_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        (tmp_path / "port").write_text(str(taken))
        with EmbeddedDirectory(tmp_path) as directory:
            assert directory.port != taken


def test_passwords_are_in_no_argument_environment_log_or_configuration(
    directory: EmbeddedDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[object] = []
    run = subprocess.run

    def spy(command: list[str], **options: object) -> object:
        commands.append(command)
        return run(command, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(subprocess, "run", spy)
    directory.start()
    process = Path(f"/proc/{directory.pid}")
    written = [file.read_bytes() for file in directory.folder.rglob("*.l*") if file.is_file()]
    seen = [str(commands).encode(), repr(directory).encode(), *written]
    seen += [(process / "cmdline").read_bytes(), (process / "environ").read_bytes()]
    for password in (directory.service_password, directory.manager_password):
        assert len(password) >= 32
        assert not any(password.encode() in text for text in seen)


def test_everything_belongs_to_its_owner_alone(directory: EmbeddedDirectory) -> None:
    directory.start()
    assert stat.S_IMODE(directory.folder.stat().st_mode) == 0o700
    secrets = [directory.service_password_file, directory.manager_password_file]
    for file in [*secrets, *directory.folder.glob("data/*.mdb"), *directory.folder.rglob("*.ldif")]:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_a_password_file_that_was_removed_is_made_anew(directory: EmbeddedDirectory) -> None:
    directory.start()
    old = directory.service_password
    directory.stop()
    directory.service_password_file.unlink()
    directory.start()
    assert directory.service_password != old
    assert names_below(directory, directory.user_base) == []


def test_the_service_password_may_be_given(tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.write_text("a password of my own\n")
    with EmbeddedDirectory(tmp_path / "directory", service_password_file=given) as directory:
        assert directory.service_password == "a password of my own"
        assert given.read_text() == "a password of my own\n"


def test_an_interrupted_making_is_begun_again(directory: EmbeddedDirectory) -> None:
    (directory.folder / "data.new").mkdir(parents=True)
    (directory.folder / "data.new" / "data.mdb").write_bytes(b"half")
    directory.start()
    assert names_below(directory, directory.user_base) == []


@pytest.mark.parametrize("suffix", ["dc=example,dc=org", "o=My Company", "ou=a-b,o=c"])
def test_the_suffix_may_be(suffix: str, tmp_path: Path) -> None:
    with EmbeddedDirectory(tmp_path, suffix=suffix) as directory:
        assert names_below(directory, directory.user_base) == []


def test_a_folder_may_have_a_name_with_spaces_and_signs(tmp_path: Path) -> None:
    with EmbeddedDirectory(tmp_path / "a 'b' ünï # $x %20 {0}") as directory:
        assert names_below(directory, directory.user_base) == []


def test_slapd_may_lie_anywhere(tmp_path: Path) -> None:
    original = shutil.which("slapd", path=f"{os.environ['PATH']}:/usr/sbin")
    assert original
    copy = shutil.copy(original, tmp_path / "my-slapd")
    with EmbeddedDirectory(tmp_path / "directory", slapd=Path(copy)) as directory:
        assert names_below(directory, directory.user_base) == []
