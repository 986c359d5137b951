"""Who may call a view: declared beside its route, enforced by the guards before any view runs."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])

_ATTRIBUTE = "mi_ldap_access"


class Access(IntEnum):
    """Who may call a view; a higher value admits fewer people."""

    ANYBODY = 0
    """No login is needed."""
    SELF = 1
    """A logged-in user, also one who must change the password first."""
    LOGGED_IN = 2
    """A logged-in user who need not change the password first."""
    ADMIN_BY_DEFAULT = 3
    """Admins. `management_api.authorization_handler` may open reading to all logged-in users."""
    ADMIN = 4
    """Admins, whatever the settings say; the access of a view that declares none."""


def allow(access: Access) -> Callable[[View], View]:
    """Return a decorator that declares who may call a view."""

    def declare(view: View) -> View:
        setattr(view, _ATTRIBUTE, access)
        return view

    return declare


def declared_access(view: Callable[..., Any]) -> Access:
    """Return the access that a view declares; `Access.ADMIN` if it declares none."""
    # Fail closed: a route whose author forgot the declaration is not public.
    access: Access = getattr(view, _ATTRIBUTE, Access.ADMIN)
    return access
