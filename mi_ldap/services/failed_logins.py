"""Failed logins: counted by the throttle, and written to the audit log.

A failed login has one audit line. Logins that the throttle refuses have two lines for each name and
address in a window, however many there are: one for the first, and one with the count when the
window ends. A line names the user if it exists; otherwise it has a fingerprint of the typed name.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from mi_ldap.name_rules import without_primary
from mi_ldap.state.audit import AuditLog
from mi_ldap.state.fingerprints import Fingerprints
from mi_ldap.state.throttle import (
    WINDOW_S,
    Attempt,
    LoginAttempts,
    Throttle,
    Throttled,
    ThrottledLogins,
)

log = structlog.get_logger()

THROTTLED = "throttled"
LONGEST_PAUSE_S = 5.0
"""Longest pause between two checks for windows that have ended, in seconds."""


class FailedLogins:
    """Counts failed logins, and writes their audit lines."""

    def __init__(self, audit: AuditLog, throttle: Throttle, fingerprints: Fingerprints) -> None:
        self._audit = audit
        self._throttle = throttle
        self._fingerprints = fingerprints
        self._reporter: threading.Thread | None = None
        self._lock = threading.Lock()

    @contextmanager
    def attempt(self, name: str, client: str) -> Iterator[LoginAttempts]:
        """Count one attempt, as a failure if the block raises `LoginRefused`.

        The block sets `name` of the yielded object to the stored name, if the user exists.

        Args:
            name: as typed.
            client: the client's address.

        Raises:
            TooManyFailures: the throttle refused the attempt, and the block was not entered. The
                first refusal of a window has been written to the audit log.
        """
        # Names are stored as fingerprints only: people type passwords into the field for names.
        attempt = Attempt(self._fingerprint(name), client)
        try:
            with self._throttle.attempt(attempt) as attempts:
                yield attempts
        except Throttled as error:
            # Not a line for each: a client could fill the audit log.
            if error.is_first:
                self._start_reporter()
                self._write(error.name or _label(attempt.username_hash), THROTTLED)
            raise

    def audit_refused_login(self, typed_name: str, attempts: LoginAttempts, reason: str) -> None:
        """Write the audit line of one refused login, with the `reason` of the `LoginRefused`."""
        self._write(attempts.name or _label(self._fingerprint(typed_name)), reason)

    def close_windows(self, *, include_open: bool = False) -> float | None:
        """Write the audit line, with the count, of every window of refusals that has ended.

        Args:
            include_open: also of windows that have not ended, because the service stops.

        Returns:
            The seconds until the next window ends; None where there is none.

        Raises:
            StateUnavailable, AuditUnavailable: the next call writes the missing lines.
        """
        return self._throttle.close_windows(self._write_count, include_open=include_open)

    def _write(self, name: str, reason: str, **info: int) -> None:
        self._audit.write(name, "login", "session", info, outcome="refused", reason=reason)

    def _write_count(self, ended: ThrottledLogins) -> None:
        name = ended.name or _label(ended.username_hash)
        with structlog.contextvars.bound_contextvars(client=ended.client, requestId=""):
            self._write(name, THROTTLED, refusals=ended.count, seconds=int(WINDOW_S))

    def _fingerprint(self, name: str) -> str:
        return self._fingerprints.of(without_primary(name))

    def _start_reporter(self) -> None:
        """Start the thread that writes the lines of windows that end without a further request."""
        with self._lock:
            if self._reporter is None:
                # Started with the first window: most services never need this thread.
                self._reporter = threading.Thread(
                    target=self._report, name="throttled-logins", daemon=True
                )
                self._reporter.start()

    def _report(self) -> None:
        while (next_end_s := self._close_ended_windows()) is not None:
            time.sleep(min(next_end_s + 0.05, LONGEST_PAUSE_S))

    def _close_ended_windows(self) -> float | None:
        with self._lock:  # else a window that opens now could count on a thread that is ending
            try:
                next_end_s = self.close_windows()
            except Exception as error:  # noqa: BLE001 - the thread retries until all is written
                log.error("throttled_logins_not_audited", error=str(error))
                return LONGEST_PAUSE_S
            if next_end_s is None:
                self._reporter = None
            return next_end_s


def _label(fingerprint: str) -> str:
    return f"unknown:{fingerprint[:16]}"
