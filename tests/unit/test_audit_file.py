"""The file of the audit log: rotation by itself and by others, many writers, cut lines."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mi_ldap.state import audit_file
from mi_ldap.state.audit_file import AuditFile

ROOT = Path(__file__).parents[2]

WRITER = """
import sys
from pathlib import Path
from mi_ldap.state.audit_file import AuditFile

path, name, count, max_bytes = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
file = AuditFile(path, max_bytes, keep=1000)
print("ready", flush=True)
for number in range(count):
    file.append(f"{name} {number} {'x' * (number % 50)}|\\n".encode())
    print(number, flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


def writer(path: Path, name: str, count: int, max_bytes: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), name, str(count), str(max_bytes)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def lines_of(path: Path) -> list[str]:
    """All lines of the file and its predecessors, the oldest first."""
    older = [file for file in path.parent.iterdir() if file.name.startswith(f"{path.name}.")]
    ordered = sorted(older, key=lambda file: -int(file.suffix[1:]))
    return "".join(file.read_text() for file in [*ordered, path] if file.exists()).split("\n")


def fill(file: AuditFile) -> None:
    for _ in range(100):
        file.append(b"x" * 4000 + b"\n")


def written_by(path: Path, name: str) -> list[int]:
    return [int(line.split()[1]) for line in lines_of(path) if line.startswith(f"{name} ")]


def test_it_is_rotated_before_it_grows_too_large(path: Path) -> None:
    file = AuditFile(path, max_bytes=30, keep=2)
    for number in range(10):
        file.append(f"line number {number}\n".encode())
    file.close()
    names = sorted(each.name for each in path.parent.iterdir())
    assert names == ["audit.log", "audit.log.1", "audit.log.2"]
    assert path.read_text() == "line number 8\nline number 9\n"
    assert path.with_name("audit.log.2").read_text() == "line number 4\nline number 5\n"
    for each in path.parent.iterdir():
        assert stat.S_IMODE(each.stat().st_mode) == 0o600


def test_a_line_longer_than_a_file_may_be_is_written(path: Path) -> None:
    file = AuditFile(path, max_bytes=10, keep=3)
    for text in (b"a" * 50, b"b" * 50):
        file.append(text + b"\n")
    file.close()
    assert path.read_bytes() == b"b" * 50 + b"\n"
    assert path.with_name("audit.log.1").read_bytes() == b"a" * 50 + b"\n"


def test_processes_that_write_and_rotate_lose_and_double_no_line(path: Path) -> None:
    names = ("anna", "bert", "carl", "dora")
    writers = [writer(path, name, 300, max_bytes=2000) for name in names]
    for each in writers:
        assert each.communicate(timeout=60)
        assert each.returncode == 0
    assert len(list(path.parent.iterdir())) > 10
    for name in names:
        assert written_by(path, name) == list(range(300))
    lines = lines_of(path)
    assert lines.pop() == ""
    assert all(line.endswith("|") for line in lines)  # no blank line, none cut


def test_another_tool_may_rotate_meanwhile(path: Path) -> None:
    process = writer(path, "anna", 8000, max_bytes=0)
    number = 100_000
    while process.poll() is None:
        if path.exists() and path.stat().st_size:
            number -= 1
            path.rename(path.with_name(f"audit.log.{number}"))
            path.touch(mode=0o600)
    assert process.stdout
    process.stdout.close()
    assert number < 99_990
    assert written_by(path, "anna") == list(range(8000))


@pytest.mark.parametrize("moment_s", [0.0, 0.01, 0.03, 0.06, 0.1])
def test_a_writer_that_is_killed_loses_no_line_and_leaves_no_lock(
    path: Path, moment_s: float
) -> None:
    killed = writer(path, "anna", 100_000, max_bytes=500)
    assert killed.stdout
    assert killed.stdout.readline() == "ready\n"
    time.sleep(moment_s)
    killed.kill()
    told = killed.communicate()[0].split()
    other = writer(path, "bert", 50, max_bytes=500)
    assert other.communicate(timeout=30)
    assert other.returncode == 0
    written = written_by(path, "anna")
    assert written == list(range(len(written)))
    assert len(written) >= len(told)
    assert written_by(path, "bert") == list(range(50))


def test_a_gap_in_the_numbers_is_closed_and_costs_no_file(path: Path) -> None:
    path.with_name("audit.log.2").write_text("older\n")  # a rotation was cut off before the next
    file = AuditFile(path, max_bytes=10, keep=2)
    file.append(b"one one one\n")
    file.append(b"two two two\n")
    file.close()
    assert path.with_name("audit.log.1").read_text() == "one one one\n"
    assert path.with_name("audit.log.2").read_text() == "older\n"


def test_where_it_cannot_be_rotated_it_grows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "replace", refuse)
    file = AuditFile(path, max_bytes=5, keep=2)
    for _ in range(3):
        file.append(b"a line\n")
    file.close()
    assert path.read_text() == "a line\n" * 3


def test_a_symbolic_link_stays_one(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere" / "real.log"
    target.parent.mkdir()
    path.symlink_to(target)
    file = AuditFile(path, max_bytes=5, keep=2)
    file.append(b"first\n")
    file.append(b"second\n")
    file.close()
    assert path.is_symlink()
    assert target.read_text() == "second\n"
    assert target.with_name("real.log.1").read_text() == "first\n"


def test_a_writer_waits_for_another_and_puts_no_line_end_before_its_line(path: Path) -> None:
    """The last byte is looked at only while nobody else can be writing."""
    other = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    fcntl.flock(other, fcntl.LOCK_EX)
    os.write(other, b"the first half, ")
    waiting = writer(path, "anna", 1, max_bytes=0)
    assert waiting.stdout
    assert waiting.stdout.readline() == "ready\n"
    time.sleep(0.1)
    os.write(other, b"the second half\n")
    os.close(other)
    waiting.communicate(timeout=20)
    assert path.read_text() == "the first half, the second half\nanna 0 |\n"


def test_a_holder_that_was_stopped_is_an_error_in_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_file, "LOCK_WAIT_S", 0.2)
    command = "import fcntl, sys, time; file = open(sys.argv[1], 'a'); "
    command += "fcntl.flock(file, fcntl.LOCK_EX); print(flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", command, path], stdout=subprocess.PIPE)
    assert holder.stdout
    assert holder.stdout.readline()
    holder.send_signal(signal.SIGSTOP)
    file = AuditFile(path)
    with pytest.raises(TimeoutError):
        file.append(b"a line\n")
    holder.kill()
    holder.communicate()
    file.append(b"a line\n")
    file.close()
    assert path.read_text() == "a line\n"


def test_a_pipe_is_no_hang(path: Path) -> None:
    os.mkfifo(path)
    file = AuditFile(path)
    with pytest.raises(OSError, match="No such device"):
        file.append(b"nobody reads this\n")
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    file.append(b"somebody does\n")
    with pytest.raises(BlockingIOError):
        fill(file)
    assert os.read(reader, 14) == b"somebody does\n"
    os.close(reader)
