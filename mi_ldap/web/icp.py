"""Authentication of requests of the Integration Control Plane 2 (ICP).

ICP calls the API without a login. It signs tokens with a key that it shares with this service. The
tokens do not name a person. A token with the configured key id is verified by this module, and
never by `mi_ldap.web.tokens`.
"""

from __future__ import annotations

from collections.abc import Sequence

import structlog
from flask import g

from mi_ldap.errors import AmbiguousName, Forbidden
from mi_ldap.icp_tokens import TokenRefused, kid_of, verify
from mi_ldap.model import Performer, User
from mi_ldap.services.accounts import find_user, reads_of_user
from mi_ldap.settings.icp import IcpSettings
from mi_ldap.store import Read, ReadAdminRole, UserReads
from mi_ldap.web.context import services

log = structlog.get_logger()

NOT_OPEN = (
    "The Integration Control Plane can only list, show, create and delete users, and read what "
    "every user may read. Use the console of this service."
)
READ_ONLY = (
    "The Integration Control Plane may only read: this service has no account for it "
    "(icp_config.account)."
)
NO_ACCOUNT = (
    "The account of the Integration Control Plane (icp_config.account) does not exist in this "
    "service, or is disabled."
)


def is_addressed(token: str) -> bool:
    """Whether the token names exactly the key id of ICP; its signature is not checked."""
    icp = _settings()
    return icp.enabled and kid_of(token) == icp.key_id


def ensure_allowed(token: str, *, is_open: bool, changes: bool) -> None:
    """Check a token that names the key id of ICP, and whether ICP may make the request.

    Args:
        token: a token for which `is_addressed` is true.
        is_open: whether the route is open to ICP.
        changes: whether the request may change anything.

    Raises:
        NotAuthenticated: the token is not valid.
        Forbidden: the route is closed, or the request would change something without an account.
    """
    icp = _settings()
    try:
        verify(token, icp)
    except TokenRefused as error:
        log.warning("icp_token_refused", kid=icp.key_id, reason=error.reason)
        raise
    # Added to the audit lines and log lines of this request.
    structlog.contextvars.bind_contextvars(via="icp", kid=icp.key_id)
    if not is_open:
        raise Forbidden(NOT_OPEN)
    if changes and icp.account is None:
        raise Forbidden(READ_ONLY)


def reads_of_account(*, for_admins: bool, further: Sequence[Read]) -> list[Read]:
    """Return the reads that `performer` needs; none without an account.

    Args:
        for_admins: whether the request needs the admin role or an operator role.
        further: further reads that are sent together with these.
    """
    name = _settings().account
    if name is None:
        return []
    return [*reads_of_user(name), *((ReadAdminRole(), *further) if for_admins else ())]


def performer(reads: UserReads) -> Performer | None:
    """Return the configured account, as the user store has it now; None if none is configured.

    Args:
        reads: the store's answers to `reads_of_account`.

    Raises:
        Forbidden: the account does not exist, is disabled, or its name is ambiguous.
    """
    icp = _settings()
    if icp.account is None:
        return None
    user: User | None = None
    try:
        user = find_user(reads, icp.account)
    except AmbiguousName:
        log.error("icp_account_ambiguous", account=icp.account)
    if user is None or not user.enabled:
        raise Forbidden(NO_ACCOUNT)
    return Performer(user, client=g.client, may_create_admins=icp.allow_admins)


def _settings() -> IcpSettings:
    return services().settings.icp_config
