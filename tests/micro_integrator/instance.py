"""A stand-in as tests and benchmarks see it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Self

from tests.micro_integrator.modes import Fault, Mode
from tests.micro_integrator.recording import Received

_ROOT = Path(__file__).parents[2]
_STOP_S = 10.0


class MicroIntegrator:
    """A node in a process of its own, from `start` to `stop`; `restart` keeps the port.

    Args:
        folder: for its certificate and its log.
        token_life_s: how long a token is valid.
        tls: HTTPS; else plain HTTP.
    """

    def __init__(self, folder: Path, *, token_life_s: float = 3600.0, tls: bool = True) -> None:
        # Here, since the process of the node imports this module, too, and starts quicker without.
        import trustme

        from tests.hosts.process import free_ports
        from tests.hosts.tls import Certificates

        self.username = "door"
        self.password = "pass:wörd"
        self.certificates = Certificates(folder / "tls", trustme.CA())
        self.log_file = folder / "micro_integrator.log"
        self._token_life_s = token_life_s
        self._has_tls = tls
        (self.port,) = free_ports(1)
        self._modes: list[Mode] = []
        self._logs: dict[str, int] = {}
        self._earlier: list[Received] = []
        self._earlier_logins = 0
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The address of the management API, without a final slash."""
        return f"{'https' if self._has_tls else 'http'}://localhost:{self.port}/management"

    @property
    def ca_file(self) -> Path:
        return self.certificates.ca_file

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Return when the node listens; its modes and log files are those that were set."""
        config = {
            "port": self.port,
            "username": self.username,
            "password": self.password,
            "token_life_s": self._token_life_s,
            "cert_file": str(self.certificates.cert_file) if self._has_tls else "",
            "key_file": str(self.certificates.key_file),
        }
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.micro_integrator"],
                cwd=_ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                encoding="utf-8",
            )
        try:
            self._exchange(config)
            self.set_modes(*self._modes)
            for name, size in self._logs.items():
                self._command("add_log", name=name, size=size)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """End the process; fail if something went wrong in it that is not a mode."""
        if self.is_running:
            self._keep_records()
        self._end(kill=False)
        said = self.log_file.read_text(encoding="utf-8", errors="replace")
        assert "Traceback" not in said, said[-4000:]

    def kill(self) -> None:
        """End the process by SIGKILL; what it has received is known as of the call."""
        if self.is_running:
            self._keep_records()
        self._end(kill=True)

    def restart(self) -> None:
        """Stop and start on the same port: all connections end, tokens and changes are lost."""
        self.stop()
        self.start()

    def freeze(self) -> None:
        """Stop the process by SIGSTOP: connections are accepted by the kernel, and nothing more.

        Until `thaw` only `stop` and `kill` return, which thaw it first.
        """
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Have a frozen process go on."""
        os.kill(self.pid, signal.SIGCONT)

    def set_mode(self, fault: Fault | None = None, **options: Any) -> None:
        """Have one fault from now on, or none; the options are the fields of `Mode`."""
        self.set_modes(*([Mode(fault, **options)] if fault else []))

    def set_modes(self, *modes: Mode) -> None:
        """Have several faults from now on; the first that applies to a request is used."""
        self._modes = list(modes)
        self._command("set_modes", modes=[mode.as_json() for mode in modes])

    def add_log(self, name: str, size: int) -> None:
        """Have a log file of `size` bytes; `log_bytes` and `log_sha256` tell its content."""
        self._logs[name] = size
        self._command("add_log", name=name, size=size)

    def write_log(self, name: str, content: bytes, *, appends: bool = False) -> None:
        """Have a log file with that content, or add it to the file, until the process ends."""
        self._command("write_log", name=name, content=content.decode("latin-1"), appends=appends)

    def know_ranges(self, *, known: bool) -> None:
        """Send parts of log files if they are asked for, or always the whole as MI does."""
        self._command("know_ranges", known=known)

    def forget_tokens(self) -> None:
        """Forget all tokens, as a restart does; connections stay open."""
        self._command("forget_tokens")

    def drop_connections(self) -> None:
        """Close all connections, idle ones too."""
        self._command("drop_connections")

    def clear(self) -> None:
        """Forget the recorded requests, logins and violations, and count from 0."""
        self._earlier, self._earlier_logins = [], 0
        self._command("clear")

    @property
    def requests(self) -> list[Received]:
        """All requests with their bodies so far, logins included, the oldest first."""
        if not self.is_running:
            return list(self._earlier)
        return self._earlier + [Received.from_json(one) for one in self._command("requests")]

    @property
    def forwarded(self) -> list[Received]:
        """The requests that are neither logins nor logouts."""
        own = ("/management/login", "/management/logout")
        return [received for received in self.requests if received.path not in own]

    @property
    def logins(self) -> int:
        """How many logins succeeded."""
        return self._earlier_logins + (self.state["logins"] if self.is_running else 0)

    @property
    def violations(self) -> list[str]:
        """What was not HTTP/1.1 of all that the clients have sent to this process."""
        return list(self._command("violations"))

    @property
    def state(self) -> dict[str, Any]:
        """Of this process: counters.

        `requests`, `logins` and `connections` so far, `open` connections now and their `peak`,
        `tokens` that are known, and `asked_state`: the last status that a PATCH of `server` asked
        for, which only `restart`, `stop` and `kill` carry out.
        """
        return dict(self._command("state"))

    @property
    def peak(self) -> int:
        """The most connections that were open at a time."""
        return int(self.state["peak"])

    def _keep_records(self) -> None:
        self.thaw()
        earlier, logins = self.requests, self.logins
        self._earlier, self._earlier_logins = earlier, logins

    def _command(self, command: str, **arguments: Any) -> Any:
        return self._exchange({"do": command, **arguments})

    def _exchange(self, sent: object) -> Any:
        with self._lock:
            process = self._process
            assert process is not None
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps(sent) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
            assert line, f"The stand-in ended: {self.log_file.read_text()[-4000:]}"
            return json.loads(line)

    def _end(self, *, kill: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if kill:
            process.kill()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
