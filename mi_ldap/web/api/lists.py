"""Responses with lists, and names in paths, of all resources."""

from __future__ import annotations

import gzip
import json
from typing import Final

from flask import Response, request

from mi_ldap import name_rules
from mi_ldap.services.queries import Selection
from mi_ldap.web.context import services

# Bytes of a body; a shorter one takes as many packets with gzip as without.
WORTH_COMPRESSING: Final = 4096


def list_response(selection: Selection, key: str, *, paged: bool) -> Response:
    """Return `{"count": N, "list": [{key: name}, …]}`, with `total` for a page."""
    names, total = selection.names, f',"total":{selection.total}' if paged else ""
    # Encoding 100,000 objects takes ten times as long as encoding their names, so the names are
    # encoded as one list whose separator closes an object and opens the next.
    between = f'}},{{"{key}":'
    listed = f"[{between[2:]}{json.dumps(names, separators=(between, ':'))[1:-1]}}}]"
    # With the line end that `jsonify` adds, too.
    answer = f'{{"count":{len(names)},"list":{listed if names else "[]"}{total}}}\n'
    response = Response(answer, mimetype="application/json")
    return mark_truncated(compress(response), complete=selection.complete)


def compress(response: Response) -> Response:
    """Return a long response compressed with gzip if the client accepts that."""
    # Never for a response with a secret, such as a token: its length would reveal it (BREACH).
    body = response.get_data()
    if len(body) < WORTH_COMPRESSING:
        return response
    response.vary.add("Accept-Encoding")
    if request.accept_encodings["gzip"] > 0:
        response.set_data(gzip.compress(body, compresslevel=1, mtime=0))
        response.content_encoding = "gzip"
    return response


def mark_truncated(response: Response, *, complete: bool) -> Response:
    """Return the response, with a header if the directory refused to return everything."""
    if not complete:
        response.headers["X-Result-Truncated"] = "true"
    return response


def user_of_domain(name: str, domain: str | None) -> str:
    """Return a user's name with its domain; raise `DomainNotFound` if there is none such."""
    return name_rules.user_of_domain(name, domain, services().rules.domains)


def role_of_domain(name: str, domain: str | None) -> str:
    """Return a role's name with its domain; raise `DomainNotFound` if there is none such."""
    return name_rules.role_of_domain(name, domain, services().rules.domains)


def without_slash(name: str) -> str:
    """Return a path's name without the one slash that may end it."""
    # `strict_slashes` does not help here: the converter takes slashes as part of the name.
    return name.removesuffix("/")
