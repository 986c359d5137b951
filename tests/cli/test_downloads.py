"""`mi log download`: a whole file or none, and never over another one unasked."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from pathlib import Path

import pytest

from tests.cli.terminal import COMMAND, Person, ended
from tests.micro_integrator import Fault, MicroIntegrator, log_bytes

SIZE = 150_000
FILE = "wso2carbon.log"
DOWNLOAD = ("log", "download", FILE)


@pytest.fixture
def mi(operator: Person, tmp_path: Path) -> Person:
    return operator.twin(tmp_path / "home")


def files(person: Person) -> set[str]:
    """What is in the home, besides the folders of `mi`."""
    return {each.name for each in person.home.iterdir()} - {".config", ".local"}


def test_a_log_file_is_downloaded(mi: Person) -> None:
    assert mi.done(*DOWNLOAD).out == f"{FILE} was written: 150,000 bytes.\n"
    file = mi.home / FILE
    assert file.read_bytes() == log_bytes(SIZE)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (mi.home / "there").mkdir()
    ran = mi.done(*DOWNLOAD, "--path", "there", "--format", "json")
    assert ran.json == {"file": FILE, "path": f"there/{FILE}", "bytes": SIZE}
    mi.done(*DOWNLOAD, "--path", "there/other.log")
    assert (mi.home / "there/other.log").read_bytes() == log_bytes(SIZE)
    mi.done("log", "download", "wso2error.log")
    assert (mi.home / "wso2error.log").read_bytes() == b""
    mi.done("log", "download", "übersicht.log", "-p", "there")
    assert files(mi) == {FILE, "there", "wso2error.log"}


def test_an_existing_file_is_replaced_only_if_asked(
    integrator: MicroIntegrator, mi: Person
) -> None:
    file = mi.home / FILE
    file.write_text("mine")
    integrator.clear()
    ran = mi(*DOWNLOAD)
    said = f"{FILE} exists already: give another --path, or --overwrite."
    assert (ran.status, ran.sentence) == (1, said)
    assert integrator.forwarded == []
    assert file.read_text() == "mine"
    (mi.home / "link").symlink_to(file)
    (mi.home / "dangling").symlink_to("nowhere")
    for link in ("link", "dangling"):
        assert "exists already" in mi(*DOWNLOAD, "-p", link).sentence
    mi.done(*DOWNLOAD, "-p", "link", "--overwrite")
    assert (mi.home / "link").is_symlink()
    assert file.read_bytes() == log_bytes(SIZE)
    assert files(mi) == {FILE, "link", "dangling"}


def test_a_file_that_appears_during_the_download_stays(
    integrator: MicroIntegrator, mi: Person
) -> None:
    integrator.set_mode(Fault.SLOW_BODY, resource="logs", seconds=0.1, piece_bytes=50_000)
    process = mi.start(*DOWNLOAD)
    while not files(mi):
        assert process.poll() is None
    (mi.home / FILE).write_text("mine")
    _, err = process.communicate(timeout=30)
    assert (process.returncode, "exists already" in err) == (1, True)
    assert (mi.home / FILE).read_text() == "mine"
    assert files(mi) == {FILE}


@pytest.mark.parametrize(
    ("fault", "options", "status", "says"),
    [
        (Fault.CLOSE_IN_BODY, {"after_bytes": 100_000}, 3, "broke off the connection"),
        (Fault.CLOSE_IN_BODY, {"after_bytes": 9, "reset": True}, 3, "broke off the connection"),
        (Fault.BROKEN_CHUNKS, {"after_bytes": 100_000}, 3, "broke off the connection"),
        (Fault.HANG_IN_BODY, {"after_bytes": 100_000}, 3, "stopped sending for 0.7 seconds."),
        (Fault.HANG_BEFORE_HEAD, {}, 3, "sent no response within 0.7 seconds"),
        (Fault.REDIRECT, {}, 1, "redirects to another address"),
        (Fault.ANSWER, {"status": 200}, 1, "answered 200 without the JSON"),
        (Fault.ANSWER, {"status": 500, "text": ""}, 1, "answered 500 Internal Server Error."),
    ],
)
def test_an_incomplete_file_is_not_kept(
    integrator: MicroIntegrator,
    mi: Person,
    fault: Fault,
    options: dict[str, object],
    status: int,
    says: str,
) -> None:
    integrator.set_mode(fault, resource="logs", **options)
    ran = mi(*DOWNLOAD, "--timeout", "0.7")
    assert (ran.status, ran.out, says in ran.sentence) == (status, "", True), ran
    assert files(mi) == set()


def test_a_download_may_take_longer_than_the_time_limit(
    integrator: MicroIntegrator, mi: Person
) -> None:
    integrator.set_mode(Fault.SLOW_BODY, resource="logs", seconds=0.15, piece_bytes=20_000)
    mi.done(*DOWNLOAD, "--timeout", "1")
    assert (mi.home / FILE).read_bytes() == log_bytes(SIZE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_download_leaves_nothing(
    integrator: MicroIntegrator, mi: Person, number: int
) -> None:
    integrator.set_mode(Fault.HANG_IN_BODY, resource="logs", after_bytes=100_000)
    # Tests that are run with `nohup` ignore SIGHUP, and so would `mi`.
    process = mi.start(*DOWNLOAD, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))
    while not files(mi):
        assert process.poll() is None
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode == 128 + number
    assert files(mi) == set()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-p", "no/such/folder"], "no/such/folder can't be written: no such file or directory."),
        (["-p", "fifo", "--overwrite"], "fifo is not a regular file, and can't be replaced."),
        (["-p", "file/x"], "file/x can't be written: not a directory."),
        (["-p", "x" * 300], f"{'x' * 300} can't be written: file name too long."),
    ],
)
def test_paths_that_cannot_be_written(mi: Person, arguments: list[str], says: str) -> None:
    os.mkfifo(mi.home / "fifo")
    (mi.home / "file").touch()
    ran = mi(*DOWNLOAD, *arguments)
    assert (ran.status, ran.out, ran.sentence) == (1, "", says)
    assert files(mi) == {"fifo", "file"}


def test_a_full_disk(integrator: MicroIntegrator, mi: Person) -> None:
    ran = subprocess.run(
        ["bash", "-c", 'ulimit -f 64; trap "" XFSZ; exec "$0" "$@"', *COMMAND, *DOWNLOAD],
        env=mi.environment,
        cwd=mi.home,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (1, f"{FILE} can't be written: file too large.\n")
    assert files(mi) == set()


def test_a_name_cannot_lead_out_of_the_folder(integrator: MicroIntegrator, mi: Person) -> None:
    integrator.add_log("../../up.log", 10)
    mi.done("log", "download", "../../up.log")
    assert files(mi) == {"up.log"}
    for name in ("..", "", "/"):
        assert mi("log", "download", name).sentence == f"'{name}' is not the name of a file."


def test_progress_is_shown_on_a_terminal(integrator: MicroIntegrator, mi: Person) -> None:
    integrator.set_mode(Fault.SLOW_BODY, resource="logs", seconds=0.1, piece_bytes=50_000)
    child = mi.at_terminal(*DOWNLOAD)
    child.expect("/150.0 kB")
    status, _ = ended(child)
    assert (status, files(mi)) == (0, {FILE})


def test_the_size_may_be_unknown(integrator: MicroIntegrator, mi: Person) -> None:
    integrator.set_mode(Fault.CHUNKED, resource="logs", piece_bytes=50_000)
    child = mi.at_terminal(*DOWNLOAD)
    assert ended(child)[0] == 0
    assert (mi.home / FILE).read_bytes() == log_bytes(SIZE)
