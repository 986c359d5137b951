"""The processes that are measured: started as an operator does, ended by their ids."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.callers import BenchmarkError, Caller
from mi_ldap.parent_death import die_with_parent

ROOT = Path(__file__).resolve().parents[1]
WORKERS = 2
SERVICE = ("app.py",)
BARE = ("-m", "benchmarks.bare")

_START_S, _FILL_S, _STOP_S, _POLL_S = 60.0, 300.0, 40.0, 0.005
_SURELY_ALL = 12
"""So many new connections go to every worker."""
# Where the kernel takes no ports from for outgoing connections: what is free now stays free.
_PORTS = range(10_000, 32_000)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; `started_s` is when, of `time.monotonic()`."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path
    started_s: float

    def elapsed_s(self) -> float:
        """Seconds since it was started."""
        return time.monotonic() - self.started_s

    def wait_for(self, path: str) -> float:
        """Return when `GET path` is answered with 200: the seconds since the start."""
        while self.elapsed_s() < _START_S and self.process.poll() is None:
            with suppress(OSError), Caller(self.port) as caller:
                if caller.ask("GET", path).status == 200:
                    return self.elapsed_s()
            time.sleep(_POLL_S)
        said = self.log.read_text(encoding="utf-8", errors="replace")
        raise BenchmarkError(f"{path} was not answered: {said[-2000:]}")

    def wait_until_filled(self, authorization: str) -> float:
        """Return when reads come from memory in every worker, or never will: seconds it took."""
        since_s, in_a_row = self.elapsed_s(), 0
        while in_a_row < _SURELY_ALL:
            if self.elapsed_s() - since_s > _FILL_S:
                raise BenchmarkError("Memory is not filled.")
            with Caller(self.port, authorization) as caller:
                caller.ask("GET", "/management/users?limit=1&pattern=admin")
                ready = caller.ask("GET", "/ready").json
            filling = ready.get("why") == "it is being filled"
            in_a_row = 0 if filling else in_a_row + 1
            time.sleep(0.2 if filling else 0)
        return self.elapsed_s() - since_s

    def worker_rss_mb(self) -> float:
        """What the only worker of the service has in memory, shared pages included."""
        (pid,) = [pid for child in _children(self.process.pid) for pid in _children(child)]
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise BenchmarkError(f"The memory of process {pid} is not told.")

    def workers_memory_mb(self) -> float:
        """What the workers of the service have in memory, shared pages by their share."""
        workers = [pid for child in _children(self.process.pid) for pid in _children(child)]
        if len(workers) != WORKERS:
            raise BenchmarkError(f"There are {len(workers)} workers.")
        return sum(map(_pss_mb, workers))


@contextmanager
def running(program: Sequence[str], state: Path, settings: Mapping[str, str]) -> Iterator[Server]:
    """`SERVICE` or `BARE` on a state folder; it has ended when this ends.

    Args:
        program: the words after `python`.
        state: the folder.
        settings: variables that name the directory, none for the embedded one.
    """
    port = _free_port()
    log = state.with_name(f"{program[-1]}.log")
    with log.open("wb") as to:
        started_s = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, *program],
            cwd=ROOT,
            env=_environment(state, port, settings),
            stdin=subprocess.DEVNULL,
            stdout=to,
            stderr=to,
            start_new_session=True,  # Ctrl-C is for us, who end it
            preexec_fn=partial(die_with_parent, os.getpid()),  # noqa: PLW1509
        )
    try:
        yield Server(port, process, log, started_s)
    finally:
        _end(process)


def _environment(state: Path, port: int, settings: Mapping[str, str]) -> Mapping[str, str]:
    own = {
        "MI_LDAP_STATE_DIR": str(state),
        "MI_LDAP_SERVER__PORT": str(port),
        "MI_LDAP_SERVER__WORKERS": str(WORKERS),
    }
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("MI_LDAP_")}
    return {**inherited, **own, **settings}


def _free_port() -> int:
    while True:
        port = random.choice(_PORTS)  # noqa: S311
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(each) for each in text.split()]


def _pss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise BenchmarkError(f"The memory of process {pid} is not told.")
