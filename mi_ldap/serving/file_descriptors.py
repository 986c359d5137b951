"""The limit of open file descriptors, and the number of connections that it allows."""

from __future__ import annotations

import resource
from typing import Final

import structlog

log = structlog.get_logger(__name__)

RESERVED: Final = 128
"""Descriptors for connections to the directory, the state database, logs, and libraries."""


def reserve_descriptors(connections: int, forwards: int = 0) -> int:
    """Raise the soft limit for that many connections; return the number that is possible.

    Args:
        connections: of clients.
        forwards: the most connections to Micro Integrators.
    """
    reserved = RESERVED + forwards
    wanted = connections + reserved
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections
    # The soft limit, 1024 on most systems, can be raised up to the hard limit only.
    reachable = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if reachable > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (reachable, hard))
    if reachable >= wanted:
        return connections
    # Where the limit is very low, the reserve must not take all of it.
    possible = max(reachable - reserved, reachable // 2)
    log.warning(
        "file_descriptors_limited",
        file_descriptors=reachable,
        wanted=wanted,
        connections=possible,
        hint="raise the limit (ulimit -n, LimitNOFILE=), or lower server.max_connections",
    )
    return possible
