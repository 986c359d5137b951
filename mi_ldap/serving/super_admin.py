"""Pins the super admin at the start of the service, or as soon as the directory can be read."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from mi_ldap.deadline import deadline
from mi_ldap.errors import MiLdapError
from mi_ldap.wiring import Services

log = structlog.get_logger(__name__)

PAUSE_S = 10.0
PATIENCE_S = 1.0
"""How long the supervisor waits for the directory; it has the signals to look after, too."""


class SuperAdminPin:
    """A companion of the service that has done its work once the directory was read.

    Args:
        make_services: makes services of its own: nothing may be open when a process is forked.
    """

    def __init__(self, make_services: Callable[[], Services]) -> None:
        self._make_services = make_services
        self._next_try: float | None = 0.0

    def look_after(self) -> None:
        """Called every now and then, once the service has answered."""
        if self._next_try is None or time.monotonic() < self._next_try:
            return
        found = self._make_services()
        try:
            with deadline(PATIENCE_S):
                found.admins.pin_super_admin()
            self._next_try = None
        except MiLdapError as error:
            log.warning("super_admin_not_pinned", error=str(error), next_try_in_s=PAUSE_S)
            self._next_try = time.monotonic() + PAUSE_S
        finally:
            found.close()

    def stop(self) -> None:
        """Nothing runs between two calls."""
