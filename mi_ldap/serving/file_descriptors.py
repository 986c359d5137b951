"""How many file descriptors the process may have open, and how many connections that leaves."""

from __future__ import annotations

import resource
from typing import Final

import structlog

log = structlog.get_logger(__name__)

RESERVED: Final = 128
"""For the directory's connections, the state database, logs, and what libraries open."""


def reserve_descriptors(connections: int) -> int:
    """Have descriptors for so many connections; how many of them there really may be.

    The soft limit, 1024 on most systems, is raised as far as the hard one allows.
    """
    wanted = connections + RESERVED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    reachable = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if reachable > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (reachable, hard))
    if reachable >= wanted:
        return connections
    possible = max(reachable - RESERVED, reachable // 2)
    log.warning(
        "file_descriptors_limited",
        file_descriptors=reachable,
        wanted=wanted,
        connections=possible,
        hint="raise the limit (ulimit -n, LimitNOFILE=), or lower server.max_connections",
    )
    return possible
