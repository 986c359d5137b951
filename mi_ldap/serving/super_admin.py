"""Stores the super admin's id when the service starts, or as soon as the directory is readable."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from mi_ldap.deadline import deadline
from mi_ldap.errors import MiLdapError
from mi_ldap.services.container import Services

log = structlog.get_logger(__name__)

PAUSE_S = 10.0
READ_TIMEOUT_S = 1.0
"""Longest wait for the directory, in seconds: meanwhile the supervisor handles no signals."""


class SuperAdminPin:
    """Tries every `PAUSE_S` seconds, until the directory was read once; called by the supervisor.

    Args:
        make_services: creates services for one try. They are closed afterwards, because no
            connection may be open when the supervisor forks a process.
    """

    def __init__(self, make_services: Callable[[], Services]) -> None:
        self._make_services = make_services
        self._next_try: float | None = 0.0

    def tick(self) -> None:
        """Read the directory, if that is due; called in a loop once the service has answered."""
        if self._next_try is None or time.monotonic() < self._next_try:
            return
        found = self._make_services()
        try:
            with deadline(READ_TIMEOUT_S):
                found.admins.pin_super_admin()
            self._next_try = None
        except MiLdapError as error:
            log.warning("super_admin_not_pinned", error=str(error), next_try_in_s=PAUSE_S)
            self._next_try = time.monotonic() + PAUSE_S
        finally:
            found.close()

    def stop(self) -> None:
        """Do nothing: no process or thread is running."""
