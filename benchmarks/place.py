"""The state folder that is measured: made by the service itself, then filled behind its back."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.callers import BenchmarkError, login
from benchmarks.population import SUFFIX, Population
from benchmarks.running import SERVICE, running
from mi_ldap.embedded import EmbeddedDirectory
from mi_ldap.embedded.configuration import find_installation

ADMIN = ("admin", "admin")


def start(state: Path) -> tuple[float, float]:
    """Start the service and end it: seconds to `GET /health`, and to the answer to a login.

    In a new folder this makes the directory, and the first admin.
    """
    with running(SERVICE, state, {}) as server:
        healthy_s = server.wait_for("/health")
        login(server.port, *ADMIN)
        return healthy_s, server.elapsed_s()


def directory_in(state: Path) -> EmbeddedDirectory:
    """The directory of a state folder; it is the service that starts it."""
    return EmbeddedDirectory(state / "directory", SUFFIX)


def fill(state: Path, population: Population) -> None:
    """Put everybody into the directory, which must not run."""
    folder = directory_in(state).folder
    with subprocess.Popen(
        ["slapadd", "-q", "-w", "-n1", "-F", folder / "slapd.d"],
        executable=find_installation().slapd,
        stdin=subprocess.PIPE,
        env={"LDAPNOINIT": "1"},
        umask=0o077,
        start_new_session=True,
        text=True,
    ) as slapadd:
        try:
            _feed(slapadd, population.ldif())
        finally:
            if slapadd.stdin:
                slapadd.stdin.close()
    if slapadd.returncode != 0:
        raise BenchmarkError(f"slapadd has ended with {slapadd.returncode}.")


def _feed(slapadd: subprocess.Popen[str], entries: Iterator[str]) -> None:
    """Entry by entry; slapadd itself says why it takes no more."""
    if slapadd.stdin is None:
        return
    try:
        slapadd.stdin.writelines(entries)
    except BrokenPipeError:
        return
