"""What may go wrong, with the sentences that are really sent."""

from __future__ import annotations

from mi_ldap.errors import (
    AdminRoleUnclear,
    AdminsOnly,
    AmbiguousName,
    AuditUnavailable,
    Conflict,
    CustodyRefused,
    DirectoryUnavailable,
    DomainNotFound,
    LoginRefused,
    PasswordChangeFirst,
    ReadOnlyStore,
    StateUnavailable,
    TooManyFailures,
)
from mi_ldap.services.admins import NO_CREATOR
from mi_ldap.web.api.operation import Problems

_WRONG = "Error processing the request. "

EVERYWHERE: Problems = {
    400: (f"{_WRONG}The address is not UTF-8.", "The request is not valid HTTP/1.1."),
    408: ("The head of the request did not arrive in time.",),
    413: ("The request is larger than 1 MB.", "The body of the request is larger than 1 MB."),
    414: ("The request line is longer than 8190 bytes.",),
    431: (
        "The head of the request is too large: at most 16 kB in all, 100 fields, and 8190 bytes "
        "a field.",
    ),
    501: ("Of the transfer codings only chunked is understood.",),
    503: ("The service is too busy. Try again later.",),
}
"""What is answered wherever a request goes, mostly before anybody has looked at it."""

UNREADABLE: Problems = {503: (DirectoryUnavailable(), StateUnavailable())}

NO_TOKEN: Problems = {
    401: (
        "Log in first: the request carries no token.",
        "The token is not valid. Log in again.",
        "The token has expired. Log in again.",
        "The token was logged out. Log in again.",
        "The token is no longer good. Log in again.",
        "The token's key is not known. Log in again.",
    ),
    403: (PasswordChangeFirst(),),
    **UNREADABLE,
}

LOGIN: Problems = {
    401: (
        LoginRefused(),
        "Log in with a user name and a password (Basic authentication).",
        "The account is disabled. Ask an administrator.",
    ),
    429: (TooManyFailures(42),),
    503: (*UNREADABLE[503], AuditUnavailable()),
}

ADMINS_ONLY: Problems = {403: (AdminsOnly(),), 503: (AdminRoleUnclear(),)}

NO_DOMAIN: Problems = {404: (DomainNotFound("FACTORY"),)}

WRITING: Problems = {
    403: (ReadOnlyStore(),),
    409: (Conflict(),),
    503: (AuditUnavailable(),),
}

BODY: Problems = {400: (f"{_WRONG}The payload must be a JSON object.",)}

QUERY: Problems = {
    400: (
        f"{_WRONG}'regex' is not a valid RE2 expression.",
        f"{_WRONG}'regex' is longer than 500.",
        f"{_WRONG}'limit' must be greater than or equal to 1.",
    )
}


def by_custody(to_do: str) -> tuple[CustodyRefused, ...]:
    """What an admin of somebody else's, and one of nobody's, is protected by."""
    return tuple(CustodyRefused("alice", to_do, hint) for hint in ("That is bob.", NO_CREATOR))


TWO_USERS: Problems = {400: (AmbiguousName("user", "bob"),)}
TWO_ROLES: Problems = {400: (AmbiguousName("role", "developers"),)}
