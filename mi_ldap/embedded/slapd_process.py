"""Starts slapd and its tools."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from mi_ldap.errors import ConfigurationError
from mi_ldap.parent_death import die_with_parent

_POLL_S = 0.002
# slapd reserves memory for as many connections as it may have open files: a container's limit of
# a million costs it a gigabyte.
_OPEN_FILES = 4096
# Nothing of our environment, which may contain passwords; LDAPNOINIT: ldap.conf is not read.
_ENVIRONMENT = {"LDAPNOINIT": "1"}
_OWN_ONLY = 0o077
# Ubuntu's profile lets slapd use its own folders only, such as /var/lib/ldap.
_APPARMOR_PROFILE = Path("/etc/apparmor.d/usr.sbin.slapd")


def run_tool(slapd: Path, tool: str, *arguments: str | Path, given: str) -> str:
    """Run one of slapd's tools, such as `"slapadd"`, and return its output.

    Args:
        slapd: the program.
        tool: the name of the tool.
        arguments: without secrets.
        given: the input.

    Raises:
        ConfigurationError: the tool failed; with its last line.
    """
    done = subprocess.run(
        [tool, *arguments],
        executable=slapd,
        input=given,
        capture_output=True,
        encoding="utf-8",
        env=_ENVIRONMENT,
        umask=_OWN_ONLY,
        check=False,
    )
    if done.returncode != 0:
        raise ConfigurationError(
            f"The embedded directory cannot be prepared: {tool} reports {last_line(done.stderr)!r}."
            f" {_remedy()}"
        )
    return done.stdout


def _remedy() -> str:
    if _APPARMOR_PROFILE.exists():
        return (
            f"AppArmor ({_APPARMOR_PROFILE}) may be keeping slapd out of this folder:"
            " copy slapd to another place and name the copy in embedded_directory.slapd."
        )
    return "It needs slapd 2.5 or newer, with its modules."


def spawn_slapd(
    slapd: Path, *, urls: Sequence[str], config_dir: Path, log_file: Path, lock: int
) -> subprocess.Popen[bytes]:
    """Start slapd in a session of its own; it inherits the file descriptor `lock`."""
    with log_file.open("wb") as log:
        return subprocess.Popen(
            # -d none: in the foreground, with critical messages only.
            ["slapd", "-d", "none", "-h", " ".join(urls), "-F", config_dir],
            executable=slapd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_ENVIRONMENT,
            umask=_OWN_ONLY,
            pass_fds=(lock,),
            # Ctrl-C reaches the supervisor alone, which stops slapd last.
            start_new_session=True,
            preexec_fn=_prepare_child(os.getpid()),  # noqa: PLW1509
        )


def _prepare_child(parent_pid: int) -> Callable[[], None]:
    """Return what the child process does before it executes slapd."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_files = _OPEN_FILES if most == resource.RLIM_INFINITY else min(_OPEN_FILES, most)

    def prepare() -> None:
        die_with_parent(parent_pid, signal.SIGTERM)
        resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, open_files))

    return prepare


def wait_for(condition: Callable[[], bool], longest_s: float) -> bool:
    """Wait until the condition is true; return False if it is not within `longest_s` seconds."""
    ends_at = time.monotonic() + longest_s
    while not condition():
        if time.monotonic() > ends_at:
            return False
        time.sleep(_POLL_S)
    return True


def can_listen(host: str, port: int) -> bool:
    """Whether a server could listen on that address and port now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        socket.create_server((host, port), family=family).close()
    except OSError:
        return False
    return True


def is_listening(socket_file: Path) -> bool:
    """Whether a process accepts connections on the socket."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(socket_file)) == 0


def last_line(text: str) -> str:
    """Return the last line that is not blank; `"nothing"` if there is none."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "nothing"
