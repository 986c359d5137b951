"""Running slapd and its tools: nothing secret in an argument, nothing left behind."""

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
# Neither ldap.conf nor what our own environment holds is slapd's business.
_ENVIRONMENT = {"LDAPNOINIT": "1"}
_OWN_ONLY = 0o077
_APPARMOR_PROFILE = Path("/etc/apparmor.d/usr.sbin.slapd")


def run_tool(slapd: Path, tool: str, *arguments: str | Path, given: str) -> str:
    """What one of slapd's tools, such as `"slapadd"`, answers to the text `given`.

    Raises:
        ConfigurationError: the tool refused; with its last line.
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
            f"The embedded directory cannot be made ready: {tool} says {last_line(done.stderr)!r}."
            f" {_what_to_do()}"
        )
    return done.stdout


def _what_to_do() -> str:
    if _APPARMOR_PROFILE.exists():
        return (
            f"AppArmor ({_APPARMOR_PROFILE}) may be keeping slapd out of this folder:"
            " copy slapd to another place and name the copy in embedded_directory.slapd."
        )
    return "It needs slapd 2.5 or newer, with its modules."


def spawn_slapd(
    slapd: Path, *, urls: Sequence[str], config_dir: Path, log_file: Path, lock: int
) -> subprocess.Popen[bytes]:
    """slapd in the foreground, in a session of its own, holding the file descriptor `lock`.

    It ends with the *thread* that calls this, however that ends (PR_SET_PDEATHSIG).
    """
    with log_file.open("wb") as log:
        return subprocess.Popen(
            # -d none: in the foreground, and say only what is critical.
            ["slapd", "-d", "none", "-h", " ".join(urls), "-F", config_dir],
            executable=slapd,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=_ENVIRONMENT,
            umask=_OWN_ONLY,
            pass_fds=(lock,),
            start_new_session=True,  # Ctrl-C in the terminal is for us; we end slapd last
            preexec_fn=_prepare_child(os.getpid()),  # noqa: PLW1509
        )


def _prepare_child(parent_pid: int) -> Callable[[], None]:
    """What slapd's process does before it becomes slapd."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_files = _OPEN_FILES if most == resource.RLIM_INFINITY else min(_OPEN_FILES, most)

    def prepare() -> None:
        die_with_parent(parent_pid, signal.SIGTERM)
        resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, open_files))

    return prepare


def wait_for(condition: Callable[[], bool], longest_s: float) -> bool:
    """Whether the condition came true within that time."""
    ends_at = time.monotonic() + longest_s
    while not condition():
        if time.monotonic() > ends_at:
            return False
        time.sleep(_POLL_S)
    return True


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
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
    """The last line that says something."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "nothing"
