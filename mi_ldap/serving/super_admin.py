"""Stores the super admin's id when the service starts, or as soon as the directory is readable."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from mi_ldap.deadline import deadline
from mi_ldap.errors import MiLdapError
from mi_ldap.services.container import Services

log = structlog.get_logger(__name__)

PAUSE_S = 10.0
"""Pause between two attempts, in seconds."""
# Longest wait for the directory, in seconds: meanwhile the supervisor handles no signals.
READ_TIMEOUT_S = 1.0


def pin_super_admin(make_services: Callable[[], Services]) -> bool:
    """Store the id; return whether the directory could be read.

    Args:
        make_services: creates services for one attempt.
    """
    services = make_services()
    try:
        with deadline(READ_TIMEOUT_S):
            services.admins.pin_super_admin()
    except MiLdapError as error:
        log.warning("super_admin_not_pinned", error=str(error), next_try_in_s=PAUSE_S)
        return False
    finally:
        services.close()  # no connection may be open when the supervisor forks a process
    return True
