"""Errors that many endpoints have in common, as examples with their real sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from mi_ldap.errors import (
    AdminRoleUnclear,
    AdminsOnly,
    AmbiguousName,
    AuditUnavailable,
    BadRequest,
    Conflict,
    DirectoryUnavailable,
    DomainNotFound,
    MiLdapError,
    NotAuthenticated,
    OperatorsOnly,
    PasswordChangeFirst,
    ReadOnlyStore,
    RoleNotFound,
    StateUnavailable,
    TokenExpired,
    UserNotFound,
)
from mi_ldap.web.access import Access
from mi_ldap.web.api.operation import Operation
from mi_ldap.web.api.schemas import needed_keys
from mi_ldap.web.errors import missing_keys, sentence_of, status_of
from mi_ldap.web.openapi.forwarded import errors_of_request

Errors = Mapping[int, tuple[MiLdapError | str, ...]]
"""Errors, or their sentences, by status."""

EVERYWHERE: Errors = {
    400: (
        BadRequest("The address is not UTF-8."),
        "The request is not valid HTTP/1.1.",
    ),
    408: ("The head of the request did not arrive in time.",),
    413: ("The request is larger than 1 MB.", "The body of the request is larger than 1 MB."),
    414: ("The request line is longer than 8190 bytes.",),
    431: (
        "The head of the request is too large: at most 16 kB in all, 100 fields, and 8190 bytes "
        "a field.",
    ),
    501: ("The only supported transfer coding is chunked.",),
    503: ("The service is too busy. Try again later.",),
}
"""What any request may be answered with, mostly by the HTTP server, before it is routed."""

_TOKEN = (
    NotAuthenticated("Log in first: the request carries no token."),
    NotAuthenticated("The token is not valid. Log in again."),
    TokenExpired(),
    NotAuthenticated("The token was logged out. Log in again."),
    NotAuthenticated("The token is no longer valid. Log in again."),
    NotAuthenticated("The token's key is not known. Log in again."),
    PasswordChangeFirst(),
    DirectoryUnavailable(),
    StateUnavailable(),
)
_ADMIN = (AdminsOnly(), AdminRoleUnclear())
_BODY = (BadRequest("The payload must be a JSON object."),)
_QUERY = (
    BadRequest("'regex' is not a valid RE2 expression."),
    BadRequest("'regex' is longer than 500."),
    BadRequest("'limit' must be greater than or equal to 1."),
)
_WRITE = (ReadOnlyStore(), Conflict(), AuditUnavailable())
_OF_PATH: Mapping[str, tuple[MiLdapError, MiLdapError]] = {
    "{id}": (AmbiguousName("user", "bob"), UserNotFound("bob")),
    "{role}": (AmbiguousName("role", "developers"), RoleNotFound("developers")),
}
"""The errors of a name in the path, by the path's parameter."""


def errors_of(method: str, path: str, access: Access, operation: Operation) -> Errors:
    """Return the errors of an endpoint: those of its kind, and those that its view declares."""
    return merge(by_status(_errors_of(method, path, access, operation)))


def merge(*several: Errors) -> Errors:
    """Return all errors, sorted by status, each once."""
    found: dict[int, dict[str, MiLdapError | str]] = {}
    for errors in several:
        for status, each in errors.items():
            found.setdefault(status, {}).update({sentence_of(error): error for error in each})
    return {status: tuple(found[status].values()) for status in sorted(found)}


def by_status(errors: Iterable[MiLdapError]) -> Errors:
    """Return errors by the status of their responses."""
    found: dict[int, list[MiLdapError]] = {}
    for error in errors:
        found.setdefault(status_of(error), []).append(error)
    return {status: tuple(each) for status, each in found.items()}


def _errors_of(
    method: str, path: str, access: Access, operation: Operation
) -> Iterator[MiLdapError]:
    of_path = next((errors for name, errors in _OF_PATH.items() if name in path), ())
    if access is not Access.ANYBODY:
        yield from _TOKEN
    if access >= Access.READER:
        yield from _ADMIN
    if access is Access.OPERATOR:
        yield OperatorsOnly()
    if operation.forwarded:
        yield from errors_of_request(method, operation.forwarded.body, operation.forwarded.query)
    if operation.query:
        yield from _QUERY
    if operation.body:
        yield from _BODY
        yield missing_keys(*needed_keys(operation.body).values())
    yield from of_path
    yield from operation.errors
    if operation.has_domain or (operation.body and "domain" in operation.body.fields):
        yield DomainNotFound("FACTORY")
    if method != "get" and not operation.forwarded:
        yield from _WRITE
