"""`mi` in processes forked from one that has imported everything: importing takes longest.

Imported, this file asks for such processes; run as a program, it is where they come from.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from tests.process_coverage import coverage_variables

ROOT = Path(__file__).resolve().parents[2]
LARGEST = 100_000


def run(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    folder: Path,
    given: str,
    wait_s: float,
) -> tuple[int, str, str]:
    """Exit status, output and errors of `mi`, with `given` on its standard input."""
    with (
        tempfile.TemporaryFile() as stdin,
        tempfile.TemporaryFile() as stdout,
        tempfile.TemporaryFile() as stderr,
    ):
        stdin.write(given.encode())
        stdin.seek(0)
        order = {"arguments": arguments, "environment": environment, "folder": str(folder)}
        status = _ordered(order, [file.fileno() for file in (stdin, stdout, stderr)], wait_s)
        stdout.seek(0)
        stderr.seek(0)
        return status, stdout.read().decode(), stderr.read().decode()


def _ordered(order: object, files: list[int], wait_s: float) -> int:
    reading, writing = os.pipe()
    try:
        socket.send_fds(_forker(), [json.dumps(order).encode()], [*files, writing])
        os.close(writing)
        assert select.select([reading], [], [], wait_s)[0], f"not done in {wait_s} s: {order}"
        return int(os.read(reading, 100) or b"-1")
    finally:
        os.close(reading)


@cache
def _forker() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env={**os.environ, "PYTHONPATH": str(ROOT), **coverage_variables()},
        )
    _ending.callback(process.wait, 10)
    _ending.callback(ours.close)
    return ours


_ending = ExitStack()


def stop() -> None:
    """The process ends when nobody can write to it any longer."""
    _ending.close()


def fork_forever(orders: socket.socket) -> None:
    from mi_ldap.cli import main  # noqa: F401
    from mi_ldap.client import api, batch, certificates  # noqa: F401

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        order, files, *_ = socket.recv_fds(orders, LARGEST, 4)
        if not order:
            return
        if os.fork() == 0:
            orders.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _wait_for(order, files)
        for file in files:
            os.close(file)


def _wait_for(order: bytes, files: list[int]) -> None:
    *standard, report = files
    child = os.fork()
    if child == 0:
        os.close(report)
        _become(order, standard)
    _, status = os.waitpid(child, 0)
    os.write(report, str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


def _become(order: bytes, standard: list[int]) -> None:
    status = 99
    try:
        for number, file in enumerate(standard):
            os.dup2(file, number)
        told = json.loads(order)
        os.environ.clear()
        os.environ.update(told["environment"])
        os.chdir(told["folder"])
        from mi_ldap.cli.main import run as run_mi

        status = run_mi(told["arguments"])
    except SystemExit as end:
        status = int(end.code or 0)
    except BaseException:  # noqa: BLE001 - whatever it is, the test shall see it
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    fork_forever(socket.socket(fileno=int(sys.argv[1])))
