"""The choice between several database hosts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import structlog

from mi_ldap.deadline import remaining_s
from mi_ldap.sql.database_errors import DatabaseUnavailable

log = structlog.get_logger()

Host = tuple[str, int]

RETRY_AFTER_S: Final = 1.0
"""Seconds for which a host that failed is not tried; after that, one request at a time tries it."""

CHECK_S: Final = 1.0
"""Seconds for a suspected host to answer; with less time, a host that works may seem to fail."""


class Hosts:
    """The hosts in their order of preference; new connections go to the first that works.

    All connections of a process are to one host: on another node of a cluster a read just after a
    write is often stale. So the pool replaces connections whose host is not current any more.

    Args:
        hosts: names and ports.
        connect: opens a connection to a host, within the seconds in its second argument, or
            raises `DatabaseUnavailable`.
        timeout_s: the longest time to connect to a host.
    """

    def __init__(
        self, hosts: tuple[Host, ...], connect: Callable[[Host, float], Any], timeout_s: float
    ) -> None:
        self._hosts = hosts
        self._connect = connect
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._failed_at: dict[Host, float] = {}
        self._retried: set[Host] = set()
        self._suspected: set[Host] = set()
        self._timed_out_early: set[Host] = set()
        self._current: Host | None = None

    def connect(self) -> tuple[Any, Host]:
        """Connect to the first host that works.

        Raises:
            DatabaseUnavailable: none works; or all have failed, and it is not yet time to try one
                again, or another request tries it.
        """
        candidates = [host for host in self._hosts if not self._failed_recently(host)]
        for position, host in enumerate(candidates):
            share_s = remaining_s() / (len(candidates) - position)
            if share_s <= 0:
                break
            # Otherwise all requests would wait for a host that hangs, and use up the threads.
            with self._only_retry(host) as may_try:
                if may_try and (connection := self._try(host, share_s)) is not None:
                    return connection, host
        raise DatabaseUnavailable

    def is_current(self, host: Host) -> bool:
        """Whether connections to that host are to be used."""
        return host == self._current

    def have_failed(self) -> bool:
        """Whether each host has failed, and was not connected to since."""
        return all(host in self._failed_at for host in self._hosts)

    def suspect(self, host: Host) -> None:
        """Have the next request check whether the host answers: a statement did not end in time."""
        with self._lock:
            self._suspected.add(host)

    def is_suspected(self, host: Host) -> bool:
        """Whether the host is to be checked before a connection of it is used."""
        return host in self._suspected

    def trust(self, host: Host) -> None:
        """Use the host: it has answered."""
        with self._lock:
            self._suspected.discard(host)

    def mark_failed(self, host: Host, error: BaseException | str) -> None:
        """Do not use the host for a second."""
        first_line = str(error).partition("\n")[0][:300]
        log.warning("database_host_failed", host=host[0], port=host[1], error=first_line)
        with self._lock:
            self._failed_at[host] = time.monotonic()
            self._suspected.discard(host)
            if self._current == host:
                self._current = None

    def _try(self, host: Host, longest_s: float) -> Any:
        """Return a connection to the host, or None if it does not work."""
        if self.is_suspected(host):
            longest_s = min(longest_s, CHECK_S)
        timeout_s = min(longest_s, self._timeout_s)
        began_s = time.monotonic()
        try:
            connection = self._connect(host, timeout_s)
        except DatabaseUnavailable as error:
            is_timeout = time.monotonic() - began_s >= timeout_s
            if not (is_timeout and self._overlooks_timeout(host, timeout_s)):
                self.mark_failed(host, error)
            return None
        self._use(host)
        return connection

    def _overlooks_timeout(self, host: Host, timeout_s: float) -> bool:
        """Whether the timeout says little: the first in a row, of a request with little time."""
        with self._lock:
            is_first = host not in self._timed_out_early
            self._timed_out_early.add(host)
        return is_first and timeout_s < min(CHECK_S, self._timeout_s)

    @contextmanager
    def _only_retry(self, host: Host) -> Iterator[bool]:
        """Yield False if the host has failed, and another thread is trying it again."""
        with self._lock:
            has_failed = host in self._failed_at
            is_retried = host in self._retried
            if has_failed and not is_retried:
                self._retried.add(host)
        try:
            yield not (has_failed and is_retried)
        finally:
            if has_failed and not is_retried:
                with self._lock:
                    self._retried.discard(host)

    def _use(self, host: Host) -> None:
        with self._lock:
            self._failed_at.pop(host, None)
            self._suspected.discard(host)
            self._timed_out_early.discard(host)
            if self._current != host:
                log.info("database_host", host=host[0], port=host[1])
            self._current = host

    def _failed_recently(self, host: Host) -> bool:
        failed_at = self._failed_at.get(host)
        return failed_at is not None and time.monotonic() - failed_at < RETRY_AFTER_S
