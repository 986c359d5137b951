"""The embedded directory as a process: its starts and ends, and what it keeps to itself."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mi_ldap.embedded import MAX_SOCKET_PATH, EmbeddedDirectory, slapd_process
from mi_ldap.errors import ConfigurationError
from tests.directory.slapd_fixture import connected
from tests.hosts.process import free_ports

CHECKOUT = Path(__file__).parents[2]
NOBODY = 65534


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[EmbeddedDirectory]:
    directory = EmbeddedDirectory(tmp_path / "directory")
    yield directory
    directory.stop()


@pytest.fixture
def command(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """`python -m mi_ldap.embedded`, once it has said where the directory is."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mi_ldap.embedded", "--folder", tmp_path / "directory"],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline().startswith("dc=mi is at ldapi://")
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


def tcp_listeners(pid: int) -> set[str]:
    """The TCP addresses on which the process listens, as /proc has them: `"0100007F:0185"`."""
    rows = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    sockets = [row.split() for row in rows.splitlines() if "local_address" not in row]
    own = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # slapd has closed it meanwhile
            own.add(str(file.readlink()))
    return {row[1] for row in sockets if row[3] == "0A" and f"socket:[{row[9]}]" in own}


def names_below(directory: EmbeddedDirectory, base: str) -> list[str]:
    with connected(
        directory.url, directory.service_dn, directory.read_service_password()
    ) as service:
        service.search(base, "(uid=*)", attributes=["uid"])
        return [entry["dn"] for entry in service.response or []]


def test_a_new_directory_answers_once_it_is_started(directory: EmbeddedDirectory) -> None:
    directory.start()
    assert names_below(directory, directory.user_base) == []


def test_a_restart_keeps_entries_and_passwords(tmp_path: Path) -> None:
    with EmbeddedDirectory(tmp_path) as first:
        with connected(first.url, first.service_dn, first.read_service_password()) as service:
            service.add(f"uid=ann,{first.user_base}", ["inetOrgPerson"], {"cn": "A", "sn": "A"})
        password = first.read_service_password()
    with EmbeddedDirectory(tmp_path) as second:
        assert second.read_service_password() == password
        assert names_below(second, second.user_base) == [f"uid=ann,{second.user_base}"]


def test_a_slapd_that_was_killed_is_started_again_on_the_socket_that_it_left(
    directory: EmbeddedDirectory,
) -> None:
    directory.start()
    os.kill(pid_of(directory), signal.SIGKILL)
    wait_until(lambda: not directory.is_running())
    assert directory.pid is None
    assert directory.socket_file.exists()
    directory.start()
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
    monkeypatch.setattr("mi_ldap.embedded._STOP_WAIT_S", 0.1)
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


def test_it_listens_on_no_port(directory: EmbeddedDirectory) -> None:
    directory.start()
    assert tcp_listeners(pid_of(directory)) == set()
    assert directory.urls == [directory.url]


def test_it_listens_on_the_port_that_is_asked_for_and_no_other(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with EmbeddedDirectory(tmp_path / "directory", port=port) as directory:
        assert tcp_listeners(pid_of(directory)) == {f"0100007F:{port:04X}"}
        assert directory.urls == [directory.url, f"ldap://127.0.0.1:{port}"]
        for url in directory.urls:
            with connected(url, directory.service_dn, directory.read_service_password()):
                pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_the_socket_is_reached_by_its_owner_alone() -> None:
    """In a folder that everybody reaches; pytest's own is its owner's alone."""
    with tempfile.TemporaryDirectory() as around:
        Path(around).chmod(0o755)
        with EmbeddedDirectory(Path(around) / "directory") as directory:
            assert error_of_connecting(directory.socket_file, os.getuid()) == 0
            assert error_of_connecting(directory.socket_file, NOBODY) == errno.EACCES
            directory.folder.chmod(0o755)
            assert error_of_connecting(directory.socket_file, NOBODY) == errno.EACCES
            directory.socket_file.chmod(0o777)
            assert error_of_connecting(directory.socket_file, NOBODY) == 0


def error_of_connecting(socket_file: Path, uid: int) -> int:
    """The `errno` that a process of that user gets, 0 where it is connected."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
        pid = os.fork()
    if pid == 0:
        os.setuid(uid)
        os._exit(socket.socket(socket.AF_UNIX).connect_ex(str(socket_file)))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_the_longest_path_of_a_socket(tmp_path: Path) -> None:
    longest = MAX_SOCKET_PATH - len(f"{tmp_path}//ldapi")
    with EmbeddedDirectory(tmp_path / ("x" * longest)) as directory:
        assert names_below(directory, directory.user_base) == []
    with pytest.raises(ConfigurationError, match=r"has 107 bytes.*MI_LDAP_STATE_DIR"):
        EmbeddedDirectory(tmp_path / ("x" * (longest + 1)))


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
    for password in (directory.read_service_password(), directory.read_manager_password()):
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
    old = directory.read_service_password()
    directory.stop()
    directory.service_password_file.unlink()
    directory.start()
    assert directory.read_service_password() != old
    assert names_below(directory, directory.user_base) == []


def test_the_service_password_may_be_given(tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.write_text("a password of my own\n")
    with EmbeddedDirectory(tmp_path / "directory", service_password_file=given) as directory:
        assert directory.read_service_password() == "a password of my own"
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
