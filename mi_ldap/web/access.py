"""Who may call a view: declared beside its route, enforced by the guards before any view runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Any, TypeVar

from mi_ldap.store import Read

View = TypeVar("View", bound=Callable[..., Any])
ReadsOf = Callable[..., Sequence[Read]]
"""Returns reads for the arguments that a view gets from its path."""

_ATTRIBUTE = "mi_ldap_access"
_READS = "mi_ldap_reads"
_ICP = "mi_ldap_icp"


class Access(IntEnum):
    """Who may call a view; a higher value admits fewer people."""

    ANYBODY = 0
    """No login is needed."""
    SELF = 1
    """A logged-in user, also one who must change the password first."""
    LOGGED_IN = 2
    """A logged-in user who need not change the password first."""
    READER = 3
    """A logged-in user, unless `management_api.authorization_handler` reserves the path for admins.
    """
    OPERATOR = 4
    """Admins and holders of an operator role; admins alone if the path is reserved for them."""
    ADMIN_BY_DEFAULT = 5
    """Admins. `management_api.authorization_handler` may open reading to all logged-in users."""
    ADMIN = 6
    """Admins, whatever the settings say; the access of a view that declares none."""


def _no_reads(**_: str) -> Sequence[Read]:
    return ()


def allow(
    access: Access, reads_of: ReadsOf = _no_reads, *, icp: bool = False
) -> Callable[[View], View]:
    """Return a decorator that declares who may call a view.

    Args:
        access: who may call it.
        reads_of: what the view of an admin reads first. It is read together with the performer and
            the admin role, which saves a round trip; `tokens.authority` has the answers. They are
            not used before the access is checked.
        icp: whether the Integration Control Plane may call it, too.
    """

    def declare(view: View) -> View:
        setattr(view, _ATTRIBUTE, access)
        setattr(view, _READS, reads_of)
        setattr(view, _ICP, icp)
        return view

    return declare


def declared_access(view: Callable[..., Any]) -> Access:
    """Return the access that a view declares; `Access.ADMIN` if it declares none."""
    # Fail closed: a route whose author forgot the declaration is not public.
    access: Access = getattr(view, _ATTRIBUTE, Access.ADMIN)
    return access


def declared_reads(view: Callable[..., Any]) -> ReadsOf:
    """Return what a view declares as `reads_of`."""
    reads_of: ReadsOf = getattr(view, _READS, _no_reads)
    return reads_of


def is_declared_for_icp(view: Callable[..., Any]) -> bool:
    """Whether a view declares `icp=True`."""
    return bool(getattr(view, _ICP, False))
