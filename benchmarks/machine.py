"""What the figures were measured on, and of which code."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.running import ROOT
from benchmarks.target import DS389, MARIADB, POSTGRESQL, SAMBA
from mi_ldap.embedded.configuration import find_installation


def described(directory: str) -> dict[str, str]:
    """The machine and the versions of what runs on it, by the words of the page.

    Args:
        directory: the one that is measured, of `DIRECTORIES`.
    """
    return {
        "CPU": _field("/proc/cpuinfo", "model name", ":"),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{int(_field('/proc/meminfo', 'MemTotal', ':').split()[0]) / 2**20:.0f} GiB",
        "system": _field("/etc/os-release", "PRETTY_NAME", "=").strip('"'),
        "Linux": platform.release(),
        **_server(directory),
        "Python": platform.python_version(),
        "gunicorn": version("gunicorn"),
        "ldap3": version("ldap3"),
        "load at the start": f"{os.getloadavg()[0]:.1f}",
    }


def commit() -> str:
    """What is checked out, as git describes it; `-dirty` where it was changed."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=ROOT,
        env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() or "unknown"


def today() -> str:
    """The date in UTC."""
    return datetime.now(UTC).date().isoformat()


def _field(file: str, name: str, separator: str) -> str:
    for line in Path(file).read_text(encoding="utf-8").splitlines():
        key, _, value = line.partition(separator)
        if key.strip() == name:
            return value.strip()
    return "0 unknown"


def _server(directory: str) -> dict[str, str]:
    """The name of the directory's server, and its version."""
    if directory == DS389:
        return {"389 Directory Server": _said("ns-slapd", "-v").partition("/")[2].split()[0]}
    if directory == SAMBA:
        return {"Samba": _said("samba", "--version").split()[-1]}
    if directory == POSTGRESQL:
        return {"PostgreSQL": _said("psql", "--version").split()[2]}
    if directory == MARIADB:
        return {"MariaDB": _said("mariadb", "--version").split()[4].rstrip(",")}
    return {"slapd": _slapd_version()}


def _said(*words: str) -> str:
    # ns-slapd ends with 1 after it has said its version.
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout


def _slapd_version() -> str:
    """Of `@(#) $OpenLDAP: slapd 2.5.13+dfsg-5 (…`."""
    done = subprocess.run(
        [find_installation().slapd, "-VV"], capture_output=True, text=True, check=False
    )
    words = (done.stderr + done.stdout).split()
    return words[words.index("slapd") + 1] if "slapd" in words else "unknown"
