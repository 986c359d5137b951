"""Failed logins: counted, and told in the audit log in lines whose number a stranger can't choose.

A failed login has a line. What the throttle refuses has one line for the first refusal of a name
and address in their window, and one with the count when the window ends.

A typed name stands in a line where a user of that name exists; else its fingerprint does.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from mi_ldap.audit import AuditLog
from mi_ldap.model import without_primary
from mi_ldap.throttle import (
    WINDOW_S,
    Attempt,
    Fingerprints,
    Throttle,
    Throttled,
    ThrottledLogins,
    Tried,
)

log = structlog.get_logger()

THROTTLED = "throttled"
LONGEST_PAUSE_S = 5.0
"""Between two looks at the windows that have ended, in seconds."""


class FailedLogins:
    """Counts what fails, and writes it down."""

    def __init__(self, audit: AuditLog, throttle: Throttle, fingerprints: Fingerprints) -> None:
        self._audit = audit
        self._throttle = throttle
        self._fingerprints = fingerprints
        self._reporter: threading.Thread | None = None
        self._lock = threading.Lock()

    @contextmanager
    def attempt(self, name: str, client: str) -> Iterator[Tried]:
        """Count a failure of what is tried inside, if it raises `LoginRefused`.

        What is yielded is to be told the stored name, where there is such a user.

        Args:
            name: as typed.
            client: the address that it comes from.

        Raises:
            TooManyFailures: nothing was tried; told where it is the first one.
        """
        attempt = Attempt(self._fingerprint(name), client)
        try:
            with self._throttle.attempt(attempt) as tried:
                yield tried
        except Throttled as error:
            if error.is_first:
                self._start_reporter()
                self._tell(error.name or _label(attempt.who), THROTTLED)
            raise

    def tell_refused(self, typed_name: str, tried: Tried, reason: str) -> None:
        """Write the line of one refused login; `reason` as of `LoginRefused`."""
        self._tell(tried.name or _label(self._fingerprint(typed_name)), reason)

    def close_windows(self, *, all_of_them: bool = False) -> float | None:
        """Write the line of every window of refusals that has ended.

        Args:
            all_of_them: also of those that have not; before the service stops.

        Returns:
            The seconds until the next one ends; None where there is none.

        Raises:
            StateUnavailable, AuditUnavailable: they will be written the next time.
        """
        return self._throttle.close_windows(self._tell_count, all_of_them=all_of_them)

    def _tell(self, name: str, reason: str, **info: int) -> None:
        self._audit.write(name, "login", "session", info, outcome="refused", reason=reason)

    def _tell_count(self, ended: ThrottledLogins) -> None:
        name = ended.name or _label(ended.who)
        with structlog.contextvars.bound_contextvars(client=ended.client, requestId=""):
            self._tell(name, THROTTLED, refusals=ended.count, seconds=int(WINDOW_S))

    def _fingerprint(self, name: str) -> str:
        return self._fingerprints.of(without_primary(name))

    def _start_reporter(self) -> None:
        """Have a thread of this process write the lines of windows that end without a request."""
        with self._lock:
            if self._reporter is None:
                self._reporter = threading.Thread(
                    target=self._report, name="throttled-logins", daemon=True
                )
                self._reporter.start()

    def _report(self) -> None:
        while (next_end_s := self._close_some_windows()) is not None:
            time.sleep(min(next_end_s + 0.05, LONGEST_PAUSE_S))

    def _close_some_windows(self) -> float | None:
        with self._lock:  # a window that opens now must not find a thread that is just ending
            try:
                next_end_s = self.close_windows()
            except Exception as error:  # noqa: BLE001 - the thread stays until its work is done
                log.error("throttled_logins_not_told", error=str(error))
                return LONGEST_PAUSE_S
            if next_end_s is None:
                self._reporter = None
            return next_end_s


def _label(fingerprint: str) -> str:
    return f"unknown:{fingerprint[:16]}"
