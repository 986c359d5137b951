"""What the lists and the names in paths of all resources have in common."""

from __future__ import annotations

from flask import Response, jsonify

from mi_ldap import model
from mi_ldap.errors import DomainNotFound
from mi_ldap.queries import Selection


def listing(selection: Selection, key: str, *, paged: bool) -> Response:
    """`{"count": N, "list": [{key: name}, …]}`, with `total` where a page was asked for."""
    answer = {"count": len(selection.names), "list": [{key: name} for name in selection.names]}
    if paged:
        answer["total"] = selection.total
    return completeness(jsonify(answer), complete=selection.complete)


def completeness(response: Response, *, complete: bool) -> Response:
    """Say in a header when the directory would not give everything."""
    if not complete:
        response.headers["X-Result-Truncated"] = "true"
    return response


def must_be_primary(domain: str | None) -> None:
    """Raises `DomainNotFound`: there are no secondary stores."""
    if not model.is_primary(domain):
        raise DomainNotFound((domain or "").strip())


def without_slash(name: str) -> str:
    """A path's name without the one slash that may end it."""
    return name.removesuffix("/")
