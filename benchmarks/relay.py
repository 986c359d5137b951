"""A directory 1 ms away in each direction, as a process of its own: `relayed(url)`.

In the process of the clients the threads of the relay would wait for theirs. That of the tests
leaves TCP to wait for acknowledgements, 40 ms now and then, which is nothing to compare with.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from queue import SimpleQueue
from threading import Thread
from urllib.parse import urlsplit

from benchmarks.callers import BenchmarkError
from benchmarks.running import ROOT
from mi_ldap.parent_death import die_with_parent

EACH_WAY_S = 0.001

_PIECE = 1 << 16

Pieces = SimpleQueue[tuple[float, bytes]]


@contextmanager
def relayed(url: str) -> Iterator[str]:
    """The address of a relay to the server at `url`, which runs until the end of the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.relay", url],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for us
        preexec_fn=partial(die_with_parent, os.getpid()),  # noqa: PLW1509
    ) as process:
        said = process.stdout.readline().strip() if process.stdout else ""
        if not said:
            raise BenchmarkError(f"The relay to {url} did not start.")
        yield said  # the relay ends at the end of its input, which leaving the block closes


def main() -> None:
    """Relay to the URL of the command line until standard input ends."""
    target = urlsplit(sys.argv[1])
    with socket.create_server(("127.0.0.1", 0)) as listening:
        _start(_accept, listening, (target.hostname, target.port))
        sys.stdout.write(f"ldap://127.0.0.1:{listening.getsockname()[1]}\n")
        sys.stdout.flush()
        sys.stdin.read()


def _start(function: object, *arguments: object) -> None:
    Thread(target=function, args=arguments, daemon=True).start()  # type: ignore[arg-type]


def _accept(listening: socket.socket, target: tuple[str, int]) -> None:
    with suppress(OSError):
        while True:
            here, _ = listening.accept()
            there = socket.create_connection(target)
            for each in (here, there):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for source, sink in ((here, there), (there, here)):
                pieces: Pieces = SimpleQueue()
                _start(_receive, source, pieces)
                _start(_send, sink, pieces)


def _receive(source: socket.socket, pieces: Pieces) -> None:
    data = b"-"
    while data:
        try:
            data = source.recv(_PIECE)
        except OSError:
            data = b""
        pieces.put((time.monotonic() + EACH_WAY_S, data))


def _send(sink: socket.socket, pieces: Pieces) -> None:
    """Each piece when it is due; nothing is the end."""
    with suppress(OSError):
        while True:
            due_s, data = pieces.get()
            time.sleep(max(0.0, due_s - time.monotonic()))
            if not data:
                return sink.shutdown(socket.SHUT_RDWR)
            sink.sendall(data)


if __name__ == "__main__":
    main()
